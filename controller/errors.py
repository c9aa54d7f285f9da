"""What can go wrong at the boundary: own exceptions with the cause chained, retriable or terminal by type.

Every message says what was wrong, where, and what to do about it.
"""

from __future__ import annotations


class TrimtabError(Exception):
    """Base of every error trimtab raises on purpose. `remedy` is one sentence: what the reader can do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.args[0]} → {self.remedy}" if self.remedy else str(self.args[0])


class Retriable(TrimtabError):
    """Trying again later may work."""


class Terminal(TrimtabError):
    """Trying again changes nothing until somebody acts."""


class ApiUnavailable(Retriable):
    """The API server did not answer, was busy, or broke off."""


class Denied(Terminal):
    """The API server refused: rights, validation or an admission policy."""


class Forbidden(Denied):
    """The API server does not know who asks, or says that they may not."""


class KindUnknown(Terminal):
    """The API server does not serve this kind: its CRD is missing."""


class StoreUnavailable(Retriable):
    """The store did not answer: nothing may be assumed committed."""


class StoreUnusable(Terminal):
    """This store cannot be used by this program: a newer one wrote it, its URL is wrong, or what it holds cannot be
    read.
    """


class ChatUnavailable(Retriable):
    """The chat did not take the message."""


class MessageGone(ChatUnavailable):
    """Somebody deleted the message: it can only be posted anew."""


class NotifyUnavailable(Retriable):
    """The pager did not take the notice."""


class ProgramUnavailable(Retriable):
    """The running program did not answer a command."""


class BadQuery(Terminal):
    """Prometheus calls the query wrong."""


class BadSettings(Terminal):
    """A setting is missing or impossible."""


class NotOurs(Terminal):
    """A programming error: a port was asked to write an object that is not trimtab's own."""
