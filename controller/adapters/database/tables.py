"""The tables as SQLAlchemy sees them; `controller/migrations` makes them, and a test compares the two.

The row of `store` is the lock of the log: every write begins by locking it, so that commits happen one after another
and a sequence is never seen before a lower one. A body is canonical JSON *text*, because the hash chain is over
exactly what is stored.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from controller.core.chain import instant


class Instant(TypeDecorator[datetime]):
    """An aware UTC time to the microsecond: `timestamptz`, or on SQLite text of one width that sorts as time does."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text where the database has no time with a zone."""
        return dialect.type_descriptor(String(27) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuses a time without a zone."""
        if value is None:
            return None
        text = instant(value)
        return text if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Always UTC, whatever the session's zone is."""
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


Sequence = BigInteger().with_variant(Integer, "sqlite")
"""64 bits; SQLite gives an automatic key only to what is called INTEGER, which has 64 bits there."""

metadata = MetaData()

store = Table(
    "store",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("head", String(64), nullable=False),
    CheckConstraint("one = 1", name="store_has_one_row"),
)

events = Table(
    "events",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=False),
    Column("stream", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("chain", String(64), nullable=False),
    UniqueConstraint("stream", "number", name="events_stream_number"),
    Index("events_recorded_at", "recorded_at"),
    Index("events_first_of_stream", "sequence", sqlite_where=text("number = 1"), postgresql_where=text("number = 1")),
)

reservations = Table(
    "reservations",
    metadata,
    Column("key", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("units", Float(53), nullable=False),
    Column("at", Instant, nullable=False),
    Index("reservations_scope_at", "scope", "at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Sequence, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", Instant, nullable=True),
    UniqueConstraint("kind", "key", name="outbox_kind_key"),
    sqlite_autoincrement=True,
)

numbers = Table(
    "numbers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)
