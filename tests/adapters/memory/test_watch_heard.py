"""A watch in memory knows whether those who follow have taken everything in."""

import asyncio
from contextlib import aclosing
from typing import Any, cast

from controller.adapters.memory.watch import MemoryWatch
from controller.lab.apiserver import MemoryObjects
from controller.virtual import turns
from tests.contracts.watch_contract import CONFIG_MAPS


async def follow(watch: MemoryWatch, heard: list[str], hold: asyncio.Event) -> None:
    async with aclosing(cast("Any", watch.stream(CONFIG_MAPS))) as events:
        async for event in events:
            await hold.wait()
            heard.append(type(event).__name__)


def is_behind(watch: MemoryWatch) -> bool:
    return watch.behind


async def test_it_is_behind_until_the_last_follower_has_taken_the_last_change_in() -> None:
    objects, hold, heard = MemoryObjects(), asyncio.Event(), list[str]()
    watch = MemoryWatch(objects)
    assert not is_behind(watch)
    hold.set()
    following = asyncio.create_task(follow(watch, heard, hold))
    await turns()
    assert heard == ["Listed"]

    hold.clear()
    objects.add(CONFIG_MAPS, {"metadata": {"name": "one", "namespace": "shop"}})
    objects.merge(CONFIG_MAPS, "shop", "one", {"data": {"value": "2"}})
    waiting = asyncio.create_task(watch.caught_up())
    await turns()
    assert is_behind(watch)
    assert not waiting.done()

    hold.set()
    await waiting
    assert heard == ["Listed", "Changed", "Changed"]
    assert not is_behind(watch)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_who_stops_following_holds_nobody_up() -> None:
    objects = MemoryObjects()
    watch = MemoryWatch(objects)
    following = asyncio.create_task(follow(watch, [], asyncio.Event()))
    await turns()
    objects.add(CONFIG_MAPS, {"metadata": {"name": "one", "namespace": "shop"}})
    assert is_behind(watch)

    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await watch.caught_up()
    assert not is_behind(watch)
