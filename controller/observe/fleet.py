"""The fleet's error shares: asked for as a whole, kept as one short history per workload, judged in a worker.

Promises that history is asked for once and then only continued, that a point nobody measured stays missing, and that
the newest value carries the health of the answer it came from. Queries are those of `core/presets.py` or a policy's
own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from controller.core.alerts import Known
from controller.core.presets import PRESETS, Preset
from controller.core.signals import error_shares, own_share
from controller.errors import BadQuery
from controller.ports import Metrics, Path, Paths, Samples, Unavailable
from detectors.anomaly.baseline import Baseline
from detectors.base import State
from detectors.results import Abstention, Detection
from detectors.series import DataHealth, Problem, Series, Signal, Workload

log = structlog.get_logger(__name__)

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")


class Pool(Protocol):
    """Somewhere to do arithmetic off the event loop (`runtime/workers.py`)."""

    async def run(self, work: Callable[[Argument], Answer], argument: Argument) -> Answer:
        """`work(argument)`, a module-level function and something picklable."""
        ...


POINTS = 720
"""Points of history a band is made from."""
PIECE = 60
"""Points of history in one question: of ten thousand workloads that is some ten megabytes to read and to parse."""
HARMLESS = frozenset({Problem.GAPPED, Problem.MISSING, Problem.STALE})
"""Problems of an old stretch that only leave points missing; with any other the stretch is asked for again."""


@dataclass(frozen=True, slots=True)
class Grid:
    """How history is sampled: `step` between points, `window` of the rates behind each."""

    step: timedelta
    window: timedelta

    @classmethod
    def over(cls, history: timedelta, scrape: timedelta) -> Grid:
        """`POINTS` points over the history; rates over at least four scrapes."""
        return cls(max(history / POINTS, timedelta(seconds=1)), max(4 * scrape, timedelta(seconds=20)))


@dataclass(frozen=True, slots=True)
class Source:
    """Where a group of workloads gets its error share: a preset for the fleet, or one policy's own query."""

    preset: Preset | None = None
    query: str = ""
    workload: Workload | None = None


@dataclass(slots=True)
class History:
    """What one source has said so far, by workload, on one grid."""

    until: datetime | None = None
    shares: dict[Workload, Series] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """The newest judgement of one workload's error share. `health` says how far it can be trusted."""

    at: datetime
    answer: Detection | Abstention
    health: DataHealth


@dataclass(slots=True)
class Fleet:
    """All error shares. `ask` runs one round."""

    metrics: Metrics
    workers: Pool
    grid: Grid
    histories: dict[Source, History] = field(default_factory=dict)
    states: dict[Workload, State] = field(default_factory=dict)
    judged: dict[Workload, Judged] = field(default_factory=dict)

    async def ask(self, sources: Mapping[Source, frozenset[Workload]], known: Known, now: datetime) -> None:
        """One round over every source: continue its history, take its newest value, judge."""
        batch: list[tuple[Workload, Series, State]] = []
        for source, workloads in sources.items():
            history = self.histories.setdefault(source, History())
            newest = await self._told(source, history, known, now)
            for workload in workloads:
                series = self._series(history, newest, workload, now)
                batch.append((workload, series, self.states.get(workload, {})))
        found = await judge_all(self.workers, batch)
        self.states = {workload: state for workload, _, _, state in found}
        self.judged = {workload: Judged(now, answer, series.health) for workload, series, answer, _ in found}
        for source in set(self.histories) - set(sources):
            del self.histories[source]

    async def _told(
        self, source: Source, history: History, known: Known, now: datetime
    ) -> tuple[Mapping[Workload, Series], DataHealth] | Unavailable:
        """One source's newest values, its history continued. A query that the server calls wrong costs its own
        workloads their answer, nobody else.
        """
        try:
            await self._fill(source, history, known, now)
            return await self._newest(source, known, now)
        except BadQuery as error:
            log.warning("query refused", query=source.query or (source.preset and source.preset.name), error=str(error))
            return Unavailable(str(error))

    async def _fill(self, source: Source, history: History, known: Known, now: datetime) -> None:
        """Ask for the grid points that are due since the last time, piece by piece; what fails is asked for again in
        the next round.
        """
        oldest = now - POINTS * self.grid.step
        while True:
            start = oldest if history.until is None else max(history.until + self.grid.step, oldest)
            count = min(PIECE, int((now - start) / self.grid.step))
            if count < 1 or not await self._took(source, history, known, start, count):
                return

    async def _took(self, source: Source, history: History, known: Known, start: datetime, count: int) -> bool:
        """Continue a history by one answer; False when it is not to be believed."""
        end = start + (count - 1) * self.grid.step
        answer = await self._between(source, known, start, end)
        if isinstance(answer, Unavailable):
            return False
        if any(series.health.problems - HARMLESS for series in answer.values()):
            return False
        for workload in set(history.shares) | set(answer):
            history.shares[workload] = extended(
                history.shares.get(workload), answer.get(workload), start, count, self.grid
            )
        history.until = end
        return True

    async def _between(
        self, source: Source, known: Known, start: datetime, end: datetime
    ) -> Mapping[Workload, Series] | Unavailable:
        step, window = self.grid.step, self.grid.window
        if source.preset is None:
            paths = await self.metrics.range(source.query, start, end, step)
            return paths if isinstance(paths, Unavailable) else shared(paths, source.workload)
        failures = await self.metrics.range(source.preset.failures(window), start, end, step)
        load = await self.metrics.range(source.preset.load(window), start, end, step)
        if isinstance(failures, Unavailable) or isinstance(load, Unavailable):
            return failures if isinstance(failures, Unavailable) else Unavailable(str(load))
        return error_shares(failures, load, source.preset.naming, known, window)

    async def _newest(
        self, source: Source, known: Known, now: datetime
    ) -> tuple[Mapping[Workload, Series], DataHealth] | Unavailable:
        step, window = self.grid.step, self.grid.window
        if source.preset is None:
            one = await self.metrics.instant(source.query, now)
            if isinstance(one, Unavailable):
                return one
            return shared(as_paths(one, now, step), source.workload), one.health
        failures = await self.metrics.instant(source.preset.failures(window), now)
        load = await self.metrics.instant(source.preset.load(window), now)
        if isinstance(failures, Unavailable) or isinstance(load, Unavailable):
            return failures if isinstance(failures, Unavailable) else Unavailable(str(load))
        paths = as_paths(failures, now, step), as_paths(load, now, step)
        health = failures.health | load.health
        return error_shares(*paths, source.preset.naming, known, window), health

    def _series(
        self,
        history: History,
        newest: tuple[Mapping[Workload, Series], DataHealth] | Unavailable,
        workload: Workload,
        now: datetime,
    ) -> Series:
        """The workload's history with its newest value at the end, and the newest answer's health."""
        past = history.shares.get(workload)
        values = past.values if past is not None else np.zeros(0)
        support = past.support if past is not None else None
        if isinstance(newest, Unavailable):
            health = DataHealth(frozenset({Problem.UNAVAILABLE}), newest.reason)
            return self._made(workload, np.append(values, np.nan), now, health, None)
        shares, said = newest
        last = shares.get(workload)
        if last is None or not len(last.values):
            absent = said if not said.healthy else DataHealth(frozenset({Problem.MISSING}), "no requests are counted")
            return self._made(workload, np.append(values, np.nan), now, absent, None)
        both = None
        if last.support is not None:
            before = support if support is not None and len(support) == len(values) else np.full(len(values), np.nan)
            both = np.append(before, last.support[-1])
        return self._made(workload, np.append(values, last.values[-1]), now, last.health, both)

    def _made(
        self,
        workload: Workload,
        values: NDArray[np.float64],
        now: datetime,
        health: DataHealth,
        support: NDArray[np.float64] | None,
    ) -> Series:
        start = now - self.grid.step * (len(values) - 1)
        return Series(workload, Signal.ERRORS, start, self.grid.step, values, "ratio", health, support)


def shared(paths: Paths, workload: Workload | None) -> Mapping[Workload, Series]:
    """A policy's own answer, for its workload."""
    return {} if workload is None or not paths.paths else {workload: own_share(paths, workload)}


def as_paths(samples: Samples, now: datetime, step: timedelta) -> Paths:
    """An instant answer as a range of one point."""
    return Paths(now, step, tuple(Path(sample.labels, (sample.value,)) for sample in samples.samples), samples.health)


def extended(before: Series | None, more: Series | None, start: datetime, count: int, grid: Grid) -> Series:
    """One history continued by `count` points from `start`; what nobody measured is missing. Keeps `POINTS` points."""
    some = more if more is not None else before
    if some is None:
        message = "neither a history nor points to continue it with"
        raise ValueError(message)
    values, support = padded(more, count)
    if before is not None:
        gap = max(0, round((start - before.end) / grid.step) - 1)
        missing = np.full(gap, np.nan)
        old = before.support if before.support is not None else np.full(len(before.values), np.nan)
        values = np.concatenate([before.values, missing, values])
        support = np.concatenate([old, missing, support])
    values, support = values[-POINTS:], support[-POINTS:]
    first = start + grid.step * (count - len(values))
    counted = support if np.any(np.isfinite(support)) else None
    return replace(some, start=first, step=grid.step, values=values, support=counted)


def padded(series: Series | None, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and support of exactly `count` points, missing at the front where there are fewer."""
    values, support = np.full(count, np.nan), np.full(count, np.nan)
    if series is None or not len(series.values):
        return values, support
    kept = min(count, len(series.values))
    values[count - kept :] = series.values[-kept:]
    if series.support is not None and len(series.support) >= kept:
        support[count - kept :] = series.support[-kept:]
    return values, support


Judgement = tuple[Workload, Series, Detection | Abstention, State]


async def judge_all(workers: Pool, batch: Iterable[tuple[Workload, Series, State]]) -> tuple[Judgement, ...]:
    """Judge every workload's newest value, in a worker process."""
    return await workers.run(judge_batch, tuple(batch))


def judge_batch(batch: tuple[tuple[Workload, Series, State], ...]) -> tuple[Judgement, ...]:
    """One worker's share of a round."""
    detector = Baseline()
    found = []
    for workload, series, state in batch:
        answer, after = detector.detect(series, state)
        found.append((workload, series, answer, after))
    return tuple(found)


def sources_of(
    wanted: Iterable[tuple[Workload, str | None, str | None]],
) -> dict[Source, frozenset[Workload]]:
    """Group workloads by where their error share comes from: (workload, preset, own query). A preset without failures
    has none.
    """
    found: dict[Source, set[Workload]] = {}
    for workload, preset, query in wanted:
        if query:
            found.setdefault(Source(query=query, workload=workload), set()).add(workload)
        elif preset and PRESETS[preset].failed:
            found.setdefault(Source(PRESETS[preset]), set()).add(workload)
    return {source: frozenset(workloads) for source, workloads in found.items()}
