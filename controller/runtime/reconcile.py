"""The leader's work: a queue of workloads, a few workers that reconcile them, and the jobs that wake them.

Promises that an error in one workload costs that workload a pause and nothing else, and that a leader who was
replaced stops all of it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from controller.journal import Behind, Replaced
from controller.observe.passes import Passes
from controller.runtime.queue import KeyedQueue
from detectors.series import Workload

log = structlog.get_logger(__name__)

WORKERS = 4
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """When to look again."""

    requeue_after: timedelta


class Loop(Protocol):
    """What is run for each key."""

    async def reconcile(self, workload: Workload) -> Result:
        """One pass."""
        ...


class Reconciler:
    """Works the queue while leading. `replaced` is called once when the store says that another leads."""

    def __init__(
        self, loop: Loop, queue: KeyedQueue[Workload], passes: Passes, replaced: Callable[[], Awaitable[None]]
    ) -> None:
        self._loop, self._queue, self._passes, self._replaced = loop, queue, passes, replaced
        self._failures: dict[Workload, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def working(self) -> bool:
        """True between start and stop."""
        return bool(self._tasks)

    def start(self) -> None:
        """Begin to work; a second start changes nothing."""
        if self._tasks:
            return
        self._tasks = [asyncio.create_task(self._work(), name=f"reconcile-{index}") for index in range(WORKERS)]

    async def stop(self, patience: float = 2.0) -> None:
        """Stop taking work; what is under way gets `patience` seconds, then is cut off (a crash is safe anyway)."""
        self._queue.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._queue.resting()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._pass(key)
            finally:
                self._queue.done(key)

    async def _pass(self, key: Workload) -> None:
        try:
            result = await self._loop.reconcile(key)
        except Behind:
            self._queue.add(key)
        except Replaced as error:
            log.warning("replaced", epoch=str(error))
            await self._replaced()
        except Exception as error:  # noqa: BLE001 - one workload's error is told of and costs only that workload
            await self._passes.failed("incidents", key, error)
            self._again(key)
        else:
            self._passes.well("incidents", key)
            self._failures.pop(key, None)
            self._queue.add_after(key, result.requeue_after.total_seconds())

    def _again(self, key: Workload) -> None:
        count = self._failures.get(key, 0) + 1
        self._failures[key] = count
        self._queue.add_after(key, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (count - 1)))
