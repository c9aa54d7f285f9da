"""What programs ask for: probes, metrics, incidents as JSON, and Alertmanager's webhook.

Probes and metrics are open, since the kubelet and Prometheus carry no token of ours; promises that everything else is
closed without one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response

from controller.core.alertmanager import Webhook, parse
from controller.core.timeline import Story
from controller.web.badges import badge
from controller.web.failures import LoginNeeded, Unconfigured
from controller.web.options import SECRET_ALERTS
from controller.web.pages import readable_story, visible
from controller.web.visitor import Door, door_of

router = APIRouter()
AtDoor = Annotated[Door, Depends(door_of)]


class Problem(BaseModel):
    """What went wrong, and what to do about it."""

    model_config = ConfigDict(extra="forbid")

    error: str
    remedy: str = ""


class RowOut(BaseModel):
    """One row of a story."""

    at: datetime
    word: str
    text: str
    why: str = ""
    details: list[str] = []


class IncidentOut(BaseModel):
    """An incident with its answer line."""

    id: str
    namespace: str
    kind: str
    name: str
    opened_at: datetime
    standing: str = Field(description="How it stands, in a word: asks, acting, repaired, with a person, …")
    headline: str
    digest: str | None = Field(default=None, description="The plan that is asked about; an answer names it.")


class StoryOut(IncidentOut):
    """An incident with its whole story."""

    rows: list[RowOut]


class IncidentsOut(BaseModel):
    """Incidents, newest first."""

    incidents: list[IncidentOut]


class Standing(BaseModel):
    """Whether this replica is of use, and why not."""

    ready: bool
    reasons: list[str]


PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No or no valid token"},
    422: {"model": Problem, "description": "A parameter is out of range"},
    503: {"model": Problem, "description": "The API server or the store does not answer"},
}


def inlined(node: Any, defined: dict[str, Any]) -> Any:
    """A JSON schema whose references are replaced by what they name."""
    match node:
        case {"$ref": str() as reference}:
            return inlined(defined[reference.rpartition("/")[2]], defined)
        case dict():
            return {key: inlined(value, defined) for key, value in node.items() if key != "$defs"}
        case list():
            return [inlined(value, defined) for value in node]
        case _:
            return node


_SCHEMA = Webhook.model_json_schema()
PAYLOAD: dict[str, Any] = inlined(_SCHEMA, _SCHEMA.get("$defs", {}))
"""Alertmanager's webhook as the documented body; it is parsed by hand, after the token was looked at."""


def _summary(told: Story) -> dict[str, Any]:
    incident = told.incident
    question = incident.question
    return {
        "id": told.id,
        "namespace": incident.workload.namespace,
        "kind": incident.workload.kind,
        "name": incident.workload.name,
        "opened_at": incident.opened_at,
        "standing": badge(incident).word,
        "headline": told.headline,
        "digest": question.digest if question is not None and question.open else None,
    }


@router.get("/v1/incidents", responses=PROBLEMS, tags=["incidents"])
async def incidents(
    request: Request,
    door: AtDoor,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> IncidentsOut:
    """The newest incidents of every namespace you may read. Needs `Authorization: Bearer` with a Kubernetes token."""
    person = await door.caller(request)
    stories = await visible(door, person, await door.backend.recent(limit, skip))
    return IncidentsOut(incidents=[IncidentOut(**_summary(told)) for told in stories])


@router.get(
    "/v1/incidents/{id}",
    responses={**PROBLEMS, 404: {"model": Problem, "description": "No incident of that name that you may read"}},
    tags=["incidents"],
)
async def incident(request: Request, door: AtDoor, id: Annotated[str, Path(max_length=100)]) -> StoryOut:
    """One incident with its story."""
    person = await door.caller(request)
    _, told = await readable_story(door, person, id)
    rows = [
        RowOut(at=row.at, word=row.word, text=row.text, why=row.why, details=list(row.details)) for row in told.rows
    ]
    return StoryOut(**_summary(told), rows=rows)


@router.post(
    "/v1/alerts",
    status_code=202,
    tags=["alerts"],
    responses={
        400: {"model": Problem, "description": "Not Alertmanager's payload"},
        **{code: answer for code, answer in PROBLEMS.items() if code != 422},
        411: {"description": "The body's length is not declared"},
        413: {"description": "The body is too large"},
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": PAYLOAD}}}},
)
async def alerts(request: Request, door: AtDoor) -> Response:
    """Alertmanager's webhook (version 4). Needs `Authorization: Bearer` with secret `alertmanager/token`."""
    fits = door.alert_token_fits(request)
    if fits is None:
        raise Unconfigured("the webhook is closed: no token is set", f"put one into secret {SECRET_ALERTS}")
    if not fits:
        raise LoginNeeded(request.url.path, "the webhook's bearer token is missing or wrong")
    try:
        body = await request.body()
    except ClientDisconnect:
        return Response(status_code=400)
    taken = parse(body)
    await door.backend.alerts(taken)
    return JSONResponse({"taken": len(taken)}, 202)


@router.get("/healthz", tags=["probes"], response_class=PlainTextResponse)
async def healthz() -> str:
    """The process answers."""
    return "ok\n"


@router.get("/readyz", tags=["probes"], responses={503: {"model": Standing, "description": "Not ready, with reasons"}})
async def readyz(door: AtDoor) -> Response:
    """Whether this replica is of use, with the reasons when it is not."""
    checks = await door.backend.readiness()
    reasons = [f"{check.name}: {check.detail or 'not ready'}" for check in checks if not check.ok]
    standing = Standing(ready=not reasons, reasons=reasons)
    return JSONResponse(standing.model_dump(), 200 if standing.ready else 503)


@router.get("/metrics", tags=["probes"], response_class=PlainTextResponse)
async def metrics(door: AtDoor) -> Response:
    """The program's own metrics."""
    return Response(await door.backend.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
