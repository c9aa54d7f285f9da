"""Tickets: links that log somebody in once, where no API server can vouch for a token, as in the lab.

Promises that a ticket serves once and nobody else's guess fits. Without tickets in the options, the default, the
entrance does not exist.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

from controller.ports import Person


@dataclass(slots=True)
class Tickets:
    """Those that were given out and not used."""

    _open: dict[str, Person] = field(default_factory=dict)

    def issue(self, person: Person) -> str:
        """A ticket for this person."""
        ticket = secrets.token_urlsafe(24)
        self._open[ticket] = person
        return ticket

    def redeem(self, shown: str) -> Person | None:
        """Whose ticket it is, once."""
        found = next((one for one in self._open if hmac.compare_digest(one.encode(), shown.encode())), None)
        return self._open.pop(found) if found is not None else None
