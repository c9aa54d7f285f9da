"""The pages: incidents, one incident, the review queue; and the forms on them.

Promises that everything works without scripts, that every form carries the visitor's token, and that the page only
passes a person's word on: the door behind `Backend.answer` judges it.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from controller.core.events import Verdict
from controller.core.message import plan_text
from controller.core.timeline import Story
from controller.core.timeline_text import render_markdown
from controller.ports import Person, Stored
from controller.runtime.answers import Reply
from controller.web.backend import Right
from controller.web.failures import NoSuchPage
from controller.web.render import block, keep, keep_theme, local, page
from controller.web.session import COOKIE, TooManyGroups
from controller.web.views import question, story_of, whole
from controller.web.visitor import THEMES, Door, Visitor, door_of

router = APIRouter(include_in_schema=False)
AtDoor = Annotated[Door, Depends(door_of)]

A_SCREEN = 50
"""Incidents on one page of the list."""


async def frame(door: Door, person: Person) -> dict[str, Any]:
    """What every page shows around its content: the kill switch."""
    return {
        "paused": await door.backend.paused(),
        "may_pause": await door.backend.may(person, Right.PAUSE, None),
        "said": "",
        "counted": True,
    }


async def visible(door: Door, person: Person, streams: tuple[tuple[Stored, ...], ...]) -> list[Story]:
    """The stories this person may read."""
    stories = [told for stored in streams if (told := story_of(stored)) is not None]
    namespaces = {told.incident.workload.namespace for told in stories}
    allowed = {namespace for namespace in namespaces if await door.readable(person, namespace)}
    return [told for told in stories if told.incident.workload.namespace in allowed]


@router.get("/")
async def incidents(request: Request, door: AtDoor, skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> Response:
    """All incidents, newest first."""
    visitor, person = door.known(request)
    streams = await door.backend.recent(A_SCREEN + 1, skip)
    stories = await visible(door, person, streams[:A_SCREEN])
    older = skip + A_SCREEN if len(streams) > A_SCREEN else 0
    around = await frame(door, person)
    return page(request, visitor, "incidents.html", stories=stories, older=older, skip=skip, **around)


async def readable_story(door: Door, person: Person, id: str) -> tuple[tuple[Stored, ...], Story]:
    """One incident's events and story; raises NoSuchPage, also where the person may not read it."""
    stored = await door.backend.incident(id)
    told = story_of(stored)
    if told is None or not await door.readable(person, told.incident.workload.namespace):
        raise NoSuchPage(f"there is no incident {id[:60]} that you may read")
    return stored, told


@router.get("/incidents/{id}")
async def incident(request: Request, door: AtDoor, id: str) -> Response:
    """One incident: the answer first, then its story, why, and the exact change."""
    visitor, person = door.known(request)
    return await incident_page(request, door, visitor, person, id)


async def incident_page(
    request: Request, door: Door, visitor: Visitor, person: Person, id: str, reply: Reply | None = None
) -> Response:
    """The incident's page, with what the door said to the last form on top."""
    stored, told = await readable_story(door, person, id)
    approves = await door.backend.may(person, Right.APPROVE, told.incident.workload.namespace)
    shown = whole(stored, told, await door.backend.background(told.incident), person, approves)
    around = await frame(door, person)
    if reply is not None:
        around |= {"said": reply.sentence, "counted": reply.counted}
    status = 200 if reply is None or reply.counted else 409
    return page(request, visitor, "incident.html", status, whole=shown, **around)


@router.get("/incidents/{id}/markdown")
async def exported(request: Request, door: AtDoor, id: str) -> Response:
    """The story as Markdown, for a post-mortem."""
    _, person = door.known(request)
    _, told = await readable_story(door, person, id)
    return PlainTextResponse(render_markdown(told), media_type="text/markdown; charset=utf-8")


@router.get("/incidents/{id}/plan")
async def plan(request: Request, door: AtDoor, id: str) -> Response:
    """The full plan as plain text."""
    _, person = door.known(request)
    _, told = await readable_story(door, person, id)
    return PlainTextResponse(block(plan_text(told.incident)))


@router.post("/incidents/{id}/answer")
async def answer(request: Request, door: AtDoor, id: str) -> Response:
    """Approve or reject exactly the plan that was shown."""
    visitor, person = door.known(request)
    fields = await door.form(request, visitor)
    _, told = await readable_story(door, person, id)
    await door.require(person, Right.APPROVE, told.incident.workload.namespace)
    verdict = {"approve": Verdict.APPROVE, "reject": Verdict.REJECT}.get(fields.get("verdict", ""))
    if verdict is None:
        raise NoSuchPage("an answer is approve or reject")
    digest, reason = fields.get("digest", "")[:64], fields.get("reason", "")[:1000]
    reply = await door.backend.answer(told.id, digest, verdict, person, reason)
    return await told_back(request, door, visitor, person, told.id, reply)


@router.post("/incidents/{id}/undo")
async def undo(request: Request, door: AtDoor, id: str) -> Response:
    """Take an action back."""
    visitor, person = door.known(request)
    await door.form(request, visitor)
    _, told = await readable_story(door, person, id)
    await door.require(person, Right.APPROVE, told.incident.workload.namespace)
    reply = await door.backend.undo(told.id, person)
    return await told_back(request, door, visitor, person, told.id, reply)


async def told_back(request: Request, door: Door, visitor: Visitor, person: Person, id: str, reply: Reply) -> Response:
    """What counted is shown by the page itself, after a redirect that makes a reload harmless; a refusal is said."""
    if reply.counted:
        return RedirectResponse(f"/incidents/{id}", 303)
    return await incident_page(request, door, visitor, person, id, reply)


@router.get("/review")
async def review(request: Request, door: AtDoor) -> Response:
    """Every open question, the most urgent first."""
    visitor, person = door.known(request)
    cards = []
    for told in await visible(door, person, await door.backend.asking()):
        approves = await door.backend.may(person, Right.APPROVE, told.incident.workload.namespace)
        card = question(told, await door.backend.background(told.incident), person, approves)
        if card is not None:
            cards.append(card)
    return page(request, visitor, "review.html", cards=cards, **await frame(door, person))


@router.post("/pause")
async def pause(request: Request, door: AtDoor) -> Response:
    """The kill switch."""
    visitor, person = door.known(request)
    fields = await door.form(request, visitor)
    await door.require(person, Right.PAUSE, None)
    reply = await door.backend.pause(person, fields.get("reason", "").strip()[:1000] or "no reason given")
    return await switched(request, door, visitor, person, reply, fields)


@router.post("/resume")
async def resume(request: Request, door: AtDoor) -> Response:
    """Automation goes on."""
    visitor, person = door.known(request)
    fields = await door.form(request, visitor)
    await door.require(person, Right.PAUSE, None)
    return await switched(request, door, visitor, person, await door.backend.resume(person), fields)


async def switched(
    request: Request, door: Door, visitor: Visitor, person: Person, reply: Reply, fields: dict[str, str]
) -> Response:
    """Back to where the switch was pressed, or the refusal."""
    if reply.counted:
        return RedirectResponse(local(fields.get("next", "/")), 303)
    around = await frame(door, person) | {"said": reply.sentence, "counted": False}
    return page(request, visitor, "services.html", 409, services=(), missing=(), would=(), **around)


@router.get("/login")
async def login_form(request: Request, door: AtDoor, next: str = "/") -> Response:
    """Where a token is pasted."""
    visitor = door.visitor(request)
    if visitor.person is not None:
        return RedirectResponse(local(next), 303)
    return page(request, visitor, "login.html", next=local(next), wrong="")


@router.post("/login")
async def login(request: Request, door: AtDoor) -> Response:
    """Begin a session for whoever the API server says the token is."""
    visitor = door.visitor(request)
    fields = await door.form(request, visitor)
    target, token = local(fields.get("next", "/")), "".join(fields.get("token", "").split())
    person = await door.backend.person_of(token) if token else None
    if person is None:
        wrong = "The API server does not know this token, or it has expired. Nothing was kept."
        return page(request, visitor, "login.html", 401, next=target, wrong=wrong)
    session = door.sessions.begin(person, token, door.options.now())
    try:
        cookie = door.sessions.cookie(session)
    except TooManyGroups as error:
        wrong = f"{error}: use a token of an account with fewer groups."
        return page(request, visitor, "login.html", 400, next=target, wrong=wrong)
    response = RedirectResponse(target, 303)
    seconds = max(0, int((session.until - door.options.now()).total_seconds()))
    keep(request, response, COOKIE, cookie, seconds)
    return response


@router.post("/logout")
async def logout(request: Request, door: AtDoor) -> Response:
    """End the session, on this replica at once and in the browser."""
    visitor = door.visitor(request)
    await door.form(request, visitor)
    if visitor.session is not None:
        door.sessions.end(visitor.session, door.options.now())
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


@router.post("/theme")
async def theme(request: Request, door: AtDoor) -> Response:
    """Light, dark, or as the system has it."""
    visitor = door.visitor(request)
    fields = await door.form(request, visitor)
    response = RedirectResponse(local(fields.get("next", "/")), 303)
    if fields.get("theme") in THEMES:
        keep_theme(request, response, fields["theme"])
    return response
