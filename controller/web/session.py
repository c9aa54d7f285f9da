"""Who is logged in, and which form was ours: two signed values, no state on the server but the logged-out.

A session is a cookie with name, groups, end and a nonce, signed with HMAC-SHA256; it cannot be changed, only copied
by whoever holds the browser, hence HttpOnly, SameSite=Strict and an end. A form carries a token that is the HMAC of a
random cookie and the person's name (the signed double-submit pattern of OWASP's CSRF cheat sheet).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from controller.ports import Person

COOKIE = "trimtab-session"
FORM_COOKIE = "trimtab-form"
LARGEST = 3_800
"""Browsers keep 4,096 bytes of a cookie, name and attributes included."""

MOST_UNPACKED = 65_536


class TooManyGroups(ValueError):
    """The person's groups do not fit into a cookie."""


@dataclass(frozen=True, slots=True)
class Session:
    """A login, until it ends."""

    person: Person
    until: datetime
    nonce: str


@dataclass(slots=True)
class Sessions:
    """Signs and reads sessions and form tokens with one key."""

    key: bytes
    lasts: timedelta
    _ended: dict[str, datetime] = field(default_factory=dict)

    def begin(self, person: Person, token: str, now: datetime) -> Session:
        """A session for this person, not longer than the token they came with."""
        until = now + self.lasts
        expires = expiry_of(token)
        return Session(person, min(until, expires) if expires is not None else until, secrets.token_urlsafe(16))

    def cookie(self, session: Session) -> str:
        """The session as a cookie value; raises TooManyGroups."""
        content = {
            "name": session.person.name,
            "groups": list(session.person.groups),
            "until": session.until.timestamp(),
            "nonce": session.nonce,
        }
        packed = _text(zlib.compress(json.dumps(content, separators=(",", ":")).encode()))
        value = f"{packed}.{self._sign('session', packed)}"
        if len(value) > LARGEST:
            raise TooManyGroups(f"{len(session.person.groups)} groups do not fit into a session")
        return value

    def read(self, value: str, now: datetime) -> Session | None:
        """The session of a cookie, None when it is not ours, over, or logged out."""
        packed, _, signature = value.partition(".")
        if len(value) > LARGEST or not hmac.compare_digest(
            self._sign("session", packed).encode(), signature.encode(errors="replace")
        ):
            return None
        content = json.loads(zlib.decompressobj().decompress(_bytes(packed), MOST_UNPACKED))
        until = datetime.fromtimestamp(content["until"], UTC)
        if now >= until or content["nonce"] in self._ended:
            return None
        return Session(Person(content["name"], tuple(content["groups"])), until, content["nonce"])

    def end(self, session: Session, now: datetime) -> None:
        """Log out: a copy of the cookie is worth nothing on this replica any more."""
        self._ended = {nonce: until for nonce, until in self._ended.items() if until > now}
        self._ended[session.nonce] = session.until

    def form_token(self, secret: str, name: str) -> str:
        """What a form of this browser and person carries."""
        return self._sign("form", f"{secret}\n{name}")

    def form_ours(self, token: str, secret: str, name: str) -> bool:
        """Whether the form came from a page of ours."""
        expected = self.form_token(secret, name)
        return bool(secret) and hmac.compare_digest(expected.encode(), token.encode(errors="replace"))

    def _sign(self, purpose: str, text: str) -> str:
        return _text(hmac.new(self.key, f"{purpose}\n{text}".encode(errors="replace"), sha256).digest())


def expiry_of(token: str) -> datetime | None:
    """When a token ends by its own word; it was verified by the API server before. None: it does not say."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(_bytes(parts[1]))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error
