"""The counters: what a metrics server would have scraped, per service for weeks and per pod for hours.

Service counters are cumulative and never begin anew; a failure is counted whether a pod or nobody answered. Pod
counters are those of the container and begin at nothing when it restarts. Times are epoch seconds. A sample is taken
every 15 s while somebody scrapes; after a day one in twenty is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.lab.fleet import Fleet, Phase
from controller.lab.latency import EDGES, Floats
from controller.lab.load import SLOT
from detectors.series import Workload

_LIVE = 5760
_THIN = 20
_LATE = 1.5
_REQUESTS, _FAILED, _CPU, _READY, _DESIRED, _MEMORY, _BUCKETS = 0, 1, 2, 3, 4, 5, 6
WIDTH = _BUCKETS + len(EDGES)
_POD_WIDTH = 5 + len(EDGES)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Values at times: shape (times, services), latency (times, services, edges); NaN where nothing is known."""

    requests: Floats
    failed: Floats
    cpu: Floats
    latency: Floats
    ready: Floats
    desired: Floats
    memory: Floats


@dataclass(frozen=True, slots=True, eq=False)
class PodSeries:
    """One pod's samples. Counters are its container's; `ready` is 0 or 1, `memory` in bytes."""

    namespace: str
    name: str
    uid: str
    replica_set: str
    replica_set_uid: str
    node: str
    image: str
    times: Floats
    requests: Floats
    failed: Floats
    cpu: Floats
    memory: Floats
    ready: Floats
    latency: Floats


@dataclass(slots=True)
class PodName:
    """Who a place of the fleet belonged to, and since when."""

    service: int
    place: int
    namespace: str
    name: str
    uid: str
    replica_set: str
    replica_set_uid: str
    image: str
    node: str = ""
    gone: bool = False


class Counters:
    """All samples so far."""

    def __init__(self, services: tuple[Workload, ...], times: Floats, past: Floats, hours: float = 3.0) -> None:
        self.services = services
        self.edges = EDGES
        self._old_times, self._old = times, past
        self._times: Floats = np.empty(_LIVE)
        self._rows: Floats = np.empty((_LIVE, len(services), WIDTH))
        self._used = 0
        self._gaps: list[tuple[float, float]] = []
        self.now_row: Floats = past[-1].copy()
        self._cap = max(8, round(hours * 240))
        self._pod_times: Floats = np.full(self._cap, np.nan)
        self._pod_rows: Floats = np.zeros((self._cap, 0, _POD_WIDTH))
        self._pod_ids: NDArray[np.int64] = np.zeros((self._cap, 0), np.int64)
        self._pod_next = 0
        self.names: dict[int, PodName] = {}

    @property
    def begins(self) -> float:
        """The first sample's time."""
        return float(self._old_times[0])

    @property
    def newest(self) -> float:
        """The last sample's time."""
        return float(self._times[self._used - 1] if self._used else self._old_times[-1])

    def missed(self, now: float) -> list[tuple[float, float]]:
        """Where scrapes are missing: between these samples, and from the newest till now when that is too long."""
        late = now - self.newest > _LATE * SLOT
        return [*self._gaps, (self.newest, now)] if late else self._gaps

    def add(self, requests: Floats, failed: Floats, cpu: Floats, buckets: Floats) -> None:
        """Count one tick."""
        row = self.now_row
        row[:, _REQUESTS] += requests
        row[:, _FAILED] += failed
        row[:, _CPU] += cpu
        row[:, _BUCKETS:] += buckets

    def sample(self, at: float, ready: Floats, desired: Floats, memory: Floats) -> None:
        """Keep what is counted now."""
        row = self.now_row
        row[:, _READY], row[:, _DESIRED], row[:, _MEMORY] = ready, desired, memory
        self._gaps = self.missed(at)
        if self._used == _LIVE:
            self._thin()
        self._times[self._used], self._rows[self._used] = at, row
        self._used += 1

    def sample_pods(self, at: float, fleet: Fleet, scraped: NDArray[np.bool_]) -> None:
        """Keep what the pods have counted that are `scraped`."""
        if self._pod_rows.shape[1] < fleet.room:
            more = fleet.room - self._pod_rows.shape[1]
            self._pod_rows = np.concatenate((self._pod_rows, np.zeros((self._cap, more, _POD_WIDTH))), axis=1)
            self._pod_ids = np.concatenate((self._pod_ids, np.full((self._cap, more), -1, np.int64)), axis=1)
        place, n = self._pod_next, fleet.size
        row = self._pod_rows[place]
        for column, values in enumerate((fleet.requests, fleet.failed, fleet.cpu, fleet.memory)):
            row[:n, column] = values[:n]
        row[:n, 4] = fleet.phase[:n] == Phase.READY
        row[:n, 5:] = fleet.latency[:n]
        self._pod_ids[place] = -1
        self._pod_ids[place, :n] = np.where(scraped, fleet.identity[:n], -1)
        self._pod_times[place] = at
        self._pod_next = (place + 1) % self._cap
        if self._pod_next == 0:
            self._forget()

    def at(self, times: Floats) -> Table:
        """Counters and gauges at any times, in a straight line between samples; NaN outside of what is known."""
        asked = np.asarray(times, np.float64)
        rows = np.full((len(asked), len(self.services), WIDTH), np.nan)
        live = self._times[: self._used]
        first = live[0] if self._used else np.inf
        old = (asked >= self._old_times[0]) & (asked <= self._old_times[-1])
        rows[old] = _between(asked[old], self._old_times, self._old)
        if self._used:
            new = (asked >= first) & (asked <= live[-1])
            rows[new] = _between(asked[new], live, self._rows[: self._used])
            gap = (asked > self._old_times[-1]) & (asked < first)
            ends = np.stack((self._old[-1], self._rows[0]))
            rows[gap] = _between(asked[gap], np.array([self._old_times[-1], first]), ends)
        return _table(rows)

    def rate(self, times: Floats, window: float) -> Table:
        """Per second over (t − window, t]; gauges as they are at t. After the newest sample: as at the newest.

        Where a gap cuts the window, as Prometheus has it (`extrapolatedRate`): what the samples show that are left, and
        half a scrape beyond the last, over the whole window; nothing where fewer than two are left.
        """
        ends = np.minimum(np.asarray(times, np.float64), self.newest)
        first, last, share = self._left(ends - window, ends)
        now, before = self.at(last), self.at(first)
        of = window / share

        def per_second(after: Floats, begin: Floats) -> Floats:
            return np.asarray((after - begin) / of.reshape(-1, *(1,) * (after.ndim - 1)))

        return Table(
            requests=per_second(now.requests, before.requests),
            failed=per_second(now.failed, before.failed),
            cpu=per_second(now.cpu, before.cpu),
            latency=per_second(now.latency, before.latency),
            ready=now.ready,
            desired=now.desired,
            memory=now.memory,
        )

    def _left(self, begins: Floats, ends: Floats) -> tuple[Floats, Floats, Floats]:
        """What of these windows was sampled: from, to, and by how much that is stretched; NaN where nothing was."""
        first, last = begins, ends
        for before, after in self._gaps:
            first = np.where((before < first) & (first < after), after, first)
            last = np.where((before < last) & (last < after), before, last)
        cut = (first > begins).astype(np.float64) + (last < ends)
        known = (cut == 0) | (last - first >= SLOT)
        stretched = 1.0 + cut * SLOT / 2 / np.where(known, last - first, 1.0)
        return first, last, np.where(known, stretched, np.nan)

    def pods(self, workload: Workload, since: float | None = None) -> tuple[PodSeries, ...]:
        """The samples of a workload's pods, those that are gone included, by name."""
        service = self.services.index(workload)
        order = np.argsort(self._pod_times, kind="stable")
        order = order[~np.isnan(self._pod_times[order])]
        if since is not None:
            order = order[self._pod_times[order] >= since]
        return tuple(sorted(self._series(service, order), key=lambda series: (series.times[0], series.name)))

    def _series(self, service: int, order: NDArray[np.int64]) -> Iterator[PodSeries]:
        times = self._pod_times[order]
        for identity, name in self.names.items():
            if name.service != service or name.place >= self._pod_ids.shape[1]:
                continue
            mine = self._pod_ids[order, name.place] == identity
            if not mine.any():
                continue
            rows = self._pod_rows[order[mine], name.place]
            yield PodSeries(
                name.namespace,
                name.name,
                name.uid,
                name.replica_set,
                name.replica_set_uid,
                name.node,
                name.image,
                times[mine],
                rows[:, 0],
                rows[:, 1],
                rows[:, 2],
                rows[:, 3],
                rows[:, 4],
                rows[:, 5:],
            )

    def _forget(self) -> None:
        """Names of pods that no sample is left of."""
        kept = set(np.unique(self._pod_ids).tolist())
        self.names = {identity: name for identity, name in self.names.items() if not name.gone or identity in kept}

    def _thin(self) -> None:
        half = _LIVE // 2
        kept = slice(0, half, _THIN)
        self._old_times = np.concatenate((self._old_times, self._times[:half][kept]))
        self._old = np.concatenate((self._old, self._rows[:half][kept]))
        self._times[: _LIVE - half] = self._times[half:].copy()
        self._rows[: _LIVE - half] = self._rows[half:].copy()
        self._used = _LIVE - half


def _between(asked: Floats, times: Floats, rows: Floats) -> Floats:
    if len(times) == 1:
        return np.repeat(rows, len(asked), axis=0)
    low = np.clip(np.searchsorted(times, asked, side="right") - 1, 0, len(times) - 2)
    share = ((asked - times[low]) / (times[low + 1] - times[low]))[:, None, None]
    return np.asarray(rows[low] + (rows[low + 1] - rows[low]) * share)


def _table(rows: Floats) -> Table:
    return Table(
        requests=rows[:, :, _REQUESTS],
        failed=rows[:, :, _FAILED],
        cpu=rows[:, :, _CPU],
        latency=rows[:, :, _BUCKETS:],
        ready=rows[:, :, _READY],
        desired=rows[:, :, _DESIRED],
        memory=rows[:, :, _MEMORY],
    )
