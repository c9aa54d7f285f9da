"""What a database's error means: down or busy, full, or unusable; each with what to do, and never with a secret."""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from controller.adapters.database.url import Place, SQLitePlace, secrets_of
from controller.errors import StoreUnavailable, StoreUnusable, TrimtabError

SQLITE: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("disk is full",), "Free space on its volume, or give it a larger one; nothing of this was written."),
    (("locked", "busy"), "Another program holds it; end that one: SQLite serves one replica."),
    (("readonly", "read-only"), "Mount its volume writable for the user trimtab runs as."),
    (("unable to open",), "Check that its folder exists and that trimtab's user may write there."),
    (("disk I/O error",), "Check its volume; the file may stand on a disk that is failing or a network share."),
)

POSTGRESQL: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (
        ("password authentication", "no password supplied", "pg_hba.conf", "role"),
        "Check user and password in the secret database/url.",
    ),
    (("does not exist",), "Create the database, or check its name in the secret database/url."),
    (
        ("permission denied", "read-only"),
        "Give trimtab's role its own database (it creates its tables itself), on the primary.",
    ),
    (("too many", "remaining connection slots"), "Raise max_connections, or end programs that hold connections."),
    (("No space left", "could not extend"), "Free space on the database server; nothing of this was written."),
    (
        ("lock timeout", "idle-in-transaction", "statement timeout"),
        "Another writer hangs; it is cut off by itself within seconds.",
    ),
    (("certificate", "SSL"), "Check sslmode and sslrootcert in the secret database/url."),
)

CORRUPT = ("malformed", "not a database")


def failure(place: Place, doing: str, cause: BaseException) -> TrimtabError:
    """The error to raise for `cause`, met while `doing` something at `place`."""
    text = words(place, cause)
    if isinstance(place, SQLitePlace) and any(word in text for word in CORRUPT):
        return StoreUnusable(f"{place} is damaged, met while {doing}: {text}", "Restore the file from a backup.")
    table, otherwise = (
        (SQLITE, "Check the file and its volume.")
        if isinstance(place, SQLitePlace)
        else (POSTGRESQL, "Check that the server runs and that its address in the secret database/url is reachable.")
    )
    remedy = next((remedy for needles, remedy in table if any(needle in text for needle in needles)), otherwise)
    return StoreUnavailable(f"{place} did not answer while {doing}: {text}", remedy)


def words(place: Place, cause: BaseException) -> str:
    """The database's own words on one line, without statement, parameters or password."""
    original = cause.orig if isinstance(cause, DBAPIError) and cause.orig is not None else cause
    text = " ".join(str(original).split()) or type(original).__name__
    for secret in secrets_of(place):
        text = text.replace(secret, "…")
    return text[:300]


FAILURES: Final = (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError)
"""What an outage looks like from above the drivers. A bug (TypeError, ValueError) is none."""
