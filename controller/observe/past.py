"""The load of many workloads over the last two weeks, on one grid that does not move with the clock.

Promises that a grid point is asked for once and then kept, that what nobody measured stays missing and may still be
filled by a later answer, and that an answer with a doubt leaves no trace. Grid points are multiples of the step since
1970, so that two replicas, and a restarted one, ask for the same points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from detectors.series import Problem, Series, Signal, Workload

Floats = NDArray[np.float64]

STEP = timedelta(minutes=5)
POINTS = 14 * 288
"""Two weeks."""
CHUNK = 288
"""Grid points in one question: a day of a thousand workloads is some megabytes."""
AGAIN = 2
"""Points asked for once more: the newest may have been measured late."""
HARMLESS = frozenset({Problem.GAPPED, Problem.STALE, Problem.MISSING})
"""Problems of an old stretch that only leave points missing; with any other it is asked for again."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Grid points `first` to `last`, both included, as multiples of the step."""

    first: int
    last: int

    @property
    def begin(self) -> datetime:
        """Time of the first point."""
        return at(self.first)

    @property
    def end(self) -> datetime:
        """Time of the last point."""
        return at(self.last)

    def __len__(self) -> int:
        return self.last - self.first + 1


def at(index: int) -> datetime:
    """Time of a grid point."""
    return datetime.fromtimestamp(index * STEP.total_seconds(), UTC)


def newest_due(now: datetime, settled: timedelta) -> int:
    """The newest grid point that has been scraped by now."""
    return int((now - settled).timestamp() // STEP.total_seconds())


@dataclass(slots=True)
class Past:
    """What one source has said: rows of `POINTS` values that end at grid point `newest`; asked back to `oldest`."""

    newest: int | None = None
    oldest: int = 0
    rows: dict[Workload, Floats] = field(default_factory=dict)

    def due(self, now: datetime, settled: timedelta, chunk: int = CHUNK) -> Iterator[Stretch]:
        """What is still to be asked, at most `chunk` points each: the newest first, then backwards. Take each answer in
        before asking on.
        """
        last = newest_due(now, settled)
        if self.newest is None or last - self.newest >= POINTS:
            self.newest, self.rows = None, {}
            yield Stretch(last - chunk + 1, last)
        elif last > self.newest:
            yield Stretch(max(self.newest + 1 - AGAIN, last - chunk + 1), last)
        while self.newest is not None and self.oldest > self.newest - POINTS + 1:
            before = self.oldest
            yield Stretch(max(before - chunk, self.newest - POINTS + 1), before - 1)
            if self.oldest == before:
                return

    def take(self, stretch: Stretch, found: Mapping[Workload, Floats], problems: frozenset[Problem]) -> bool:
        """Keep an answer; False when it is not to be believed. An empty one about the newest points proves nothing, and
        less than nothing is no load: such points stay missing.
        """
        if problems - HARMLESS:
            return False
        found = {workload: np.where(values >= 0.0, values, np.nan) for workload, values in found.items()}
        known = [np.flatnonzero(np.isfinite(values)) for values in found.values()]
        measured = max((int(places[-1]) for places in known if len(places)), default=-1)
        if self.newest is None or stretch.last > self.newest:
            if measured < 0:
                return False
            self._advance(stretch, stretch.first + measured)
        else:
            self.oldest = min(self.oldest, stretch.first)
        for workload, values in found.items():
            self._put(workload, stretch.first, values)
        return True

    def _advance(self, stretch: Stretch, newest: int) -> None:
        if self.newest is None:
            self.newest, self.oldest = newest, stretch.first
            return
        if stretch.first > self.newest + 1:
            self.oldest = stretch.first  # a hole lies before it: everything behind is asked for again
        by = max(0, newest - self.newest)
        for workload, row in self.rows.items():
            self.rows[workload] = np.concatenate([row[by:], np.full(min(by, POINTS), np.nan)])
        self.newest += by
        self.oldest = max(self.oldest, self.newest - POINTS + 1)

    def _put(self, workload: Workload, first: int, values: Floats) -> None:
        if self.newest is None:
            return
        row = self.rows.setdefault(workload, np.full(POINTS, np.nan))
        begin = self.newest - POINTS + 1
        low, high = max(first, begin), min(first + len(values) - 1, self.newest)
        if low > high:
            return
        new = values[low - first : high - first + 1]
        here = slice(low - begin, high - begin + 1)
        row[here] = np.where(np.isfinite(new), new, row[here])

    def keep(self, workloads: frozenset[Workload]) -> None:
        """Forget workloads that are no longer asked for."""
        self.rows = {workload: row for workload, row in self.rows.items() if workload in workloads}

    def series(self, workload: Workload, unit: str) -> Series | None:
        """The workload's load up to its newest known point, at most `AGAIN` points before the newest of all; None
        when it was never seen.
        """
        row = self.rows.get(workload)
        if row is None or self.newest is None:
            return None
        missing = next((k for k in range(AGAIN + 1) if np.isfinite(row[-1 - k])), 0)
        end = len(row) - missing
        known = np.flatnonzero(np.isfinite(row[:end]))
        if not len(known):
            return None
        first = int(known[0])
        start = at(self.newest - POINTS + 1 + first)
        return Series(workload, Signal.LOAD, start, STEP, row[first:end].copy(), unit)
