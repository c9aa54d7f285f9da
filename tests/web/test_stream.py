import asyncio
from datetime import datetime, timedelta

from controller.web.options import Options
from controller.web.session import Sessions
from controller.web.stream import told
from controller.web.visitor import Door
from tests.core.samples import at
from tests.web.memory import MemoryBackend


def door(backend: MemoryBackend, clock: list[datetime], keepalive: float = 60) -> Door:
    options = Options(now=lambda: clock[0], keepalive=timedelta(seconds=keepalive), live_gap=timedelta())
    return Door(backend, options, Sessions(options.session_key, options.session_lasts))


async def test_a_change_is_an_event_without_content() -> None:
    backend = MemoryBackend()
    stream = told(door(backend, [at("14:00:00")]), None)
    assert await anext(stream) == "retry: 3000\n\n"
    backend.grow()

    assert await anext(stream) == "id: 1\nevent: change\ndata: 1\n\n"
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_silence_is_kept_alive_and_loses_no_change() -> None:
    backend = MemoryBackend()
    stream = told(door(backend, [at("14:00:00")], keepalive=0.01), None)
    await anext(stream)
    assert await anext(stream) == ": still here\n\n"
    backend.grow()

    async with asyncio.timeout(5):
        while (said := await anext(stream)).startswith(":"):
            pass
    assert said.startswith("id: 1\n")
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_the_stream_ends_with_the_login() -> None:
    clock = [at("14:00:00")]
    stream = told(door(MemoryBackend(), clock, keepalive=0.01), at("14:01:00"))
    await anext(stream)
    assert await anext(stream) == ": still here\n\n"
    clock[0] = at("14:01:00")

    assert [said async for said in stream] == []


async def test_the_stream_ends_when_the_program_stops() -> None:
    backend = MemoryBackend()
    stream = told(door(backend, [at("14:00:00")]), None)
    await anext(stream)
    backend.stopping = True
    backend.grow()

    assert [said async for said in stream][1:] == []
