"""A web server that receives notices: keeps what it got, and answers as it is told to."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    json: dict[str, Any]


@dataclass
class Receiver:
    """`answers` are the next statuses (then `status` for ever); 0 breaks the connection off, -1 never answers."""

    url: str = ""
    status: int = 202
    text: str = ""
    answers: list[int] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Keep it, and answer."""
        body = await request.read()
        self.requests.append(Request(request.path, dict(request.headers), body, await request.json()))
        status = self.answers.pop(0) if self.answers else self.status
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        if status == -1:
            await asyncio.Event().wait()
        return web.Response(status=status or 202, text=self.text, headers={"Location": "/elsewhere"})


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port of 127.0.0.1."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
