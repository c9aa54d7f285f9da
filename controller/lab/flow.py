"""One tick of physics: requests arrive, wait, are served, fail, call others, and cost CPU, memory and disk.

A fluid queue per pod, `Q ← max(0, Q + λdt − μdt)`, at most `timeout` of wait long: what would wait longer times out.
Requests are conserved: what arrived was answered, failed, or waits, and nobody calls for a request that was not served:
what callers hand down is reckoned by the cores of the tick before, and what that was off is made good in the next.
Failures and latency come up the graph within the tick. A slow dependency holds workers, so it costs its callers
capacity. Below saturation requests wait for chance alone (Sakasegawa's approximation of M/M/c). Retries follow the
failures of the tick before; a caller out of patience has gone when its request is served, which is work for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.lab.fleet import Fleet, Phase
from controller.lab.graph import Calls, Graph, Places
from controller.lab.histograms import Histograms
from controller.lab.latency import Floats, below
from controller.lab.scenario import Scenario

Flags = NDArray[np.bool_]
_ALMOST = 1.0 - 1e-9
_BUSIEST = 0.98
_STARTING, _READY, _UNREADY, _TERMINATING = map(int, (Phase.STARTING, Phase.READY, Phase.UNREADY, Phase.TERMINATING))
PACES = 0.3
"""How far apart pods leak and fill their disks, as a share of the mean: no two come to their end at once."""


@dataclass(slots=True, eq=False)
class Ground:
    """What the faults and the nodes make of the tick; one entry per service, or per node (of `node_dead` one more, for
    pods that are on none).
    """

    surge: Floats
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
    node_dead: Flags


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


@dataclass(slots=True, eq=False)
class _Pods:
    """The pods at the beginning of a tick. `able` is requests per second as long as there are cores enough, `held` how
    long each holds a worker, `idle` the cores that it uses without any.
    """

    service: Places
    dead: Flags
    endpoint: Flags
    alive: Flags
    held: Floats
    able: Floats
    idle: Floats


@dataclass(slots=True, eq=False)
class _Work:
    """What the pods made of a tick: requests served, those that waited too long, and those that a dead pod got; the
    seconds that a request waited.
    """

    served: Floats
    late: Floats
    unanswered: Floats
    wait: Floats


class Flow:
    """The service graph, and what of the last tick the next one needs."""

    def __init__(self, scenario: Scenario) -> None:
        count = len(scenario.services)
        self.graph = Graph(scenario)
        self.fail_share = np.zeros(count)
        self.down_latency = np.zeros(count)
        self._ahead = np.zeros(count)
        self._histograms = Histograms(np.array([service.timeout for service in scenario.services]))

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
        pods, count = self._standing(fleet, ground), len(offered)
        endpoints = summed(pods.service, pods.endpoint, count)
        portion = pods.endpoint / np.maximum(endpoints, 1.0)[pods.service]
        arriving = self._arriving(fleet, pods, ground, offered, portion, dt)
        work = _worked_off(fleet, ground, pods, arriving[pods.service] * portion, dt)
        answers = summed(pods.service, work.served, count)
        self._ahead = np.where(self.graph.calling, self._ahead - answers, 0.0)
        nowhere = np.where(endpoints > 0, 0.0, arriving * dt)
        lost = summed(pods.service, work.late + work.unanswered, count) + nowhere

        healthy = _healthy(fleet, ground, work.wait)
        down = self._come_up(fleet, ground, work, healthy, answers, lost)
        failed = _drawn(work.served, 1.0 - healthy * (1.0 - down)[pods.service], drawing) + work.late
        fleet.requests[: fleet.size] += work.served + work.late
        fleet.failed[: fleet.size] += failed
        used = _cost(fleet, ground, pods, work.served, dt)
        delayed = work.wait + (self.down_latency + ground.delay)[pods.service]
        counted = self._histograms.by_pod if by_pod else self._histograms.by_service
        return Tick(
            arrived=arriving * dt,
            answered=answers + lost,
            failed=summed(pods.service, failed + work.unanswered, count) + nowhere,
            cpu=summed(pods.service, used, count),
            wait=_worst(work.wait * pods.endpoint, pods.service, count),
            ready=endpoints,
            buckets=counted(fleet, work.served, work.late, delayed),
        )

    def _standing(self, fleet: Fleet, ground: Ground) -> _Pods:
        n = fleet.size
        phase, service = fleet.phase[:n], fleet.service[:n]
        dead = ground.node_dead[fleet.node[:n]]
        endpoint = phase == _READY
        running = (endpoint | (phase == _UNREADY) | (phase == _TERMINATING)) & ~dead
        held = fleet.service_time[:n] + (self.down_latency + ground.delay)[service]
        able = np.minimum(fleet.capacity[:n], fleet.concurrency[:n] / held) * running
        starting = (phase == _STARTING) & ~dead
        idle = fleet.cpu_idle[:n] * running + fleet.cpu_starting[:n] * starting
        return _Pods(service, dead, endpoint, running | starting, held, able, idle)

    def _arriving(
        self, fleet: Fleet, pods: _Pods, ground: Ground, offered: Floats, portion: Floats, dt: float
    ) -> Floats:
        """Requests per second at every service: from outside and from callers, with retries and surges.

        A caller hands down what its pods will serve, each its portion as far as it is able; `_ahead` is how many
        requests more than were served that has come to so far.
        """
        share = np.minimum(self.fail_share, _ALMOST)
        times = ground.surge * (1.0 - share ** (ground.retries + 1.0)) / (1.0 - share)
        arriving = np.asarray(offered * times)
        waiting, granted = fleet.queue[: fleet.size] / dt, fleet.granted[: fleet.size]
        ahead, handed = self._ahead / dt, np.zeros(len(offered))
        for level in self.graph.levels[:-1]:
            wanted = np.minimum(arriving[pods.service] * portion + waiting, pods.able) * granted
            served = np.bincount(pods.service, wanted, len(offered))[level]
            handed[level] = down = np.maximum(served - ahead[level], 0.0)
            arriving = arriving + (down @ self.graph.down[level]) * times
        self._ahead += handed * dt
        return arriving

    def _come_up(
        self, fleet: Fleet, ground: Ground, work: _Work, healthy: Floats, answers: Floats, lost: Floats
    ) -> Floats:
        """Failures and latency up the graph; the share that fails because of what it calls, per service."""
        n, total = fleet.size, answers + lost
        service = fleet.service[:n]
        count = len(total)
        good = summed(service, work.served * healthy, count)
        fine = np.where(total > 0, good / np.maximum(total, 1e-9), 1.0)
        slow = summed(service, work.served * (work.wait + fleet.service_time[:n]), count)
        latency = np.where(answers > 0, slow / np.maximum(answers, 1e-9), 0.0) + ground.delay
        taken = work.wait + fleet.reach[:n] + ground.delay[service]

        def late(calls: Calls, waits: Floats) -> Floats | None:
            if taken.max(initial=0.0) + waits.max() <= calls.least:
                return None
            shares = np.zeros(len(calls.called))
            slowest = _worst(np.where(work.served > 0, taken, -np.inf), service, count, -np.inf) + waits
            for place in np.flatnonzero(slowest[calls.called] > calls.patience):
                called = calls.called[place]
                left = calls.patience[place] - ground.delay[called] - waits[called]
                shares[place] = _late(fleet, work, np.flatnonzero(service == called), left)
            return shares

        above = self.graph.up(fine, latency, ground.retries, late)
        self.fail_share, self.down_latency = above.fails, above.waits
        return above.down


def summed(places: Places, weights: Floats | Flags, count: int) -> Floats:
    """The sum of the weights at each place, as floats."""
    return np.bincount(places, weights, count).astype(np.float64, copy=False)


def _worked_off(fleet: Fleet, ground: Ground, pods: _Pods, each: Floats, dt: float) -> _Work:
    """The queues moved on, `each` requests per second arriving at a pod."""
    n = fleet.size
    wanted = np.minimum(each + fleet.queue[:n] / dt, pods.able)
    fleet.granted[:n] = granted = _granted(fleet, ground, pods, wanted)
    rate = np.where(granted < 1.0, wanted * granted, pods.able)
    come = each * dt
    waiting = fleet.queue[:n] + np.where(pods.dead, 0.0, come)
    served = np.minimum(waiting, rate * dt)
    left = waiting - served
    late = np.maximum(left - rate * fleet.timeout[:n], 0.0)
    fleet.queue[:n] = left - late
    wait = np.minimum(_waits(fleet.queue[:n], served, rate, pods.held, dt), fleet.timeout[:n])
    fleet.wait[:n] = wait
    return _Work(served, late, np.where(pods.dead, come, 0.0), wait)


def _granted(fleet: Fleet, ground: Ground, pods: _Pods, wanted: Floats) -> Floats:
    """The share of what each pod wants to do that its limit, and the cores of its node, allow."""
    n = fleet.size
    cores = wanted * fleet.cpu_each[:n] + pods.idle
    allowed = np.minimum(1.0, fleet.cpu_limit[:n] / np.maximum(cores, 1e-9))
    by_node = summed(fleet.node[:n] + 1, cores * allowed, len(ground.node_cores) + 1)[1:] + ground.node_noise
    scarce = np.minimum(1.0, ground.node_cores / np.maximum(by_node, 1e-9))
    return np.asarray(allowed * np.append(scarce, 1.0)[fleet.node[:n]])


def _cost(fleet: Fleet, ground: Ground, pods: _Pods, served: Floats, dt: float) -> Floats:
    """CPU, memory and disk grown by a tick's work; CPU seconds used by each pod."""
    n = fleet.size
    used = served * fleet.cpu_each[:n] + pods.idle * dt
    fleet.cpu[:n] += used
    apart = fleet.pace[:n]
    leaking = fleet.leak[:n] * (1.0 + PACES * apart)
    most: Floats | float = np.inf
    if ground.leak.any():
        leaking = leaking + ground.leak[pods.service] * (1.0 + ground.leak_spread[pods.service] * apart)
        most = np.where(fleet.leak[:n] > 0, np.inf, ground.leak_most[pods.service])
    grown = fleet.leaked[:n] + leaking * dt * pods.alive
    fleet.leaked[:n] = np.maximum(fleet.leaked[:n], np.minimum(grown, most))
    inside = fleet.queue[:n] + served / dt * pods.held
    fleet.memory[:n] = (fleet.memory_base[:n] + fleet.memory_each[:n] * inside + fleet.leaked[:n]) * pods.alive
    if ground.disk.any():
        fleet.disk[:n] += ground.disk[pods.service] * (1.0 + PACES * apart) * dt * pods.alive
    return np.asarray(used)


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


def _late(fleet: Fleet, work: _Work, pods: Places, seconds: float) -> float:
    """The share of what these pods have served that took longer, their own wait included."""
    under = below(*fleet.mixture(pods), seconds - work.wait[pods])
    served = work.served[pods]
    return float(served @ (1.0 - under) / served.sum())


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


def _worst(values: Floats, service: Places, count: int, least: float = 0.0) -> Floats:
    worst = np.full(count, least)
    np.maximum.at(worst, service, values)
    return worst
