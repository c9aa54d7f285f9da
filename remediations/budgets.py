"""PodDisruptionBudgets: how many healthy pods each demands, as the disruption controller computes it.

Source: pkg/controller/disruption of kubernetes/kubernetes (getExpectedPodCount): every percentage rounds up.
"""

from __future__ import annotations

from dataclasses import dataclass

from remediations.cluster import Object
from remediations.rollouts import scaled


@dataclass(frozen=True, slots=True)
class Demand:
    """What one budget demands of this workload's ready pods: `now`, and `ever` once the others it covers are healthy
    too.
    """

    budget: str
    now: int
    ever: int


def desired_healthy(budget: Object, expected: int) -> int:
    """`desiredHealthy` for `expected` pods: minAvailable of them, or all but maxUnavailable.

    A budget with neither demands none.
    """
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        return max(0, expected - scaled(spec["maxUnavailable"], expected, round_up=True))
    if spec.get("minAvailable") is not None:
        return scaled(spec["minAvailable"], expected, round_up=True)
    return 0


def demand(budget: Object, wanted: int, ready: int) -> Demand:
    """What the budget leaves to a workload of `wanted` replicas, `ready` of them ready.

    A budget over more pods than ours (its status says so and is up to date) is met by the others' healthy pods too.
    """
    status = budget.get("status") or {}
    current = status.get("observedGeneration") == budget["metadata"].get("generation")
    expected = int(status.get("expectedPods") or 0) if current else 0
    name = str(budget["metadata"]["name"])
    if expected <= wanted:
        needed = desired_healthy(budget, wanted)
        return Demand(name, needed, needed)
    needed = desired_healthy(budget, expected)
    others = max(0, int(status.get("currentHealthy") or 0) - ready)
    return Demand(name, max(0, needed - others), max(0, needed - (expected - wanted)))
