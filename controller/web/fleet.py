"""The pages about what is watched: all services, one service with its load and forecast, and the report on a week.

Promises that what a person may not read is not there, and that everything on them is readable without scripts: the
chart is drawn on the server and says in words what it shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import PlainTextResponse, Response

from controller.core.report_text import facts, groups, headline, quiet_note, render_markdown
from controller.core.words import clean
from controller.web.backend import Service
from controller.web.chart import drawn
from controller.web.failures import NoSuchPage
from controller.web.pages import frame
from controller.web.render import page
from controller.web.status import allowed, readable_report
from controller.web.visitor import Door, door_of
from detectors.series import Workload

router = APIRouter(include_in_schema=False)
AtDoor = Annotated[Door, Depends(door_of)]
Days = Annotated[int, Query(ge=1, le=366)]


@dataclass(frozen=True, slots=True)
class Missing:
    """A number that several services lack, and why."""

    what: str
    why: str
    services: tuple[str, ...]


def missing(services: Iterable[Service]) -> tuple[Missing, ...]:
    """Why numbers are not there, each reason once with all it holds for."""
    found: dict[tuple[str, str], list[str]] = {}
    for service in services:
        lacks = {service.load.why: ["load"] if service.load.value is None else []}
        lacks.setdefault(service.peak.why, []).extend(["forecast"] if service.peak.value is None else [])
        lacks.setdefault(service.floor.why, []).extend(["floor"] if not service.floor.text else [])
        for why, what in lacks.items():
            if why and what:
                found.setdefault((" and ".join(what), why), []).append(clean(str(service.workload), 120))
    return tuple(Missing(what, why, tuple(names)) for (what, why), names in found.items())


@router.get("/services")
async def services(request: Request, door: AtDoor) -> Response:
    """Every watched service with its numbers, and what would have been done."""
    visitor, person = door.known(request)
    shown = await allowed(door, person, await door.backend.services())
    may = {service.workload.namespace for service in shown}
    would = [deed for deed in await door.backend.would() if deed.workload.namespace in may]
    around = await frame(door, person)
    return page(request, visitor, "services.html", services=shown, missing=missing(shown), would=would, **around)


@router.get("/services/{namespace}/{kind}/{name}")
async def service(request: Request, door: AtDoor, namespace: str, kind: str, name: str) -> Response:
    """One service: how it stands, its load and forecast, what would have been done."""
    visitor, person = door.known(request)
    found = await door.backend.service(Workload(namespace, kind, name))
    if found is None or not await door.readable(person, namespace):
        raise NoSuchPage("there is no such service that is watched and that you may read")
    chart = drawn(found.measured, found.expected)
    around = await frame(door, person)
    lacks = missing((found.service,))
    return page(
        request, visitor, "service.html", detail=found, service=found.service, chart=chart, missing=lacks, **around
    )


@router.get("/report")
async def report(request: Request, door: AtDoor, days: Days = 7) -> Response:
    """What was done in the last days, what would have been, what was asked."""
    visitor, person = door.known(request)
    made = await readable_report(door, person, timedelta(days=days))
    around = await frame(door, person)
    return page(
        request,
        visitor,
        "report.html",
        report=made,
        headline=headline(made),
        facts=facts(made),
        groups=groups(made),
        note=quiet_note(made) if made.quiet else "",
        days=days,
        **around,
    )


@router.get("/report/markdown")
async def exported(request: Request, door: AtDoor, days: Days = 7) -> Response:
    """The same as a document."""
    _, person = door.known(request)
    made = await readable_report(door, person, timedelta(days=days))
    return PlainTextResponse(render_markdown(made), media_type="text/markdown; charset=utf-8")
