"""What a source said of many workloads, on a grid that does not move with the clock: their load, or their error share.

Promises that a grid point is asked for once and then kept, that what nobody measured stays missing and may still be
filled by a later answer, that an answer with a doubt leaves no trace, and that a doubt about some points costs only
those: refused again and again, a stretch is asked for in halves, and the smallest is stepped over. Grid points are
multiples of the step since 1970, so that two replicas, and a restarted one, ask for the same points.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from controller.ports import Unavailable
from detectors.series import Problem, Series, Signal, Workload

Floats = NDArray[np.float64]
Answered: TypeAlias = tuple[Mapping[Workload, Floats], frozenset[Problem]]
"""Values by workload over a stretch, points along the last axis, and the doubts about the whole answer."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
POINTS = 14 * 288
"""Two weeks."""
CHUNK = 288
"""Grid points in one question: a day of a thousand workloads is some megabytes."""
AGAIN = 2
"""Points asked for once more: the newest may have been measured late."""
TRIES = 3
"""Refusals after which less is asked for at once."""
SMALLEST = AGAIN + 1
"""Grid points that are stepped over when nobody gives them without a doubt."""
HARMLESS = frozenset({Problem.GAPPED, Problem.STALE, Problem.MISSING, Problem.NOT_FINITE})
"""Problems of a stretch that only leave points missing; with any other it is asked for again."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Grid points `first` to `last`, both included, as multiples of the step."""

    first: int
    last: int
    step: timedelta = STEP

    @property
    def begin(self) -> datetime:
        """Time of the first point."""
        return EPOCH + self.first * self.step

    @property
    def end(self) -> datetime:
        """Time of the last point."""
        return EPOCH + self.last * self.step

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(slots=True)
class Past:
    """What one source has said: rows of `points` values that end at grid point `newest`; asked back to `oldest`."""

    step: timedelta = STEP
    points: int = POINTS
    newest: int | None = None
    oldest: int = 0
    rows: dict[Workload, Floats] = field(default_factory=dict)
    tries: int = 0
    size: int = CHUNK

    def ahead(self, now: datetime, settled: timedelta, chunk: int = CHUNK) -> Stretch | None:
        """What is still to be asked of the newest points, those that have been scraped; None when nothing is."""
        last = (now - settled - EPOCH) // self.step
        first = last - min(self.size, chunk) + 1
        if self.newest is None:
            return self._stretch(first, last)
        return self._stretch(max(self.newest + 1 - AGAIN, first), last) if last > self.newest else None

    def behind(self, chunk: int = CHUNK) -> Stretch | None:
        """What is to be asked next of the points before, the newest of them first; None when nothing is."""
        if self.newest is None or self.oldest <= self._begin:
            return None
        return self._stretch(max(self.oldest - min(self.size, chunk), self._begin), self.oldest - 1)

    async def fill(
        self,
        now: datetime,
        settled: timedelta,
        chunk: int,
        ask: Callable[[Stretch], Awaitable[Answered | Unavailable]],
    ) -> None:
        """Ask for all that is missing until an answer is not to be believed; the rest is for the next time."""
        ahead = self.ahead(now, settled, chunk)
        if ahead is not None and not self._told(ahead, await ask(ahead)):
            return
        while (behind := self.behind(chunk)) is not None and self._told(behind, await ask(behind)):
            pass

    def _told(self, stretch: Stretch, answer: Answered | Unavailable) -> bool:
        return not isinstance(answer, Unavailable) and self.take(stretch, *answer)

    def take(self, stretch: Stretch, found: Mapping[Workload, Floats], problems: frozenset[Problem]) -> bool:
        """Keep an answer; False when it is not to be believed. An empty one about the newest points proves nothing, and
        less than nothing is no value: such points stay missing.
        """
        if problems - HARMLESS:
            self._refused(stretch)
            return False
        if len(stretch) >= self.size:
            self.tries, self.size = 0, min(CHUNK, 2 * self.size)
        found = {workload: np.where(values >= 0.0, values, np.nan) for workload, values in found.items()}
        if self.newest is None or stretch.last > self.newest:
            # What is no number was measured as well: only silence is no answer.
            spoke = bool(found) and Problem.NOT_FINITE in problems and Problem.STALE not in problems
            measured = len(stretch) - 1 if spoke else newest_of(found)
            if measured is None:
                return False
            self._advance(stretch, stretch.first + measured)
        else:
            self.oldest = min(self.oldest, stretch.first)
        for workload, values in found.items():
            self._put(workload, stretch.first, values)
        return True

    def _refused(self, stretch: Stretch) -> None:
        """Ask for less after some tries. A doubt about now ends with the newest points, before any old ones are asked
        for; so one that stays is about these points.
        """
        self.tries += 1
        if self.tries < TRIES:
            return
        if len(stretch) > SMALLEST:
            self.size = max(SMALLEST, len(stretch) // 2)
        elif stretch == self.behind(SMALLEST):
            self.oldest = stretch.first

    @property
    def _begin(self) -> int:
        """The oldest grid point that is kept."""
        return (self.newest or 0) - self.points + 1

    def _stretch(self, first: int, last: int) -> Stretch:
        return Stretch(first, last, self.step)

    def _advance(self, stretch: Stretch, newest: int) -> None:
        if self.newest is None:
            self.newest, self.oldest = newest, stretch.first
            return
        if stretch.first > self.newest + 1:
            self.oldest = stretch.first  # a hole lies before it: everything behind is asked for again
        by = max(0, newest - self.newest)
        new = min(by, self.points)
        self.rows = {
            workload: np.concatenate([row[..., by:], missing(row, new)], axis=-1) for workload, row in self.rows.items()
        }
        self.newest += by
        self.oldest = max(self.oldest, self._begin)

    def _put(self, workload: Workload, first: int, values: Floats) -> None:
        if self.newest is None:
            return
        row = self.rows.setdefault(workload, missing(values, self.points))
        begin = self._begin
        low, high = max(first, begin), min(first + values.shape[-1] - 1, self.newest)
        if low > high:
            return
        new = values[..., low - first : high - first + 1]
        here = (..., slice(low - begin, high - begin + 1))
        row[here] = np.where(np.isfinite(new), new, row[here])

    def keep(self, workloads: frozenset[Workload]) -> None:
        """Forget workloads that are no longer asked for."""
        self.rows = {workload: row for workload, row in self.rows.items() if workload in workloads}

    def known(self, workload: Workload) -> tuple[int, Floats] | None:
        """The workload's values from its first known point to the newest of all, and where on the grid they begin; None
        when it was never seen.
        """
        row = self.rows.get(workload)
        if row is None or self.newest is None:
            return None
        places = np.flatnonzero(measured_at(row))
        if not len(places):
            return None
        first = int(places[0])
        return self._begin + first, row[..., first:]

    def series(self, workload: Workload, unit: str) -> Series | None:
        """The workload's load up to its newest known point, at most `AGAIN` points before the newest of all; None
        when it was never seen.
        """
        found = self.known(workload)
        if found is None:
            return None
        first, row = found
        late = next((k for k in range(min(AGAIN + 1, len(row))) if np.isfinite(row[-1 - k])), 0)
        start = EPOCH + first * self.step
        return Series(workload, Signal.LOAD, start, self.step, row[: len(row) - late].copy(), unit)


def measured_at(values: Floats) -> NDArray[np.bool_]:
    """At which points anything was measured."""
    return np.asarray(np.isfinite(np.atleast_2d(values)).any(axis=0))


def newest_of(found: Mapping[Workload, Floats]) -> int | None:
    """The newest point that anything was measured at, None where nothing was."""
    places = [np.flatnonzero(measured_at(values)) for values in found.values()]
    return max((int(known[-1]) for known in places if len(known)), default=None)


def missing(like: Floats, points: int) -> Floats:
    """So many points of which nothing is known."""
    return np.full((*like.shape[:-1], points), np.nan)
