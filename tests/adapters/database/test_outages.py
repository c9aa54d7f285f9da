"""A store that is away, full, locked or damaged says so and what to do; afterwards it goes on."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from controller.adapters.database import DatabaseStore, open_database
from controller.errors import StoreUnavailable, StoreUnusable
from controller.ports import Store
from tests.adapters.database.relay import Relay, relayed
from tests.adapters.database.tampering import tamper
from tests.contracts.store_contract import append
from tests.controlplane.fixtures import folder, need
from tests.controlplane.postgres import Postgres


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trimtab.sqlite3"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[DatabaseStore]:
    store = await open_database(f"sqlite:///{path}")
    await append(store, "a", "before")
    yield store
    await store.close()


async def goes_on(store: Store) -> None:
    await append(store, "after", "x")
    assert len(await store.read("a")) == 1
    assert (await store.verify()).faults == ()


async def test_a_full_disk_is_unavailable_with_the_remedy_and_nothing_half_written(store: DatabaseStore) -> None:
    """SQLite's own limit on pages answers as a full volume does."""
    async with store._engine.connect() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 1")

    with pytest.raises(StoreUnavailable, match="disk is full → Free space") as refused:
        await append(store, "large", *("x" * 100_000 for _ in range(5)))

    assert "x" * 100 not in str(refused.value)
    assert await store.read("large") == ()
    async with store._engine.connect() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    await goes_on(store)


async def test_a_file_locked_by_another_program_is_unavailable_and_recovers(store: DatabaseStore, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"locked → .*SQLite serves one replica"):
            await append(store, "b", "x")
        assert len(await store.read("a")) == 1, "readers are not blocked"

    await goes_on(store)


@pytest.fixture
def damaged(path: Path) -> Path:
    path.write_bytes(b"this was once a database" * 1000)
    return path


async def test_a_damaged_file_is_unusable_with_the_remedy(damaged: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"damaged.*Restore the file from a backup"):
        await open_database(f"sqlite:///{damaged}")


async def test_a_folder_that_cannot_be_is_unavailable_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreUnavailable, match=r"file/trimtab.sqlite3"):
        await open_database(f"sqlite:///{tmp_path}/file/trimtab.sqlite3")


async def test_an_event_that_cannot_be_read_points_to_the_audit(store: DatabaseStore, path: Path) -> None:
    tamper(f"sqlite:///{path}", "UPDATE events SET body = '[' WHERE sequence = 1")

    with pytest.raises(StoreUnusable, match=r"Event 1 \(a/1, noted\).*trimtab audit verify"):
        await store.read("a")


async def test_an_event_of_a_newer_program_is_not_guessed_at(store: DatabaseStore, path: Path) -> None:
    tamper(f"sqlite:///{path}", "UPDATE events SET version = 7 WHERE sequence = 1")

    with pytest.raises(StoreUnusable, match=r"version 7 is not known here.*newer trimtab"):
        await store.follow(0)


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that a test may stop."""
    with folder("postgres") as path:
        path.chmod(0o755)
        server = need(lambda: Postgres(path / "server"))
        try:
            yield server.start()
        finally:
            server.stop()


@pytest.mark.controlplane
async def test_a_stopped_server_is_unavailable_and_recovers(own_postgres: Postgres) -> None:
    with own_postgres.database() as url:
        store = await open_database(url)
        await append(store, "a", "before")
        own_postgres.process.kill()

        for asked in (append(store, "b", "x"), store.read("a"), store.identity(), store.advance_epoch()):
            with pytest.raises(StoreUnavailable, match=r"PostgreSQL store 127.0.0.1.* → "):
                await asked

        own_postgres.process.start()
        await goes_on(store)
        await store.close()


@pytest.fixture
async def relay(postgres_url: str) -> AsyncIterator[Relay]:
    address = make_url(postgres_url)
    assert address.host is not None
    assert address.port is not None
    async with relayed(address.host, address.port) as relay:
        yield relay


@pytest.fixture
async def far_store(relay: Relay, postgres_url: str) -> AsyncIterator[DatabaseStore]:
    address = make_url(postgres_url).set(port=relay.port)
    store = await open_database(address.render_as_string(hide_password=False), answer_within=1.0)
    await append(store, "a", "before")
    yield store
    relay.recover()
    await store.close()


async def test_connections_that_were_cut_are_replaced(far_store: DatabaseStore, relay: Relay) -> None:
    relay.cut()

    await goes_on(far_store)


async def test_a_connection_cut_in_a_commit_is_unavailable_and_recovers(far_store: DatabaseStore, relay: Relay) -> None:
    relay.silence()
    writing = asyncio.create_task(append(far_store, "b", "x"))
    await asyncio.sleep(0.2)
    relay.cut()
    relay.recover()

    (result,) = await asyncio.gather(writing, return_exceptions=True)

    assert isinstance(result, tuple | StoreUnavailable)
    assert len(await far_store.read("b")) == (1 if isinstance(result, tuple) else len(await far_store.read("b")))
    await goes_on(far_store)


async def test_a_server_that_falls_silent_is_unavailable_within_the_limit_and_recovers(
    far_store: DatabaseStore, relay: Relay
) -> None:
    relay.silence()

    async with asyncio.timeout(30):
        with pytest.raises(StoreUnavailable):
            await append(far_store, "b", "x")
        with pytest.raises(StoreUnavailable):
            await far_store.read("a")

    relay.recover()
    await goes_on(far_store)


async def test_a_name_that_does_not_exist_says_where_the_address_is_kept(postgres_url: str) -> None:
    address = make_url(postgres_url).set(database="nowhere").render_as_string(hide_password=False)

    with pytest.raises(StoreUnavailable, match=r'database "nowhere" does not exist → Create the database'):
        await open_database(address)


async def test_s35_a_password_is_told_by_no_error(postgres_url: str) -> None:
    canary = "c4n4ry-p4ssw0rd"
    address = make_url(postgres_url).set(password=canary, port=1).render_as_string(hide_password=False)

    with pytest.raises(StoreUnavailable) as refused:
        await open_database(address)

    error: BaseException | None = refused.value
    while error is not None:
        assert canary not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
