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

    async def stream(self, kind: ResourceKind, namespace: str | None = None) -> AsyncIterator[WatchEvent]:
        """Never ends by itself. After a `Suspect` nothing is said until the server is back, then a full `Listed`."""
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        with self._objects.followed(kind, heard.put_nowait):
            while True:
                try:
                    yield self._objects.listed(kind, namespace)
                except TrimtabError as error:
                    yield Suspect(str(error))
                    await back(heard)
                    continue
                while True:
                    match event := await heard.get():
                        case Changed(object=one) | Deleted(object=one):
                            if namespace in {None, one["metadata"].get("namespace")}:
                                yield event
                        case Suspect():
                            yield event
                            await back(heard)
                            break
                        case Back():
                            break
                        case _:
                            assert_never(event)


async def back(heard: asyncio.Queue[Heard]) -> None:
    """Wait until the server answers again; what happened meanwhile is in the next list."""
    while not isinstance(await heard.get(), Back):
        pass
