"""The Clock of the lab: the program and the physics share one virtual time.

Promises that time moves only when everybody is quiet (`quiet`: watches, queue, answers, jobs), that it stops at every
time at which something is due, sleepers before jobs and jobs in the order in which they were added, and that the
physics is taken exactly to each of these times first. While a person is waited for (`attended`) a second lasts a
second; otherwise as short as the work allows, or as `pace` virtual seconds to a real one. Never polls faster than
`LOOK`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from controller.virtual import VirtualTime, turns

LOOK = 0.2
"""Longest real seconds between two looks at whether a person still is waited for."""

TURNS = 5
"""Turns of the event loop after which whoever was woken has begun to do something that `quiet` knows of."""


async def at_once() -> None:
    """Nobody else is to be waited for."""


def nobody() -> bool:
    """No person is waited for."""
    return False


class LabClock(VirtualTime):
    """A Clock that `run` moves. `move` takes the physics to a time; `pace` None is as fast as the work allows."""

    def __init__(
        self,
        begin: datetime,
        move: Callable[[datetime], None],
        *,
        quiet: Callable[[], Awaitable[None]] = at_once,
        attended: Callable[[], bool] = nobody,
        pace: float | None = None,
    ) -> None:
        super().__init__(begin)
        self._move = move
        self.quiet, self.attended, self.pace = quiet, attended, pace
        self._debt = 0.0

    async def advance(self, duration: timedelta = timedelta()) -> None:
        """Move on by so much, through everything that is due on the way."""
        await self.run(self._now + duration)

    async def run(self, until: datetime, stop: Callable[[], bool] = nobody) -> None:
        """Move on to a time, or until `stop` says so at one of the times at which something was due."""
        await self._settled()
        while not stop():
            due = self._next()
            last = due is None or due > until
            arrived = await self._reach(until if due is None or last else due)
            if arrived and not last:
                await self._happen()
            await self._settled()
            if arrived and last:
                return

    async def _settled(self) -> None:
        """Let everybody go on until nobody has anything left to do now."""
        await turns(TURNS)
        await self.quiet()

    async def _reach(self, due: datetime) -> bool:
        """Come to a time, physics first; False when something nearer may have become due on the way."""
        while self._now < due:
            if self.attended():
                await self._a_moment(due)
                return self._now >= due
            await self._paced(due - self._now)
            self._to(due)
        return True

    async def _a_moment(self, due: datetime) -> None:
        """Real time: the world goes on while a person thinks."""
        began = time.monotonic()
        await asyncio.sleep(min(LOOK, (due - self._now).total_seconds()))
        self._to(min(due, self._now + timedelta(seconds=time.monotonic() - began)))

    async def _paced(self, distance: timedelta) -> None:
        """Hold back to the pace; small waits are saved up."""
        if self.pace is None:
            return
        self._debt += distance.total_seconds() / self.pace
        if self._debt >= LOOK / 4:
            wait, self._debt = self._debt, 0.0
            await asyncio.sleep(wait)

    def _to(self, at: datetime) -> None:
        self._move(at)
        self._now = at

    async def _wake(self) -> None:
        await super()._wake()
        await self._settled()
