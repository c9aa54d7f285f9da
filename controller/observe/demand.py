"""Demand: what load is coming to each workload, and the floor that it needs.

A round costs one question per source (the newest load); every five minutes one more for the newest grid point, and only
then are forecasts made, in a worker. Promises that bad data make no forecast and never lower a floor: the last good
one is kept and the reason is said. Nothing here acts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

import numpy as np
import structlog

from controller.core.alerts import Known
from controller.core.policy import ScalingMode
from controller.core.presets import Preset, of_twins
from controller.core.signals import DUPLICATE, RESET, by_workload, twice
from controller.core.sizing import (
    CannotSize,
    Capacity,
    Crowd,
    Object,
    Outlook,
    Rules,
    Standing,
    Wanted,
    observed,
    recorded,
    size,
    unfit,
)
from controller.errors import BadQuery
from controller.kinds import AUTOSCALERS, PODS, REPLICA_SETS, WORKLOADS
from controller.observe.cache import Cache
from controller.observe.consent import Consents
from controller.observe.fleet import Grid, Pool, Source, as_paths
from controller.observe.gauges import FLOOR_WANTED, FORECAST_PEAK, shown
from controller.observe.past import CHUNK, STEP, Answered, Floats, Past, Stretch
from controller.observe.starts import Starts
from controller.ports import Metrics, Paths, Unavailable
from controller.settings import Settings
from detectors.base import Horizon
from detectors.forecast.leadtime import LeadTime, lead_time
from detectors.forecast.shipped import Shipped
from detectors.results import Abstention, Forecast
from detectors.series import DataHealth, Problem, Series, Workload

log = structlog.get_logger(__name__)

BATCH = 100
"""Forecasts in one job of a worker: a second of its time."""
ANSWER = 300_000
"""Values in one answer, at most about ten megabytes of text."""
OLDEST = 3 * STEP
"""A history that ends earlier than this is no history of now."""
QUIET = Abstention("no history of its load yet", frozenset({Problem.MISSING}))

UNLISTED = CannotSize("the autoscalers have not been listed yet, or may not be read", "AutoscalersUnknown")
OUTDATED = Abstention("its history ends a while ago", frozenset({Problem.STALE}))


@dataclass(frozen=True, slots=True)
class Demanded:
    """What is known of one workload's load at `at`.

    `load` is the newest value in `unit`, None when it cannot be trusted; `health` says why; `forecast` was made when
    the last grid point came; `floor` is what it asks for now.
    """

    at: datetime
    load: float | None
    unit: str
    health: DataHealth
    forecast: Forecast | Abstention
    floor: Wanted | CannotSize
    lead: LeadTime
    capacity: Capacity


@dataclass(frozen=True, slots=True)
class Newest:
    """One workload's newest load."""

    load: float | None
    health: DataHealth


@dataclass(frozen=True, slots=True)
class Present:
    """What one round knows of a workload: its newest load and that load's `unit`, the `line` that the forecast rests on
    (None: no history), and how long its pods take to start.
    """

    newest: Newest
    unit: str
    line: Series | None
    lead: LeadTime


@dataclass(slots=True)
class Kept:
    """What is remembered of one workload between rounds."""

    capacity: Capacity = field(default=Capacity())
    crowd: Crowd | None = None
    measured_by: object = None
    standing: Standing = field(default=Standing())
    forecast: Forecast | Abstention = field(default=QUIET)
    forecast_of: datetime | None = None


Heard: TypeAlias = tuple[Mapping[Workload, Floats], DataHealth]
"""Load by workload, and the doubts about the whole answer."""


class Demand:
    """The load of all workloads that have a source of it. `round` runs one round, `of` answers from the last."""

    def __init__(
        self,
        settings: Settings,
        cache: Cache,
        consents: Consents,
        known: Callable[[], Known],
        metrics: Metrics,
        workers: Pool,
    ) -> None:
        self._settings, self._cache, self._consents, self._known = settings, cache, consents, known
        self._metrics, self._workers = metrics, workers
        self._presets = of_twins(settings.prometheus_replica_labels)
        scrape = timedelta(seconds=settings.scrape_interval)
        self._window, self._settled = Grid.over(timedelta(seconds=settings.baseline_seconds), scrape).window, scrape
        self._rules = Rules(settings.floor_cap, timedelta(seconds=settings.floor_hold_seconds))
        self._past: dict[Source, Past] = {}
        self._kept: dict[Workload, Kept] = {}
        self._starts = Starts()
        self._demanded: dict[Workload, Demanded] = {}
        self._asked_at: datetime | None = None

    def of(self, workload: Workload) -> Demanded | None:
        """What the last round found; None for a workload without a source of load or with scaling Off."""
        return self._demanded.get(workload)

    def due(self, now: datetime) -> bool:
        """Whether it is time for another round; at once until there was one."""
        period = timedelta(seconds=self._settings.demand_seconds)
        return self._asked_at is None or now - self._asked_at >= 0.9 * period

    def series(self, workload: Workload) -> Series | None:
        """The load that the forecast rests on, for people to see; None when there is none."""
        for source, past in self._past.items():
            if workload in past.rows:
                return past.series(workload, unit_of(source))
        return None

    async def round(self, now: datetime) -> None:
        """Continue the history, take the newest load, forecast where a new point has come, size every floor.

        Does nothing before workloads and pods are known: their history would be given to nobody.
        """
        if not all(self._cache.shelf(kind).synced for kind in (*WORKLOADS, REPLICA_SETS, PODS)):
            return
        self._asked_at = now
        known = self._known()
        sources = load_sources(self._wanted(known), self._presets)
        self._starts.look(self._cache)
        present: dict[Workload, Present] = {}
        for source, workloads in sources.items():
            past = self._past.setdefault(source, Past())
            heard = await self._heard(source, past, known, now)
            past.keep(known.workloads)
            unit = unit_of(source)
            for workload in workloads:
                lead = lead_time(self._starts.of(workload), self._settings.lead_quantile)
                present[workload] = Present(said_of(workload, heard), unit, past.series(workload, unit), lead)
        self._past = {source: past for source, past in self._past.items() if source in sources}
        self._kept = {workload: self._kept.get(workload, Kept()) for workload in present}
        await self._forecast(present, now)
        self._demanded = {workload: self._sized(workload, one, now) for workload, one in present.items()}
        self._show()

    def _wanted(self, known: Known) -> Iterable[tuple[Workload, str | None, str | None]]:
        for workload in known.workloads:
            if workload.kind == "DaemonSet":
                continue
            consent = self._consents.of(workload, self._cache.labels(workload))
            if consent.policy.scaling is not ScalingMode.OFF:
                own = consent.signals.load if consent.signals is not None else None
                yield workload, consent.preset.value if consent.preset is not None else None, own

    # Asking

    async def _heard(self, source: Source, past: Past, known: Known, now: datetime) -> Heard | Unavailable:
        """One source's newest answer, its history continued. A query that the server calls wrong costs its own
        workloads their answer, nobody else.
        """
        query = query_of(source, self._window)

        async def ask(stretch: Stretch) -> Answered | Unavailable:
            paths = await self._metrics.range(query, stretch.begin, stretch.end, stretch.step)
            if isinstance(paths, Unavailable):
                return paths
            found, health = loads_of(paths, source, known)
            return found, health.problems

        try:
            await past.fill(now, self._settled, chunk_of(source, known), ask)
            said = await self._metrics.instant(query, now)
        except BadQuery as error:
            log.warning("query refused", query=query, error=str(error))
            return Unavailable(str(error))
        return said if isinstance(said, Unavailable) else loads_of(as_paths(said, now, STEP), source, known)

    # Forecasting

    async def _forecast(self, present: Mapping[Workload, Present], now: datetime) -> None:
        """Forecast every workload whose history has grown; bad data now make no forecast, however good the past."""
        work: list[tuple[Workload, Series, Horizon]] = []
        period = timedelta(seconds=self._settings.demand_seconds)
        for workload, one in present.items():
            kept, health, line = self._kept[workload], one.newest.health, one.line
            if not health.healthy:
                kept.forecast, kept.forecast_of = Abstention(f"data {health}", health.problems), None
            elif line is None:
                kept.forecast, kept.forecast_of = QUIET, None
            elif now - line.end > OLDEST:
                kept.forecast, kept.forecast_of = OUTDATED, None
            elif kept.forecast_of != line.end:
                # The forecast serves until the next point has come and been scraped.
                window = one.lead.bound + period + STEP + max(timedelta(), now - line.end - self._settled)
                work.append((workload, line, Horizon(window, self._settings.floor_quantile)))
        for begin in range(0, len(work), BATCH):
            batch = tuple(work[begin : begin + BATCH])
            answers = await self._workers.run(forecast_batch, batch)
            for (workload, line, _), answer in zip(batch, answers, strict=True):
                self._kept[workload].forecast, self._kept[workload].forecast_of = answer, line.end

    # Sizing

    def _sized(self, workload: Workload, one: Present, now: datetime) -> Demanded:
        kept, newest = self._kept[workload], one.newest
        listed = self._cache.shelf(AUTOSCALERS).synced
        hpa = unfit(self._cache.autoscalers(workload)) if listed else UNLISTED
        if isinstance(hpa, CannotSize):
            floor: Wanted | CannotSize = hpa
        else:
            self._measure(workload, kept, hpa, newest.load, now)
            trouble = "" if newest.health.healthy else f"data {newest.health}"
            outlook = Outlook(newest.load, kept.forecast, one.lead.bound, trouble)
            floor, kept.standing = size(hpa, recorded(hpa), outlook, kept.capacity, kept.standing, self._rules, now)
        return Demanded(now, newest.load, one.unit, newest.health, kept.forecast, floor, one.lead, kept.capacity)

    def _measure(self, workload: Workload, kept: Kept, hpa: Object, load: float | None, now: datetime) -> None:
        """Learn what one pod bears, from load and autoscaler as they are now."""
        if kept.measured_by != measure_of(hpa):
            kept.capacity, kept.measured_by = Capacity(), measure_of(hpa)
        ready = self._ready(workload)
        if ready is not None:
            kept.crowd = kept.crowd.then(ready, now) if kept.crowd is not None else Crowd(ready)
        if load is not None:
            rests = kept.crowd is None or kept.crowd.rests(hpa, self._window, now)
            kept.capacity = observed(kept.capacity, hpa, load, ready, rests=rests)

    def _ready(self, workload: Workload) -> int | None:
        """Pods that are ready, as the workload's own status says; None when it is not known."""
        for kind in WORKLOADS:
            if kind.kind == workload.kind:
                item = self._cache.shelf(kind).objects.get((workload.namespace, workload.name))
                return None if item is None else int((item.get("status") or {}).get("readyReplicas") or 0)
        return None

    def _show(self) -> None:
        shown(
            FORECAST_PEAK,
            {w: d.forecast.peak.value for w, d in self._demanded.items() if isinstance(d.forecast, Forecast)},
        )
        shown(FLOOR_WANTED, {w: d.floor.replicas for w, d in self._demanded.items() if isinstance(d.floor, Wanted)})


def load_sources(
    wanted: Iterable[tuple[Workload, str | None, str | None]], presets: Mapping[str, Preset]
) -> dict[Source, frozenset[Workload]]:
    """Group workloads by where their load comes from: (workload, preset, own query)."""
    found: dict[Source, set[Workload]] = {}
    for workload, preset, query in wanted:
        if query:
            found.setdefault(Source(query=query, workload=workload), set()).add(workload)
        elif preset:
            found.setdefault(Source(presets[preset]), set()).add(workload)
    return {source: frozenset(workloads) for source, workloads in found.items()}


def query_of(source: Source, window: timedelta) -> str:
    """The PromQL of a source's load."""
    return source.query if source.preset is None else source.preset.load(window)


def chunk_of(source: Source, known: Known) -> int:
    """Grid points in one question, so that its answer stays at some megabytes: a preset by pods answers per pod."""
    by_pod = source.preset is not None and bool(source.preset.naming.pods)
    series = 1 if source.preset is None else max(len(known.pods) if by_pod else 0, len(known.workloads), 1)
    return max(12, min(CHUNK, ANSWER // series))


def unit_of(source: Source) -> str:
    """What its load is counted in."""
    return "requests/s" if source.preset is None else source.preset.load_unit


def loads_of(paths: Paths, source: Source, known: Known) -> Heard:
    """Load by workload, and the doubts about the whole answer."""
    if source.preset is None:
        if source.workload is None or not paths.paths:
            return {}, paths.health
        values = np.array(paths.paths[0].values, dtype=np.float64)
        return {source.workload: values}, paths.health | DUPLICATE if len(paths.paths) > 1 else paths.health
    health = paths.health | DUPLICATE if twice(paths.paths, source.preset.naming) else paths.health
    return by_workload(paths.paths, source.preset.naming, known), health


def said_of(workload: Workload, heard: Heard | Unavailable) -> Newest:
    """One workload's newest load out of its source's answer."""
    if isinstance(heard, Unavailable):
        return Newest(None, DataHealth(frozenset({Problem.UNAVAILABLE}), heard.reason))
    found, health = heard
    return newest_of(found.get(workload), health)


def newest_of(values: Floats | None, health: DataHealth) -> Newest:
    """A value with its health: nothing and less than nothing are no load."""
    if values is None or not len(values) or not np.isfinite(values[-1]):
        absent = DataHealth(frozenset({Problem.MISSING}), "no load is counted")
        return Newest(None, health if not health.healthy else absent)
    if values[-1] < 0.0:
        return Newest(None, health | RESET)
    return Newest(float(values[-1]) if health.healthy else None, health)


def measure_of(hpa: Object) -> object:
    """What a pod's share of load is measured by: another autoscaler or another target is another measure."""
    return hpa["metadata"].get("uid"), hpa["spec"].get("metrics")


def forecast_batch(batch: tuple[tuple[Workload, Series, Horizon], ...]) -> tuple[Forecast | Abstention, ...]:
    """One worker's share of a round."""
    forecaster = Shipped()
    return tuple(forecaster.forecast(series, horizon) for _, series, horizon in batch)
