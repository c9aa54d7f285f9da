"""The service graph: who calls whom, how often, and how failures and latency come up it.

Promises that a caller comes before everything that it calls, so that load is passed down, and failures and latency up,
within a tick. Services are numbers, in the scenario's order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from controller.lab.latency import Floats
from controller.lab.parts import Call
from controller.lab.scenario import Scenario

Places: TypeAlias = NDArray[np.int64]
_LEAST = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """All calls, an entry each: the caller waits for `timeout` at most, and fails after `patience` (an optional call:
    never). `least` is the shortest patience.
    """

    called: Places
    timeout: Floats
    patience: Floats
    least: float


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Some services and the calls that they make.

    `per[i, j]`: how often one request to the i-th of them makes the j-th call, and `needed` how often it must.
    """

    services: Places
    calls: slice
    called: Places
    per: Floats
    needed: Floats


Late: TypeAlias = Callable[[Calls, Floats], Floats | None]
"""The share of the answers to each call that come too late, when services wait so long (seconds) for what they call;
None when none does.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Above:
    """What comes up the graph, per service: the share that fails because of what it calls, the seconds that it waits
    for that, and the share that fails in all.
    """

    down: Floats
    waits: Floats
    fails: Floats


class Graph:
    """`down[i, j]`: requests that one request to i makes to j. `levels` begin with those that nobody calls, `calling`
    are those that call somebody.
    """

    def __init__(self, scenario: Scenario) -> None:
        names = [service.name for service in scenario.services]
        self.down: Floats = np.zeros((len(names), len(names)))
        for caller, service in enumerate(scenario.services):
            for call in service.calls:
                self.down[caller, names.index(call.to)] += call.per
        self.calling = np.asarray(self.down.any(axis=1))
        self.levels = _levels(self.down)
        said = [(caller, call) for level in self.levels for caller in level for call in scenario.services[caller].calls]
        timeout = np.array([call.timeout for _, call in said])
        patience = np.where([call.optional for _, call in said], np.inf, timeout)
        called = np.array([names.index(call.to) for _, call in said], np.int64)
        self.calls = Calls(called, timeout, patience, float(patience.min(initial=np.inf)))
        self._calling = tuple(self._level(level, said) for level in self.levels if self.calling[level].any())

    def _level(self, services: Places, said: list[tuple[np.int64, Call]]) -> Level:
        places = [place for place, (caller, _) in enumerate(said) if caller in services]
        calls = slice(places[0], places[-1] + 1)
        per = np.array([[call.per * (caller == service) for caller, call in said[calls]] for service in services])
        return Level(services, calls, self.calls.called[calls], per, per * np.isfinite(self.calls.patience[calls]))

    def up(self, fine: Floats, latency: Floats, retries: Floats, late: Late) -> Above:
        """From each service's own share of good answers, its own latency in seconds, and how often callers repeat.

        A required call fails when every try has failed, or when its answer comes after the caller has given up.
        """
        fails, down, waits = 1.0 - fine, np.zeros(len(fine)), np.zeros(len(fine))
        for level in reversed(self._calling):
            answered = np.minimum((latency + waits)[level.called], self.calls.timeout[level.calls])
            waits[level.services] = level.per @ answered
        too_late, tries = late(self.calls, waits), retries + 1.0
        for level in reversed(self._calling):
            good = 1.0 - fails[level.called] ** tries[level.called]
            if too_late is not None:
                good = good * (1.0 - too_late[level.calls])
            lost = -np.expm1(level.needed @ np.log(np.maximum(good, _LEAST)))
            down[level.services] = lost
            fails[level.services] = 1.0 - fine[level.services] * (1.0 - lost)
        return Above(down, waits, fails)


def _levels(down: Floats) -> list[Places]:
    """Services by how many calls lie before them."""
    depth = np.zeros(len(down), np.int64)
    for _ in range(len(down)):
        for caller, called in zip(*np.nonzero(down), strict=True):
            depth[called] = max(depth[called], depth[caller] + 1)
    return [np.flatnonzero(depth == level) for level in range(int(depth.max(initial=0)) + 1)]
