"""Who is asking: a session, a trusted proxy, or a bearer token; nobody otherwise (S36).

Promises that proxy headers count only from a configured address that shows the shared secret, and that a form counts
only with the token of a page of ours.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast

from fastapi import Request

from controller.ports import Person
from controller.web.backend import Backend, Right
from controller.web.failures import Forbidden, LoginNeeded, NotOurForm
from controller.web.options import Options
from controller.web.session import COOKIE, FORM_COOKIE, Session, Sessions

THEME_COOKIE = "trimtab-theme"
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Visitor:
    """The person (None: nobody), the secret behind their forms, and how they like the page."""

    person: Person | None
    form_secret: str
    fresh: bool
    theme: str
    session: Session | None = None

    @property
    def name(self) -> str:
        """The person's name, empty for nobody."""
        return self.person.name if self.person is not None else ""


@dataclass(frozen=True, slots=True)
class Door:
    """Everything that answers "who is this, and may they?"."""

    backend: Backend
    options: Options
    sessions: Sessions

    def visitor(self, request: Request) -> Visitor:
        """Whoever comes with this request's cookies or proxy headers."""
        secret = request.cookies.get(FORM_COOKIE, "")
        fresh = not 20 <= len(secret) <= 64
        theme = request.cookies.get(THEME_COOKIE, "auto")
        session = self.sessions.read(request.cookies.get(COOKIE, ""), self.options.now())
        person = self._proxied(request) or (session.person if session is not None else None)
        return Visitor(
            person=person,
            form_secret=secrets.token_urlsafe(24) if fresh else secret,
            fresh=fresh,
            theme=theme if theme in THEMES else "auto",
            session=session,
        )

    def _proxied(self, request: Request) -> Person | None:
        options = self.options
        secret = options.proxy_secret() if options.proxy_header and options.proxies else None
        if not secret or request.client is None:
            return None
        try:
            address = ip_address(request.client.host)
        except ValueError:
            return None
        shown = request.headers.get(options.proxy_header, "")
        if not any(address in network for network in options.proxies) or not _same(shown, secret):
            return None
        name = request.headers.get(options.user_header, "").strip()
        groups = (part.strip() for part in request.headers.get(options.groups_header, "").split(","))
        return Person(name, tuple(group for group in groups if group)) if name else None

    def known(self, request: Request) -> tuple[Visitor, Person]:
        """The visitor, who must be somebody; raises LoginNeeded."""
        visitor = self.visitor(request)
        if visitor.person is None:
            raise LoginNeeded(request.url.path)
        return visitor, visitor.person

    async def caller(self, request: Request) -> Person:
        """The person behind a request to the JSON interface: a bearer token, else like a page; raises LoginNeeded."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            person = await self.backend.person_of(token.strip()) if token.strip() else None
            if person is None:
                raise LoginNeeded(request.url.path, "the bearer token is not valid")
            return person
        return self.known(request)[1]

    async def form(self, request: Request, visitor: Visitor) -> dict[str, str]:
        """The fields of a form of ours; raises NotOurForm."""
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise NotOurForm
        fields = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
        if visitor.fresh or not self.sessions.form_ours(fields.get("csrf", ""), visitor.form_secret, visitor.name):
            raise NotOurForm
        return fields

    async def readable(self, person: Person, namespace: str) -> bool:
        """Whether this person may see incidents of the namespace."""
        return await self.backend.may(person, Right.READ, namespace)

    async def require(self, person: Person, right: Right, namespace: str | None) -> None:
        """Raises Forbidden without the right."""
        if not await self.backend.may(person, right, namespace):
            raise Forbidden(person.name, right, namespace)

    def alert_token_fits(self, request: Request) -> bool | None:
        """Whether Alertmanager showed the token; None when one is needed and none is set."""
        expected = self.options.alert_token()
        if expected is None:
            return None if self.options.alert_token_required else True
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and _same(shown.strip(), expected)


def door_of(request: Request) -> Door:
    """The app's door (a FastAPI dependency)."""
    return cast("Door", request.app.state.door)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))
