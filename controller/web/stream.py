"""Live: server-sent events that say "something changed"; the page then asks for itself again.

Promises to carry no content, so that what a person may read is judged at one place, and to end with the login, when
the program stops, or when the browser goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from controller.web.visitor import Door, door_of

router = APIRouter(include_in_schema=False)


@router.get("/events")
async def events(request: Request, door: Annotated[Door, Depends(door_of)]) -> Response:
    """`event: change`, with the log's sequence as data and id."""
    visitor, _ = door.known(request)
    until = visitor.session.until if visitor.session is not None else None
    return StreamingResponse(told(door, until), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def told(door: Door, until: datetime | None) -> AsyncIterator[str]:
    """The stream's text: one event a change, a comment while nothing happens."""
    yield "retry: 3000\n\n"
    changes = aiter(door.backend.changes())
    waiting: asyncio.Task[int] | None = None
    try:
        while until is None or door.options.now() < until:
            if waiting is None:
                waiting = asyncio.ensure_future(anext(changes))
            done, _ = await asyncio.wait({waiting}, timeout=door.options.keepalive.total_seconds())
            if not done:
                yield ": still here\n\n"
                continue
            try:
                sequence = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield f"id: {sequence}\nevent: change\ndata: {sequence}\n\n"
            await asyncio.sleep(door.options.live_gap.total_seconds())
    finally:
        if waiting is not None:
            waiting.cancel()
        elif isinstance(changes, AsyncGenerator):
            await changes.aclose()
