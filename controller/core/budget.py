"""Budgets: how much trimtab may do, as reservations made with the intent.

Promises that every action of every loop is charged to the same scopes, in the transaction that commits its intent, so
that loops can neither add up nor fight. Taking a field over for a floor is an action like a repair; what a raised
floor costs is charged in pod-hours besides. An undo, lowering and release are charged nothing. Reads no clock: what is
spent comes in as an argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from controller.core.policy import Budgets
from detectors.series import Workload

_ROUNDING = 1e-9
OPEN_FOR_AT_MOST = timedelta(hours=4)
"""How long an action that was never settled keeps its workload closed to others."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One budget an action is charged to: `units` in `scope`, at most `limit` within `window`."""

    scope: str
    limit: float
    window: timedelta
    text: str
    units: float = 1.0

    def beyond(self, used: float) -> bool:
        """Whether these units would go beyond the limit when so much is used already."""
        return used + self.units > self.limit + _ROUNDING


@dataclass(frozen=True, slots=True)
class Spent:
    """Units already reserved, by scope; a scope that is missing could not be read."""

    by_scope: Mapping[str, float]


def charges(workload: Workload, budgets: Budgets) -> tuple[Charge, ...]:
    """Everything one action on this workload is charged to."""
    return (keeping(workload), *_action(workload.namespace, budgets))


def keeping(workload: Workload) -> Charge:
    """What keeps a workload to one incident at a time, from intent to judgement. No budget: an undo takes it too."""
    return Charge(f"open:{workload.key}", 1, OPEN_FOR_AT_MOST, f"open actions on {workload}")


def _action(namespace: str, budgets: Budgets) -> tuple[Charge, ...]:
    return (
        Charge(
            f"actions:namespace:{namespace}",
            budgets.per_namespace,
            budgets.window,
            f"actions in {namespace} {per(budgets.window)}",
        ),
        Charge("actions:cluster", budgets.per_cluster, budgets.window, f"actions in the cluster {per(budgets.window)}"),
    )


def floor_charges(namespace: str, budgets: Budgets, *, takes: bool, pod_hours: float) -> tuple[Charge, ...]:
    """What one move of a floor is charged to: an action when it takes the field over, pod-hours when it raises."""
    acting = _action(namespace, budgets) if takes else ()
    if pod_hours <= 0:
        return acting
    day = per(budgets.day)
    return (
        *acting,
        Charge(
            f"pod-hours:namespace:{namespace}",
            budgets.pod_hours_per_namespace,
            budgets.day,
            f"pod-hours of floors in {namespace} {day}",
            pod_hours,
        ),
        Charge(
            "pod-hours:cluster",
            budgets.pod_hours_per_cluster,
            budgets.day,
            f"pod-hours of floors in the cluster {day}",
            pod_hours,
        ),
    )


SHORTEST = timedelta(hours=1)
"""The least time that a raised replica is charged for: pods that are up stay a while."""


def pod_hours(more: int, lasting: timedelta) -> float:
    """What so many more replicas for so long are charged."""
    return max(0, more) * max(SHORTEST, lasting) / timedelta(hours=1)


def per(window: timedelta) -> str:
    """A window in words: `this hour`, `in 24 h`, `in 30 min`."""
    minutes = round(window.total_seconds() / 60)
    if minutes > 60 and minutes % 60 == 0:
        return f"in {minutes // 60} h"
    return "this hour" if minutes == 60 else f"in {minutes} min"
