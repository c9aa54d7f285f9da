"""A cluster in memory, for trying things out and for tests: the Cluster port with the API server's manners.

Promises what the contract suite asks of every Cluster: a write is locked by uid and resourceVersion, every change
raises the resourceVersion and a change of spec the generation (of a Deployment: of its annotations too), a no-op raises
neither, a dry run writes nothing, a newer fence stands. Deployments are played by `simulation`. Faults are asked for by
value and happen once, in order. Not a server: one process, no admission.
"""

from __future__ import annotations

import copy
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from detectors.series import Workload
from remediations import simulation
from remediations.cluster import (
    Applied,
    ApplyResult,
    Conflict,
    Gone,
    HealthyRevision,
    Object,
    Refused,
    Unknown,
    Unreadable,
    World,
)
from remediations.fields import OURS, Taken, applied_by, entries_without_ours, restoring
from remediations.fields import written as written_by
from remediations.ground import FENCE, fence_over
from remediations.plan import PatchOp, Step
from remediations.pointer import BadPatch, applied, pointer_to, same, with_parents
from remediations.simulation import Stored, stamp
from remediations.templates import current_replica_set

_LONGEST_ROLLOUT = 1000
_HPA = "HorizontalPodAutoscaler"


@dataclass(frozen=True, slots=True)
class Refusing:
    """The next write is refused."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Losing:
    """The answer to the next write is lost; `applied` says whether the write itself was."""

    applied: bool


@dataclass(frozen=True, slots=True)
class Busy:
    """The next write is turned away before anything happens."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class Intruding:
    """Somebody else writes an annotation just before the next write arrives."""


Fault: TypeAlias = Refusing | Losing | Busy | Intruding


@dataclass(frozen=True, slots=True)
class Effect:
    """One write that came through, as the audit log would show it. A fence is counted apart."""

    kind: Literal["step", "fence", "release"]
    workload: Workload
    patch: tuple[PatchOp, ...]
    resource_version: str


class MemoryCluster:
    """Workloads by name. `now` gives the time; with `settling` every change is played to its end at once."""

    def __init__(self, now: Callable[[], datetime], *, settling: bool = True) -> None:
        self._now = now
        self._settling = settling
        self._stored: dict[Workload, Stored] = {}
        self._healthy: dict[Workload, list[HealthyRevision]] = {}
        self._budgets: list[Object] = []
        self._autoscalers: dict[Workload, Object] = {}
        self._faults: deque[Fault] = deque()
        self._unreadable: str | None = None
        self._log: list[Effect] = []
        self._version = 0
        self._uids = 0

    # what happens to the cluster from outside

    def create(self, manifest: Object, pods: Iterable[Object] = (), manager: str = "kubectl") -> Workload:
        """Create an object as a user would; `pods` are for kinds that are not played."""
        made: dict[str, Any] = as_json(manifest)
        metadata = made["metadata"]
        workload = Workload(metadata["namespace"], made["kind"], metadata["name"], made["apiVersion"])
        if workload in self._stored:
            raise ValueError(f"{workload.key} is there already: change or delete it")
        metadata.update(
            uid=self._new_uid(), generation=1, resourceVersion=self._next(), creationTimestamp=stamp(self._now())
        )
        if workload.kind == _HPA:
            del metadata["generation"]
            bare = {**made, "metadata": {"name": metadata["name"]}, "spec": {}}
            made = written_by(bare, made, manager, self._now())
        self._stored[workload] = Stored(made, self._now(), pods=[copy.deepcopy(dict(pod)) for pod in pods])
        self._played(workload)
        return workload

    def change(self, workload: Workload, *patch: PatchOp, manager: str = "kubectl") -> None:
        """Write as somebody else would: not an effect of ours; raises `BadPatch`."""
        stored = self._stored[workload]
        self._write(workload, applied(stored.object, with_parents(stored.object, patch)), manager)

    def claim(self, workload: Workload, *patch: PatchOp, manager: str = "kubectl", force: bool = False) -> Taken | None:
        """Apply server-side as somebody else would; what stood against it, None when it went through."""
        after = applied_by(self._stored[workload].object, patch, manager, self._now(), force=force)
        if isinstance(after, Taken):
            return after
        self._write(workload, after)
        return None

    def delete(self, workload: Workload) -> None:
        """Delete an object with all it controls."""
        del self._stored[workload]

    def add_budget(self, budget: Object) -> None:
        """A PodDisruptionBudget, found by its `spec.selector.matchLabels` (none of them select nothing)."""
        self._budgets.append(copy.deepcopy(budget))

    def add_autoscaler(self, workload: Workload, autoscaler: Object) -> None:
        """A HorizontalPodAutoscaler of the workload."""
        self._autoscalers[workload] = copy.deepcopy(autoscaler)

    def seen_healthy(self, workload: Workload, since: datetime, until: datetime) -> HealthyRevision:
        """Say that the present version was healthy from `since` to `until`, as the event log would."""
        world = self._world(workload)
        replica_set = current_replica_set(world)
        if replica_set is None:
            raise ValueError(f"{workload.key} has no ReplicaSet of its present template yet: settle first")
        metadata = replica_set["metadata"]
        revision = HealthyRevision(metadata["uid"], metadata["name"], since, until)
        earlier = [seen for seen in self._healthy.get(workload, []) if seen.uid != revision.uid]
        self._healthy[workload] = [*earlier, revision]
        return revision

    def step(self) -> bool:
        """One look of the controllers at everything; False when nothing is left to do."""
        moved = [self._step(workload) for workload in self._stored]
        return any(moved)

    def settle(self) -> None:
        """Let the controllers work until nothing is left to do."""
        for _ in range(_LONGEST_ROLLOUT):
            if not self.step():
                return
        raise RuntimeError("the cluster does not come to rest")

    # faults and the judge

    def disturb(self, *faults: Fault) -> None:
        """These befall the next writes, one each, in order."""
        self._faults.extend(faults)

    def break_reading(self, message: str | None) -> None:
        """Make every reading fail with this message, or none (None)."""
        self._unreadable = message

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Steps that came through, oldest first; fences are not effects."""
        return tuple(effect for effect in self._log if effect.kind == "step")

    @property
    def releases(self) -> tuple[Effect, ...]:
        """What was given back, oldest first: values restored and fields no longer owned are a release each."""
        return tuple(effect for effect in self._log if effect.kind == "release")

    @property
    def fences(self) -> tuple[Effect, ...]:
        """Fences that came through, oldest first."""
        return tuple(effect for effect in self._log if effect.kind == "fence")

    # the port

    async def read(self, workload: Workload) -> World | Gone | Unreadable:
        """The workload as it is now, as copies."""
        return self.look(workload)

    def look(self, workload: Workload) -> World | Gone | Unreadable:
        """What `read` answers, for code without an event loop."""
        if self._unreadable is not None:
            return Unreadable(self._unreadable)
        if workload not in self._stored:
            return Gone(f"{workload.key} is not there")
        return self._world(workload)

    async def apply(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        """One step, locked by uid and resourceVersion."""
        return self._befallen(step, dry_run, lambda: self._apply(step, resource_version, dry_run=dry_run))

    async def release(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        """Values back where ours stand, and nothing of ours in `managedFields`."""
        return self._befallen(step, dry_run, lambda: self._release(step, resource_version, dry_run=dry_run))

    def _befallen(self, step: Step, dry_run: bool, write: Callable[[], ApplyResult]) -> ApplyResult:
        """One write with the fault that waits for it."""
        fault = self._faults.popleft() if self._faults and not dry_run else None
        match fault:
            case Refusing(code, message):
                return Refused(code, message)
            case Busy(retry_after):
                return Unknown("the API server was busy", retry_after)
            case Losing(applied=False):
                return Unknown("no answer: the connection broke off")
            case Intruding():
                self._intrude(step.workload)
            case Losing() | None:
                pass
        result = write()
        return Unknown("no answer: the connection broke off") if isinstance(fault, Losing) else result

    async def fence(self, workload: Workload, uid: str, epoch: int) -> ApplyResult:
        """Write the epoch, unless a newer one stands there."""
        stored = self._stored.get(workload)
        if stored is None or stored.object["metadata"]["uid"] != uid:
            return Gone(f"{workload.key} with uid {uid} is not there")
        standing = str((stored.object["metadata"].get("annotations") or {}).get(FENCE, ""))
        fence = fence_over(standing, epoch)
        if fence is None:
            return Refused("Fenced", f"epoch {standing} stands on {workload.key}; ours is {epoch}")
        patch = (PatchOp("add", pointer_to("metadata", "annotations", FENCE), fence),)
        return self._commit("fence", workload, patch, dry_run=False)

    # inside

    def _apply(self, step: Step, resource_version: str, *, dry_run: bool) -> ApplyResult:
        stored = self._locked(step, resource_version)
        if not isinstance(stored, Stored):
            return stored
        if step.holding is None:
            return self._commit("step", step.workload, step.patch, dry_run=dry_run)
        if any(op.op == "remove" for op in step.patch):
            return Refused("Invalid", "what is held is given back by a release, not by another apply")
        holding = step.holding
        after = applied_by(stored.object, step.patch, holding.manager, self._now(), force=holding.force)
        if isinstance(after, Taken):
            return Conflict(f"{after.pointer} belongs to {', '.join(after.owners)}", after.owners)
        return self._keep("step", step, after, dry_run=dry_run)

    def _release(self, step: Step, resource_version: str, *, dry_run: bool) -> ApplyResult:
        stored = self._locked(step, resource_version)
        if not isinstance(stored, Stored):
            return stored
        after = applied(stored.object, restoring(stored.object, step.patch, step.prior))
        after = written_by(stored.object, after, OURS, self._now())
        others = entries_without_ours(after)
        if others is not None:
            after["metadata"]["managedFields"] = others
        return self._keep("release", step, after, dry_run=dry_run)

    def _keep(
        self, kind: Literal["step", "release"], step: Step, after: dict[str, Any], *, dry_run: bool
    ) -> ApplyResult:
        before = self._stored[step.workload].object["metadata"]["resourceVersion"]
        spec = after["spec"]
        if step.workload.kind == _HPA and spec.get("minReplicas", 1) > spec["maxReplicas"]:
            return Refused("Invalid", "spec.maxReplicas: must be greater than or equal to `minReplicas`")
        if dry_run:
            return Applied(before)
        version = self._write(step.workload, after)
        if version is not None:
            self._log.append(Effect(kind, step.workload, step.patch, version))
        return Applied(version or before)

    def _locked(self, step: Step, resource_version: str) -> Stored | Gone | Conflict:
        stored = self._stored.get(step.workload)
        if stored is None or stored.object["metadata"]["uid"] != step.uid:
            return Gone(f"{step.workload.key} with uid {step.uid} is not there")
        current = stored.object["metadata"]["resourceVersion"]
        if current != resource_version:
            return Conflict(f"written in between: {resource_version} is now {current}")
        return stored

    def _commit(
        self, kind: Literal["step", "fence"], workload: Workload, patch: tuple[PatchOp, ...], *, dry_run: bool
    ) -> ApplyResult:
        before = self._stored[workload].object
        try:
            after = applied(before, with_parents(before, patch))
        except BadPatch as error:
            return Refused("Invalid", str(error))
        if not _selects(after):
            return Refused("Invalid", "the selector does not match the labels of the template")
        if dry_run:
            return Applied(before["metadata"]["resourceVersion"])
        written = self._write(workload, after, OURS)
        if written is not None:
            self._log.append(Effect(kind, workload, patch, written))
        return Applied(written or before["metadata"]["resourceVersion"])

    def _write(self, workload: Workload, after: dict[str, Any], manager: str = "") -> str | None:
        """Store a changed object, raising its versions, and answer its resourceVersion; None when nothing changed.

        `manager` is who wrote plainly, where that is kept.
        """
        stored = self._stored[workload]
        if same(stored.object, after):
            return None
        if manager and "managedFields" in stored.object["metadata"]:
            after = written_by(stored.object, after, manager, self._now())
        generation = stored.object["metadata"].get("generation")
        if generation is not None:
            after["metadata"]["generation"] = generation + _raises_generation(stored.object, after)
        after["metadata"]["resourceVersion"] = version = self._next()
        stored.object = after
        self._played(workload)
        return version

    def _played(self, workload: Workload) -> None:
        if self._settling:
            self.settle()

    def _step(self, workload: Workload) -> bool:
        stored = self._stored[workload]
        before = copy.deepcopy(stored.object)
        moved = simulation.step(stored, self._now(), self._new_uid)
        if stored.object != before:
            stored.object["metadata"]["resourceVersion"] = self._next()
        return moved

    def _intrude(self, workload: Workload) -> None:
        if workload in self._stored:
            mark = pointer_to("metadata", "annotations", "example.com/touched")
            self.change(workload, PatchOp("add", mark, str(self._version)))

    def _world(self, workload: Workload) -> World:
        stored = self._stored[workload]
        template = stored.object["spec"].get("template") or {}
        labels = (template.get("metadata") or {}).get("labels") or {}
        budgets = [b for b in self._budgets if b["metadata"]["namespace"] == workload.namespace and _matches(b, labels)]
        return World(
            workload=workload,
            object=copy.deepcopy(stored.object),
            read_at=self._now(),
            replica_sets=tuple(copy.deepcopy(stored.replica_sets)),
            pods=tuple(copy.deepcopy(stored.pods)),
            budgets=tuple(copy.deepcopy(budgets)),
            autoscaler=copy.deepcopy(self._autoscalers.get(workload) or self._scaling(workload)),
            healthy=tuple(self._healthy.get(workload, ())),
        )

    def _scaling(self, workload: Workload) -> Object | None:
        """The stored autoscaler that targets the workload."""
        named = {"kind": workload.kind, "name": workload.name}
        for other, stored in self._stored.items():
            if other.kind == _HPA and other.namespace == workload.namespace:
                target = stored.object["spec"]["scaleTargetRef"]
                if named.items() <= target.items():
                    return stored.object
        return None

    def _next(self) -> str:
        self._version += 1
        return str(self._version)

    def _new_uid(self) -> str:
        self._uids += 1
        return f"00000000-0000-4000-8000-{self._uids:012d}"


def _matches(selecting: Object, labels: Mapping[str, str]) -> bool:
    wanted = ((selecting["spec"].get("selector") or {}).get("matchLabels")) or {}
    return bool(wanted) and wanted.items() <= labels.items()


def _raises_generation(before: Object, after: Object) -> bool:
    """A change of spec does; of a Deployment, and of nothing else, one of its annotations too."""
    annotated = before["metadata"].get("annotations") or {}, after["metadata"].get("annotations") or {}
    return not same(before["spec"], after["spec"]) or (after["kind"] == "Deployment" and not same(*annotated))


def _selects(workload: Object) -> bool:
    labels = ((workload["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
    return "selector" not in workload["spec"] or _matches(workload, labels)


def deployment(
    namespace: str, name: str, image: str, replicas: int = 3, *, memory: str = "128Mi", strategy: Object | None = None
) -> dict[str, Any]:
    """A manifest as a user would write it: one container, one memory limit."""
    labels = {"app": name}
    container = {"name": "app", "image": image, "resources": {"limits": {"memory": memory}}}
    spec: dict[str, Any] = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    if strategy is not None:
        spec["strategy"] = dict(strategy)
    metadata = {"namespace": namespace, "name": name, "labels": labels}
    return as_json({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})


def autoscaler(namespace: str, name: str, least: int = 2, most: int = 10, target: str = "") -> dict[str, Any]:
    """A HorizontalPodAutoscaler as a user would write it, for the Deployment of its name or of `target`."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target or name}
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
    }
    spec = {"scaleTargetRef": reference, "minReplicas": least, "maxReplicas": most, "metrics": [metric]}
    metadata = {"namespace": namespace, "name": name}
    return as_json({"apiVersion": "autoscaling/v2", "kind": _HPA, "metadata": metadata, "spec": spec})


def as_json(document: Object) -> dict[str, Any]:
    """A copy as if sent over the wire: parts that were one object become objects of their own."""
    copied: dict[str, Any] = json.loads(json.dumps(document))
    return copied
