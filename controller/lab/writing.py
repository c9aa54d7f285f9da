"""Writes to the lab's API server, with the manners of a real one.

One step is one JSON Patch or one server-side apply, locked by uid and resourceVersion; a release gives back what a step
held; a fence writes the epoch. Every change raises the resourceVersion and moves the fields to who wrote them, a change
of spec the generation (of a Deployment: of its annotations too; an HPA has none). Writes of others go the same way,
unlocked.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from controller.kinds import AUTOSCALERS, BUDGETS, DEPLOYMENTS, NAMESPACES, NODES, PODS, REPLICA_SETS
from controller.lab.apiserver import MemoryObjects
from controller.ports import ResourceKind
from detectors.series import Workload
from remediations.cluster import Applied, ApplyResult, Conflict, Gone, Refused
from remediations.fields import OURS, Taken, applied_by, entries_without_ours, restoring, written
from remediations.ground import FENCE, fence_over
from remediations.plan import PatchOp, Step
from remediations.pointer import BadPatch, applied, pointer_to, same, with_parents

KINDS: dict[tuple[str, str], ResourceKind] = {
    (kind.api_version, kind.kind): kind
    for kind in (DEPLOYMENTS, REPLICA_SETS, PODS, NODES, NAMESPACES, BUDGETS, AUTOSCALERS)
}


@dataclass(frozen=True, slots=True)
class Written:
    """One write that came through, as the audit log would show it."""

    kind: Literal["step", "fence", "release", "foreign"]
    manager: str
    workload: Workload
    patch: tuple[PatchOp, ...]
    resource_version: str
    at: datetime


class Writing:
    """The writing half of the API server. `took` is called with an object that was changed."""

    def __init__(
        self, objects: MemoryObjects, now: Callable[[], datetime], took: Callable[[Workload, dict[str, Any]], None]
    ) -> None:
        self._objects, self._now, self._took = objects, now, took
        self.log: list[Written] = []

    def apply(self, step: Step, resource_version: str, *, dry_run: bool) -> ApplyResult:
        """One step."""
        before = self._locked(step, resource_version)
        if not isinstance(before, dict):
            return before
        if step.holding is None:
            return self._patched("step", OURS, step.workload, before, step.patch, dry_run=dry_run)
        if any(op.op == "remove" for op in step.patch):
            return Refused("Invalid", "what is held is given back by a release, not by another apply")
        return self._held(step, before, dry_run=dry_run)

    def release(self, step: Step, resource_version: str, *, dry_run: bool) -> ApplyResult:
        """Values back where ours still stand, and no entry of ours in `managedFields`."""
        before = self._locked(step, resource_version)
        if not isinstance(before, dict):
            return before
        try:
            after = applied(before, restoring(before, step.patch, step.prior))
        except BadPatch as error:
            return Refused("Invalid", str(error))
        after = written(before, after, OURS, self._now())
        others = entries_without_ours(after)
        if others is not None:
            after["metadata"]["managedFields"] = others
        return self._keep("release", OURS, step.workload, before, after, step.patch, dry_run=dry_run)

    def fence(self, workload: Workload, uid: str, epoch: int) -> ApplyResult:
        """Write the epoch, unless a newer one stands there."""
        before = self._standing(workload)
        if before is None or before["metadata"]["uid"] != uid:
            return Gone(f"{workload.key} with uid {uid} is not there")
        standing = str((before["metadata"].get("annotations") or {}).get(FENCE, ""))
        fence = fence_over(standing, epoch)
        if fence is None:
            return Refused("Fenced", f"epoch {standing} stands on {workload.key}; ours is {epoch}")
        patch = (PatchOp("add", pointer_to("metadata", "annotations", FENCE), fence),)
        return self._patched("fence", OURS, workload, before, patch, dry_run=False)

    def act_as(self, manager: str, workload: Workload, patch: Sequence[PatchOp]) -> ApplyResult:
        """A plain write by somebody else."""
        before = self._standing(workload)
        if before is None:
            return Gone(f"{workload.key} is not there")
        return self._patched("foreign", manager, workload, before, tuple(patch), dry_run=False)

    def claim(self, manager: str, workload: Workload, patch: Sequence[PatchOp], *, force: bool) -> ApplyResult:
        """A server-side apply by somebody else."""
        before = self._standing(workload)
        if before is None:
            return Gone(f"{workload.key} is not there")
        try:
            after = applied_by(before, patch, manager, self._now(), force=force)
        except BadPatch as error:
            return Refused("Invalid", str(error))
        if isinstance(after, Taken):
            return Conflict(f"{after.pointer} belongs to {', '.join(after.owners)}", after.owners)
        return self._keep("foreign", manager, workload, before, after, tuple(patch), dry_run=False)

    def _locked(self, step: Step, resource_version: str) -> dict[str, Any] | Gone | Conflict:
        before = self._standing(step.workload)
        if before is None or before["metadata"]["uid"] != step.uid:
            return Gone(f"{step.workload.key} with uid {step.uid} is not there")
        current = before["metadata"]["resourceVersion"]
        if current != resource_version:
            return Conflict(f"written in between: {resource_version} is now {current}")
        return before

    def _standing(self, workload: Workload) -> dict[str, Any] | None:
        kind = KINDS.get((workload.api_version, workload.kind))
        found = None if kind is None else self._objects.peek(kind, workload.namespace, workload.name)
        return None if found is None else copy.deepcopy(dict(found))

    def _held(self, step: Step, before: dict[str, Any], *, dry_run: bool) -> ApplyResult:
        holding = step.holding
        assert holding is not None
        try:
            after = applied_by(before, step.patch, holding.manager, self._now(), force=holding.force)
        except BadPatch as error:
            return Refused("Invalid", str(error))
        if isinstance(after, Taken):
            return Conflict(f"{after.pointer} belongs to {', '.join(after.owners)}", after.owners)
        return self._keep("step", holding.manager, step.workload, before, after, step.patch, dry_run=dry_run)

    def _patched(
        self,
        kind: Literal["step", "fence", "foreign"],
        manager: str,
        workload: Workload,
        before: dict[str, Any],
        patch: tuple[PatchOp, ...],
        *,
        dry_run: bool,
    ) -> ApplyResult:
        try:
            after = applied(before, with_parents(before, patch))
        except BadPatch as error:
            return Refused("Invalid", str(error))
        if not same(before, after):
            after = written(before, after, manager, self._now())
        return self._keep(kind, manager, workload, before, after, patch, dry_run=dry_run)

    def _keep(
        self,
        kind: Literal["step", "fence", "release", "foreign"],
        manager: str,
        workload: Workload,
        before: dict[str, Any],
        after: dict[str, Any],
        patch: tuple[PatchOp, ...],
        *,
        dry_run: bool,
    ) -> ApplyResult:
        wrong = _invalid(after)
        if wrong:
            return Refused("Invalid", wrong)
        version = str(before["metadata"]["resourceVersion"])
        if dry_run or same(before, after):
            return Applied(version)
        if "generation" in before["metadata"]:
            after["metadata"]["generation"] = before["metadata"]["generation"] + _raises_generation(before, after)
        version = self._objects.put(KINDS[workload.api_version, workload.kind], after)
        after["metadata"]["resourceVersion"] = version
        self.log.append(Written(kind, manager, workload, patch, version, self._now()))
        self._took(workload, copy.deepcopy(after))
        return Applied(version)


def _invalid(after: dict[str, Any]) -> str:
    """What the API server's validation would say, as far as it matters here; empty when nothing."""
    spec = after.get("spec") or {}
    match after["kind"]:
        case "HorizontalPodAutoscaler":
            if spec.get("minReplicas", 1) > spec["maxReplicas"]:
                return "spec.maxReplicas: must be greater than or equal to `minReplicas`"
            if spec.get("minReplicas", 1) < 1:
                return "spec.minReplicas: must be greater than or equal to 1"
        case "Deployment":
            labels = (spec["template"].get("metadata") or {}).get("labels") or {}
            if not (spec["selector"]["matchLabels"].items() <= labels.items()):
                return "the selector does not match the labels of the template"
            if int(spec.get("replicas") or 0) < 0:
                return "spec.replicas: must be greater than or equal to 0"
        case _:
            pass
    return ""


def _raises_generation(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """A change of spec does; of a Deployment, and of nothing else, one of its annotations too."""
    annotated = before["metadata"].get("annotations") or {}, after["metadata"].get("annotations") or {}
    return not same(before.get("spec"), after.get("spec")) or (after["kind"] == "Deployment" and not same(*annotated))
