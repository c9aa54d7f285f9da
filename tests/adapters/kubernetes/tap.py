"""A tap in the line to the API server: bytes pass, are cut off, or stand still. It cannot see into their TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubeconfig import redirected


class Tap:
    """Listens on a port of 127.0.0.1 and carries every connection to `host:port`."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self.port = 0

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self._flowing.set()
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
        await self.hang_up()

    async def hang_up(self) -> None:
        """Break every connection; new ones are taken."""
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    def freeze(self) -> None:
        """Keep every connection open and carry nothing: half open."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Carry again."""
        self._flowing.set()

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(self._carry(reader, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)
        line.add_done_callback(lambda _: writer.transport.abort())

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, back = await asyncio.open_connection(*self._upstream)
            ways = [asyncio.create_task(self._pour(reader, back)), asyncio.create_task(self._pour(there, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                back.transport.abort()
                await asyncio.gather(*ways, return_exceptions=True)

    async def _pour(self, source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._flowing.wait()
            drain.write(data)
            await drain.drain()


@asynccontextmanager
async def tapped(control_plane: ControlPlane, kubeconfig: Path) -> AsyncIterator[tuple[Tap, Path]]:
    """A tap before the API server, and the kubeconfig that leads through it."""
    upstream = urlsplit(control_plane.server)
    tap = Tap(str(upstream.hostname), int(upstream.port or 443))
    await tap.open()
    aside = kubeconfig.with_name(f"{kubeconfig.stem}-tap-{tap.port}.yaml")
    try:
        yield tap, redirected(kubeconfig, aside, f"https://127.0.0.1:{tap.port}", control_plane.ca)
    finally:
        await tap.cut()
