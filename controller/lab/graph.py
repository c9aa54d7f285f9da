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
    """The calls of the services on one level, an entry each.

    `per` request of the caller, `needed` of them required; the caller waits for `timeout` at most, and fails after
    `patience` (never by an optional call).
    """

    caller: Places
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
    """`down[i, j]`: requests that one request to i makes to j. `levels` begin with those that nobody calls."""

    def __init__(self, scenario: Scenario) -> None:
        names = [service.name for service in scenario.services]
        self.down: Floats = np.zeros((len(names), len(names)))
        said = [(index, call) for index, service in enumerate(scenario.services) for call in service.calls]
        for caller, call in said:
            self.down[caller, names.index(call.to)] += call.per
        self.levels = _levels(self.down)
        self.calls = tuple(
            Calls(
                caller=np.array([caller for caller, _ in here], np.int64),
                called=np.array([names.index(call.to) for _, call in here], np.int64),
                per=np.array([call.per for _, call in here]),
                needed=np.array([0.0 if call.optional else call.per for _, call in here]),
                timeout=np.array([call.timeout for _, call in here]),
                patience=np.array([np.inf if call.optional else call.timeout for _, call in here]),
            )
            for level in self.levels
            for here in [[one for one in said if one[0] in level]]
        )

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
            waits[level] = np.bincount(calls.caller, calls.per * answered, count)[level]
            good = (1.0 - fails ** (1.0 + retries))[calls.called] * (1.0 - late(calls, waits))
            needed = calls.needed * np.log(np.maximum(good, _LEAST))
            down[level] = -np.expm1(np.bincount(calls.caller, needed, count)[level])
            fails[level] = 1.0 - fine[level] * (1.0 - down[level])
        return Above(down, waits, fails)


def _levels(down: Floats) -> list[Places]:
    """Services by how many calls lie before them."""
    depth = np.zeros(len(down), np.int64)
    for _ in range(len(down)):
        for caller, called in zip(*np.nonzero(down), strict=True):
            depth[called] = max(depth[called], depth[caller] + 1)
    return [np.flatnonzero(depth == level) for level in range(int(depth.max(initial=0)) + 1)]
