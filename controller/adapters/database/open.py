"""Opens a store: takes the file lock where there is one, and brings the schema up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

from controller.adapters.database.engine import ANSWER_WITHIN, engine_for, prepare, probe, writing
from controller.adapters.database.failures import FAILURES, failure
from controller.adapters.database.lock import FileLock
from controller.adapters.database.schema import migrate, refuse_other
from controller.adapters.database.store import DatabaseStore
from controller.adapters.database.url import Place, SQLitePlace, place_of


def fresh_id() -> str:
    """A new store's id."""
    return uuid4().hex


async def open_database(
    url: str,
    *,
    read_only: bool = False,
    new_id: Callable[[], str] = fresh_id,
    answer_within: float = ANSWER_WITHIN,
) -> DatabaseStore:
    """The store at `sqlite:///path` or `postgresql://…`, migrated.

    `read_only` opens a SQLite file beside the program that owns it, without its lock and without migrating; writing
    then fails. Raises StoreUnavailable (down, locked by another process) or StoreUnusable (newer schema, bad URL).
    """
    place = place_of(url)
    lock = locked(place) if not read_only else None
    engine = engine_for(place, read_only=read_only)
    try:
        if isinstance(place, SQLitePlace):
            await asyncio.to_thread(probe, place.path, read_only=read_only)
        if read_only:
            async with engine.connect() as connection:
                await connection.run_sync(refuse_other)
        else:
            async with writing(engine).begin() as connection:
                await prepare(connection)
                await connection.run_sync(migrate, new_id)
    except BaseException as cause:
        await engine.dispose()
        if lock is not None:
            lock.release()
        if isinstance(cause, FAILURES):
            raise failure(place, "opening it", cause) from cause
        raise
    return DatabaseStore(engine, place, new_id, lock, answer_within)


def locked(place: Place) -> FileLock | None:
    """The lock of a SQLite file, whose folder is made when it is missing."""
    match place:
        case SQLitePlace(path=path):
            lock = FileLock(path)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                lock.acquire()
            except OSError as cause:
                raise failure(place, "opening it", cause) from cause
            return lock
        case _:
            return None
