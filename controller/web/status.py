"""How everything stands, for programs: `GET /v1/status` and `GET /v1/report`. `trimtab status` is one of its readers.

Promises that each row is of a namespace the caller may read, and that a number which is not there is null with its
reason beside it, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from controller.core.report import Report
from controller.core.report_parts import Deed, Way
from controller.core.report_text import as_json
from controller.ports import Person
from controller.web.backend import Clause, Head, Quantity, Service
from controller.web.pages import visible
from controller.web.rest import PROBLEMS
from controller.web.visitor import Door, door_of
from detectors.series import DataHealth

router = APIRouter()
AtDoor = Annotated[Door, Depends(door_of)]


class QuantityOut(BaseModel):
    """A number, or why there is none."""

    value: float | None
    unit: str = ""
    text: str = Field(description="As people read it, `–` without a value.")
    why: str = Field(default="", description="Why there is no value.")
    until: datetime | None = Field(default=None, description="How long a bound holds.")


class ClauseOut(BaseModel):
    """How something stands, and why."""

    text: str
    why: str = ""


class DataOut(BaseModel):
    """How far the data can be trusted."""

    healthy: bool | None = Field(description="null: not looked at yet")
    problems: list[str] = []
    detail: str = ""


class WouldOut(BaseModel):
    """Something that would have been done, had it been allowed."""

    at: datetime
    namespace: str
    kind: str
    name: str
    text: str = Field(description="What, as a request: `roll back to v41`.")
    asked_first: bool = Field(description="Whether a person would have been asked.")
    incident: str = ""


class ServiceOut(BaseModel):
    """One watched workload."""

    namespace: str
    kind: str
    name: str
    policy: str
    scaling: str
    canary: str
    incidents: str
    modes: str = Field(description="What is not Observe among them, as people read it.")
    ready: int | None
    desired: int | None
    data: DataOut
    load: QuantityOut
    forecast: QuantityOut = Field(description="The load stays under this until then.")
    floor: ClauseOut
    rollout: ClauseOut
    incident: str = Field(description="The open incident, empty when there is none.")
    would: str = Field(description="What Observe keeps from being done now, in a clause.")


class HeadOut(BaseModel):
    """The program itself."""

    replica: str
    leads: bool
    note: str
    since: datetime | None
    events: int
    epoch: int
    right: int = Field(description="Labelled actions that were right.")
    labelled: int


class StatusOut(BaseModel):
    """Everything at a glance."""

    program: HeadOut
    paused: str = Field(description="Why automation is paused, empty while it is not.")
    open: list[str] = Field(description="Open incidents, those that wait for an answer first.")
    questions: list[str] = Field(description="Incidents that wait for an answer.")
    services: list[ServiceOut]
    would: list[WouldOut] = Field(description="What would have been done in the last seven days, newest first.")


@router.get("/v1/status", responses=PROBLEMS, tags=["status"])
async def status(request: Request, door: AtDoor, namespace: Annotated[str, Query(max_length=63)] = "") -> StatusOut:
    """Every watched workload of every namespace you may read, or of one. Needs `Authorization: Bearer`."""
    person = await door.caller(request)
    backend = door.backend
    services = await allowed(door, person, await backend.services(), namespace)
    may = {service.workload.namespace for service in services}
    deeds = [deed for deed in await backend.would() if deed.workload.namespace in may]
    asking = [
        told.id
        for told in await visible(door, person, await backend.asking())
        if _wanted(told.incident.workload.namespace, namespace)
    ]
    incidents = [service.incident for service in services if service.incident]
    paused = await backend.paused()
    return StatusOut(
        program=head_out(await backend.head()),
        paused=paused.reason if paused is not None else "",
        open=[*asking, *(name for name in incidents if name not in asking)],
        questions=asking,
        services=[service_out(service) for service in services],
        would=[would_out(deed) for deed in deeds],
    )


@router.get("/v1/report", responses=PROBLEMS, tags=["status"])
async def report(request: Request, door: AtDoor, days: Annotated[int, Query(ge=1, le=366)] = 7) -> dict[str, Any]:
    """What was done in the last days, what would have been, what was asked, and what came of it."""
    person = await door.caller(request)
    return dict(as_json(await readable_report(door, person, timedelta(days=days))))


async def readable_report(door: Door, person: Person, lasting: timedelta) -> Report:
    """The report on what this person may read."""
    made = await door.backend.report(lasting)
    may = {namespace for namespace in made.namespaces if await door.readable(person, namespace)}
    kept = made.only(may)
    watched = len(await allowed(door, person, await door.backend.services()))
    return replace(kept, watched=watched)


async def allowed(door: Door, person: Person, services: Iterable[Service], namespace: str = "") -> tuple[Service, ...]:
    """The services this person may read, by name."""
    found = [service for service in services if _wanted(service.workload.namespace, namespace)]
    names = {service.workload.namespace for service in found}
    may = {name for name in names if await door.readable(person, name)}
    return tuple(sorted((s for s in found if s.workload.namespace in may), key=lambda service: service.workload.key))


def _wanted(found: str, namespace: str) -> bool:
    return not namespace or found == namespace


def head_out(head: Head) -> HeadOut:
    """As JSON."""
    return HeadOut(
        replica=head.replica,
        leads=head.leads,
        note=head.note,
        since=head.since,
        events=head.events,
        epoch=head.epoch,
        right=head.right,
        labelled=head.labelled,
    )


def service_out(service: Service) -> ServiceOut:
    """As JSON."""
    workload = service.workload
    return ServiceOut(
        namespace=workload.namespace,
        kind=workload.kind,
        name=workload.name,
        policy=service.policy,
        scaling=service.scaling,
        canary=service.canary,
        incidents=service.mode,
        modes=service.modes,
        ready=service.ready,
        desired=service.desired,
        data=_data(service.health),
        load=_quantity(service.load),
        forecast=_quantity(service.peak),
        floor=_clause(service.floor),
        rollout=_clause(service.rollout),
        incident=service.incident,
        would=service.would,
    )


def would_out(deed: Deed) -> WouldOut:
    """As JSON."""
    named: Mapping[str, str] = {
        "namespace": deed.workload.namespace,
        "kind": deed.workload.kind,
        "name": deed.workload.name,
    }
    asked = deed.way is Way.WOULD_ASK
    return WouldOut(at=deed.at, text=deed.text, asked_first=asked, incident=deed.incident, **named)


def _data(health: DataHealth | None) -> DataOut:
    if health is None:
        return DataOut(healthy=None)
    return DataOut(healthy=health.healthy, problems=sorted(health.problems), detail=health.detail)


def _quantity(quantity: Quantity) -> QuantityOut:
    return QuantityOut(
        value=quantity.value, unit=quantity.unit, text=str(quantity), why=quantity.why, until=quantity.until
    )


def _clause(clause: Clause) -> ClauseOut:
    return ClauseOut(text=str(clause), why=clause.why)
