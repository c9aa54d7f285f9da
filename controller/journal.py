"""The journal: how an incident is read, extended and committed.

Promises that every event passes `accept` before it is stored, that the leader's epoch goes with every commit, and
that whoever has fallen behind (`Behind`) or been replaced (`Replaced`) stops at once: reconciling starts over from
the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from controller.core.accept import accept
from controller.core.events import Event, Opened
from controller.core.history import History
from controller.core.incident import Incident, begin, evolve, fold
from controller.ports import Commit, Committed, Exhausted, Fenced, OutboxRow, Reservation, Stale, Store

log = structlog.get_logger(__name__)


class Behind(Exception):
    """The stream has moved on: read again."""


class Replaced(Exception):
    """Another leader has taken over: stop."""


class BudgetSpent(Exception):
    """A budget had no room when the intent was to be committed."""

    def __init__(self, exhausted: Exhausted) -> None:
        super().__init__(exhausted.scope)
        self.exhausted = exhausted


def stream_of(incident: str) -> str:
    """The stream of one incident."""
    return f"incident:{incident}"


class Journal:
    """Incidents in the store. `epoch` answers the leader's epoch, None while this replica does not lead: then nothing
    is recorded but people's answers.
    """

    def __init__(self, store: Store, epoch: Callable[[], int | None], history: History) -> None:
        self.store = store
        self.history = history
        self.epoch = epoch

    async def catch_up(self) -> frozenset[str]:
        """Take what is new in the log into the record; the streams that grew."""
        grown: set[str] = set()
        while page := await self.store.follow(self.history.sequence):
            for stored in page:
                self.history.add(stored.sequence, stored.stream, stored.event)
                grown.add(stored.stream)
        return frozenset(grown)

    async def load(self, incident: str) -> Incident | None:
        """The incident as the log has it."""
        return fold((stored.number, stored.event) for stored in await self.store.read(stream_of(incident)))

    async def record(
        self,
        incident: Incident | None,
        events: Sequence[Event],
        now: datetime,
        *,
        reserve: tuple[Reservation, ...] = (),
        release: tuple[str, ...] = (),
        outbox: tuple[OutboxRow, ...] = (),
        any_replica: bool = False,
    ) -> Incident:
        """Append events and return the incident after them.

        Raises ValueError for an event that makes no sense, Behind, Replaced, BudgetSpent, StoreUnavailable.
        """
        after = incident
        for event in events:
            refusal = accept(after, event)
            if refusal is not None:
                message = f"{event.kind}: {refusal}"
                raise ValueError(message)
            after = begin(event) if after is None else evolve(after, event)
        if after is None:
            message = "nothing to record"
            raise ValueError(message)
        number = incident.number if incident is not None else 0
        told = (*outbox, OutboxRow("publish", after.id, {}))
        stream = stream_of(after.id)
        written = await self.append(
            stream, number, events, now, reserve=reserve, release=release, outbox=told, any_replica=any_replica
        )
        return replace(after, number=written)

    async def append(
        self,
        stream: str,
        number: int,
        events: Sequence[Event],
        now: datetime,
        *,
        reserve: tuple[Reservation, ...] = (),
        release: tuple[str, ...] = (),
        outbox: tuple[OutboxRow, ...] = (),
        any_replica: bool = False,
    ) -> int:
        """Commit events to any stream whose last event is `number`; the number of its last event then.

        Raises Behind, Replaced, BudgetSpent, StoreUnavailable. Whether they make sense is for the caller to say.
        """
        epoch = None if any_replica else self.epoch()
        if epoch is None and not any_replica:
            raise Replaced("this replica does not lead")
        commit = Commit(stream, number, tuple(events), epoch, reserve, release, outbox)
        match await self.store.commit(commit, now):
            case Committed():
                for event in events:
                    log.info("recorded", stream=stream, kind=event.kind)
                return number + len(events)
            case Stale():
                raise Behind(stream)
            case Fenced(epoch=epoch):
                raise Replaced(str(epoch))
            case Exhausted() as exhausted:
                raise BudgetSpent(exhausted)

    async def note(self, stream: str, event: Event, now: datetime, *, outbox: tuple[OutboxRow, ...] = ()) -> bool:
        """Append one event wherever the stream ends; False when somebody else was faster, or this replica does not
        lead. For streams that nothing is decided on.
        """
        epoch = self.epoch()
        if epoch is None:
            return False
        stored = await self.store.read(stream, newest=1)
        commit = Commit(stream, stored[-1].number if stored else 0, (event,), epoch, outbox=outbox)
        return isinstance(await self.store.commit(commit, now), Committed)

    async def open(self, opened: Opened, now: datetime, *further: Event) -> Incident:
        """Begin an incident."""
        return await self.record(None, (opened, *further), now)
