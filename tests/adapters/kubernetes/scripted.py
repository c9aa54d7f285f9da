"""A server that says exactly what a test gives it, byte for byte, over a real socket.

For the answers that a healthy API server cannot be brought to give at a chosen moment. The bytes are those of
Kubernetes 1.36.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

Answerer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Scripted:
    """Answers the requests in order; the last answer is given again and again. `seen` is what was asked."""

    url: str = ""
    script: deque[Answerer] = field(default_factory=deque)
    seen: list[web.Request] = field(default_factory=list)

    def say(self, *answers: Answerer) -> None:
        self.script = deque(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        await request.read()
        answer = self.script[0] if len(self.script) == 1 else self.script.popleft()
        return await answer(request)


def answer(status: int, body: Any = None, **headers: str) -> Answerer:
    """A whole answer."""

    async def give(request: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return give


def status(code: int, reason: str, message: str = "words", **details: Any) -> Mapping[str, Any]:
    """A Status object."""
    about = {"metadata": {}, "status": "Failure", "message": message, "reason": reason, "details": details}
    return {"kind": "Status", "apiVersion": "v1", **about, "code": code}


def truncated(request: web.Request) -> Awaitable[web.StreamResponse]:
    """A 200 whose body breaks off."""

    async def give() -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"kind":"Dep')
        assert request.transport is not None
        request.transport.abort()
        return response

    return give()


def hung_up(request: web.Request) -> Awaitable[web.StreamResponse]:
    """No answer: the connection is broken."""

    async def give() -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return give()


def stream(*lines: Mapping[str, Any] | bytes, then: str = "end") -> Answerer:
    """A watch that tells these lines and then ends in good order, breaks off, or falls silent."""

    async def give(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        if then == "silence":
            await asyncio.sleep(3600)
        if then == "break":
            assert request.transport is not None
            request.transport.abort()
        return response

    return give


@asynccontextmanager
async def scripted(folder: Path) -> AsyncIterator[tuple[Scripted, Path]]:
    """The server, and a kubeconfig that leads to it."""
    server = Scripted()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "clusters": [{"name": "here", "cluster": {"server": server.url}}],
                "users": [{"name": "me", "user": {"tokenFile": "token"}}],
            }
        )
    )
    (folder / "token").write_text("first")
    try:
        yield server, kubeconfig
    finally:
        await runner.cleanup()
