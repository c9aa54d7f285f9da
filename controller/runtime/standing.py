"""What became of policies and runbooks: written into their status when it changes.

Conditions carry `observedGeneration`; the transition time moves only when the status itself does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from controller.api.shapes import clip
from controller.api.v1alpha1.kinds import PLANNED_EVENT, RUNBOOK, SERVICE_POLICY
from controller.api.v1alpha1.plannedevent import PlannedEvent
from controller.core.decide import threshold
from controller.core.policy import Mode, Policy, ScalingMode
from controller.core.rollout import column
from controller.core.said import Said
from controller.errors import TrimtabError
from controller.observe.cache import Cache
from controller.observe.consent import Standing
from controller.observe.facts import read_rights
from controller.observe.rooms import Rooms
from controller.ports import ResourceKind
from detectors.series import HEALTHY, DataHealth, Workload
from remediations.registry import UnknownRemediation
from runbooks.load import from_object
from runbooks.schema import Runbook

log = structlog.get_logger(__name__)


class Statuses:
    """Keeps every status up to date; run by the leader once a round."""

    def __init__(self, rooms: Rooms, cache: Cache, floors: Mapping[Workload, Said]) -> None:
        self._rooms, self._cache, self._floors = rooms, cache, floors

    async def round(self) -> None:
        """Every policy, runbook and planned event, once."""
        now = self._rooms.clock.now()
        workloads: dict[str, list[tuple[Workload, Mapping[str, str]]]] = {}
        for workload in self._cache.workloads():
            workloads.setdefault(workload.namespace, []).append((workload, self._cache.labels(workload)))
        for item in tuple(self._cache.shelf(SERVICE_POLICY).objects.values()):
            standing = self._rooms.consents.standing(item, workloads.get(item["metadata"]["namespace"], ()))
            await self._write(SERVICE_POLICY, item, self.policy(item, standing, now))
        for item in tuple(self._cache.shelf(RUNBOOK).objects.values()):
            await self._write(RUNBOOK, item, await self.runbook(item, now))
        for item in tuple(self._cache.shelf(PLANNED_EVENT).objects.values()):
            await self._write(PLANNED_EVENT, item, planned_event(item, now))

    def policy(self, item: Mapping[str, Any], standing: Standing, now: datetime) -> dict[str, Any]:
        """A ServicePolicy's status: what it speaks for, what its loops may do, and whether the data can be trusted."""
        known = item.get("status") or {}
        generation = int(item["metadata"].get("generation") or 0)
        data = self._data(standing.workloads, now)
        opened = sum(workload.key in self._rooms.history.open for workload in standing.workloads)
        spec = item.get("spec") or {}
        target = spec.get("target") or {}
        return {
            "observedGeneration": generation,
            "target": clip(f"{target.get('kind', '?')}/{target.get('name') or 'selected'}", 256),
            "workloads": len(standing.workloads),
            "scaling": self._scaling(standing),
            "canary": self._canary(standing),
            "remediation": self._mode(standing),
            "data": "Healthy" if data.healthy else clip(str(data).capitalize(), 256),
            "openIncidents": opened,
            "conditions": [
                condition(known, "Accepted", standing.accepted, standing.reason, standing.message, generation, now),
                condition(
                    known,
                    "DataHealthy",
                    data.healthy,
                    "Healthy" if data.healthy else "Unhealthy",
                    data.detail or str(data),
                    generation,
                    now,
                ),
                condition(known, "FloorHeld", *self._floor_held(standing), generation, now),
            ],
        }

    def _data(self, workloads: tuple[Workload, ...], now: datetime) -> DataHealth:
        health = HEALTHY
        for workload in workloads:
            health |= self._rooms.sight.data(workload, now)
        return health

    def _scaling(self, standing: Standing) -> str:
        """The scaling loop in a word or two: `Floor 6`, `Observe (would hold 6)`."""
        if not standing.workloads:
            return "–"
        mode = self._policy(standing).scaling
        said = [self._floors[workload] for workload in standing.workloads if workload in self._floors]
        match mode:
            case ScalingMode.FLOOR if len(standing.workloads) > 1:
                return f"Floor ({sum(one.holds for one in said)} of {len(standing.workloads)} held)"
            case ScalingMode.FLOOR:
                held = next((one.replicas for one in said if one.holds), None)
                return "Floor" if held is None else f"Floor {held}"
            case ScalingMode.OBSERVE if len(standing.workloads) == 1:
                would = next((one.would for one in said), None)
                return "Observe" if would is None else f"Observe (would hold {would})"
            case _:
                return mode.value

    def _floor_held(self, standing: Standing) -> tuple[bool, str, str]:
        """The condition `FloorHeld`: true when every workload's floor is held, else the first reason against it."""
        said = [(workload, self._floors[workload]) for workload in standing.workloads if workload in self._floors]
        if not standing.workloads:
            return False, "NoWorkload", "it speaks for no workload"
        if len(said) < len(standing.workloads):
            return False, "NotLooked", "not looked at yet"
        several = len(said) > 1
        told = "; ".join(f"{workload.name}: {one.message}" if several else one.message for workload, one in said)
        away = next((one for _, one in said if not one.holds), None)
        return away is None, "Held" if away is None else away.reason, told

    def _policy(self, standing: Standing) -> Policy:
        first = standing.workloads[0]
        return self._rooms.consents.of(first, self._cache.labels(first)).policy

    def _mode(self, standing: Standing) -> str:
        if not standing.workloads:
            return "–"
        policy = self._policy(standing)
        return f"Auto ≥{threshold(policy.automatic_above)}" if policy.mode is Mode.AUTO else policy.mode.value

    def _canary(self, standing: Standing) -> str:
        """The rollout under way and its newest verdict, else the mode."""
        for workload in standing.workloads:
            rollout, verdict = self._rooms.history.rollouts.get(workload.key), self._rooms.arms.latest.get(workload)
            if rollout is not None and rollout.ended is None and verdict is not None:
                return clip(column(rollout, verdict), 256)
        return self._policy(standing).canary.value if standing.workloads else "–"

    async def runbook(self, item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """A Runbook's status: does it load, and may we do what it asks where it lives."""
        known, generation = item.get("status") or {}, int(item["metadata"].get("generation") or 0)
        parsed = from_object(item, self._rooms.registry)
        if not isinstance(parsed, Runbook):
            message = "; ".join(str(problem) for problem in parsed[:3])
            return {
                "observedGeneration": generation,
                "conditions": [condition(known, "Accepted", False, "Invalid", message, generation, now)],
            }
        permitted = await self._permitted(parsed, str(item["metadata"]["namespace"]))
        return {
            "observedGeneration": generation,
            "conditions": [
                condition(known, "Accepted", True, "Accepted", f"{parsed.reference} is in force", generation, now),
                condition(known, "Permitted", permitted[0], permitted[1], permitted[2], generation, now),
            ],
        }

    async def _permitted(self, runbook: Runbook, namespace: str) -> tuple[bool, str, str]:
        for step in runbook.spec.steps:
            try:
                remediation = self._rooms.registry[step.remediation]
            except UnknownRemediation as error:
                return False, "UnknownRemediation", str(error)
            for kind in runbook.spec.targets:
                if await read_rights(self._rooms, remediation, Workload(namespace, kind, "any")) is not True:
                    told = f"no right to {step.remediation} a {kind} here: see `trimtab rbac --runbooks DIR`"
                    return False, "NoRights", told
        return True, "Granted", "every step may be carried out here"

    async def _write(self, kind: ResourceKind, item: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        if item.get("status") == status:
            return
        metadata = item["metadata"]
        try:
            await self._rooms.resources.patch_status(kind, metadata.get("namespace"), metadata["name"], status)
        except TrimtabError as error:
            log.warning("status not written", kind=kind.kind, name=metadata["name"], error=str(error))


def planned_event(item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A PlannedEvent's status: accepted or why not, begun and ended."""
    known, generation = item.get("status") or {}, int(item["metadata"].get("generation") or 0)
    try:
        event = PlannedEvent.model_validate({**item, "status": {}})
    except ValueError as error:
        told = clip(str(error), 2000)
        refused = condition(known, "Accepted", False, "Invalid", f"it blocks until mended: {told}", generation, now)
        return {"observedGeneration": generation, "conditions": [refused]}
    accepted = condition(known, "Accepted", True, "Accepted", "it counts", generation, now)
    status: dict[str, Any] = {"observedGeneration": generation, "conditions": [accepted]}
    if known.get("started") or now >= event.spec.begins():
        status["started"] = known.get("started") or instant(event.spec.begins())
    if now >= event.spec.ends():
        status["ended"] = known.get("ended") or instant(event.spec.ends())
    return status


def condition(
    known: Mapping[str, Any], kind: str, holds: bool, reason: str, message: str, generation: int, now: datetime
) -> dict[str, Any]:
    """A condition; its transition time is kept while it does not change."""
    status = "True" if holds else "False"
    before: Mapping[str, Any] = next((c for c in known.get("conditions") or () if c.get("type") == kind), {})
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": clip(message, 2048),
        "observedGeneration": generation,
        "lastTransitionTime": since or instant(now),
    }


def instant(at: datetime) -> str:
    """A time as Kubernetes writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
