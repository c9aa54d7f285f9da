"""Trouble at the beginning of a demo: it is told, and Ctrl-C works."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.app import open_store
from controller.demo.playing import open_lab
from controller.demo.run import Wishes, play
from controller.demo.settings import STORE, lab_settings
from controller.demo.stories import BEGIN
from controller.errors import BadSettings, StoreUnavailable
from controller.settings import Settings
from tests.demo.watchers import Watcher
from tests.lab.playing import scenario, web

LONG = 60.0


@contextmanager
def full(store: Path) -> Iterator[Callable[[], None]]:
    """Nobody can become leader, as on a full disk, until what this gives is called."""
    other = sqlite3.connect(store, isolation_level=None)
    other.execute("CREATE TRIGGER full BEFORE UPDATE OF epoch ON store BEGIN SELECT RAISE(ABORT, 'disk is full'); END")

    def freed() -> None:
        other.execute("DROP TRIGGER full")

    try:
        yield freed
    finally:
        other.close()


async def made(folder: Path) -> Settings:
    """A lab's settings, and its store with its tables."""
    settings = lab_settings(folder, ["shop"])
    async with open_store(settings):
        pass
    return settings


async def test_ctrl_c_ends_a_demo_that_cannot_begin(tmp_path: Path) -> None:
    settings, stopped = await made(tmp_path), asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, stopped.set)
    with full(tmp_path / STORE):
        async with asyncio.timeout(LONG), open_lab(settings, scenario(web()), 7, BEGIN, stopped=stopped) as playing:
            assert not playing.program.leads.is_set()


async def test_a_demo_that_cannot_begin_says_so(tmp_path: Path) -> None:
    settings = await made(tmp_path)
    with full(tmp_path / STORE):
        async with asyncio.timeout(LONG):
            with pytest.raises(StoreUnavailable, match="did not come to lead"):
                async with open_lab(settings, scenario(web()), 7, BEGIN, patience=2.0):
                    raise AssertionError("it leads all the same")


async def test_a_demo_begins_late_rather_than_never(tmp_path: Path) -> None:
    settings = await made(tmp_path)
    with full(tmp_path / STORE) as freed:
        asyncio.get_running_loop().call_later(2.0, freed)
        async with asyncio.timeout(LONG), open_lab(settings, scenario(web()), 7, BEGIN) as playing:
            assert playing.program.leads.is_set()


async def test_nothing_is_told_of_a_demo_that_was_stopped_before_it_began() -> None:
    class Told(Watcher):
        def opens(self, *_: object) -> None:
            raise AssertionError("it opens all the same")

    stop = asyncio.Event()
    stop.set()

    assert await play(Wishes(until_done=True), Told(), stop) is None


async def test_a_demo_without_a_folder_for_its_log_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))

    with pytest.raises(BadSettings, match="TMPDIR"):
        await play(Wishes(), Watcher(), asyncio.Event())
