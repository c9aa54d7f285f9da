"""The Cluster port on a real API server: read a workload whole, write one step.

Promises what `remediations/cluster.py` promises. The object is read first and everything about it afterwards, so that a
write locked by this reading is refused whenever the object has moved since *any* part of it was read. Between the
executor's last look at the pause and the write stands at most one short read, never a retry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from controller.adapters.kubernetes import kinds
from controller.adapters.kubernetes.answers import Busy, Lost, NotSent, demand
from controller.adapters.kubernetes.client import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, READ_ATTEMPTS, Api, path_of
from controller.adapters.kubernetes.patch import adds, disowned, holding, locked
from controller.adapters.kubernetes.selectors import query_of, selects
from controller.adapters.kubernetes.settle import Unsettled, moved, reread, settled
from controller.errors import ApiUnavailable, Denied, KindUnknown, TrimtabError
from controller.failpoints import around
from controller.ports import ResourceKind
from detectors.series import Workload
from remediations.cluster import (
    Applied,
    ApplyResult,
    Conflict,
    Gone,
    Object,
    Refused,
    Unknown,
    Unreadable,
    World,
)
from remediations.fields import OURS, entries_without_ours, restoring
from remediations.ground import FENCE, fence_over
from remediations.plan import Holding, Step
from remediations.pointer import BadPatch

FENCE_ATTEMPTS = 5
LAST_LOOK_SECONDS = 1.0
BUSY_SECONDS = 1.0

Body: TypeAlias = list[dict[str, Any]] | dict[str, Any]


class KubernetesCluster:
    """Reads and writes workloads through one `Api`. `now` gives the time of a reading."""

    def __init__(self, api: Api, now: Callable[[], datetime]) -> None:
        self._api = api
        self._now = now

    async def read(self, workload: Workload) -> World | Gone | Unreadable:
        """The workload, what it controls, and who else has a say over it: live, nothing from a cache."""
        kind = kinds.target_kind(workload)
        if kind is None:
            return Unreadable(f"{workload.api_version} {workload.kind} is a kind that trimtab does not know")
        try:
            began = self._now()
            found = await self._object(kind, workload)
            if found is None:
                return Gone(f"{workload.key} is not there")
            return await self._around(workload, found, began)
        except TrimtabError as error:
            return Unreadable(str(error))

    async def apply(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        """One JSON Patch or one server-side apply, locked by uid and resourceVersion. An `add` in a patch reads the
        object first, for missing parents.
        """
        kind = kinds.target_kind(step.workload)
        if kind is None:
            return unknown_kind(step.workload)
        if step.holding is not None:
            return await self._hold(kind, step, step.holding, resource_version, dry_run=dry_run)
        found: Object = {}
        if adds(step.patch):
            before = await self._before(kind, step.workload)
            if not isinstance(before, Mapping):
                return before
            if metadata_differs(before, step.uid, resource_version):
                return reread(before, step.uid, resource_version, "")
            found = before
        try:
            body = locked(step.patch, step.uid, resource_version, found)
        except BadPatch as error:
            return Refused("Invalid", str(error))
        query = {"fieldManager": "trimtab", "fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        result = await self._patch(kind, step.workload, body, query, step.timeout_seconds, dry_run=dry_run)
        match result:
            case Unsettled(message):
                return await self._settle(kind, step, resource_version, message)
            case _:
                return result

    async def release(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        """Two JSON Patches: the values where ours still stand, then `managedFields` without us.

        The second is locked by the version that the first made, so that a leader who was stopped between them cannot
        end what another has begun since. A conflict there, or a crash, leaves the rest for the next release.
        """
        kind = kinds.target_kind(step.workload)
        if kind is None:
            return unknown_kind(step.workload)
        before = await self._at(kind, step, resource_version)
        if not isinstance(before, Mapping):
            return before
        back = restoring(before, step.patch, step.prior)
        if back:
            body = locked(back, step.uid, resource_version, before)
            restored = await self._giving_back(kind, step, body, dry_run=dry_run)
            if dry_run or not isinstance(restored, Applied):
                return restored
            resource_version = restored.resource_version
            before = await self._at(kind, step, resource_version)
            if not isinstance(before, Mapping):
                return before
        others = entries_without_ours(before)
        if others is None or dry_run:
            return Applied(resource_version)
        return await self._giving_back(kind, step, disowned(others, step.uid, resource_version), dry_run=False)

    async def _at(
        self, kind: ResourceKind, step: Step, resource_version: str
    ) -> Object | Conflict | Gone | Refused | Unknown:
        """The step's object, if it is still at this version."""
        found = await self._before(kind, step.workload)
        if isinstance(found, Mapping) and metadata_differs(found, step.uid, resource_version):
            return reread(found, step.uid, resource_version, "")
        return found

    async def _giving_back(
        self, kind: ResourceKind, step: Step, body: list[dict[str, Any]], *, dry_run: bool
    ) -> ApplyResult:
        """One of the writes of a release."""
        query = {"fieldManager": OURS, **({"dryRun": "All"} if dry_run else {})}
        path = path_of(kind, step.workload.namespace, step.workload.name)
        try:
            async with around("cluster.release", effect=not dry_run):
                answer = await self._api.send(
                    "PATCH", path, body, query, content_type=JSON_PATCH, seconds=step.timeout_seconds
                )
        except NotSent as error:
            return Unknown(str(error), retry_after=BUSY_SECONDS)
        except Lost as error:
            return Unknown(str(error))
        match settled(answer):
            case Unsettled(message):
                version = next(str(op["value"]) for op in body if op["path"] == "/metadata/resourceVersion")
                return await self._settle(kind, step, version, message)
            case result:
                return result

    async def _hold(
        self, kind: ResourceKind, step: Step, how: Holding, resource_version: str, *, dry_run: bool
    ) -> ApplyResult:
        """One server-side apply. A 409 may mean the lock or an owner, and another uid is told as an impossible value:
        only the object tells.
        """
        body = holding(step, resource_version)
        if body is None:
            return Refused("Invalid", "What is held is given back by a release, not by another apply")
        query = {
            "fieldManager": how.manager,
            "force": str(how.force).lower(),
            "fieldValidation": "Strict",
            **({"dryRun": "All"} if dry_run else {}),
        }
        path = path_of(kind, step.workload.namespace, step.workload.name)
        try:
            async with around("cluster.apply", effect=not dry_run):
                answer = await self._api.send(
                    "PATCH", path, body, query, content_type=APPLY_PATCH, seconds=step.timeout_seconds
                )
        except NotSent as error:
            return Unknown(str(error), retry_after=BUSY_SECONDS)
        except Lost as error:
            return Unknown(str(error))
        match settled(answer):
            case Unsettled(message):
                return await self._settle(kind, step, resource_version, message)
            case Conflict(owners=()) | Refused("Invalid") as answered:
                return await self._which(kind, step, resource_version, answered)
            case result:
                return result

    async def _which(self, kind: ResourceKind, step: Step, version: str, answered: Conflict | Refused) -> ApplyResult:
        """Whether it was turned away for another version or another object."""
        try:
            return moved(await self._object(kind, step.workload), step.uid, version, answered)
        except TrimtabError:
            return answered

    async def fence(self, workload: Workload, uid: str, epoch: int) -> ApplyResult:
        """Write the epoch, unless a newer one stands there; read anew while others write, five times at most.

        A merge patch, because it changes the one annotation whether or not there are others; uid and resourceVersion
        in it are preconditions.
        """
        kind = kinds.target_kind(workload)
        if kind is None:
            return unknown_kind(workload)
        result: ApplyResult = Conflict("Not tried")
        for _ in range(FENCE_ATTEMPTS):
            found = await self._before(kind, workload)
            if not isinstance(found, Mapping):
                return found
            if found["metadata"]["uid"] != uid:
                return reread(found, uid, "", "")
            standing = str((found["metadata"].get("annotations") or {}).get(FENCE, ""))
            fence = fence_over(standing, epoch)
            if fence is None:
                return Refused("Fenced", f"Epoch {standing} stands on {workload.key}; ours is {epoch}")
            result = await self._fence_once(kind, workload, found["metadata"], fence)
            if not isinstance(result, Conflict):
                return result
        return result

    async def _fence_once(
        self, kind: ResourceKind, workload: Workload, metadata: Mapping[str, Any], fence: str
    ) -> ApplyResult:
        lock = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        body = {"metadata": {**lock, "annotations": {FENCE: fence}}}
        path = path_of(kind, workload.namespace, workload.name)
        try:
            async with around("cluster.fence"):
                answer = await self._api.send(
                    "PATCH", path, body, {"fieldManager": "trimtab"}, content_type=MERGE_PATCH
                )
        except NotSent as error:
            return Unknown(str(error), retry_after=BUSY_SECONDS)
        except Lost as error:
            return Unknown(str(error))
        match settled(answer):
            case Unsettled(message):
                return Refused("Invalid", message)
            case result:
                return result

    async def _patch(
        self,
        kind: ResourceKind,
        workload: Workload,
        body: list[dict[str, Any]],
        query: Mapping[str, str],
        seconds: float,
        *,
        dry_run: bool,
    ) -> ApplyResult | Unsettled:
        path = path_of(kind, workload.namespace, workload.name)
        try:
            async with around("cluster.apply", effect=not dry_run):
                answer = await self._api.send("PATCH", path, body, query, content_type=JSON_PATCH, seconds=seconds)
        except NotSent as error:
            return Unknown(str(error), retry_after=BUSY_SECONDS)
        except Lost as error:
            return Unknown(str(error))
        return settled(answer)

    async def _settle(self, kind: ResourceKind, step: Step, resource_version: str, message: str) -> ApplyResult:
        """A bare 422 wrote nothing; when the object cannot be read either, deciding again is the safe answer."""
        try:
            found = await self._object(kind, step.workload)
        except TrimtabError as error:
            return Conflict(f"Refused, and could not be read again: {error}")
        return reread(found, step.uid, resource_version, message)

    async def _object(
        self, kind: ResourceKind, workload: Workload, attempts: int = READ_ATTEMPTS, seconds: float | None = None
    ) -> Object | None:
        path = path_of(kind, workload.namespace, workload.name)
        answer = await self._api.get(path, attempts=attempts, seconds=seconds)
        if answer.names_object:
            return None
        return {"apiVersion": kind.api_version, "kind": kind.kind, **demand("get", path, answer).body}

    async def _before(self, kind: ResourceKind, workload: Workload) -> Object | Gone | Refused | Unknown:
        """The object just before a write: one attempt, within a second."""
        try:
            found = await self._object(kind, workload, attempts=1, seconds=LAST_LOOK_SECONDS)
        except ApiUnavailable as error:
            return Unknown(f"Nothing was sent: {error}", retry_after=_after(error))
        except Denied as error:
            return Refused("Forbidden", str(error))
        except KindUnknown as error:
            return Refused("KindUnknown", str(error))
        return Gone(f"{workload.key} is not there") if found is None else found

    async def _around(self, workload: Workload, found: Object, began: datetime) -> World:
        if kinds.target_kind(workload) == kinds.AUTOSCALERS:
            return World(workload=workload, object=found, read_at=began)
        selector = found["spec"].get("selector")
        uid = found["metadata"]["uid"]
        replica_sets, pods, budgets, autoscalers = await together(
            self._selected(kinds.REPLICA_SETS, workload, selector if workload.kind == "Deployment" else None),
            self._selected(kinds.PODS, workload, selector),
            self._listed(kinds.BUDGETS, workload),
            self._listed(kinds.AUTOSCALERS, workload),
        )
        ours = controlled(replica_sets, {uid})
        mine = controlled(pods, {uid, *(one["metadata"]["uid"] for one in ours)})
        return World(
            workload=workload,
            object=found,
            read_at=began,
            replica_sets=ours,
            pods=mine,
            budgets=tuple(budget for budget in budgets if _covers(budget, found, mine)),
            autoscaler=next((one for one in autoscalers if _scales(one, workload)), None),
        )

    async def _selected(
        self, kind: ResourceKind, workload: Workload, selector: Mapping[str, Any] | None
    ) -> tuple[Object, ...]:
        """What a selector names; none names nothing, and neither does an empty one."""
        query = query_of(selector) if selector else ""
        return (await self._api.list(kind, workload.namespace, query))[1] if query else ()

    async def _listed(self, kind: ResourceKind, workload: Workload) -> tuple[Object, ...]:
        return (await self._api.list(kind, workload.namespace))[1]


async def together(*reads: Awaitable[tuple[Object, ...]]) -> list[tuple[Object, ...]]:
    """All of them at once; when one fails its error, but not before the others have ended."""
    answers = await asyncio.gather(*reads, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


def unknown_kind(workload: Workload) -> Refused:
    """The answer for a kind that trimtab does not write."""
    return Refused("KindUnknown", f"{workload.api_version} {workload.kind} is a kind that trimtab does not know")


def metadata_differs(found: Object, uid: str, resource_version: str) -> bool:
    """Whether it is another object, or another version of it."""
    return bool((found["metadata"]["uid"], found["metadata"]["resourceVersion"]) != (uid, resource_version))


def controlled(objects: Iterable[Object], uids: set[str]) -> tuple[Object, ...]:
    """Those whose controller owner is one of `uids`."""
    return tuple(
        one
        for one in objects
        if any(
            owner.get("controller") and owner["uid"] in uids for owner in one["metadata"].get("ownerReferences") or ()
        )
    )


def _covers(budget: Object, found: Object, pods: Iterable[Object]) -> bool:
    """Whether a disruption budget selects the workload's pods: those it has, or those its template would make."""
    selector = budget["spec"].get("selector")
    template = (found["spec"].get("template") or {}).get("metadata") or {}
    labels = [template.get("labels") or {}, *(pod["metadata"].get("labels") or {} for pod in pods)]
    return any(selects(selector, each) for each in labels)


def _scales(autoscaler: Object, workload: Workload) -> bool:
    """Whether it targets the workload, in any version of its group."""
    target = autoscaler["spec"]["scaleTargetRef"]
    group = workload.api_version.partition("/")[0]
    named = (target["kind"], target["name"]) == (workload.kind, workload.name)
    return named and str(target.get("apiVersion", workload.api_version)).partition("/")[0] == group


def _after(error: ApiUnavailable) -> float:
    return error.after if isinstance(error, Busy) else BUSY_SECONDS
