"""Whether a store could be written, found out without writing."""

from __future__ import annotations

import os
import shutil

from sqlalchemy import text

from controller.adapters.database.engine import engine_for
from controller.adapters.database.failures import FAILURES, failure
from controller.adapters.database.url import PostgreSQLPlace, SQLitePlace, place_of

LITTLE = 64 * 1024 * 1024
"""Bytes of free space below which SQLite's log may soon stop growing."""

CAN_WRITE = "SELECT NOT pg_is_in_recovery() AND has_table_privilege('events', 'INSERT')"


def described(url: str) -> str:
    """Which store an address means, without its password; raises StoreUnusable."""
    return str(place_of(url))


async def unwritable(url: str) -> str:
    """Why it could not be written, empty when it could. Raises StoreUnavailable."""
    match place_of(url):
        case SQLitePlace(path=path):
            if not os.access(path, os.W_OK) or not os.access(path.absolute().parent, os.W_OK):
                return f"no right to write {path} and its folder"
            free = shutil.disk_usage(path.absolute().parent).free
            return f"only {free // (1024 * 1024)} MB are free" if free < LITTLE else ""
        case PostgreSQLPlace() as place:
            engine = engine_for(place, read_only=True)
            try:
                async with engine.connect() as connection:
                    writes = await connection.scalar(text(CAN_WRITE))
            except FAILURES as cause:
                raise failure(place, "looking at it", cause) from cause
            finally:
                await engine.dispose()
            return "" if writes else "this is a standby, or its role may not insert"
