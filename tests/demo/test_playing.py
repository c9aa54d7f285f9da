"""The program on a lab keeps the lab's time: nothing of it happens between the times at which something is due."""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controller.cli.demo import Terminal
from controller.cli.screen import Screen
from controller.core.events import Noted, RevisionHealthy
from controller.demo.audience import Place
from controller.demo.playing import Playing, open_lab
from controller.demo.run import Show, Wishes
from controller.demo.settings import YOU, lab_settings
from controller.demo.stories import BEGIN, Morning
from controller.web.tickets import Tickets
from tests.lab.playing import scenario, web

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def playing() -> AsyncIterator[Playing]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_lab(lab_settings(Path(folder), ["shop"]), scenario(web()), 7, BEGIN, people=[YOU]) as opened:
            yield opened


async def test_it_leads_and_time_stands_still_until_it_is_moved(playing: Playing) -> None:
    await asyncio.sleep(0.1)

    assert playing.program.leadership.epoch is not None
    assert playing.clock.now() == playing.lab.now == BEGIN


async def test_everything_is_recorded_in_the_labs_time(playing: Playing) -> None:
    await playing.clock.run(BEGIN + 12 * MINUTE)
    log = await playing.program.parts.store.follow(0)

    times: list[datetime] = [stored.event.at for stored in log]
    assert times == sorted(times)
    assert all(BEGIN <= at <= BEGIN + 12 * MINUTE for at in times)
    assert any(isinstance(stored.event, Noted) for stored in log)
    assert any(isinstance(stored.event, RevisionHealthy) for stored in log)
    assert playing.clock.now() == playing.lab.now == playing.twin.now == BEGIN + 12 * MINUTE


async def test_nothing_is_under_way_when_the_clock_stands(playing: Playing) -> None:
    for step in (7, 30, 61, 300):
        await playing.clock.advance(timedelta(seconds=step))

        assert playing.program.queue.idle
        await asyncio.wait_for(playing.program.quiet(), 1.0)


async def test_the_twin_without_floors_and_writes_is_the_same_fleet(playing: Playing) -> None:
    await playing.clock.run(BEGIN + 5 * MINUTE)

    assert playing.twin.score == playing.lab.score
    assert (playing.twin.counters.now_row == playing.lab.counters.now_row).all()


async def test_the_log_is_told_once_however_many_ask_at_the_same_time(playing: Playing) -> None:
    """The clock asks, and so does a question that is put while the clock goes on."""
    place = Place("http://127.0.0.1", False, Tickets())
    audience = Terminal(Screen(out=io.StringIO()), interactive=False)
    show = Show(playing, audience, Wishes(), Morning.shipped(), place, asyncio.Event())
    for step in (1, 5, 6):
        await playing.clock.run(BEGIN + step * MINUTE)
        await asyncio.gather(show.tell(), show.tell(), show.tell())

    told = [stored.sequence for stored in show.log]
    assert told == [stored.sequence for stored in await playing.program.parts.store.follow(0)]
    assert told
