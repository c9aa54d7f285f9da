"""An event loop in a thread of its own, so that a server answers whatever the test's own loop is doing."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web

T = TypeVar("T")


class Background:
    """The thread and its loop; `run` carries a coroutine out there and returns its answer here."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        """The answer of `work`, carried out on the loop of the thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def close(self) -> None:
        """Cancel what still runs, and return when the thread is gone."""
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def _cancel_all(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # A closed transport lets go of its socket some turns of the loop later.
        for _ in range(10):
            await asyncio.sleep(0.01)
        await self.loop.shutdown_asyncgens()


class HttpServer:
    """An aiohttp application on a port of 127.0.0.1, in a thread of its own; with `serving` it speaks TLS."""

    def __init__(
        self, name: str, app: Callable[[], web.Application], port: int, serving: ssl.SSLContext | None = None
    ) -> None:
        self.port = port
        self.url = f"{'http' if serving is None else 'https'}://127.0.0.1:{port}"
        self._serving = serving
        self.background = Background(name)
        self._runner: web.AppRunner = self.background.run(self._start(app))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The answer of `work`, carried out on the server's loop."""
        return self.background.run(work)

    def close(self) -> None:
        """Close every connection and return when the port is free."""
        self.run(self._runner.cleanup())
        self.background.close()

    async def _start(self, app: Callable[[], web.Application]) -> web.AppRunner:
        runner = web.AppRunner(app(), access_log=None, shutdown_timeout=0.5, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self._serving).start()
        return runner


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(handler: Handler) -> web.Application:
    """An application that answers every address with `handler`."""
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_route("*", "/{path:.*}", handler)
    return app
