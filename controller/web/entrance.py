"""The entrance by ticket: one address that turns a ticket into a session."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from controller.web.failures import NoSuchPage, TicketUsed
from controller.web.render import keep, local
from controller.web.session import COOKIE
from controller.web.visitor import Door, door_of

router = APIRouter(include_in_schema=False)


@router.get("/enter")
async def enter(request: Request, door: Annotated[Door, Depends(door_of)], ticket: str = "", to: str = "/") -> Response:
    """Log in whoever holds the ticket, once; whoever is logged in already goes straight on."""
    tickets = door.options.tickets
    if tickets is None:
        raise NoSuchPage
    if door.visitor(request).person is not None:
        return RedirectResponse(local(to), 303)
    person, now = tickets.redeem(ticket), door.options.now()
    if person is None:
        raise TicketUsed
    session = door.sessions.begin(person, "", now)
    response = RedirectResponse(local(to), 303)
    keep(request, response, COOKIE, door.sessions.cookie(session), int((session.until - now).total_seconds()))
    return response
