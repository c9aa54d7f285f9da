"""The past: two weeks of service counters from before the lab's beginning, computed at one stroke.

No pods are played for it: load is what the generator or the trace says, failures are the usual ones, replicas are what
an autoscaler at its target would have held. Five-minute steps, and 15 s for the last six hours.
"""

from __future__ import annotations

import math

import numpy as np

from controller.lab.counters import WIDTH
from controller.lab.graph import Above, Calls, Graph
from controller.lab.latency import Floats, Mixture, below, mean, shares
from controller.lab.load import SLOT, Offered
from controller.lab.parts import Service
from controller.lab.scenario import Scenario

COARSE, RECENT = 300.0, 6 * 3600.0
_PAST = 4


def past(scenario: Scenario, offered: Offered, seed: int, begin: float) -> tuple[Floats, Floats]:
    """Times (epoch seconds) and rows (times, services, counters) up to the beginning."""
    times = _times(begin, scenario.history)
    lengths = np.diff(times)
    counts = offered.past((times[:-1] + times[1:]) / 2, lengths)
    graph = Graph(scenario)
    for level in graph.levels[:-1]:
        counts = counts + counts[:, level] @ graph.down[level]
    drawing = np.random.default_rng([seed, _PAST])
    services = scenario.services
    above = _usual(graph, services)
    under = shares(*_mixture(services), above.waits)
    failed = np.minimum(counts, drawing.poisson(counts * above.fails))
    rows = np.zeros((len(times), len(services), WIDTH))
    rates = counts / lengths[:, None]
    for index, service in enumerate(services):
        replicas = _replicas(service, rates[:, index], lengths)
        each = service.cpu.request / service.capacity if service.cpu.per_request is None else service.cpu.per_request
        cpu = counts[:, index] * each + replicas * service.cpu.idle * lengths
        steps = np.concatenate(
            (
                np.stack((counts[:, index], failed[:, index], cpu), axis=1),
                np.zeros((len(lengths), 3)),
                counts[:, index, None] * under[index],
            ),
            axis=1,
        )
        rows[1:, index] = np.cumsum(steps, axis=0)
        rows[1:, index, 3] = rows[1:, index, 4] = replicas
        rows[0, index, 3] = rows[0, index, 4] = replicas[0]
        rows[:, index, 5] = rows[:, index, 3] * service.memory.base
    return times, rows


def _usual(graph: Graph, services: tuple[Service, ...]) -> Above:
    """The failures and waits of services of which every one is as usual, and not busy."""
    mixture = _mixture(services)

    def late(calls: Calls, waits: Floats) -> Floats:
        called = Mixture(*(column[calls.called] for column in mixture))
        return 1.0 - below(*called, calls.patience - waits[calls.called])

    fine = np.array([1.0 - service.errors for service in services])
    return graph.up(fine, mean(*mixture), np.array([float(service.retries) for service in services]), late)


def _times(begin: float, history: float) -> Floats:
    recent = min(RECENT, history)
    coarse = np.arange(math.ceil((history - recent) / COARSE), 0, -1) * COARSE + recent
    return np.concatenate((begin - coarse, begin - np.arange(round(recent / SLOT), -1, -1) * SLOT))


def _mixture(services: tuple[Service, ...]) -> Mixture:
    """An entry for each service."""
    said = [service.latency for service in services]
    return Mixture(
        median=np.array([one.median for one in said]),
        sigma=np.array([one.sigma for one in said]),
        slow_share=np.array([one.slow_share for one in said]),
        slow_median=np.array([one.slow_median for one in said]),
        slow_sigma=np.array([one.slow_sigma for one in said]),
    )


def _replicas(service: Service, rates: Floats, lengths: Floats) -> Floats:
    """What the autoscaler would have held: the most of the last five minutes, per target."""
    scaler = service.autoscaler
    if scaler is None:
        return np.full(len(rates), float(service.replicas))
    per_pod = []
    if scaler.requests_per_pod is not None:
        per_pod.append(scaler.requests_per_pod)
    if scaler.cpu is not None:
        per_pod.append(service.capacity * scaler.cpu / 100.0)
    wanted = np.clip(np.ceil(rates / min(per_pod)), scaler.least, scaler.most)
    fine = lengths < COARSE
    recent = wanted[fine]
    if len(recent):
        width = round(COARSE / SLOT)
        padded = np.concatenate((np.full(width - 1, recent[0]), recent))
        wanted[fine] = np.lib.stride_tricks.sliding_window_view(padded, width).max(axis=1)
    return np.asarray(wanted, np.float64)
