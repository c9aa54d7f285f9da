"""What the store says, read by SQL of our own: what judges must not share the faults of what is judged."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

SETTLED = ("applied", "not-applied", "superseded")


@dataclass(frozen=True)
class Row:
    """One event as it stands in the log."""

    sequence: int
    stream: str
    kind: str
    at: datetime
    body: dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """One reservation."""

    key: str
    scope: str
    units: float


@dataclass(frozen=True)
class Writing:
    """One intent and how it was settled: by exactly one of `SETTLED`, if all is well."""

    key: str
    at: datetime
    settled: tuple[Row, ...]

    @property
    def outcome(self) -> str:
        """`applied`, `not-applied`, `superseded`, `open`, or `twice`."""
        return {0: "open", 1: self.settled[0].kind if self.settled else ""}.get(len(self.settled), "twice")


class Ledger:
    """One replica set's database, given by its SQLAlchemy address."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("+psycopg", "")

    def rows(self) -> list[Row]:
        """The whole log in order; none before there is a store."""
        found = self._ask("SELECT sequence, stream, kind, at, body FROM events ORDER BY sequence")
        return [Row(sequence, stream, kind, at, json.loads(body)) for sequence, stream, kind, at, body in found]

    def claims(self) -> list[Claim]:
        """Every reservation that stands."""
        return [Claim(*row) for row in self._ask("SELECT key, scope, units FROM reservations ORDER BY scope, key")]

    def waiting(self) -> int:
        """Outbox rows not delivered yet."""
        found = self._ask("SELECT count(*) FROM outbox")
        return int(found[0][0]) if found else 0

    def _ask(self, query: str) -> Sequence[tuple[Any, ...]]:
        try:
            with psycopg.connect(self._url) as connection:
                return connection.execute(query).fetchall()
        except psycopg.errors.UndefinedTable:
            return []


def writings(rows: Sequence[Row]) -> tuple[Writing, ...]:
    """Every intent of the log with what settled it, in order."""
    found: list[Writing] = []
    for row in rows:
        key = row.body.get("key")
        if row.kind == "intended":
            found.append(Writing(str(key), row.at, ()))
        elif row.kind in SETTLED and key:
            index = max(i for i, writing in enumerate(found) if writing.key == key)
            known = found[index]
            found[index] = Writing(known.key, known.at, (*known.settled, row))
    return tuple(found)


def of_kind(rows: Sequence[Row], kind: str) -> list[Row]:
    """The events of one kind."""
    return [row for row in rows if row.kind == kind]


def leaders(rows: Sequence[Row]) -> list[tuple[datetime, str]]:
    """Who led from when, in order."""
    return [(row.at, str(row.body.get("by"))) for row in of_kind(rows, "noted") if row.body.get("code") == "leading"]
