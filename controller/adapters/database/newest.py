"""How far the log goes, as far as its only writer can tell without asking.

A replica follows the log before each pass over a workload; with a SQLite file, which only this process writes, most of
those questions can have no answer. Promises never to say that nothing is new while a commit of ours is under way, or
may have come through unnoticed: then, and where others write too, the database is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Newest:
    """Belongs to one store that alone writes its log (`alone`); with others beside it, it knows nothing."""

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._sequence: int | None = None
        self._commits = 0

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Around a commit: whatever becomes of it, nothing is known until the log is read again."""
        self._forget()
        try:
            yield
        finally:
            self._forget()

    def nothing_after(self, sequence: int) -> bool:
        """True when the log surely holds nothing after this sequence."""
        return self._sequence is not None and sequence >= self._sequence

    def mark(self) -> int:
        """Taken before the log is read, given back with `read_to`."""
        return self._commits

    def read_to(self, sequence: int, mark: int) -> None:
        """The log ended here when it was read; counts only if nothing was committed since `mark`."""
        if self._alone and mark == self._commits:
            self._sequence = sequence

    def _forget(self) -> None:
        self._commits += 1
        self._sequence = None
