"""Events as rows of the log and back, the same on every store."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from controller.core.chain import Row, canonical
from controller.core.events import Event, UnknownEvent, decode, encode
from controller.errors import StoreUnusable


def written(sequence: int, stream: str, number: int, event: Event, now: datetime) -> Row:
    """The row of an event. Raises ValueError for a time without a zone."""
    for time in (event.at, now):
        if time.tzinfo is None:
            raise ValueError(f"{event.kind} for {stream} carries {time!r}, which has no time zone")
    kind, version, body = encode(event)
    return Row(sequence, stream, number, kind, version, canonical(body), event.at.astimezone(UTC), now.astimezone(UTC))


def event_of(row: Row) -> Event:
    """The event of a stored row, upcast to today's version. Raises StoreUnusable when this program cannot read it."""
    try:
        return decode(row.kind, row.version, json.loads(row.body))
    except UnknownEvent as cause:
        raise StoreUnusable(
            f"Event {row.sequence} ({row.stream}/{row.number}) cannot be read: {cause}",
            "Run the newer trimtab that wrote it.",
        ) from cause
    except (ValueError, TypeError) as cause:
        raise StoreUnusable(
            f"Event {row.sequence} ({row.stream}/{row.number}, {row.kind}) is not what was written",
            "Run `trimtab audit verify` to see what was changed, and restore a backup.",
        ) from cause
