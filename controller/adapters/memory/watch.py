"""Watch in memory: follows one `MemoryObjects` under the same promises as a real watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import assert_never

from controller.errors import TrimtabError
from controller.lab.apiserver import Back, Heard, MemoryObjects
from controller.ports import Changed, Deleted, ResourceKind, Suspect, WatchEvent


class MemoryWatch:
    """Streams of one imagined API server."""

    def __init__(self, objects: MemoryObjects) -> None:
        self._objects = objects
        self._queues: set[asyncio.Queue[Heard]] = set()

    async def caught_up(self) -> None:
        """Wait until whoever follows has taken in everything that happened so far."""
        for heard in tuple(self._queues):
            await heard.join()

    async def stream(self, kind: ResourceKind, namespace: str | None = None) -> AsyncIterator[WatchEvent]:
        """Never ends by itself. After a `Suspect` nothing is said until the server is back, then a full `Listed`."""
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._queues.add(heard)
        try:
            with self._objects.followed(kind, heard.put_nowait):
                while True:
                    try:
                        yield self._objects.listed(kind, namespace)
                    except TrimtabError as error:
                        yield Suspect(str(error))
                        await back(heard)
                        continue
                    while True:
                        event = await heard.get()
                        match event:
                            case Changed(object=one) | Deleted(object=one):
                                if namespace in {None, one["metadata"].get("namespace")}:
                                    yield event
                                heard.task_done()
                            case Suspect():
                                yield event
                                heard.task_done()
                                await back(heard)
                                break
                            case Back():
                                heard.task_done()
                                break
                            case _:
                                assert_never(event)
        finally:
            self._queues.discard(heard)


async def back(heard: asyncio.Queue[Heard]) -> None:
    """Wait until the server answers again; what happened meanwhile is in the next list."""
    while True:
        event = await heard.get()
        heard.task_done()
        if isinstance(event, Back):
            return
