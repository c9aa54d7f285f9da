"""Metrics over the lab: the shipped presets' queries, answered from what the physics counted.

Promises the same rules of trust as a real server (`core.reading`), rates over exactly the window asked for, quantiles
as `histogram_quantile` makes them, nothing for a query it does not know, and silence while the lab's Prometheus is out.
`fault` is what else is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from controller.adapters.lab.alerts import firing
from controller.adapters.lab.quantile import histogram_quantile
from controller.adapters.lab.queries import Asked, AskedPods, OfPods, What, asked
from controller.core.alerts import ALERTS_QUERY
from controller.core.presets import Naming
from controller.core.reading import RawPath, RawSample, Trust, points, read_instant, read_range
from controller.errors import BadQuery
from controller.lab.lab import Lab
from controller.lab.scraping import Fault, untouched
from controller.ports import Paths, Samples, Unavailable
from detectors.series import DataHealth, Workload

Floats: TypeAlias = NDArray[np.float64]
Series: TypeAlias = tuple[Mapping[str, str], Floats]
Source: TypeAlias = Callable[[Floats], Iterable[Series]]
"""What a query answers at these times (unix seconds): labels and values of every series, NaN where there is none."""


class LabMetrics:
    """The lab's Prometheus. `further` answers queries of other texts."""

    def __init__(
        self,
        lab: Lab,
        trust: Trust | None = None,
        *,
        further: Mapping[str, Source] | None = None,
    ) -> None:
        self._lab, self._trust = lab, trust or Trust()
        self._further = dict(further or {})
        self.fault = Fault()

    async def instant(self, query: str, at: datetime) -> Samples | Unavailable:
        """Evaluate at one time; see the port."""
        if reason := self._down():
            return Unavailable(reason)
        found = self._series(query, np.array([at.timestamp()]))
        samples = self._faulty([RawSample(labels, float(values[0]), at) for labels, values in found], at)
        answer = read_instant(samples, at, self._trust, self.fault.said)
        return replace(answer, health=self._pulse() | answer.health)

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Paths | Unavailable:
        """Evaluate over [start, end]; see the port."""
        if reason := self._down():
            return Unavailable(reason)
        grid = np.arange(points(start, end, step), dtype=np.float64)
        times: Floats = np.asarray(start.timestamp() + grid * step.total_seconds(), np.float64)
        raw = [self._path(labels, times, values) for labels, values in self._series(query, times)]
        answer = read_range([path for path in raw if len(path.times)], start, end, step, self._trust, self.fault.said)
        return Paths(answer.start, answer.step, answer.paths, self._pulse() | answer.health)

    async def close(self) -> None:
        """Nothing to release."""

    def _down(self) -> str:
        return self.fault.down or self._lab.metrics_down or ""

    def _pulse(self) -> DataHealth:
        """What the server's own scrapes say of it."""
        now = self._lab.now
        missed = [(_instant(since), _instant(until)) for since, until in self._lab.counters.missed(now.timestamp())]
        return self.fault.health(now, self._trust, missed)

    def _series(self, query: str, times: Floats) -> list[Series]:
        """Every series, without those that have no value at any of the times."""
        if query.count("(") != query.count(")"):
            raise BadQuery(f"the server refuses the query `{query}`", "correct the PromQL")
        source = self._source(query)
        if source is None:
            return []
        return [(labels, values) for labels, values in source(times) if not np.isnan(values).all()]

    def _source(self, query: str) -> Source | None:
        if query in self._further:
            return self._further[query]
        if query == ALERTS_QUERY:
            return self._firing
        match found := asked(query):
            case Asked():
                return partial(self._services, found)
            case AskedPods():
                return partial(self._pods, found)
            case None:
                return None
            case _:
                assert_never(found)

    def _firing(self, times: Floats) -> Iterable[Series]:
        yield {"trimtab": "asked"}, np.zeros(len(times))
        yield from firing(self._lab, times)

    def _services(self, found: Asked, times: Floats) -> Iterable[Series]:
        """One value per service and time."""
        counters = self._lab.counters
        table = counters.rate(times, found.window.total_seconds())
        match found.what:
            case What.LOAD:
                values = table.requests if found.preset.load_unit == "requests/s" else table.cpu
            case What.FAILURES:
                values = table.failed
            case What.LATENCY:
                values = histogram_quantile(found.quantile, table.latency, np.asarray(counters.edges))
            case _:
                assert_never(found.what)
        for index, service in enumerate(counters.services):
            yield labelled(found.preset.naming, service), values[:, index]

    def _pods(self, found: AskedPods, times: Floats) -> Iterable[Series]:
        """The counter of each pod of these ReplicaSets, as last scraped."""
        space, pod = found.preset.per_pod[-1]
        since = float(times[0]) - STALE
        for service in self._lab.counters.services:
            if service.namespace != found.namespace:
                continue
            for series in self._lab.counters.pods(service, since):
                if series.replica_set in found.replica_sets:
                    counted = series.requests if found.what is OfPods.REQUESTS else series.failed
                    yield {space: series.namespace, pod: series.name}, scraped(times, series.times, counted)

    def _path(self, labels: Mapping[str, str], times: Floats, values: Floats) -> RawPath:
        known = ~np.isnan(values)
        times, values = times[known], values[known]
        if self.fault == Fault():
            return RawPath(labels, times, values)
        kept = [
            (at.timestamp(), sample.value)
            for at, value in zip((datetime.fromtimestamp(t, UTC) for t in times), values, strict=True)
            for sample in self._faulty([RawSample(labels, float(value), at)], at)
        ]
        table = np.array(kept, dtype=np.float64).reshape(-1, 2)
        return RawPath(labels, table[:, 0], table[:, 1])

    def _faulty(self, samples: Sequence[RawSample], at: datetime) -> Sequence[RawSample]:
        fault = self.fault
        if fault.silent(at, self._trust):
            return ()
        if fault.late or fault.mangle is not untouched:
            return fault.mangle([RawSample(one.labels, one.value, at - fault.late) for one in samples])
        return samples


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


STALE = 60.0
"""Seconds after its last scrape at which a target that is gone has no value any more."""


def scraped(times: Floats, samples: Floats, values: Floats) -> Floats:
    """The newest sample at each time, NaN before the first and where it is stale."""
    place = np.searchsorted(samples, times, side="right") - 1
    known = place >= 0
    newest = samples[np.maximum(place, 0)]
    return np.where(known & (times - newest <= STALE), values[np.maximum(place, 0)], np.nan)


def labelled(naming: Naming, service: Workload) -> dict[str, str]:
    """The labels by which a preset names a workload; where it only names pods, one that stands for all of them."""
    labels = {naming.namespaces[-1]: service.namespace}
    name = next((label for label, kind in naming.names if kind in (None, service.kind)), None)
    if name is not None:
        return labels | {name: service.name}
    return labels | {naming.pods[0]: f"{service.name}-{'b' * 8}-{'b' * 5}"}
