"""Budgets: how much trimtab may do, as reservations made with the intent.

Promises that every action of every loop is charged to the same scopes, in the transaction that commits its intent, so
that loops can neither add up nor fight. An undo is charged nothing. Reads no clock: what is spent comes in as an
argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from controller.core.policy import Budgets
from detectors.series import Workload

OPEN_FOR_AT_MOST = timedelta(hours=4)
"""How long an action that was never settled keeps its workload closed to others."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One budget an action is charged to: 1 unit in `scope`, at most `limit` within `window`."""

    scope: str
    limit: int
    window: timedelta
    text: str


@dataclass(frozen=True, slots=True)
class Spent:
    """Units already reserved, by scope; a scope that is missing could not be read."""

    by_scope: Mapping[str, float]


def charges(workload: Workload, budgets: Budgets) -> tuple[Charge, ...]:
    """Everything one action on this workload is charged to."""
    return (
        Charge(f"open:{workload.key}", 1, OPEN_FOR_AT_MOST, f"open actions on {workload}"),
        Charge(
            f"actions:namespace:{workload.namespace}",
            budgets.per_namespace,
            budgets.window,
            f"actions in {workload.namespace} {per(budgets.window)}",
        ),
        Charge("actions:cluster", budgets.per_cluster, budgets.window, f"actions in the cluster {per(budgets.window)}"),
    )


def per(window: timedelta) -> str:
    """A window in words: `this hour`, `in 30 min`."""
    minutes = round(window.total_seconds() / 60)
    return "this hour" if minutes == 60 else f"in {minutes} min"
