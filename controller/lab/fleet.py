"""All pods as columns of numbers: what the physics works on, one place for each pod of the fleet.

A place is taken for a pod's life and given to another afterwards. Columns double when they are full.
"""

from __future__ import annotations

import heapq
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from controller.lab.latency import EDGES, Floats, Mixture

CPU_SAMPLES = 6
"""Scrapes of CPU kept per pod, for an autoscaler that sees the last minute a scrape late."""


class Phase(IntEnum):
    """Where a pod is in its life."""

    EMPTY = 0
    PENDING = 1
    STARTING = 2
    READY = 3
    UNREADY = 4
    WAITING = 5
    PULLING = 6
    TERMINATING = 7
    LOST = 8


_RUNNING = np.isin(list(Phase), (Phase.STARTING, Phase.READY, Phase.UNREADY))

_FLOATS = (
    ("queue", 0.0),
    ("memory", 0.0),
    ("leaked", 0.0),
    ("disk", 0.0),
    ("due", np.inf),
    ("capacity", 0.0),
    ("concurrency", 1.0),
    ("cpu_each", 0.0),
    ("cpu_idle", 0.0),
    ("cpu_starting", 0.0),
    ("cpu_request", 0.0),
    ("cpu_limit", np.inf),
    ("errors", 0.0),
    ("timeout", 10.0),
    ("memory_base", 0.0),
    ("memory_each", 0.0),
    ("memory_limit", np.inf),
    ("memory_request", 0.0),
    ("leak", 0.0),
    ("pace", 0.0),
    ("median", 1.0),
    ("sigma", 1.0),
    ("slow_share", 0.0),
    ("slow_median", 1.0),
    ("slow_sigma", 1.0),
    ("service_time", 0.01),
    ("reach", np.inf),
    ("granted", 1.0),
    ("wait", 0.0),
    ("requests", 0.0),
    ("failed", 0.0),
    ("cpu", 0.0),
    ("born", 0.0),
    ("changed", 0.0),
)


class Fleet:
    """The columns. `size` places are in use or were; those with `phase` EMPTY are free.

    `reach` is what hardly any request takes longer than, `granted` the share of its work that there were cores for in
    the last tick.
    """

    queue: Floats
    memory: Floats
    leaked: Floats
    disk: Floats
    due: Floats
    capacity: Floats
    concurrency: Floats
    cpu_each: Floats
    cpu_idle: Floats
    cpu_starting: Floats
    cpu_request: Floats
    cpu_limit: Floats
    errors: Floats
    timeout: Floats
    memory_base: Floats
    memory_each: Floats
    memory_limit: Floats
    memory_request: Floats
    leak: Floats
    pace: Floats
    median: Floats
    sigma: Floats
    slow_share: Floats
    slow_median: Floats
    slow_sigma: Floats
    service_time: Floats
    reach: Floats
    granted: Floats
    wait: Floats
    requests: Floats
    failed: Floats
    cpu: Floats
    born: Floats
    changed: Floats

    def __init__(self, capacity: int = 64) -> None:
        self.room = capacity
        self.size = 0
        self._free: list[int] = []
        for name, empty in _FLOATS:
            setattr(self, name, np.full(capacity, empty))
        self.phase: NDArray[np.int8] = np.zeros(capacity, np.int8)
        self.service: NDArray[np.int64] = np.zeros(capacity, np.int64)
        self.node: NDArray[np.int64] = np.full(capacity, -1, np.int64)
        self.identity: NDArray[np.int64] = np.full(capacity, -1, np.int64)
        self.latency: Floats = np.zeros((capacity, len(EDGES)))
        self.cpu_seen: Floats = np.full((CPU_SAMPLES, capacity), np.nan)

    def take(self) -> int:
        """A free place, empty; the lowest first, so that the same story takes the same places."""
        if self._free:
            place = heapq.heappop(self._free)
        else:
            if self.size == self.room:
                self._grow()
            place, self.size = self.size, self.size + 1
        self._clear(place)
        return place

    def give_back(self, place: int) -> None:
        """The pod is gone."""
        self._clear(place)
        heapq.heappush(self._free, place)

    def restart(self, place: int) -> None:
        """The container begins anew: counters, queue, memory and disk at nothing."""
        for name in ("queue", "memory", "leaked", "disk", "wait", "requests", "failed", "cpu"):
            getattr(self, name)[place] = 0.0
        self.latency[place] = 0.0
        self.cpu_seen[:, place] = np.nan

    def mixture(self, pods: slice | NDArray[np.int64]) -> Mixture:
        """How long requests take at these pods."""
        return Mixture(
            self.median[pods], self.sigma[pods], self.slow_share[pods], self.slow_median[pods], self.slow_sigma[pods]
        )

    def scraped(self, dead: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether at each place a container runs that answers a scrape, when these nodes are dead."""
        return _RUNNING[self.phase[: self.size]] & ~dead[self.node[: self.size]]

    def _clear(self, place: int) -> None:
        for name, empty in _FLOATS:
            getattr(self, name)[place] = empty
        self.phase[place] = Phase.EMPTY
        self.service[place] = 0
        self.node[place] = -1
        self.identity[place] = -1
        self.latency[place] = 0.0
        self.cpu_seen[:, place] = np.nan

    def _grow(self) -> None:
        more = self.room
        for name, empty in _FLOATS:
            setattr(self, name, np.concatenate((getattr(self, name), np.full(more, empty))))
        self.phase = np.concatenate((self.phase, np.zeros(more, np.int8)))
        self.service = np.concatenate((self.service, np.zeros(more, np.int64)))
        self.node = np.concatenate((self.node, np.full(more, -1, np.int64)))
        self.identity = np.concatenate((self.identity, np.full(more, -1, np.int64)))
        self.latency = np.concatenate((self.latency, np.zeros((more, len(EDGES)))))
        self.cpu_seen = np.concatenate((self.cpu_seen, np.full((CPU_SAMPLES, more), np.nan)), axis=1)
        self.room += more
