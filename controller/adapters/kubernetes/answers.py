"""What an API server can answer, and which error fits an answer that was not hoped for.

Pure. Promises that only an answer which proves that nothing was begun is called `Busy`; what cannot be told is `Lost`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.errors import ApiUnavailable, Denied, Forbidden, KindUnknown

REMEDY_DOWN = "See that the API server is up and reachable from here."
LONGEST_WORDS = 500
REMEDY_DENIED = "See the rights of trimtab's account (`trimtab doctor`)."


class NotSent(ApiUnavailable):
    """No connection: the request never left, so nothing can have been done."""


class Lost(ApiUnavailable):
    """Sent, and no whole answer came: it may or may not have been acted on."""


class Busy(ApiUnavailable):
    """The server was too busy to begin; `after` is when it wants to be asked again (seconds)."""

    def __init__(self, message: str, remedy: str = "", after: float = 1.0) -> None:
        super().__init__(message, remedy)
        self.after = after


class Silent(Lost):
    """A stream fell silent: the connection may be half open."""


class Expired(ApiUnavailable):
    """The resourceVersion or the page is too old (410)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said, whole. From 400 on `body` is a Status; empty when it was no JSON object."""

    status: int
    body: Mapping[str, Any]
    retry_after: float | None = None
    text: str = field(default="", repr=False)

    @property
    def ok(self) -> bool:
        """A 2xx with an object in it."""
        return 200 <= self.status < 300 and bool(self.body)

    @property
    def reason(self) -> str:
        """The Status' reason in constant words (`NotFound`, `Conflict`), else the bare code."""
        return str(self.body.get("reason") or f"HTTP{self.status}")

    @property
    def message(self) -> str:
        """The server's words, without the object that it repeats in them: that may hold what nobody should read."""
        words = str(self.body.get("message") or self.text or self.reason)
        if any(cause.get("field") == "patch" for cause in self.details.get("causes") or ()):
            words = "the patched object is invalid: " + words.rpartition('}": ')[2]
        return words if len(words) <= LONGEST_WORDS else words[:LONGEST_WORDS] + " …"

    @property
    def details(self) -> Mapping[str, Any]:
        """The Status' details (empty when it has none)."""
        return self.body.get("details") or {}

    @property
    def names_object(self) -> bool:
        """A 404 about one object, not about a kind or path that the server does not know."""
        return self.status == 404 and bool(self.details.get("name"))


def demand(verb: str, path: str, answer: Answer) -> Answer:
    """The answer if it is a good one, else the error that fits it."""
    if answer.ok:
        return answer
    raise refused(verb, path, answer)


def refused(verb: str, path: str, answer: Answer) -> ApiUnavailable | Denied | KindUnknown:
    """The error for an answer that is not what was asked for, with what, where and remedy."""
    if answer.status == 429 or answer.status >= 500 or answer.status < 400:
        return unavailable(verb, path, answer)
    if answer.status == 404 and not answer.names_object:
        return KindUnknown(f"{verb} {path}: the API server does not know this kind", "Install the chart's CRDs.")
    if answer.status == 410:
        return Expired(f"{verb} {path}: {answer.message}", "List again.")
    kind = Forbidden if answer.status in {401, 403} else Denied
    return kind(f"{verb} {path}: {answer.reason}: {answer.message}", REMEDY_DENIED)


def unavailable(verb: str, path: str, answer: Answer) -> ApiUnavailable:
    """The error for an answer that says nothing of the question: busy, broken, or not whole."""
    what = f"{verb} {path}: {answer.status} {answer.message}"
    if untouched(answer):
        return Busy(what, "It is asked again by itself.", after=answer.retry_after or 1.0)
    return Lost(what, REMEDY_DOWN)


def untouched(answer: Answer) -> bool:
    """Whether the server turned the request away unread: 429 always, 503 in its own words with a Retry-After.

    A bare 503 may come from a proxy that has already passed the request on.
    """
    own = answer.body.get("kind") == "Status" and answer.reason == "ServiceUnavailable"
    return answer.status == 429 or (answer.status == 503 and own and answer.retry_after is not None)
