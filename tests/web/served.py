"""The page on a real port, in a thread of its own: for browsers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.web.app import create_app
from controller.web.options import Options
from tests.web.memory import MemoryBackend


class WithoutScripts:
    """Forbids every script by header: what a browser with scripts switched off shows."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the policy tightened."""

        async def tightened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                policy = headers.get("content-security-policy", "")
                headers["content-security-policy"] = policy.replace("script-src 'self'", "script-src 'none'")
            await send(message)

        await self._app(scope, receive, tightened)


@dataclass(frozen=True)
class Served:
    """A running page."""

    url: str
    backend: MemoryBackend
    loop: asyncio.AbstractEventLoop

    def happen(self, what: Callable[[], object]) -> None:
        """Do something to the backend on its own loop, and let the page know."""

        async def there() -> None:
            what()
            self.backend.grow()

        asyncio.run_coroutine_threadsafe(there(), self.loop).result(timeout=10)


@contextmanager
def served(backend: MemoryBackend, scripts: bool = True) -> Iterator[Served]:
    """Serve until the block ends."""
    page = create_app(backend, replace(Options(), live_gap=timedelta(milliseconds=50)))
    app: ASGIApp = page if scripts else WithoutScripts(page)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, proxy_headers=False, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
    server, loop = uvicorn.Server(config), asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    handle = Served(f"http://127.0.0.1:{listening.getsockname()[1]}", backend, loop)
    try:
        yield handle
    finally:
        backend.stopping = True
        handle.happen(lambda: None)
        server.should_exit = True
        thread.join(timeout=20)
        listening.close()
        assert not thread.is_alive()
        loop.close()
