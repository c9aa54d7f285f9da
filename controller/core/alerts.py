"""Alerts from Prometheus and Alertmanager as values, and which workload each is about.

Promises that a workload is found only by looking up what an alert's labels say among the workloads and pods that
exist: no text of an alert becomes a selector, a query or a pattern (S32), and an alert whose subject is not certain
is kept as unmatched, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from controller.ports import Samples
from detectors.series import Workload

ALERTS_QUERY: Final = 'ALERTS{alertstate="firing"} or label_replace(vector(0), "trimtab", "asked", "", "")'
"""Always answers with one sample of its own, so that "no alert fires" and "no answer" are not the same."""

CRITICAL: Final = frozenset({"critical", "page"})

KIND_LABELS: Final = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. `since` is missing where the source does not say it (`ALERTS` does not)."""

    name: str
    labels: Mapping[str, str]
    firing: bool = True
    since: datetime | None = None
    summary: str = ""

    @property
    def critical(self) -> bool:
        """Its severity says that somebody must act now."""
        return self.labels.get("severity", "").lower() in CRITICAL

    @property
    def key(self) -> frozenset[tuple[str, str]]:
        """Its identity: all labels, whichever way it came."""
        return frozenset({**self.labels, "alertname": self.name}.items()) - {("alertstate", "firing")}


@dataclass(frozen=True, slots=True)
class Known:
    """What exists: every watched workload, and the owner of each pod by (namespace, pod name)."""

    workloads: frozenset[Workload]
    pods: Mapping[tuple[str, str], Workload] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assigned:
    """Firing alerts by the workload they name; `unmatched` name none that is known, or more than one."""

    by_workload: Mapping[Workload, tuple[Alert, ...]]
    unmatched: tuple[Alert, ...]


def alerts_of(samples: Samples) -> tuple[Alert, ...] | None:
    """The answer to `ALERTS_QUERY` as alerts; None when it cannot be trusted."""
    if not samples.health.healthy:
        return None
    return tuple(
        Alert(sample.labels["alertname"], sample.labels)
        for sample in samples.samples
        if sample.labels.get("alertname") and sample.value > 0
    )


def assign(alerts: Iterable[Alert], known: Known) -> Assigned:
    """Put each firing alert to its workload, once even if it came twice."""
    found: dict[Workload, dict[frozenset[tuple[str, str]], Alert]] = {}
    unmatched: dict[frozenset[tuple[str, str]], Alert] = {}
    for alert in alerts:
        if not alert.firing:
            continue
        workload = subject(alert, known)
        home = unmatched if workload is None else found.setdefault(workload, {})
        home.setdefault(alert.key, alert)
    by_workload = {workload: tuple(of.values()) for workload, of in found.items()}
    return Assigned(by_workload, tuple(unmatched.values()))


def subject(alert: Alert, known: Known) -> Workload | None:
    """The one known workload that the labels name, None when they name none or several.

    `exported_…` labels go first: where they stand, the plain ones are those of whoever was scraped (kube-state-
    metrics).
    """
    labels = alert.labels
    namespace = labels.get("exported_namespace") or labels.get("namespace")
    if not namespace:
        return None
    named = {
        Workload(namespace, kind, name)
        for label, kind in KIND_LABELS.items()
        if (name := labels.get(f"exported_{label}") or labels.get(label))
    }
    if workload := labels.get("workload"):
        kind = KIND_LABELS.get(labels.get("workload_type", "").lower())
        named |= {
            w for w in known.workloads if w.namespace == namespace and w.name == workload and kind in (None, w.kind)
        }
    found = named & known.workloads
    pod = labels.get("exported_pod") or labels.get("pod")
    if pod and (owner := known.pods.get((namespace, pod))) is not None:
        found |= {owner}
    return next(iter(found)) if len(found) == 1 else None
