"""The hash chain over the log: how an edit, a deletion, a reordering or a cut is noticed.

Every event's link is SHA-256 over the link before it and the canonical JSON of its row, beginning at `GENESIS`. The
whole log is one partition, so one head stands for all of it. There is no secret: who can write the store can rewrite
it with a consistent chain. That is found only by a head that was mirrored elsewhere (the Lease, stdout, a webhook)
and is no longer a link of the log.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64
"""The head of an empty log."""

MOST_FAULTS = 100
"""How many faults are told one by one; one edit of a large log should not fill the screen."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event as it is stored: `body` is its canonical JSON text, hashed as it stands."""

    sequence: int
    stream: str
    number: int
    kind: str
    version: int
    body: str
    at: datetime
    recorded_at: datetime


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII. Infinity and NaN keep Python's spelling."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def link(previous: str, row: Row) -> str:
    """The chain value of a row after `previous` (64 hex digits)."""
    text = canonical(
        [
            row.sequence,
            row.stream,
            row.number,
            row.kind,
            row.version,
            row.body,
            instant(row.at),
            instant(row.recorded_at),
        ]
    )
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def instant(at: datetime) -> str:
    """An aware time as UTC text of one width (`2026-11-20T14:02:40.000000Z`), which sorts as time does.

    Raises ValueError for a time without a zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


@dataclass(slots=True)
class Inspection:
    """Walks the log once in order of sequence, collecting what is wrong. Feed every row, then ask `conclude`."""

    expected_head: str | None = None
    _previous: str = GENESIS
    _sequence: int = 0
    _events: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)
    _seen: bool = False
    _faults: list[str] = field(default_factory=list)
    _more: int = 0

    def __post_init__(self) -> None:
        self._seen = self.expected_head in {None, GENESIS}

    def feed(self, row: Row, chain: str) -> None:
        """The next stored row and the chain value stored with it."""
        self._events += 1
        where = f"event {row.sequence} ({row.stream}/{row.number} {row.kind})"
        if row.sequence != self._sequence + 1:
            self._fault(f"{missing(self._sequence + 1, row.sequence - 1)} missing before {where}")
        elif link(self._previous, row) != chain:
            self._fault(f"{where} does not match its chain: it was edited, or another was put in its place")
        expected = self._numbers.get(row.stream, 0) + 1
        if row.number != expected:
            self._fault(f"{where} should be number {expected} of its stream")
        self._numbers[row.stream] = row.number
        self._previous, self._sequence = chain, row.sequence
        self._seen = self._seen or chain == self.expected_head

    def conclude(self, sequence: int, head: str) -> tuple[int, str, tuple[str, ...]]:
        """Compare with what the store says of itself; returns events, the last link and every fault."""
        if self._sequence < sequence:
            self._fault(
                f"the log ends at event {self._sequence}, but the store has recorded {sequence}: its end was cut"
            )
        elif self._sequence > sequence:
            self._fault(f"the log goes on to event {self._sequence}, but the store has recorded only {sequence}")
        elif self._previous != head:
            self._fault("the head that the store has recorded is not that of its last event")
        if not self._seen:
            self._fault(f"the head {self.expected_head} known elsewhere is not in the log: it was cut or rewritten")
        more = (f"and {self._more} more",) if self._more else ()
        return self._events, self._previous, (*self._faults, *more)

    def _fault(self, text: str) -> None:
        if len(self._faults) < MOST_FAULTS:
            self._faults.append(text)
        else:
            self._more += 1


def missing(first: int, last: int) -> str:
    """`event 5 is`, `events 5 to 7 are`."""
    return f"event {first} is" if first == last else f"events {first} to {last} are"
