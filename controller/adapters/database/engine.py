"""Engines: how each database is spoken to, and how a writing transaction begins.

SQLite: write-ahead log, every commit synced to disk, BEGIN IMMEDIATE for writers so that a lock is met before
anything is read. PostgreSQL: every writing transaction carries its own time limits, so that a frozen client (SIGSTOP
in the middle of a commit) cannot hold the lock of the log for longer than `IDLE`; they are SET LOCAL, which also
works behind a pooler.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from controller.adapters.database.url import Place, PostgreSQLPlace, SQLitePlace

ANSWER_WITHIN = 10.0
"""Seconds for one operation, its wait for a connection and for the lock of the log included."""

IDLE = "4s"
SET_LOCAL = f"""
    SELECT set_config('idle_in_transaction_session_timeout', '{IDLE}', true),
           set_config('lock_timeout', '8s', true),
           set_config('statement_timeout', '8s', true),
           CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
"""

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
)

CONNECT = {
    "connect_timeout": 5,
    "application_name": "trimtab",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "prepare_threshold": None,
}


def engine_for(place: Place, *, read_only: bool) -> AsyncEngine:
    """The engine of a place; connects only when used."""
    match place:
        case SQLitePlace(path=path):
            engine = create_async_engine(
                f"sqlite+aiosqlite:///{uri_of(path, read_only=read_only)}&uri=true",
                hide_parameters=True,
                pool_size=4,
                max_overflow=0,
                pool_timeout=ANSWER_WITHIN,
            )
            event.listen(engine.sync_engine, "connect", _reader_connects if read_only else _writer_connects)
            event.listen(engine.sync_engine, "begin", _begin)
            return engine
        case PostgreSQLPlace(url=url):
            connect = {name: value for name, value in CONNECT.items() if name not in url.query}
            return create_async_engine(
                url,
                hide_parameters=True,
                pool_size=5,
                max_overflow=5,
                pool_timeout=ANSWER_WITHIN,
                pool_pre_ping=True,
                pool_recycle=1800,
                connect_args=connect,
            )


def writing(engine: AsyncEngine) -> AsyncEngine:
    """The same engine, for transactions that write."""
    return engine.execution_options(sqlite_begin="IMMEDIATE")


async def prepare(connection: AsyncConnection) -> None:
    """Bound this transaction on the server's side and make its commit durable (on SQLite the pragmas did both)."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(SET_LOCAL))


def uri_of(path: Path, *, read_only: bool) -> str:
    """A file as SQLite's URI; a reader never makes it."""
    escaped = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{escaped}?mode={'ro' if read_only else 'rwc'}"


def probe(path: Path, *, read_only: bool) -> None:
    """Open the file once and close it; raises sqlite3.Error when it cannot be opened or is no database.

    Without it the same error would come from a driver's thread that may outlive the event loop and complain about it.
    """
    with closing(sqlite3.connect(uri_of(path, read_only=read_only), uri=True)) as connection:
        connection.execute("PRAGMA schema_version").fetchone()


def _writer_connects(dbapi_connection: Any, _record: object) -> None:
    _reader_connects(dbapi_connection, _record)
    cursor = dbapi_connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _reader_connects(dbapi_connection: Any, _record: object) -> None:
    """Take BEGIN away from the driver, which would begin a transaction only at the first write."""
    dbapi_connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('sqlite_begin', 'DEFERRED')}")
