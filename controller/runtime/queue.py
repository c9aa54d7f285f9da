"""A keyed work queue: what to look at next.

Promises that a key waits at most once, that the same key is never worked on twice at a time, and that a key added
while it is worked on comes back afterwards. Bounded by the number of keys, however many events arrive (S10). Keeps no
reason: reconciling reads the world. Appointments are kept by the clock that it is given.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from controller.ports import Clock

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Appointment:
    """When a key is due, and the task that waits for it."""

    due: datetime
    waiting: asyncio.Task[None]


class KeyedQueue(Generic[Key]):
    """First in, first out over distinct keys, with delayed additions."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: OrderedDict[Key, None] = OrderedDict()
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._appointments: dict[Key, Appointment] = {}
        self._filled = asyncio.Event()
        self._resting = asyncio.Event()
        self._resting.set()
        self._drained = asyncio.Event()
        self._drained.set()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether nothing is worked on and nothing waits but appointments."""
        return self._drained.is_set()

    async def resting(self) -> None:
        """Wait until nothing is worked on."""
        await self._resting.wait()

    async def drained(self) -> None:
        """Wait until it was idle once."""
        await self._drained.wait()

    def add(self, key: Key) -> None:
        """Look at this key soon; cancels a later appointment."""
        self._cancel(key)
        self._drained.clear()
        if key in self._working:
            self._again.add(key)
            return
        self._waiting[key] = None
        self._filled.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Look at this key in so many seconds, unless an earlier appointment stands."""
        if key in self._waiting or key in self._again:
            return
        delay = timedelta(seconds=seconds)
        due, known = self._clock.now() + delay, self._appointments.get(key)
        if known is not None and known.due <= due:
            return
        self._cancel(key)
        self._appointments[key] = Appointment(due, asyncio.create_task(self._come(key, delay), name="appointment"))

    async def get(self) -> Key:
        """The next key; give it back with `done`."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        key, _ = self._waiting.popitem(last=False)
        self._working.add(key)
        self._resting.clear()
        return key

    def done(self, key: Key) -> None:
        """The key's work is over."""
        self._working.discard(key)
        if not self._working:
            self._resting.set()
        if key in self._again:
            self._again.discard(key)
            self.add(key)
        self._look()

    def clear(self) -> None:
        """Forget everything that waits (leadership lost)."""
        self._waiting.clear()
        self._again.clear()
        for key in tuple(self._appointments):
            self._cancel(key)
        self._look()

    def _look(self) -> None:
        """Say so when there is nothing left to do."""
        if not (self._working or self._waiting or self._again):
            self._drained.set()

    async def _come(self, key: Key, delay: timedelta) -> None:
        await self._clock.sleep(delay)
        self._appointments.pop(key, None)
        self.add(key)

    def _cancel(self, key: Key) -> None:
        known = self._appointments.pop(key, None)
        if known is not None:
            known.waiting.cancel()
