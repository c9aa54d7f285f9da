"""A process that is killed leaves a commit whole or not at all, and what it had acknowledged is there."""

import pytest

from controller.adapters.database import open_database
from controller.ports import Committed
from tests.adapters.database.programs import acknowledged, line, writer
from tests.adapters.database.writer import AT, EVENTS, SCOPE, WINDOW, commit


async def whole(url: str) -> int:
    """How many commits are in, after checking that each is whole and that the store goes on."""
    store = await open_database(url)
    try:
        streams = await store.streams("written:")
        assert {len(await store.read(stream)) for stream in streams} <= {EVENTS}
        assert (await store.spent([(SCOPE, WINDOW)], AT))[SCOPE] == len(streams)
        assert {row.key for row in await store.due(AT, limit=10**6)} == set(streams)
        assert (await store.verify()).faults == ()
        assert isinstance(await store.commit(commit(10**6), AT), Committed)
        return len(streams)
    finally:
        await store.close()


@pytest.mark.parametrize("kill_after", [1, 7, 40])
async def test_s8_sigkill_loses_nothing_acknowledged_and_leaves_nothing_half(url: str, kill_after: int) -> None:
    with writer(url) as process:
        said = acknowledged(process, kill_after)

    assert said <= await whole(url) <= said + 1


@pytest.mark.parametrize(("failpoint", "there"), [("store.commit.before", 2), ("store.commit.after", 3)])
async def test_s8_a_kill_around_the_third_commit(url: str, failpoint: str, there: int) -> None:
    """Before: everything was sent but not committed. After: committed, but nobody was told."""
    with writer(url, failpoint=f"{failpoint}=kill@3") as process:
        assert [line(process), line(process), line(process), line(process)] == ["ready", "1", "2", ""]

    assert await whole(url) == there
