"""The schema is made once, by whoever comes first, and a newer one is refused."""

import asyncio
from typing import NoReturn

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect

from controller.adapters.database import open_database
from controller.adapters.database.engine import engine_for
from controller.adapters.database.tables import metadata
from controller.adapters.database.url import place_of
from controller.errors import StoreUnusable
from tests.adapters.database.tampering import tamper
from tests.contracts.store_contract import append


async def test_the_migrations_make_exactly_the_tables_that_the_code_uses(url: str) -> None:
    store = await open_database(url)

    async with store._engine.connect() as connection:
        differences = await connection.run_sync(lambda c: compare_metadata(MigrationContext.configure(c), metadata))

    assert differences == []
    await store.close()


async def test_everything_survives_closing_and_opening(url: str) -> None:
    first = await open_database(url)
    stored = await append(first, "a", "x")
    await first.advance_epoch()
    await first.next_number("incident")
    identity = await first.identity()
    await first.close()

    second = await open_database(url)

    assert await second.read("a") == stored
    assert await second.identity() == identity
    assert await second.next_number("incident") == 2
    await second.close()


async def test_replicas_that_start_together_make_one_store(postgres_url: str) -> None:
    stores = await asyncio.gather(*(open_database(postgres_url) for _ in range(6)))

    assert len({(await store.identity()).id for store in stores}) == 1
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_start_that_fails_halfway_leaves_nothing(url: str) -> None:
    def no_id() -> NoReturn:
        raise RuntimeError("killed here")

    with pytest.raises(RuntimeError):
        await open_database(url, new_id=no_id)

    assert await tables(url) == []
    store = await open_database(url)
    await append(store, "a", "x")
    await store.close()


async def test_a_schema_of_a_newer_program_is_refused_and_left_alone(url: str) -> None:
    await (await open_database(url)).close()
    tamper(url, "UPDATE alembic_version SET version_num = '9999'", guarded=True)

    for read_only in (False, True):
        with pytest.raises(StoreUnusable, match=r"has schema 9999.*up to 0002.*Run the newer trimtab"):
            await open_database(url, read_only=read_only)


async def test_a_reader_refuses_a_store_that_was_never_set_up(postgres_url: str) -> None:
    with pytest.raises(StoreUnusable, match="not been set up"):
        await open_database(postgres_url, read_only=True)


async def tables(url: str) -> list[str]:
    def names(connection: Connection) -> list[str]:
        return inspect(connection).get_table_names()

    engine = engine_for(place_of(url), read_only=False)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(names)
    finally:
        await engine.dispose()
