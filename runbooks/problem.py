"""A problem in a runbook: where it is, what is wrong, and the nearest known word.

Promises that every message stands on its own line and can be acted on: `file:line:column: what. Did you mean …?
(known: …)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake. Line and column count from 1, and are 0 where there is no text (a cluster object, a lost file)."""

    file: str
    line: int
    column: int
    message: str
    path: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (where, self.message) if part)


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem before it is located: the path inside the object, and the offset inside the text that stands there.

    `on_key` points at the field's name instead of its value.
    """

    path: Path
    message: str
    offset: int | None = None
    on_key: bool = False


def dotted(path: Path) -> str:
    """`spec.steps[0].rollback`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def suggestion(word: str, known: Sequence[str], prefix: str = "", shown: int = 12) -> str:
    """` Did you mean …? (known: …)`, without the question when nothing is near. `prefix` precedes the nearest word."""
    folded = {name.lower(): name for name in known}
    near = get_close_matches(word.lower()[:100], list(folded), n=1, cutoff=0.6)
    question = f" Did you mean {prefix}{folded[near[0]]}?" if near else ""
    more = ", …" if len(known) > shown else ""
    listed = f" (known: {', '.join(known[:shown])}{more})" if known else ""
    return question + listed
