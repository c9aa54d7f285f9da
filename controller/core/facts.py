"""What is true of the world when the gate decides, and what could not be read.

Promises that "could not be read" is a value of its own (`UNKNOWN`) for every fact, and that it is the default: a fact
that nobody filled in blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, Literal, TypeAlias

from detectors.series import DataHealth
from remediations.guards import Finding


class Unread(Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        message = "an unknown fact is neither true nor false: match it first"
        raise TypeError(message)


UNKNOWN: Final = Unread.UNKNOWN
Unknown: TypeAlias = Literal[Unread.UNKNOWN]


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze window that covers the workload now."""

    name: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """The kill switch is on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Every fact the gate asks about. `None` means read, and not so; `UNKNOWN` means that it could not be read.

    `findings` come from `remediations.guards` on a live reading; `drift` says why the plan no longer fits that
    reading; `cleared` that the condition is over; `touched` who changed the object since the proposal. `fruitless`
    counts the same action without effect on this workload in the last four hours, `backoff_until` is when the next
    attempt may start.
    """

    data: DataHealth | Unknown = UNKNOWN
    findings: tuple[Finding, ...] | Unknown = UNKNOWN
    drift: str | Unknown | None = UNKNOWN
    cleared: bool | Unknown = UNKNOWN
    touched: str | Unknown | None = UNKNOWN
    pause: Pause | Unknown | None = UNKNOWN
    freeze: Freeze | Unknown | None = UNKNOWN
    permitted: bool | Unknown = UNKNOWN
    other_critical: str | Unknown | None = UNKNOWN
    observer_suspect: str | Unknown | None = UNKNOWN
    fruitless: int | Unknown = UNKNOWN
    backoff_until: datetime | Unknown | None = UNKNOWN
    harmed_before: str | Unknown | None = UNKNOWN
    rejected_before: str | Unknown | None = UNKNOWN
    store_trusted: bool | Unknown = UNKNOWN
