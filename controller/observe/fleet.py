"""The fleet's error shares: asked for as a whole, kept as one short history per workload, judged in a worker.

Promises of history what `past.py` does, that a point stands at its own time however long ago it was, and that the
newest value carries the health of the answer it came from. Queries are those of `core/presets.py` or a policy's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
import structlog

from controller.core.alerts import Known
from controller.core.presets import Preset
from controller.core.signals import SLACK, error_shares, nobody_asked, own_share
from controller.errors import BadQuery
from controller.observe.past import EPOCH, Answered, Floats, Past, Stretch
from controller.ports import Metrics, Path, Paths, Samples, Unavailable
from detectors.anomaly.baseline import Baseline
from detectors.base import State
from detectors.results import Abstention, Detection
from detectors.series import HEALTHY, DataHealth, Problem, Series, Signal, Workload

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


@dataclass(frozen=True, slots=True)
class Grid:
    """How history is sampled: `step` between points, `window` of the rates behind each, scraped once they are `settled`
    old.
    """

    step: timedelta
    window: timedelta
    settled: timedelta

    @classmethod
    def over(cls, history: timedelta, scrape: timedelta) -> Grid:
        """`POINTS` points over the history; rates over at least four scrapes."""
        return cls(max(history / POINTS, timedelta(seconds=1)), max(4 * scrape, timedelta(seconds=20)), scrape)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a group of workloads gets its error share: a preset for the fleet, or one policy's own query."""

    preset: Preset | None = None
    query: str = ""
    workload: Workload | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """The newest judgement of one workload's error share. `health` says how far it can be trusted."""

    at: datetime
    answer: Detection | Abstention
    health: DataHealth


Newest: TypeAlias = tuple[Mapping[Workload, Series], DataHealth]
"""The newest share of each workload, and the health of the whole answer."""


@dataclass(slots=True)
class Fleet:
    """All error shares. `ask` runs one round."""

    metrics: Metrics
    workers: Pool
    grid: Grid
    histories: dict[Source, Past] = field(default_factory=dict)
    states: dict[Workload, State] = field(default_factory=dict)
    judged: dict[Workload, Judged] = field(default_factory=dict)

    async def ask(self, sources: Mapping[Source, frozenset[Workload]], known: Known, now: datetime) -> None:
        """One round over every source: continue its history, take its newest value, judge."""
        batch: list[tuple[Workload, Series, State]] = []
        for source, workloads in sources.items():
            past = self.histories.setdefault(source, Past(self.grid.step, POINTS))
            newest = await self._told(source, past, known, now)
            past.keep(known.workloads)
            batch += [(w, line(w, past, newest, now), self.states.get(w, {})) for w in workloads]
        found = await judge_all(self.workers, batch)
        self.states = {workload: state for workload, _, _, state in found}
        self.judged = {workload: Judged(now, answer, series.health) for workload, series, answer, _ in found}
        self.histories = {source: past for source, past in self.histories.items() if source in sources}

    async def _told(self, source: Source, past: Past, known: Known, now: datetime) -> Newest | Unavailable:
        """One source's newest values, its history continued. A query that the server calls wrong costs its own
        workloads their answer, nobody else.
        """

        async def ask(stretch: Stretch) -> Answered | Unavailable:
            return await self._between(source, known, stretch)

        try:
            await past.fill(now, self.grid.settled, PIECE, ask)
            return await self._newest(source, known, now)
        except BadQuery as error:
            log.warning("query refused", query=source.query or (source.preset and source.preset.name), error=str(error))
            return Unavailable(str(error))

    async def _between(self, source: Source, known: Known, stretch: Stretch) -> Answered | Unavailable:
        begin, end, step, window = stretch.begin, stretch.end, stretch.step, self.grid.window
        if source.preset is None:
            paths = await self.metrics.range(source.query, begin, end, step)
            return paths if isinstance(paths, Unavailable) else told(shared(paths, source.workload), paths.health)
        failures = await self.metrics.range(source.preset.failures(window), begin, end, step)
        load = await self.metrics.range(source.preset.load(window), begin, end, step)
        if isinstance(failures, Unavailable):
            return failures
        if isinstance(load, Unavailable):
            return load
        shares = error_shares(failures, load, source.preset.naming, known, window)
        return told(shares, failures.health | load.health)

    async def _newest(self, source: Source, known: Known, now: datetime) -> Newest | Unavailable:
        step, window = self.grid.step, self.grid.window
        if source.preset is None:
            one = await self.metrics.instant(source.query, now)
            if isinstance(one, Unavailable):
                return one
            return shared(own_paths(one, now, step), source.workload), one.health
        failures = await self.metrics.instant(source.preset.failures(window), now)
        load = await self.metrics.instant(source.preset.load(window), now)
        if isinstance(failures, Unavailable):
            return failures
        if isinstance(load, Unavailable):
            return load
        paths = as_paths(failures, now, step), as_paths(load, now, step)
        health = failures.health | load.health
        return error_shares(*paths, source.preset.naming, known, window), health


def told(shares: Mapping[Workload, Series], health: DataHealth) -> Answered:
    """A stretch of history: share and support by workload, and the doubts about it, one that belongs to a single
    workload left to its own values: what can be no share is missing.
    """
    doubts = health.problems.union(*(series.health.problems for series in shares.values())) - {Problem.RESET}
    return {workload: believed(series) for workload, series in shares.items()}, doubts


def believed(series: Series) -> Floats:
    """Shares above their support, in two rows; missing where a counter was reset."""
    support = series.support if series.support is not None else np.full(len(series.values), np.nan)
    whole = ~((series.values < 0.0) | (series.values > 1.0 + SLACK))
    return np.where(whole, np.vstack([np.minimum(series.values, 1.0), support]), np.nan)


def line(workload: Workload, past: Past, newest: Newest | Unavailable, now: datetime) -> Series:
    """The workload's history, each point at its own time, then its newest value with the newest answer's health."""
    step = past.step
    here = round((now - EPOCH) / step)
    slot = here if past.newest is None else max(past.newest + 1, here)
    first, before = past.known(workload) or (slot, np.zeros((2, 0)))
    row = np.full((2, min(slot - first, past.points) + 1), np.nan)
    old = before[:, max(0, slot - first - past.points) :]
    row[:, : old.shape[-1]] = old
    value, support, health = newest_of(workload, newest)
    row[:, -1] = value, support
    counted = row[1] if np.any(np.isfinite(row[1])) else None
    start = EPOCH + (slot - row.shape[-1] + 1) * step
    return Series(workload, Signal.ERRORS, start, step, row[0], "ratio", health, counted)


def newest_of(workload: Workload, newest: Newest | Unavailable) -> tuple[float, float, DataHealth]:
    """One workload's newest share, the requests behind it, and how far it can be trusted."""
    if isinstance(newest, Unavailable):
        return math.nan, math.nan, DataHealth(frozenset({Problem.UNAVAILABLE}), newest.reason)
    shares, said = newest
    last = shares.get(workload)
    if last is None or not len(last.values):
        absent = said if not said.healthy else DataHealth(frozenset({Problem.MISSING}), "no requests are counted")
        return math.nan, math.nan, absent
    return float(last.values[-1]), math.nan if last.support is None else float(last.support[-1]), last.health


def shared(paths: Paths, workload: Workload | None) -> Mapping[Workload, Series]:
    """A policy's own answer, for its workload."""
    return {} if workload is None or not paths.paths else {workload: own_share(paths, workload)}


def own_paths(samples: Samples, now: datetime, step: timedelta) -> Paths:
    """The instant answer to a policy's own query as a range of one point, which is missing where nobody asked: as it is
    by a preset.
    """
    if nobody_asked(samples):
        return Paths(now, step, (Path({}, (math.nan,)),), HEALTHY)
    return as_paths(samples, now, step)


def as_paths(samples: Samples, now: datetime, step: timedelta) -> Paths:
    """An instant answer as a range of one point."""
    return Paths(now, step, tuple(Path(sample.labels, (sample.value,)) for sample in samples.samples), samples.health)


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
    wanted: Iterable[tuple[Workload, str | None, str | None]], presets: Mapping[str, Preset]
) -> dict[Source, frozenset[Workload]]:
    """Group workloads by where their error share comes from: (workload, preset, own query). A preset without failures
    has none.
    """
    found: dict[Source, set[Workload]] = {}
    for workload, preset, query in wanted:
        if query:
            found.setdefault(Source(query=query, workload=workload), set()).add(workload)
        elif preset and presets[preset].failed:
            found.setdefault(Source(presets[preset]), set()).add(workload)
    return {source: frozenset(workloads) for source, workloads in found.items()}
