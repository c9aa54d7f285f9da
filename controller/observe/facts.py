"""Gathering facts: everything the gate asks about one proposal, read live.

Promises that what cannot be read stays `UNKNOWN`, which blocks; nothing here guesses. The kill switch is read from
the API server each time: unreadable, or its CRD missing, means paused (S13).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from pydantic import ValidationError

from controller.api.v1alpha1.kinds import AUTOMATION_PAUSE, PLANNED_EVENT
from controller.api.v1alpha1.plannedevent import PlannedEvent
from controller.core.budget import Spent
from controller.core.facts import UNKNOWN, Facts, Freeze, Pause, Unknown
from controller.core.incident import Incident
from controller.core.policy import Policy
from controller.core.proposal import Proposal
from controller.errors import TrimtabError
from controller.kinds import NAMESPACES
from controller.observe.rooms import Rooms
from controller.observe.sight import Seen
from controller.ports import ResourceKind
from detectors.series import Workload
from remediations.base import Remediation
from remediations.cluster import World
from remediations.guards import inspect
from remediations.registry import rights_for
from remediations.verification import changes_since

log = structlog.get_logger(__name__)

PAUSE_ANNOTATION = "trimtab.dev/pause"
OUR_MANAGER = "trimtab"
MACHINES = ("kube-controller-manager", "kube-scheduler", "kubelet", "kwok", OUR_MANAGER)
"""Field managers whose writes are not a person's."""


async def gather(
    rooms: Rooms, proposal: Proposal, incident: Incident, world: World, seen: Seen, policy: Policy, now: datetime
) -> Facts:
    """Every fact about carrying out this proposal now, on this live reading of the world."""
    workload = incident.workload
    remediation = rooms.registry[proposal.plan.remediation]
    pause, freeze, permitted = await asyncio.gather(
        read_pause(rooms, workload.namespace),
        read_freeze(rooms, workload, world, now),
        read_rights(rooms, remediation, workload),
    )
    protected = rooms.protected()
    changes = changes_since(proposal.plan, world)
    name = proposal.runbook.partition("@")[0]
    return Facts(
        data=seen.data,
        findings=UNKNOWN
        if protected is None
        else inspect(proposal.plan, world, remediation, policy.floor_share, protected),
        drift="; ".join(changes) or None,
        cleared=seen.data.healthy and not seen.symptoms,
        touched=touched_since(world, incident),
        pause=pause,
        freeze=freeze,
        permitted=permitted,
        other_critical=other_open(rooms, workload),
        observer_suspect=rooms.sight.observer_suspect(),
        fruitless=len(rooms.history.without_effect(workload, proposal.plan.remediation, now)),
        backoff_until=rooms.history.backoff_until(workload, proposal.plan.remediation, now),
        harmed_before=rooms.history.harmed(name),
        rejected_before=incident.rejected_by(proposal.plan),
        store_trusted=rooms.store_trusted(),
    )


async def spent(rooms: Rooms, proposal: Proposal, policy: Policy, now: datetime) -> Spent:
    """What its budgets have left; a scope that could not be read is missing, which blocks."""
    wanted = proposal.charges(policy.budgets)
    try:
        return Spent(await rooms.journal.store.spent([(charge.scope, charge.window) for charge in wanted], now))
    except TrimtabError as error:
        log.warning("budgets unreadable", error=str(error))
        return Spent({})


async def read_pause(rooms: Rooms, namespace: str) -> Pause | Unknown | None:
    """The kill switch for a namespace: any AutomationPause that covers it, or the annotation on the namespace."""
    try:
        pauses = await rooms.resources.list(AUTOMATION_PAUSE)
        place = await rooms.resources.get(NAMESPACES, None, namespace)
    except TrimtabError as error:
        log.warning("kill switch unreadable", error=str(error))
        return UNKNOWN
    for item in pauses:
        spec = item.get("spec") or {}
        covered = spec.get("namespaces") or ()
        if not covered or namespace in covered:
            return Pause(str(spec.get("reason") or item["metadata"]["name"]))
    if place is None:
        return UNKNOWN
    noted = (place["metadata"].get("annotations") or {}).get(PAUSE_ANNOTATION)
    return Pause(noted or "annotation on the namespace") if noted is not None and noted.lower() != "false" else None


async def read_freeze(rooms: Rooms, workload: Workload, world: World, now: datetime) -> Freeze | Unknown | None:
    """The freeze window that ends last among those that cover the workload now. One that cannot be read blocks."""
    try:
        items = await rooms.resources.list(PLANNED_EVENT, workload.namespace)
    except TrimtabError as error:
        log.warning("planned events unreadable", error=str(error))
        return UNKNOWN
    found: list[Freeze] = []
    for item in items:
        if not (item.get("spec") or {}).get("freeze") and "freeze" not in (item.get("spec") or {}):
            continue
        try:
            event = PlannedEvent.model_validate({**item, "status": {}})
        except ValidationError:
            return UNKNOWN
        if event.spec.begins() <= now < event.spec.ends() and covers(event, world):
            found.append(Freeze(event.metadata.name, event.spec.ends()))
    return max(found, key=lambda freeze: freeze.until, default=None)


def covers(event: PlannedEvent, world: World) -> bool:
    """Whether a planned event selects the workload. An empty selector selects nothing."""
    selected = event.spec.services
    if selected.all:
        return True
    labels: Mapping[str, str] = world.object["metadata"].get("labels") or {}
    wanted = selected.match_labels or {}
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


async def read_rights(rooms: Rooms, remediation: Remediation, workload: Workload) -> bool | Unknown:
    """Whether our account may do what the remediation needs, here, by the API server's own word."""
    needed = [
        (verb, ResourceKind(right.group, "", right.resource, ""))
        for right in rights_for(remediation, [workload.kind])
        for verb in right.verbs
    ]
    try:
        answers = await asyncio.gather(
            *(rooms.access.self_may(verb, kind, workload.namespace) for verb, kind in needed)
        )
    except TrimtabError as error:
        log.warning("rights unreadable", error=str(error))
        return UNKNOWN
    return all(answers)


def touched_since(world: World, incident: Incident) -> str | None:
    """Who changed the object by hand since the plan was made (field managers, spec only)."""
    made = incident.proposal.at if incident.proposal is not None else incident.opened_at
    for entry in world.object["metadata"].get("managedFields") or ():
        when = entry.get("time")
        machine = entry.get("subresource") == "status" or entry.get("manager") in MACHINES
        if when and not machine and _instant(when) > made + timedelta(seconds=1):
            return str(entry.get("manager") or "somebody")
    return None


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def other_open(rooms: Rooms, workload: Workload) -> str | None:
    """Another open incident in the same namespace, which turns Auto into Ask (S12)."""
    prefix = f"{workload.namespace}/"
    for key, incident in sorted(rooms.history.open.items()):
        if key.startswith(prefix) and key != workload.key:
            return incident
    return None
