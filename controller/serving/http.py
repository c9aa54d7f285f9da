"""Serving an ASGI application inside the program's own event loop.

Promises that an address which cannot be had is an error with its remedy before anything else starts, and that
connections end within `GRACE` seconds of `stop`. Signals belong to the program, not to the server.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn

from controller.errors import BadSettings

log = structlog.get_logger(__name__)

GRACE = 1
SETTINGS = "set http_host and http_port to an address that is free (0: any port)"


class Server(uvicorn.Server):
    """uvicorn without its signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def bound(host: str, port: int, remedy: str = SETTINGS) -> socket.socket:
    """A listening socket; raises BadSettings with this remedy when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        message = f"the page cannot listen on {host}:{port}: {error.strerror or error}"
        raise BadSettings(message, remedy) from error


async def serve(application: Any, listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop`."""
    host, port = listening.getsockname()[:2]
    server = Server(
        uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
    )

    async def end() -> None:
        await stop.wait()
        server.should_exit = True

    ending = asyncio.create_task(end(), name="page-end")
    log.info("page listening", host=host, port=port)
    try:
        await server.serve(sockets=[listening])
    finally:
        ending.cancel()
