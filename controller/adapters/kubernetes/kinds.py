"""The kinds that the Cluster adapter reads and writes. One that is not here is unknown, never guessed."""

from __future__ import annotations

from controller.kinds import (
    AUTOSCALERS,
    BUDGETS,
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
)
from controller.ports import ResourceKind
from detectors.series import Workload

__all__ = ["AUTOSCALERS", "BUDGETS", "EVENTS", "LEASES", "PODS", "REPLICA_SETS", "target_kind"]

_TARGETS = {(kind.api_version, kind.kind): kind for kind in (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, AUTOSCALERS)}


def target_kind(workload: Workload) -> ResourceKind | None:
    """How the API server addresses this workload's kind; None when trimtab does not know it."""
    return _TARGETS.get((workload.api_version, workload.kind))
