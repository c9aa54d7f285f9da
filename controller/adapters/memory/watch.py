"""Watch in memory: follows one `MemoryObjects` under the same promises as a real watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import assert_never

from controller.errors import TrimtabError
from controller.lab.apiserver import Back, Heard, MemoryObjects
from controller.ports import Changed, Deleted, ResourceKind, Suspect, WatchEvent


class Ear:
    """What one follower has been told and not taken in yet. `quiet` is set while that is nothing."""

    def __init__(self) -> None:
        self._told: asyncio.Queue[Heard] = asyncio.Queue()
        self._open = 0
        self.quiet = asyncio.Event()
        self.quiet.set()

    def tell(self, heard: Heard) -> None:
        """One more thing."""
        self._open += 1
        self.quiet.clear()
        self._told.put_nowait(heard)

    async def next(self) -> Heard:
        """The oldest thing; say `taken` when it is."""
        return await self._told.get()

    def taken(self) -> None:
        """It was taken in."""
        self._open -= 1
        if not self._open:
            self.quiet.set()

    async def back(self) -> None:
        """Wait until the server answers again; what happened meanwhile is in the next list."""
        while True:
            heard = await self.next()
            self.taken()
            if isinstance(heard, Back):
                return


class MemoryWatch:
    """Streams of one imagined API server."""

    def __init__(self, objects: MemoryObjects) -> None:
        self._objects = objects
        self._ears: list[Ear] = []

    @property
    def behind(self) -> bool:
        """Whether somebody who follows has not taken in everything yet."""
        return any(not ear.quiet.is_set() for ear in self._ears)

    async def caught_up(self) -> None:
        """Wait until whoever follows has taken in everything that happened so far."""
        for ear in tuple(self._ears):
            await ear.quiet.wait()

    async def stream(self, kind: ResourceKind, namespace: str | None = None) -> AsyncIterator[WatchEvent]:
        """Never ends by itself. After a `Suspect` nothing is said until the server is back, then a full `Listed`."""
        ear = Ear()
        self._ears.append(ear)
        try:
            with self._objects.followed(kind, ear.tell):
                while True:
                    try:
                        yield self._objects.listed(kind, namespace)
                    except TrimtabError as error:
                        yield Suspect(str(error))
                        await ear.back()
                        continue
                    async for event in self._until_broken(ear):
                        if isinstance(event, Suspect) or namespace in {None, event.object["metadata"].get("namespace")}:
                            yield event
        finally:
            ear.quiet.set()
            self._ears.remove(ear)

    async def _until_broken(self, ear: Ear) -> AsyncIterator[Changed | Deleted | Suspect]:
        """What is told until the server has to be listed anew."""
        while True:
            match heard := await ear.next():
                case Changed() | Deleted():
                    yield heard
                    ear.taken()
                case Suspect():
                    yield heard
                    ear.taken()
                    await ear.back()
                    return
                case Back():
                    ear.taken()
                    return
                case _:
                    assert_never(heard)
