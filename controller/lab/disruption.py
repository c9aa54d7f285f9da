"""Disruption budgets and evictions: a pod goes through the Eviction API only while its budget allows one.

What the API server answers by status code is a value here: `BudgetExhausted` is its 429 with the cause
DisruptionBudget, `TwoBudgets` its 500.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from controller.lab import kubelet
from controller.lab.state import Pod, State
from remediations.budgets import desired_healthy


@dataclass(frozen=True, slots=True)
class Evicted:
    """The pod is on its way out."""

    pod: str


@dataclass(frozen=True, slots=True)
class BudgetExhausted:
    """429, cause DisruptionBudget: not now."""

    budget: str
    message: str


@dataclass(frozen=True, slots=True)
class TwoBudgets:
    """500: two budgets select the pod, which the API server cannot answer; trying again does not help."""

    message: str


@dataclass(frozen=True, slots=True)
class NoSuchPod:
    """404."""

    message: str


Eviction: TypeAlias = Evicted | BudgetExhausted | TwoBudgets | NoSuchPod


@dataclass(slots=True, eq=False)
class Budget:
    """One PodDisruptionBudget."""

    object: dict[str, Any]

    def selects(self, pod: Pod) -> bool:
        """Whether its selector matches the pod's labels; an empty one selects nothing here."""
        wanted = (self.object["spec"].get("selector") or {}).get("matchLabels") or {}
        metadata = pod.owner.object["metadata"]
        labels = pod.owner.object["spec"]["template"]["metadata"].get("labels") or {}
        return bool(
            wanted
            and metadata["namespace"] == self.object["metadata"]["namespace"]
            and wanted.items() <= labels.items()
        )

    def status(self, state: State) -> dict[str, Any]:
        """What the disruption controller computes."""
        covered = [pod for pod in state.living() if pod.deleting is None and self.selects(pod)]
        owners = {id(pod.owner.deployment): pod.owner.deployment.replicas for pod in covered}
        expected = sum(owners.values())
        desired = desired_healthy(self.object, expected)
        healthy = sum(pod.ready for pod in covered)
        return {
            "observedGeneration": self.object["metadata"]["generation"],
            "expectedPods": expected,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": max(0, healthy - desired) if expected else 0,
        }


def evict(state: State, budgets: list[Budget], namespace: str, name: str) -> Eviction:
    """Ask for a pod to go."""
    found = next(
        (
            pod
            for pod in state.living()
            if pod.name == name and pod.owner.object["metadata"]["namespace"] == namespace and pod.deleting is None
        ),
        None,
    )
    if found is None:
        return NoSuchPod(f"there is no pod {namespace}/{name}")
    covering = [budget for budget in budgets if budget.selects(found)]
    if len(covering) > 1:
        return TwoBudgets(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    for budget in covering:
        status = budget.status(state)
        enough = status["currentHealthy"] >= status["desiredHealthy"] > 0
        if status["disruptionsAllowed"] <= 0 and not (enough and not found.ready):
            name_of = budget.object["metadata"]["name"]
            return BudgetExhausted(
                name_of,
                f"Cannot evict pod as it would violate the pod's disruption budget. The disruption budget {name_of} "
                f"needs {status['desiredHealthy']} healthy pods and has {status['currentHealthy']} currently",
            )
    state.evictions += 1
    kubelet.delete(state, found)
    return Evicted(name)
