"""The ServicePolicies of one namespace in the order in which they speak: the oldest first, those by name found at once.

Promises the same winner as asking every policy in turn. Made anew whenever a policy of the namespace changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from controller.api.v1alpha1.servicepolicy import ServicePolicy
from detectors.series import Workload

Item: TypeAlias = Mapping[str, Any]
Rank: TypeAlias = tuple[str, str]
"""When a policy was created, and its name."""


@dataclass(frozen=True, slots=True)
class Selection:
    """`named` by kind and name of the target, `selecting` by labels, both in order; `broken` could not be read."""

    named: Mapping[tuple[str, str], tuple[tuple[Rank, ServicePolicy], ...]]
    selecting: tuple[tuple[Rank, ServicePolicy], ...]
    broken: tuple[Item, ...]

    def winner(self, workload: Workload, labels: Mapping[str, str]) -> ServicePolicy | None:
        """The policy that speaks for a workload, None when none does."""
        candidates = (
            *self.named.get((workload.kind, workload.name), ()),
            *(entry for entry in self.selecting if selects(entry[1], workload, labels)),
        )
        return min(candidates, key=lambda entry: entry[0])[1] if candidates else None

    def unreadable(self, workload: Workload) -> str:
        """The name of a policy that cannot be read and may be meant for the workload; empty when there is none."""
        for item in self.broken:
            spec = item.get("spec")
            target = spec.get("target") if isinstance(spec, Mapping) else None
            named = target.get("name") if isinstance(target, Mapping) else None
            kind = target.get("kind") if isinstance(target, Mapping) else None
            if named in (None, workload.name) and kind in (None, workload.kind):
                return str(item["metadata"]["name"])
        return ""


def selection(items: Iterable[tuple[Item, ServicePolicy | str]]) -> Selection:
    """From a namespace's policies, each with what reading it gave."""
    named: dict[tuple[str, str], list[tuple[Rank, ServicePolicy]]] = {}
    selecting: list[tuple[Rank, ServicePolicy]] = []
    broken: list[Item] = []
    for item, parsed in items:
        if isinstance(parsed, str):
            broken.append(item)
            continue
        target = parsed.spec.target
        rank = (str(item["metadata"].get("creationTimestamp", "")), str(item["metadata"]["name"]))
        home = selecting if target.name is None else named.setdefault((target.kind, target.name), [])
        home.append((rank, parsed))
    by_rank = {place: tuple(sorted(found, key=lambda entry: entry[0])) for place, found in named.items()}
    return Selection(by_rank, tuple(sorted(selecting, key=lambda entry: entry[0])), tuple(broken))


def selects(policy: ServicePolicy, workload: Workload, labels: Mapping[str, str]) -> bool:
    """Whether the policy's target is this workload. An empty selector selects nothing (S6)."""
    target = policy.spec.target
    if target.kind != workload.kind:
        return False
    if target.name is not None:
        return target.name == workload.name
    return bool(target.match_labels) and all(
        labels.get(key) == value for key, value in (target.match_labels or {}).items()
    )
