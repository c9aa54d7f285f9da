"""A keyed work queue: what to look at next.

Promises that a key waits at most once, that the same key is never worked on twice at a time, and that a key added
while it is worked on comes back afterwards. Bounded by the number of keys, however many events arrive (S10). Keeps no
reason: reconciling reads the world.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")


class KeyedQueue(Generic[Key]):
    """First in, first out over distinct keys, with delayed additions."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Key, None] = OrderedDict()
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._filled = asyncio.Event()
        self._resting = asyncio.Event()
        self._resting.set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def resting(self) -> None:
        """Wait until nothing is worked on."""
        await self._resting.wait()

    def add(self, key: Key) -> None:
        """Look at this key soon; cancels a later appointment."""
        self._cancel(key)
        if key in self._working:
            self._again.add(key)
            return
        self._waiting[key] = None
        self._filled.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Look at this key in so many seconds, unless an earlier appointment stands."""
        loop = asyncio.get_running_loop()
        known = self._timers.get(key)
        if key in self._waiting or key in self._again:
            return
        if known is not None and known.when() <= loop.time() + seconds:
            return
        self._cancel(key)
        self._timers[key] = loop.call_later(seconds, self.add, key)

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

    def clear(self) -> None:
        """Forget everything that waits (leadership lost)."""
        self._waiting.clear()
        self._again.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _cancel(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
