"""The Store on SQLite and PostgreSQL: one append-only log, its reservations and its outbox, in one transaction.

Promises that what `commit` answers is durable and whole, that a sequence is never seen before a lower one, and that
50 claims at once never exceed a budget. All three come from one rule: every write begins by locking the single row of
the table `store` (SQLite: BEGIN IMMEDIATE; PostgreSQL: SELECT … FOR UPDATE), so that writers follow one another. The
price is one commit at a time, some hundred a second, which is far above what incidents need. A StoreUnavailable says
nothing about whether a commit is in: read, and decide again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, delete, func, insert, literal_column, or_, select, text, update
from sqlalchemy import Row as Record
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from controller.adapters.database.engine import prepare, writing
from controller.adapters.database.failures import FAILURES, failure
from controller.adapters.database.lock import FileLock
from controller.adapters.database.newest import Newest
from controller.adapters.database.tables import events, outbox, reservations, store
from controller.adapters.database.url import Place
from controller.core.chain import Inspection, Row, canonical, instant, link
from controller.core.log import event_of, written
from controller.core.window import Claim, frees_at
from controller.core.window import spent as counted
from controller.failpoints import failpoint
from controller.ports import (
    AuditReport,
    Commit,
    CommitResult,
    Committed,
    Exhausted,
    Fenced,
    OutboxRow,
    Reservation,
    Stale,
    Stored,
    StoreIdentity,
)

BATCH = 1000

EVENT_COLUMNS = (
    events.c.sequence,
    events.c.stream,
    events.c.number,
    events.c.kind,
    events.c.version,
    events.c.body,
    events.c.at,
    events.c.recorded_at,
    events.c.chain,
)

NEXT_NUMBER = text(
    "INSERT INTO numbers (name, last) VALUES (:name, 1) "
    "ON CONFLICT (name) DO UPDATE SET last = numbers.last + 1 RETURNING last"
)


T = TypeVar("T")


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Finish a transaction although its caller is cancelled, which is told afterwards.

    Cut off half way, it would keep the lock of the log until its connection is collected.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


class DatabaseStore:
    """A Store on an engine whose schema is up to date; made by `open_database`."""

    def __init__(
        self, engine: AsyncEngine, place: Place, new_id: Callable[[], str], lock: FileLock | None, answer_within: float
    ) -> None:
        self._engine = engine
        self._writer = writing(engine)
        self._place = place
        self._new_id = new_id
        self._lock = lock
        self._answer_within = answer_within
        self._turn = asyncio.Lock()
        self._newest = Newest(alone=lock is not None)

    async def commit(self, commit: Commit, now: datetime) -> CommitResult:
        """Append atomically; runs to its end even when the caller is cut off."""
        return await to_its_end(self._noticed(commit, now))

    async def _noticed(self, commit: Commit, now: datetime) -> CommitResult:
        with self._newest.committing():
            return await self._commit(commit, now)

    async def _commit(self, commit: Commit, now: datetime) -> CommitResult:
        """Fence, then staleness, then budgets; nothing is written unless all three pass."""
        kinds = "+".join(event.kind for event in commit.events)
        async with self._writing("committing", "store.commit", kinds) as connection:
            log = await locked(connection)
            if commit.epoch is not None and commit.epoch < log.epoch:
                return Fenced(log.epoch)
            actual = await last_number(connection, commit.stream)
            if actual != commit.expected:
                return Stale(actual)
            exhausted = await first_exhausted(connection, commit, now)
            if exhausted is not None:
                return exhausted
            stored = chained(commit, log.sequence, log.head, now)
            await append(connection, stored)
            await put(connection, commit.outbox)
        return Committed(tuple(as_stored(row, chain) for row, chain in stored))

    async def read(self, stream: str, newest: int | None = None) -> tuple[Stored, ...]:
        """All events of one stream, or its newest, in order."""
        query = select(*EVENT_COLUMNS).where(events.c.stream == stream).order_by(events.c.number.desc()).limit(newest)
        async with self._reading(f"reading {stream}") as connection:
            found = (await connection.execute(query)).all()
        return tuple(as_stored(*row_of(record)) for record in reversed(found))

    async def together(self, streams: Sequence[str]) -> Mapping[str, tuple[Stored, ...]]:
        """All events of several streams, in the order asked for."""
        query = select(*EVENT_COLUMNS).where(events.c.stream.in_(streams)).order_by(events.c.stream, events.c.number)
        async with self._reading(f"reading {len(streams)} streams") as connection:
            found = by_stream((await connection.execute(query)).all())
        return {stream: found[stream] for stream in streams if stream in found}

    async def since(self, prefix: str, at: datetime, before: int = 0) -> Mapping[str, tuple[Stored, ...]]:
        """What was recorded since a time, by stream, with some events before."""
        grown = (
            select(events.c.stream, func.min(events.c.number).label("first"))
            .where(events.c.recorded_at >= at, begins(prefix))
            .group_by(events.c.stream)
            .subquery()
        )
        of_it = and_(events.c.stream == grown.c.stream, events.c.number >= grown.c.first - before)
        query = select(*EVENT_COLUMNS).join(grown, of_it).order_by(events.c.sequence)
        async with self._reading(f"reading streams {prefix}…") as connection:
            return by_stream((await connection.execute(query)).all())

    async def follow(self, after: int, limit: int = 1000) -> tuple[Stored, ...]:
        """Events of all streams with a higher sequence, in order."""
        if self._newest.nothing_after(after):
            return ()
        mark = self._newest.mark()
        query = select(*EVENT_COLUMNS).where(events.c.sequence > after).order_by(events.c.sequence).limit(limit)
        async with self._reading("following the log") as connection:
            found = (await connection.execute(query)).all()
        if len(found) < limit:
            self._newest.read_to(found[-1].sequence if found else after, mark)
        return tuple(as_stored(*row_of(record)) for record in found)

    async def streams(self, prefix: str) -> tuple[str, ...]:
        """Names that begin with `prefix`, by their first event."""
        first = events.c.number == literal_column("1")
        query = select(events.c.stream).where(first, begins(prefix)).order_by(events.c.sequence)
        async with self._reading(f"listing streams {prefix}…") as connection:
            return tuple((await connection.execute(query)).scalars())

    async def spent(self, scopes: Sequence[tuple[str, timedelta]], now: datetime) -> Mapping[str, float]:
        """Units that count at `now` per scope; 0 where nothing does."""
        async with self._reading("reading budgets") as connection:
            return {
                scope: counted(await claims(connection, scope, now - window), window, now) for scope, window in scopes
            }

    async def due(self, now: datetime, limit: int = 100) -> tuple[OutboxRow, ...]:
        """Outbox rows whose time has come, oldest first."""
        ripe = or_(outbox.c.not_before.is_(None), outbox.c.not_before <= now)
        query = select(outbox).where(ripe).order_by(outbox.c.id).limit(limit)
        async with self._reading("reading the outbox") as connection:
            found = (await connection.execute(query)).all()
        return tuple(
            OutboxRow(row.kind, row.key, json.loads(row.body), row.id, row.attempts, row.not_before) for row in found
        )

    async def delivered(self, id: int, now: datetime) -> None:
        """Remove one row; a replaced one has another id and stays."""
        async with self._writing("clearing the outbox", "store.delivered") as connection:
            await connection.execute(delete(outbox).where(outbox.c.id == id))

    async def postpone(self, id: int, until: datetime) -> None:
        """Count an attempt and try again later."""
        instant(until)
        later = update(outbox).where(outbox.c.id == id).values(attempts=outbox.c.attempts + 1, not_before=until)
        async with self._writing("postponing delivery", "store.postpone") as connection:
            await connection.execute(later)

    async def next_number(self, sequence: str) -> int:
        """The next number of a named sequence, from 1, never twice; one may be left out after a crash."""
        async with self._writing(f"numbering {sequence}", "store.next_number") as connection:
            return int((await connection.execute(NEXT_NUMBER, {"name": sequence})).scalar_one())

    async def identity(self) -> StoreIdentity:
        """Id, epoch, and the sequence and link of the last event."""
        async with self._reading("reading its identity") as connection:
            row = (await connection.execute(select(store))).one()
        return StoreIdentity(row.id, row.epoch, row.sequence, row.head)

    async def advance_epoch(self, at_least: int = 0) -> int:
        """Raise the epoch above itself and `at_least`, in one step even when two take over at once."""
        async with self._writing("taking over", "store.advance_epoch") as connection:
            epoch = int(max((await locked(connection)).epoch, at_least) + 1)
            await connection.execute(update(store).values(epoch=epoch))
        return epoch

    async def adopt(self) -> StoreIdentity:
        """Give the store a new id; its log and epoch stay."""
        async with self._writing("adopting", "store.adopt") as connection:
            await locked(connection)
            await connection.execute(update(store).values(id=self._new_id()))
        return await self.identity()

    async def verify(self, expected_head: str | None = None) -> AuditReport:
        """Recompute the chain over one snapshot of the log, in batches."""
        inspection = Inspection(expected_head)
        async with self._reading("verifying the log", snapshot=True) as connection:
            log = (await connection.execute(select(store))).one()
            found: Sequence[Record[Any]] = (await connection.execute(batch_after(None))).all()
            while found:
                for record in found:
                    inspection.feed(*row_of(record))
                found = (await connection.execute(batch_after(found[-1].sequence))).all()
        return AuditReport(*inspection.conclude(log.sequence, log.head))

    async def close(self) -> None:
        """Release connections and the file lock."""
        await self._engine.dispose()
        if self._lock is not None:
            self._lock.release()

    @asynccontextmanager
    async def _writing(self, doing: str, call: str, about: str = "") -> AsyncIterator[AsyncConnection]:
        """A writing transaction with its two failpoints: just before the commit, and once it is durable."""
        try:
            async with asyncio.timeout(self._answer_within), self._turn, self._writer.begin() as connection:
                await prepare(connection)
                yield connection
                await failpoint(f"{call}.before", about)
        except FAILURES as cause:
            raise failure(self._place, doing, cause) from cause
        await failpoint(f"{call}.after", about)

    @asynccontextmanager
    async def _reading(self, doing: str, *, snapshot: bool = False) -> AsyncIterator[AsyncConnection]:
        """A reading transaction; a snapshot sees one state of the log however long it takes."""
        options = (
            {"isolation_level": "REPEATABLE READ"} if snapshot and self._engine.dialect.name == "postgresql" else {}
        )
        try:
            async with asyncio.timeout(None if snapshot else self._answer_within), self._engine.connect() as connection:
                await connection.execution_options(**options)
                yield connection
        except FAILURES as cause:
            raise failure(self._place, doing, cause) from cause


def begins(prefix: str) -> ColumnElement[bool]:
    """Streams whose names begin so, whatever the database's collation is."""
    return func.substr(events.c.stream, 1, len(prefix)) == prefix


def by_stream(records: Iterable[Any]) -> dict[str, tuple[Stored, ...]]:
    """Rows as stored events, by stream, in the order in which they come."""
    found: dict[str, list[Stored]] = {}
    for record in records:
        found.setdefault(record.stream, []).append(as_stored(*row_of(record)))
    return {stream: tuple(stored) for stream, stored in found.items()}


async def locked(connection: AsyncConnection) -> Record[Any]:
    """The row of the log, locked until the transaction ends (SQLite has locked the whole file by then)."""
    return (await connection.execute(select(store).with_for_update())).one()


async def last_number(connection: AsyncConnection, stream: str) -> int:
    """The number of a stream's last event, 0 when it has none."""
    query = select(func.coalesce(func.max(events.c.number), 0)).where(events.c.stream == stream)
    return int((await connection.execute(query)).scalar_one())


def chained(commit: Commit, sequence: int, head: str, now: datetime) -> tuple[tuple[Row, str], ...]:
    """The commit's rows, each with its link, after the log's last event."""
    stored: list[tuple[Row, str]] = []
    for offset, event in enumerate(commit.events, start=1):
        row = written(sequence + offset, commit.stream, commit.expected + offset, event, now)
        head = link(head, row)
        stored.append((row, head))
    return tuple(stored)


async def append(connection: AsyncConnection, stored: Sequence[tuple[Row, str]]) -> None:
    """Write the rows and move the log's head."""
    if not stored:
        return
    names = [column.name for column in EVENT_COLUMNS]
    values = [
        {**{name: getattr(row, name) for name in names if name != "chain"}, "chain": chain} for row, chain in stored
    ]
    await connection.execute(insert(events), values)
    last, head = stored[-1]
    await connection.execute(update(store).values(sequence=last.sequence, head=head))


async def first_exhausted(connection: AsyncConnection, commit: Commit, now: datetime) -> Exhausted | None:
    """Release, then reserve in order; the first budget that is spent ends it (and the caller rolls all of it back)."""
    for key in commit.release:
        await connection.execute(delete(reservations).where(reservations.c.key == key))
    for reservation in commit.reserve:
        free = await reserve(connection, reservation, now)
        if free is not None:
            await connection.rollback()
            return Exhausted(reservation.scope, reservation.limit, free)
    return None


async def reserve(connection: AsyncConnection, reservation: Reservation, now: datetime) -> datetime | None:
    """Charge one budget; None when it fits, otherwise when it will."""
    since = now - reservation.window
    mine = and_(reservations.c.key == reservation.key, reservations.c.scope == reservation.scope)
    held = (await connection.execute(select(reservations.c.at).where(mine, reservations.c.at > since))).scalar()
    others = await claims(connection, reservation.scope, since, but_not=reservation.key)
    free = frees_at(others, reservation.window, reservation.limit, reservation.units, now)
    if free is None:
        await connection.execute(delete(reservations).where(mine))
        row = {"key": reservation.key, "scope": reservation.scope, "units": reservation.units, "at": held or now}
        await connection.execute(insert(reservations).values(row))
    return free


async def claims(
    connection: AsyncConnection, scope: str, since: datetime, but_not: str | None = None
) -> tuple[Claim, ...]:
    """What was taken from a budget later than `since`, except by one key."""
    query = select(reservations.c.at, reservations.c.units).where(
        reservations.c.scope == scope, reservations.c.at > since
    )
    if but_not is not None:
        query = query.where(reservations.c.key != but_not)
    return tuple(Claim(row.at, row.units) for row in await connection.execute(query))


async def put(connection: AsyncConnection, rows: Sequence[OutboxRow]) -> None:
    """Add rows to the outbox; one that waits under the same kind and key is replaced and gets a new id."""
    for row in rows:
        await connection.execute(delete(outbox).where(outbox.c.kind == row.kind, outbox.c.key == row.key))
        await connection.execute(
            insert(outbox).values(
                kind=row.kind,
                key=row.key,
                body=canonical(dict(row.body)),
                attempts=row.attempts,
                not_before=row.not_before,
            )
        )


def batch_after(sequence: int | None) -> Any:
    """The next rows of the log; None begins, wherever the log begins."""
    query = select(*EVENT_COLUMNS).order_by(events.c.sequence).limit(BATCH)
    return query if sequence is None else query.where(events.c.sequence > sequence)


def row_of(record: Sequence[Any]) -> tuple[Row, str]:
    """A record of `EVENT_COLUMNS` as a row and its link."""
    return Row(*record[:-1]), record[-1]


def as_stored(row: Row, chain: str) -> Stored:
    """A row as the port shows it, its event upcast."""
    return Stored(row.sequence, row.stream, row.number, event_of(row), row.recorded_at, chain)
