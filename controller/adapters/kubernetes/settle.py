"""What an answer to a locked write means: one of the five values of `ApplyResult`, or that it must be read again.

Pure. A failed `test` and an impossible value both come as 422; only the second names causes. So a bare 422 is
`Unsettled`, and the object itself tells which it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from controller.adapters.kubernetes.answers import Answer, untouched
from remediations.cluster import Applied, ApplyResult, Conflict, Gone, Refused, Unknown


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Turned away without writing, for a reason that only the object can tell."""

    message: str


Settled: TypeAlias = ApplyResult | Unsettled


def settled(answer: Answer) -> Settled:
    """Read one answer of the API server."""
    if answer.ok:
        return (
            Applied(str(answer.body["metadata"]["resourceVersion"])) if "metadata" in answer.body else _unread(answer)
        )
    if untouched(answer):
        return Unknown(f"The API server was busy: {answer.message}", retry_after=answer.retry_after or 1.0)
    if answer.status < 400 or answer.status >= 500:
        return _unread(answer)
    if answer.status == 409:
        return Conflict(answer.message, owners(answer))
    if answer.status == 410 or answer.names_object:
        return Gone(answer.message)
    if answer.status == 404:
        return Refused("KindUnknown", answer.message)
    if answer.status == 422 and not (answer.details.get("causes") or answer.details.get("kind")):
        return Unsettled(answer.message)
    return Refused(answer.reason, answer.message)


_OWNER = re.compile(r'conflict with "([^"]+)"')


def owners(answer: Answer) -> tuple[str, ...]:
    """The field managers that an unforced apply conflicts with; none when the conflict is about the lock."""
    causes = answer.details.get("causes") or ()
    told = [str(cause.get("message", "")) for cause in causes if cause.get("reason") == "FieldManagerConflict"]
    return tuple(dict.fromkeys(found.group(1) for text in told if (found := _OWNER.search(text)) is not None))


def moved(
    found: Mapping[str, Any] | None, uid: str, resource_version: str, answered: Conflict | Refused
) -> Conflict | Gone | Refused:
    """What an apply was turned away for: a lock that failed is told in the words of other troubles."""
    told = reread(found, uid, resource_version, answered.message)
    return answered if isinstance(told, Refused) else told


def reread(found: Mapping[str, Any] | None, uid: str, resource_version: str, message: str) -> Conflict | Gone | Refused:
    """What a bare 422 was, by the object as it is now (None: not there)."""
    if found is None:
        return Gone("It is no longer there")
    metadata = found["metadata"]
    if metadata["uid"] != uid:
        return Gone(f"Another object has its name: uid {metadata['uid']}, not {uid}")
    if metadata["resourceVersion"] != resource_version:
        return Conflict(f"Written in between: {resource_version} is now {metadata['resourceVersion']}")
    return Refused("Invalid", message)


def _unread(answer: Answer) -> Unknown:
    return Unknown(f"The answer says nothing sure: {answer.status} {answer.message}")
