"""The Store in memory: the same answers as on a database, and nothing survives the process. For tests, the lab and a
look around.

Events are kept as the rows that a database would hold (encoded, chained), so that reading goes through the same
decoding and `verify` means the same. Nothing awaits between a check and its write, which makes each call atomic in
one event loop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from controller.core.chain import GENESIS, Inspection, Row, canonical, instant, link
from controller.core.log import event_of, written
from controller.core.window import Claim, frees_at
from controller.core.window import spent as counted
from controller.ports import (
    AuditReport,
    Commit,
    CommitResult,
    Committed,
    Exhausted,
    Fenced,
    OutboxRow,
    Stale,
    Stored,
    StoreIdentity,
)

Held = dict[tuple[str, str], Claim]
"""What is reserved, by key and scope."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An outbox row with its body as text, so that nobody can change it from outside."""

    row: OutboxRow
    body: str


class MemoryStore:
    """A Store for one process."""

    def __init__(self, new_id: Callable[[], str] = lambda: uuid4().hex) -> None:
        self._new_id = new_id
        self._id = new_id()
        self._epoch = 0
        self._log: list[tuple[Row, str]] = []
        self._streams: dict[str, list[tuple[Row, str]]] = {}
        self._held: Held = {}
        self._outbox: dict[int, Waiting] = {}
        self._last_outbox_id = 0
        self._numbers: dict[str, int] = {}

    async def commit(self, commit: Commit, now: datetime) -> CommitResult:
        """Append atomically: fence, then staleness, then budgets; nothing is kept unless all three pass."""
        if commit.epoch is not None and commit.epoch < self._epoch:
            return Fenced(self._epoch)
        actual = len(self._streams.get(commit.stream, ()))
        if actual != commit.expected:
            return Stale(actual)
        held = reserved(self._held, commit, now)
        if isinstance(held, Exhausted):
            return held
        stored = self._chained(commit, now)
        waiting = [Waiting(replace(row, body={}), canonical(dict(row.body))) for row in commit.outbox]
        self._held = held
        if stored:
            self._log.extend(stored)
            self._streams.setdefault(commit.stream, []).extend(stored)
        for entry in waiting:
            self._put(entry)
        return Committed(tuple(as_stored(row, chain) for row, chain in stored))

    async def read(self, stream: str, newest: int | None = None) -> tuple[Stored, ...]:
        """All events of one stream, or its newest, in order."""
        found = self._streams.get(stream, [])
        return tuple(as_stored(row, chain) for row, chain in (found if newest is None else found[-newest:]))

    async def together(self, streams: Sequence[str]) -> Mapping[str, tuple[Stored, ...]]:
        """All events of several streams, in the order asked for."""
        return {stream: await self.read(stream) for stream in streams if stream in self._streams}

    async def since(self, prefix: str, at: datetime, before: int = 0) -> Mapping[str, tuple[Stored, ...]]:
        """What was recorded since a time, by stream, with some events before."""
        instant(at)
        found: dict[str, tuple[Stored, ...]] = {}
        for stream, entries in self._streams.items():
            first = next((place for place, (row, _) in enumerate(entries) if row.recorded_at >= at), None)
            if first is not None and stream.startswith(prefix):
                found[stream] = tuple(as_stored(row, chain) for row, chain in entries[max(0, first - before) :])
        return found

    async def follow(self, after: int, limit: int = 1000) -> tuple[Stored, ...]:
        """Events of all streams with a higher sequence, in order."""
        return tuple(as_stored(row, chain) for row, chain in self._log[max(after, 0) :][:limit])

    async def streams(self, prefix: str) -> tuple[str, ...]:
        """Names that begin with `prefix`, by their first event."""
        return tuple(stream for stream in self._streams if stream.startswith(prefix))

    async def spent(self, scopes: Sequence[tuple[str, timedelta]], now: datetime) -> Mapping[str, float]:
        """Units that count at `now` per scope; 0 where nothing does."""
        return {scope: counted(claims(self._held, scope), window, now) for scope, window in scopes}

    async def due(self, now: datetime, limit: int = 100) -> tuple[OutboxRow, ...]:
        """Outbox rows whose time has come, oldest first."""
        ripe = (e for e in self._outbox.values() if e.row.not_before is None or e.row.not_before <= now)
        return tuple(replace(entry.row, body=json.loads(entry.body)) for entry in ripe)[:limit]

    async def delivered(self, id: int, now: datetime) -> None:
        """Remove one row; a replaced one has another id and stays."""
        self._outbox.pop(id, None)

    async def postpone(self, id: int, until: datetime) -> None:
        """Count an attempt and try again later."""
        instant(until)
        if entry := self._outbox.get(id):
            row = replace(entry.row, attempts=entry.row.attempts + 1, not_before=until)
            self._outbox[id] = replace(entry, row=row)

    async def next_number(self, sequence: str) -> int:
        """The next number of a named sequence, from 1, never twice."""
        self._numbers[sequence] = self._numbers.get(sequence, 0) + 1
        return self._numbers[sequence]

    async def identity(self) -> StoreIdentity:
        """Id, epoch, and the sequence and link of the last event."""
        return StoreIdentity(self._id, self._epoch, len(self._log), self._log[-1][1] if self._log else GENESIS)

    async def advance_epoch(self, at_least: int = 0) -> int:
        """Raise the epoch above itself and `at_least`."""
        self._epoch = max(self._epoch, at_least) + 1
        return self._epoch

    async def adopt(self) -> StoreIdentity:
        """Give the store a new id; its log and epoch stay."""
        self._id = self._new_id()
        return await self.identity()

    async def verify(self, expected_head: str | None = None) -> AuditReport:
        """Recompute the chain over the log."""
        inspection = Inspection(expected_head)
        for row, chain in self._log:
            inspection.feed(row, chain)
        now = await self.identity()
        return AuditReport(*inspection.conclude(now.sequence, now.head))

    async def close(self) -> None:
        """Nothing to release."""

    def _chained(self, commit: Commit, now: datetime) -> list[tuple[Row, str]]:
        head = self._log[-1][1] if self._log else GENESIS
        stored = []
        for offset, event in enumerate(commit.events, start=1):
            row = written(len(self._log) + offset, commit.stream, commit.expected + offset, event, now)
            head = link(head, row)
            stored.append((row, head))
        return stored

    def _put(self, entry: Waiting) -> None:
        same = [other.row.id for other in self._outbox.values() if name_of(other.row) == name_of(entry.row)]
        for replaced in same:
            del self._outbox[replaced]
        self._last_outbox_id += 1
        self._outbox[self._last_outbox_id] = replace(entry, row=replace(entry.row, id=self._last_outbox_id))


def reserved(held: Held, commit: Commit, now: datetime) -> Held | Exhausted:
    """What is reserved after the commit's releases and reservations, or the first budget that is spent."""
    after = {name: claim for name, claim in held.items() if name[0] not in commit.release}
    for wanted in commit.reserve:
        name = (wanted.key, wanted.scope)
        others = claims({other: claim for other, claim in after.items() if other != name}, wanted.scope)
        free = frees_at(others, wanted.window, wanted.limit, wanted.units, now)
        if free is not None:
            return Exhausted(wanted.scope, wanted.limit, free)
        mine = after.get(name)
        at = mine.at if mine is not None and mine.at + wanted.window > now else now
        after[name] = Claim(at, wanted.units)
    return after


def claims(held: Held, scope: str) -> tuple[Claim, ...]:
    """What was ever taken from a budget and not released."""
    return tuple(claim for (_, of), claim in held.items() if of == scope)


def name_of(row: OutboxRow) -> tuple[str, str]:
    """What a row replaces when it still waits."""
    return row.kind, row.key


def as_stored(row: Row, chain: str) -> Stored:
    """A row as the port shows it, its event upcast."""
    return Stored(row.sequence, row.stream, row.number, event_of(row), row.recorded_at, chain)
