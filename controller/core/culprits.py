"""Which pods the failed requests come from: what tells a process in a bad state from a dependency that fails.

Promises an answer only where every pod of one version was counted and was asked often enough; a pod that nobody counted
is neither well nor to blame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from controller.core.arms import HARMLESS, Counters, increments
from runbooks.evidence import Evidence

NEARLY_ALL = 0.9
"""The share of the failed requests that the pods to blame have to give together."""
LEAST_FAILURES, LEAST_REQUESTS = 20, 20
"""Fewer failures of all pods, or fewer requests to one of them, say nothing about where they come from."""


@dataclass(frozen=True, slots=True)
class Culprits:
    """The fewest pods that give nearly all failures: so many `pods` of those that serve (`of`), with this `share` of
    the failures; `elsewhere` is the error share of the others, of all of them where there are no others. Shares are
    fractions.
    """

    pods: int
    of: int
    share: float
    elsewhere: float


def of_pods(found: Culprits) -> Evidence:
    """As facts that runbooks may ask about."""
    return {
        "signals.errors.pods": found.pods,
        "signals.errors.podsOf": found.of,
        "signals.errors.podsShare": found.share,
        "signals.errors.elsewhere": found.elsewhere,
    }


def culprits(counted: Counters, pods: Iterable[str]) -> Culprits | None:
    """Who failed over the time of these counters, among these pods; None when it cannot be told."""
    if counted.health.problems - HARMLESS:
        return None
    nothing = np.full(counted.points, np.nan)
    sums = []
    for pod in pods:
        asked, failed = increments(counted.asked.get(pod, nothing), counted.failed.get(pod, nothing))
        sums.append((float(np.nansum(failed)), float(np.nansum(asked))))
    total = sum(failed for failed, _ in sums)
    if total < LEAST_FAILURES or any(asked < LEAST_REQUESTS for _, asked in sums):
        return None
    worst, given, count = sorted(sums, reverse=True), 0.0, 0
    while given < NEARLY_ALL * total:
        given, count = given + worst[count][0], count + 1
    others = worst[count:] or worst
    elsewhere = sum(failed for failed, _ in others) / sum(asked for _, asked in others)
    return Culprits(count, len(sums), given / total, elsewhere)
