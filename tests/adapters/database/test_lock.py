"""One process for one SQLite file."""

from pathlib import Path

import pytest

from controller.adapters.database import open_database
from controller.errors import StoreUnavailable
from tests.adapters.database.programs import line, writer
from tests.contracts.store_contract import append


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/trimtab.sqlite3"


async def test_a_second_process_is_turned_away_with_the_first_ones_name(url: str) -> None:
    with writer(url) as first:
        assert line(first) == "ready"

        with pytest.raises(StoreUnavailable, match=f"process {first.pid} on .*SQLite serves one replica.*PostgreSQL"):
            await open_database(url)


async def test_a_killed_process_leaves_no_lock_behind(url: str) -> None:
    with writer(url) as first:
        assert line(first) == "ready"

    store = await open_database(url)
    await store.close()


async def test_a_second_store_in_the_same_process_is_turned_away_until_the_first_is_closed(url: str) -> None:
    first = await open_database(url)
    with pytest.raises(StoreUnavailable, match="serves one replica"):
        await open_database(url)
    await first.close()

    second = await open_database(url)
    await second.close()


async def test_a_reader_looks_beside_the_owner_and_cannot_write(url: str) -> None:
    owner = await open_database(url)
    reader = await open_database(url, read_only=True)
    try:
        await append(owner, "a", "x")

        assert await reader.read("a") == await owner.read("a")
        assert (await reader.verify()).faults == ()
        with pytest.raises(StoreUnavailable, match="readonly"):
            await append(reader, "b", "x")
    finally:
        await reader.close()
        await owner.close()


async def test_a_reader_does_not_make_a_store_that_is_not_there(url: str) -> None:
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"unable to open.*Check that its folder exists"):
            await open_database(url, read_only=True)
