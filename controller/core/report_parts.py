"""What a report is made of: deeds, questions, and a line for each thing that happened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from detectors.series import Workload
from remediations.plan import Outcome


class Way(StrEnum):
    """How a deed came about."""

    ALONE = "alone"
    APPROVED = "approved"
    WOULD_ACT = "would have acted"
    WOULD_ASK = "would have asked"

    @property
    def done(self) -> bool:
        """Whether anything was changed."""
        return self in (Way.ALONE, Way.APPROVED)


class Loop(StrEnum):
    """Which loop a deed is of. Only what the incidents loop does is judged afterwards."""

    INCIDENTS = "incidents"
    SCALING = "scaling"


class Fate(StrEnum):
    """What became of a question."""

    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"
    OPEN = "open"


class Mark(StrEnum):
    """How a line ended, most urgent first."""

    PERSON = "person"
    BAD = "bad"
    ASKS = "asks"
    VERIFYING = "verifying"
    ACTED = "acted"
    WOULD = "would"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Deed:
    """One action, done or not. `outcome` None: not judged (yet), or never done. `text` says what, in a clause."""

    at: datetime
    workload: Workload
    way: Way
    noun: str
    text: str
    by: str = ""
    outcome: Outcome | None = None
    undone: bool = False
    incident: str = ""
    loop: Loop = Loop.INCIDENTS


@dataclass(frozen=True, slots=True)
class Question:
    """One question to people, and who answered."""

    at: datetime
    incident: str
    fate: Fate
    by: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one thing, in one sentence."""

    at: datetime
    workload: Workload
    mark: Mark
    text: str
    incident: str = ""
    left: bool = False


Told: TypeAlias = tuple[Line, tuple[Deed, ...], tuple[Question, ...]]
"""What one stream tells of a stretch."""


def in_order(deeds: Iterable[Deed]) -> tuple[Deed, ...]:
    """By time, then by incident."""
    return tuple(sorted(deeds, key=lambda deed: (deed.at, deed.incident, deed.text)))
