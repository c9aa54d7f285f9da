"""Work of the program beside its jobs: tasks that nobody awaits, and trying again until something is there.

Promises that a task that breaks is logged with its name and stops nothing else, and that work which only waits to be
tried again does not count as busy. Waits on the clock that it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog

from controller.errors import TrimtabError
from controller.ports import Clock

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before the second attempt; each later pause is twice as long, up to the longest."""


class Background:
    """The tasks under way. `later` are short and counted as busy; `forever` are not."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._forever: list[asyncio.Task[None]] = []
        self._short: set[asyncio.Task[None]] = set()
        self._pausing: set[asyncio.Task[Any] | None] = set()

    def forever(self, work: Awaitable[None], name: str) -> None:
        """Run what ends with the program."""
        self._forever.append(asyncio.create_task(_guarded(work, name), name=name))

    def later(self, work: Awaitable[None], name: str) -> asyncio.Task[None]:
        """Run what ends by itself."""
        task = asyncio.create_task(_guarded(work, name), name=name)
        self._short.add(task)
        task.add_done_callback(self._short.discard)
        return task

    @property
    def busy(self) -> set[asyncio.Task[None]]:
        """The short work under way that does not just wait to be tried again."""
        return self._short - self._pausing

    async def insist(
        self,
        work: Callable[[], Awaitable[None]],
        trouble: str,
        *,
        wanted: Callable[[], bool] = lambda: True,
        forgives: type[Exception] = TrimtabError,
        longest: float = LONGEST_PAUSE,
    ) -> None:
        """Do it, again and again while it fails with what is forgiven and is still wanted; `trouble` is logged."""
        wait = FIRST_PAUSE
        while wanted():
            try:
                await work()
            except forgives as error:
                expected = isinstance(error, TrimtabError)
                log.warning(trouble, error=str(error), exc_info=None if expected else error)
                await self._pause(wait)
                wait = min(longest, 2 * wait)
            else:
                return

    async def stop(self) -> None:
        """Cut off all of it."""
        tasks = (*self._forever, *self._short)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pause(self, seconds: float) -> None:
        task = asyncio.current_task()
        self._pausing.add(task)
        try:
            await self._clock.sleep(timedelta(seconds=seconds))
        finally:
            self._pausing.discard(task)


async def _guarded(work: Awaitable[None], name: str) -> None:
    with suppress(asyncio.CancelledError):
        try:
            await work
        except TrimtabError as error:
            log.warning("task failed", task=name, error=str(error))
        except Exception:
            log.exception("task broke", task=name)
