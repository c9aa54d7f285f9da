"""A program (`python -m … URL [EPOCH]`) that commits until it is killed, and says what has been acknowledged."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from controller.adapters import open_store
from controller.core.events import Noted
from controller.ports import Commit, Committed, OutboxRow, Reservation

AT = datetime(2026, 3, 1, tzinfo=UTC)
EVENTS = 3
SCOPE = "written"
WINDOW = timedelta(hours=1)


def commit(number: int, epoch: int | None = None) -> Commit:
    """Everything a commit can carry, so that a half of it would show."""
    stream = f"written:{number}"
    return Commit(
        stream,
        0,
        tuple(Noted(at=AT, code="written", text=f"{number}.{part}") for part in range(EVENTS)),
        epoch=epoch,
        reserve=(Reservation(stream, SCOPE, 1, WINDOW, 1e9),),
        outbox=(OutboxRow("chat", stream, {"number": number}),),
    )


async def write(url: str, epoch: int | None) -> None:
    """Commit for ever."""
    store = await open_store(url)
    number = (await store.identity()).sequence // EVENTS
    print("ready", flush=True)
    while True:
        number += 1
        result = await store.commit(commit(number, epoch), AT)
        print(number if isinstance(result, Committed) else result, flush=True)


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None))
