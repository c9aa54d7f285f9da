"""Where the store is: `sqlite:///path` or `postgresql://…`, and how to name it without telling its password."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from controller.errors import StoreUnusable

EXAMPLES = "Set the database URL to sqlite:////var/lib/trimtab/trimtab.sqlite3 or postgresql://USER@HOST/DATABASE."
SECRETS = frozenset({"password", "passfile", "sslpassword", "sslkey"})


@dataclass(frozen=True, slots=True)
class SQLitePlace:
    """A file of this machine."""

    path: Path

    def __str__(self) -> str:
        return f"SQLite store {self.path}"


@dataclass(frozen=True, slots=True)
class PostgreSQLPlace:
    """A PostgreSQL database; its text leaves out the password."""

    url: URL

    def __str__(self) -> str:
        host = self.url.host or self.url.query.get("host") or "local socket"
        port = f":{self.url.port}" if self.url.port else ""
        return f"PostgreSQL store {host}{port}/{self.url.database or ''}"


Place: TypeAlias = SQLitePlace | PostgreSQLPlace


def place_of(url: str) -> Place:
    """Read a database URL; raises StoreUnusable, which never repeats a URL that may hold a password."""
    try:
        parsed = make_url(url.strip())
    except (ArgumentError, ValueError):
        raise StoreUnusable("The database URL cannot be read", EXAMPLES) from None  # the cause repeats the URL
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and not parsed.database.startswith((":", "file:")):
            return SQLitePlace(Path(parsed.database))
        case "sqlite":
            raise StoreUnusable("The database URL names no file", f"{EXAMPLES} For a store that forgets, use memory:.")
        case "postgresql" | "postgres":
            return PostgreSQLPlace(parsed.set(drivername="postgresql+psycopg"))
        case other:
            raise StoreUnusable(f"The database URL is for {other}, which trimtab does not speak", EXAMPLES)


def secrets_of(place: Place) -> tuple[str, ...]:
    """What must never be told: the password, wherever the URL carries it."""
    match place:
        case SQLitePlace():
            return ()
        case PostgreSQLPlace(url=url):
            queried = (value for name, value in url.query.items() if name in SECRETS)
            return tuple(str(secret) for secret in (url.password, *queried) if secret)
