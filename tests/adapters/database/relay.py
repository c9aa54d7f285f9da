"""A TCP relay before a server, which can refuse, fall silent or cut: what a network does on its bad days."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Relay:
    """Passes bytes on until told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def silence(self) -> None:
        """Take everything and pass nothing on, as a dropped route does."""
        self._flowing.clear()

    def recover(self) -> None:
        """Pass bytes on again."""
        self._flowing.set()

    def cut(self) -> None:
        """Reset every open connection; new ones pass."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        """End everything."""
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, upstream_writer}
        for source, sink in ((reader, upstream_writer), (upstream_reader, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
        with suppress(ConnectionError):
            await sink.wait_closed()


@asynccontextmanager
async def relayed(host: str, port: int) -> AsyncIterator[Relay]:
    """A relay for the time of the block."""
    relay = Relay(host, port)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.close()
