"""The weekly report: when one is due, and telling it once.

Promises one report for each week, whoever leads and however often the program starts: that it is to be told is an
event of the log with its row in the outbox, and where it was posted is another. A week in which the log did not exist
has no report; one that fell due while nothing ran is told late, with its own dates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from controller.core.events import Event, FloorEnded, FloorHeld, FloorReleased, Noted
from controller.core.history import History
from controller.core.report import Report, report
from controller.core.report_text import WEEK, key, message
from controller.errors import ChatUnavailable
from controller.observe.rooms import Rooms
from controller.ports import Chat, OutboxRow, Store, Stored

log = structlog.get_logger(__name__)

STREAM = "reports"
KIND = "report"
DUE, POSTED = "due", "posted"
"""Codes of the notes in the stream: a report was to be told, and stands in the chat."""
OFTEN = timedelta(minutes=5)
"""How often it is looked at whether one is due."""
BESIDES = ("floor:", "rollout:")
"""Streams that a report is about besides incidents, which are kept in memory."""
BEFORE = 20
"""Events before the stretch that are read as well: among them is nearly always the last that a floor was held by. Where
it is not and would matter, the whole stream is read.
"""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def fell_due(now: datetime, weekday: str, hour: int) -> datetime | None:
    """The last moment at or before `now` at which a report was due; None when there is none (`off`)."""
    if weekday not in WEEKDAYS:
        return None
    now = now.astimezone(UTC)
    day = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    day -= timedelta(days=(day.weekday() - WEEKDAYS.index(weekday)) % 7)
    return day if day <= now else day - WEEK


async def streams_of(store: Store, history: History, begin: datetime) -> Mapping[str, Sequence[Event]]:
    """Everything that a report from `begin` on is about, and when the log began.

    A floor is told by days, so it begins with one, and with the events before that tell how high it stood.
    """
    day = begin.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found: dict[str, Sequence[Event]] = {"first": [item.event for item in await store.follow(0, 1)]}
    found.update({name: tuple(events) for name, events in history.streams.items()})
    for prefix in BESIDES:
        grown = await store.since(prefix, day, BEFORE)
        for name, stored in grown.items():
            whole = await store.read(name) if cut_short(stored, day) else stored
            found[name] = [item.event for item in whole]
    return found


def cut_short(stored: Sequence[Stored], day: datetime) -> bool:
    """Whether a floor was held in the stretch, and how high it stood before is further back than was read."""
    stands = (item for item in stored if isinstance(item.event, FloorHeld | FloorEnded | FloorReleased))
    first = next((item.event for item in stands), None)
    return stored[0].number > 1 and isinstance(first, FloorHeld) and first.at >= day


@dataclass(slots=True)
class Weekly:
    """Tells the report of the week, on the day the settings name. `chat` None: nobody is told."""

    rooms: Rooms
    chat: Chat | None
    channel: str
    link: str = ""

    async def round(self) -> None:
        """Put the report that is due into the outbox, once."""
        settings, now, store = self.rooms.settings, self.rooms.clock.now(), self.rooms.journal.store
        end = fell_due(now, settings.report_weekday, settings.report_hour)
        if self.chat is None or end is None:
            return
        stored = await store.read(STREAM)
        if any(isinstance(item.event, Noted) and item.event.text == key(end) for item in stored):
            return
        first = await store.follow(0, 1)
        if not first or first[0].event.at >= end:
            return
        row = OutboxRow(KIND, key(end), {"end": end.isoformat()})
        if await self.rooms.journal.note(STREAM, Noted(now, DUE, key(end)), now, outbox=(row,)):
            log.info("report due", report=key(end))

    async def tell(self, end: datetime) -> None:
        """Post the report that ends then, unless it stands in the chat already. Raises ChatUnavailable."""
        store, now = self.rooms.journal.store, self.rooms.clock.now()
        stored = await store.read(STREAM)
        posted = f"{key(end)} "
        notes = [item.event for item in stored if isinstance(item.event, Noted) and item.event.code == POSTED]
        if self.chat is None or any(note.text.startswith(posted) for note in notes):
            return
        made = await self.made(end)
        at = await self.chat.post(self.channel, message(made, f"{self.link}/report" if self.link else ""))
        if not await self.rooms.journal.note(STREAM, Noted(now, POSTED, f"{posted}{at.channel} {at.ts}"), now):
            raise ChatUnavailable(f"{key(end)}: where it stands was not noted", "it is told again")

    async def made(self, end: datetime, lasting: timedelta = WEEK) -> Report:
        """The report on the stretch that ends then."""
        watched = len(self.rooms.sight.known().workloads)
        begin = end - lasting
        streams = await streams_of(self.rooms.journal.store, self.rooms.history, begin)
        return report(streams, begin, end, watched)
