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
from controller.lab.scenario import Scenario

Places: TypeAlias = NDArray[np.int64]
_LEAST = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """The calls of the services on one level.

    `per[i, j]`: how often one request to the i-th of them makes the j-th call, and `needed` how often it must. The
    caller waits for `timeout` at most, and fails after `patience` (never by an optional call).
    """

    called: Places
    per: Floats
    needed: Floats
    timeout: Floats
    patience: Floats


Late: TypeAlias = Callable[[Calls, Floats], Floats]
"""The share of the answers to each call that come too late, when services wait so long (seconds) for what they call."""


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
        self.calling = self.down.any(axis=1)
        self.levels = _levels(self.down)
        self.calls = tuple(_calls(scenario, names, level) for level in self.levels)

    def up(self, fine: Floats, latency: Floats, retries: Floats, late: Late) -> Above:
        """From each service's own share of good answers, its own latency in seconds, and how often callers repeat.

        A required call fails when every try has failed, or when its answer comes after the caller has given up.
        """
        count = len(fine)
        fails, down, waits = 1.0 - fine, np.zeros(count), np.zeros(count)
        for level, calls in zip(reversed(self.levels), reversed(self.calls), strict=True):
            if not len(calls.called):
                continue
            answered = np.minimum((latency + waits)[calls.called], calls.timeout)
            good = (1.0 - fails ** (1.0 + retries))[calls.called] * (1.0 - late(calls, waits))
            waits[level] = calls.per @ answered
            down[level] = -np.expm1(calls.needed @ np.log(np.maximum(good, _LEAST)))
            fails[level] = 1.0 - fine[level] * (1.0 - down[level])
        return Above(down, waits, fails)


def _calls(scenario: Scenario, names: list[str], level: Places) -> Calls:
    said = [(row, call) for row, caller in enumerate(level) for call in scenario.services[caller].calls]
    per = np.zeros((len(level), len(said)))
    for place, (row, call) in enumerate(said):
        per[row, place] = call.per
    required = np.array([not call.optional for _, call in said], np.bool_)
    timeout = np.array([call.timeout for _, call in said])
    called = np.array([names.index(call.to) for _, call in said], np.int64)
    return Calls(called, per, per * required, timeout, np.where(required, timeout, np.inf))


def _levels(down: Floats) -> list[Places]:
    """Services by how many calls lie before them."""
    depth = np.zeros(len(down), np.int64)
    for _ in range(len(down)):
        for caller, called in zip(*np.nonzero(down), strict=True):
            depth[called] = max(depth[called], depth[caller] + 1)
    return [np.flatnonzero(depth == level) for level in range(int(depth.max(initial=0)) + 1)]
