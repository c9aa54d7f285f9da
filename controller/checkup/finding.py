"""One thing looked at: well, worth knowing, or wrong with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """How it stands, told by shape."""

    WELL = "✔"
    NOTE = "!"
    WRONG = "✖"


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is what was looked at, `text` how it stands, `remedy` what to do (empty: nothing)."""

    mark: Mark
    subject: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f" → {self.remedy}" if self.remedy else ""
        return f"{self.subject}: {self.text}{remedy}"


def well(subject: str, text: str) -> Finding:
    """As it should be."""
    return Finding(Mark.WELL, subject, text)


def note(subject: str, text: str, remedy: str = "") -> Finding:
    """Not wrong, and worth knowing."""
    return Finding(Mark.NOTE, subject, text, remedy)


def wrong(subject: str, text: str, remedy: str) -> Finding:
    """trimtab does not get what it needs."""
    return Finding(Mark.WRONG, subject, text, remedy)
