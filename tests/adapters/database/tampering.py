"""Somebody with the owner's rights changes the log behind the program's back."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import create_engine, text

from controller.adapters.database.url import SQLitePlace, place_of

UNGUARD = {
    "sqlite": ("DROP TRIGGER events_never_change", "DROP TRIGGER events_never_go"),
    "postgresql": ("DROP TRIGGER events_never_change ON events",),
}


def tamper(url: str, *statements: str | tuple[str, Mapping[str, Any]], guarded: bool = False) -> None:
    """Run SQL on the store, past its append-only triggers unless `guarded`."""
    place = place_of(url)
    engine = create_engine(f"sqlite:///{place.path}" if isinstance(place, SQLitePlace) else place.url)
    try:
        with engine.begin() as connection:
            if not guarded:
                for statement in UNGUARD[engine.dialect.name]:
                    connection.execute(text(statement))
            for asked in statements:
                sql, parameters = asked if isinstance(asked, tuple) else (asked, {})
                connection.execute(text(sql), dict(parameters))
    finally:
        engine.dispose()
