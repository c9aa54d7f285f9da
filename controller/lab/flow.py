"""One tick of physics: requests arrive, wait, are served, fail, call others, and cost CPU, memory and disk.

A fluid queue per pod, `Q ← max(0, Q + λdt − μdt)`, at most `timeout` of wait long: what would wait longer times out.
Requests are conserved: what arrived was answered, failed, or waits. Callers pass load down the graph within the tick;
failures and latency come up the graph within the tick. A slow dependency holds workers, so it costs its callers
capacity. Below saturation requests wait for chance alone (Sakasegawa's approximation of M/M/c). Retries follow the
failures of the tick before; a caller out of patience has gone when its request is served, which is work for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.lab.fleet import Fleet, Phase
from controller.lab.latency import EDGES, Floats, shares
from controller.lab.scenario import Scenario

_EDGES = np.array(EDGES)
_ALMOST = 1.0 - 1e-9
_BUSIEST = 0.98
_TOGETHER = 4
_SLOWEST = 10.0
_STARTING, _READY, _UNREADY, _TERMINATING = map(int, (Phase.STARTING, Phase.READY, Phase.UNREADY, Phase.TERMINATING))
PACES = 0.3
"""How far apart pods leak and fill their disks, as a share of the mean: no two come to their end at once."""


@dataclass(slots=True, eq=False)
class Ground:
    """What the faults and the nodes make of the tick; one entry per service, or per node."""

    retries: Floats
    patience: Floats
    failing: Floats
    delay: Floats
    leak: Floats
    leak_spread: Floats
    leak_most: Floats
    disk: Floats
    disk_failing: Floats
    disk_room: Floats
    node_cores: Floats
    node_noise: Floats
    node_dead: np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(slots=True, eq=False)
class Tick:
    """What a tick came to, per service: requests that arrived, of them failed, cores used, the worst wait."""

    arrived: Floats
    answered: Floats
    failed: Floats
    cpu: Floats
    wait: Floats
    ready: Floats
    buckets: Floats


class Flow:
    """The service graph, and what of the last tick the next one needs."""

    def __init__(self, scenario: Scenario) -> None:
        names = [service.name for service in scenario.services]
        count = len(names)
        self.calls = np.zeros((count, count))
        self.needed = np.zeros((count, count))
        self.longest = np.full((count, count), np.inf)
        for index, service in enumerate(scenario.services):
            for call in service.calls:
                self.calls[index, names.index(call.to)] += call.per
                self.longest[index, names.index(call.to)] = call.timeout
                if not call.optional:
                    self.needed[index, names.index(call.to)] += call.per
        self.levels = _levels(self.calls)
        self.fail_share = np.zeros(count)
        self.down_latency = np.zeros(count)
        self._owed, self._owed_late = np.zeros(count), np.zeros(count)
        self._rest = _TOGETHER

    def tick(
        self,
        fleet: Fleet,
        ground: Ground,
        offered: Floats,
        dt: float,
        drawing: np.random.Generator,
        *,
        by_pod: bool = True,
    ) -> Tick:
        """Move the columns of the fleet on by `dt` seconds. `by_pod`: fill the pods' own histograms too."""
        n, count = fleet.size, len(offered)
        phase, service, node = fleet.phase[:n], fleet.service[:n], fleet.node[:n]
        dead = ground.node_dead[node]
        endpoint = phase == _READY
        running = (endpoint | (phase == _UNREADY) | (phase == _TERMINATING)) & ~dead
        starting = (phase == _STARTING) & ~dead
        queue = fleet.queue[:n]

        held = fleet.service_time[:n] + self.down_latency[service] + ground.delay[service]
        rate = np.minimum(fleet.capacity[:n], fleet.concurrency[:n] / held) * running
        arriving = self._arriving(offered, ground, summed(service, rate * endpoint, count), service, queue, dt)
        endpoints = summed(service, endpoint, count)
        each = np.where(endpoint, (arriving / np.maximum(endpoints, 1.0))[service], 0.0)
        rate = self._contended(fleet, ground, rate, each, dt, running, starting)

        waiting = queue + np.where(dead, 0.0, each * dt)
        served = np.minimum(waiting, rate * dt)
        left = waiting - served
        late = np.maximum(left - rate * fleet.timeout[:n], 0.0)
        queue[:] = left - late
        wait = _waits(queue, served, rate, held, dt)
        fleet.wait[:n] = wait

        healthy = _healthy(fleet, ground, wait)
        unanswered = late + np.where(dead, each * dt, 0.0)
        by_service = summed(service, served, count)
        nowhere = np.where(endpoints > 0, 0.0, arriving * dt)
        lost = summed(service, unanswered, count) + nowhere
        fine = summed(service, served * healthy, count)
        slow = summed(service, served * (wait + fleet.service_time[:n]), count)
        down = self._propagate(ground, by_service, fine, lost, slow)
        failed = _drawn(served, 1.0 - healthy * (1.0 - down)[service], drawing) + late

        fleet.requests[:n] += served + late
        fleet.failed[:n] += failed
        used = served * fleet.cpu_each[:n] + (fleet.cpu_idle[:n] * running + fleet.cpu_starting[:n] * starting) * dt
        fleet.cpu[:n] += used
        self._fill(fleet, ground, held, running | starting, served, dt)
        delayed = wait + (self.down_latency + ground.delay)[service]
        if by_pod:
            buckets = _by_pod(fleet, served, late, delayed, count) + self._paid(fleet, served, delayed, by_service)
        else:
            buckets = self._by_service(fleet, served, late, delayed, by_service)
        return Tick(
            arrived=arriving * dt,
            answered=by_service + lost,
            failed=summed(service, failed, count) + lost - summed(service, late, count),
            cpu=summed(service, used, count),
            wait=_worst(wait * endpoint, service, count),
            ready=endpoints,
            buckets=buckets,
        )

    def _arriving(
        self, offered: Floats, ground: Ground, rate: Floats, service: np.ndarray, queue: Floats, dt: float
    ) -> Floats:
        """Requests per second at every service: from outside and from callers, with retries."""
        share = np.minimum(self.fail_share, _ALMOST)
        again = (1.0 - share ** (ground.retries + 1.0)) / (1.0 - share)
        arriving = offered * again
        waiting = summed(service, queue, len(offered)) / dt
        for level in self.levels[:-1]:
            handled = np.minimum(arriving[level] + waiting[level], rate[level])
            arriving = arriving + (handled @ self.calls[level]) * again
        return np.asarray(arriving)

    def _contended(
        self,
        fleet: Fleet,
        ground: Ground,
        rate: Floats,
        each: Floats,
        dt: float,
        running: np.ndarray,
        starting: np.ndarray,
    ) -> Floats:
        """What is left of the rate where the cores of a node, or a container's limit, do not suffice."""
        n = fleet.size
        cost = fleet.cpu_each[:n]
        wanted = np.minimum(each + fleet.queue[:n] / dt, rate)
        cores = wanted * cost + fleet.cpu_idle[:n] * running + fleet.cpu_starting[:n] * starting
        allowed = np.minimum(1.0, fleet.cpu_limit[:n] / np.maximum(cores, 1e-9))
        by_node = summed(fleet.node[:n] + 1, cores * allowed, len(ground.node_cores) + 1)[1:] + ground.node_noise
        scarce = np.minimum(1.0, ground.node_cores / np.maximum(by_node, 1e-9))
        left = allowed * np.append(scarce, 1.0)[fleet.node[:n]]
        return np.where(left < 1.0, wanted * left, rate)

    def _propagate(self, ground: Ground, served: Floats, fine: Floats, lost: Floats, slow: Floats) -> Floats:
        """Failures and latency up the graph; the share that fails because of what it calls, per service."""
        total = served + lost
        own = np.where(total > 0, fine / np.maximum(total, 1e-9), 1.0)
        own_latency = np.where(served > 0, slow / np.maximum(served, 1e-9), 0.0) + ground.delay
        down, latency, fail = np.zeros(len(served)), np.zeros(len(served)), 1.0 - own
        for level in reversed(self.levels[:-1]):
            called = np.log1p(-np.minimum(fail ** (1.0 + ground.retries), _ALMOST))
            down[level] = -np.expm1(self.needed[level] @ called)
            answered = np.minimum(own_latency + latency, self.longest[level])
            latency[level] = (self.calls[level] * answered).sum(axis=1)
            fail[level] = 1.0 - own[level] * (1.0 - down[level])
        self.fail_share, self.down_latency = fail, latency
        return down

    def _by_service(self, fleet: Fleet, served: Floats, late: Floats, delayed: Floats, by_service: Floats) -> Floats:
        """Counts under each edge by service, once in four ticks, at the mean of its pods then."""
        self._owed += by_service
        self._owed_late += summed(fleet.service[: fleet.size], late, len(by_service))
        self._rest -= 1
        if self._rest > 0:
            return np.zeros((len(by_service), len(EDGES)))
        self._rest = _TOGETHER
        return self._paid(fleet, served, delayed, by_service)

    def _paid(self, fleet: Fleet, served: Floats, delayed: Floats, by_service: Floats) -> Floats:
        """What is owed to the histograms; a service that answers nothing just now is paid another time."""
        if not self._owed.any() and not self._owed_late.any():
            return np.zeros((len(by_service), len(EDGES)))
        n, count = fleet.size, len(by_service)
        service, total = fleet.service[:n], np.maximum(by_service, 1e-9)
        answering = by_service > 0
        means = [
            np.where(answering, summed(service, served * column[:n], count) / total, 1.0) for column in _mixture(fleet)
        ]
        wait = summed(service, served * delayed, count) / total
        counts = np.where(answering, self._owed, 0.0)
        buckets = counts[:, None] * shares(means[0], means[1], means[2], means[3], means[4], wait)
        buckets += self._owed_late[:, None] * (_EDGES >= _SLOWEST)
        self._owed = self._owed - counts
        self._owed_late = np.zeros(count)
        return buckets

    def _fill(self, fleet: Fleet, ground: Ground, held: Floats, alive: np.ndarray, served: Floats, dt: float) -> None:
        n = fleet.size
        service = fleet.service[:n]
        apart = fleet.pace[:n]
        leaking = fleet.leak[:n] * (1.0 + PACES * apart)
        leaking = leaking + ground.leak[service] * (1.0 + ground.leak_spread[service] * apart)
        grown = fleet.leaked[:n] + leaking * dt * alive
        most = np.where(fleet.leak[:n] > 0, np.inf, ground.leak_most[service])
        fleet.leaked[:n] = np.maximum(fleet.leaked[:n], np.minimum(grown, most))
        inside = fleet.queue[:n] + served / dt * held
        fleet.memory[:n] = (fleet.memory_base[:n] + fleet.memory_each[:n] * inside + fleet.leaked[:n]) * alive
        fleet.disk[:n] += ground.disk[service] * (1.0 + PACES * apart) * dt * alive


def summed(places: np.ndarray, weights: np.ndarray, count: int) -> Floats:
    """The sum of the weights at each place, as floats."""
    return np.bincount(places, weights, count).astype(np.float64, copy=False)


def _healthy(fleet: Fleet, ground: Ground, wait: Floats) -> Floats:
    """The share of each pod's answers that are good, as far as it is up to the pod and what it depends on outside."""
    n = fleet.size
    service = fleet.service[:n]
    healthy = (1.0 - fleet.errors[:n]) * (1.0 - ground.failing[service])
    if ground.disk.any():
        full = (ground.disk[service] > 0.0) & (fleet.disk[:n] >= ground.disk_room[service])
        healthy = healthy * np.where(full, 1.0 - ground.disk_failing[service], 1.0)
    if np.isfinite(ground.patience).any():
        healthy = np.where(wait > ground.patience[service], 0.0, healthy)
    return np.asarray(healthy)


def _drawn(served: Floats, share: Floats, drawing: np.random.Generator) -> Floats:
    """How many of them fail, by chance: the rarer of failures and successes is drawn."""
    rare = np.minimum(served, drawing.poisson(served * np.minimum(share, np.maximum(1.0 - share, 0.0))))
    return np.where(share > 0.5, served - rare, rare)


def _waits(queue: Floats, served: Floats, rate: Floats, held: Floats, dt: float) -> Floats:
    """Seconds until a request is begun: the queue before it, and what chance adds below saturation."""
    serving = rate > 0.0
    safe = np.where(serving, rate, 1.0)
    busy = np.minimum(served / (safe * dt), _BUSIEST)
    servers = np.maximum(1.0, safe * held)
    chance = held / servers * busy ** (np.sqrt(2.0 * (servers + 1.0)) - 1.0) / (1.0 - busy)
    return np.where(serving, queue / safe + chance, 0.0)


def _by_pod(fleet: Fleet, served: Floats, late: Floats, delayed: Floats, count: int) -> Floats:
    """Counts under each edge, kept by pod and summed by service; a time-out took as long as it waited."""
    n = fleet.size
    median, sigma, slow_share, slow_median, slow_sigma = (column[:n] for column in _mixture(fleet))
    counts = served[:, None] * shares(median, sigma, slow_share, slow_median, slow_sigma, delayed)
    counts += late[:, None] * (fleet.timeout[:n, None] <= _EDGES)
    fleet.latency[:n] += counts
    sums = np.zeros((count, len(EDGES)))
    np.add.at(sums, fleet.service[:n], counts)
    return sums


def _mixture(fleet: Fleet) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    return fleet.median, fleet.sigma, fleet.slow_share, fleet.slow_median, fleet.slow_sigma


def _worst(values: Floats, service: np.ndarray, count: int) -> Floats:
    worst = np.zeros(count)
    np.maximum.at(worst, service, values)
    return worst


def _levels(calls: Floats) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Services by how many calls lie before them: callers come before what they call."""
    depth = np.zeros(len(calls), np.int64)
    for _ in range(len(calls)):
        for caller, called in zip(*np.nonzero(calls), strict=True):
            depth[called] = max(depth[called], depth[caller] + 1)
    return [np.flatnonzero(depth == level) for level in range(int(depth.max(initial=0)) + 1)]
