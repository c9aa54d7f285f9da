"""A leader that is frozen in the middle of a commit neither stops the next one nor comes back."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from controller.adapters.database import open_database
from controller.errors import StoreUnavailable
from controller.ports import Committed, Fenced
from tests.adapters.database.programs import line, writer
from tests.adapters.database.writer import AT, commit


async def test_a_writer_frozen_in_its_commit_is_cut_off_and_fenced(postgres_url: str) -> None:
    store = await open_database(postgres_url)
    try:
        old = await store.advance_epoch()
        with writer(postgres_url, epoch=old, failpoint="store.commit.before=stop@2") as frozen:
            assert (line(frozen), line(frozen)) == ("ready", "1")
            await asyncio.to_thread(wait_until_stopped, frozen.pid)

            new = await retried(store.advance_epoch)
            assert isinstance(await store.commit(commit(500, epoch=new), AT), Committed)
            os.kill(frozen.pid, signal.SIGCONT)
            _, errors = await asyncio.to_thread(frozen.communicate)

        assert "StoreUnavailable" in errors
        assert await store.streams("written:") == ("written:1", "written:500")
        assert await store.commit(commit(2, epoch=old), AT) == Fenced(epoch=new)
    finally:
        await store.close()


def wait_until_stopped(pid: int) -> None:
    """Return once the kernel says that the process is stopped."""
    while "State:\tT" not in Path(f"/proc/{pid}/status").read_text():
        time.sleep(0.02)


async def retried(take_over: Callable[[], Awaitable[int]]) -> int:
    """As the lease does: again while the store is busy."""
    while True:
        try:
            return await take_over()
        except StoreUnavailable:
            continue
