"""Worker processes: heavy arithmetic off the event loop.

Started by forkserver, so that they inherit no sockets, threads or locks; heavy libraries are imported only there. A
worker that dies costs one round, not the program. With 0 workers the work runs in a thread.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import TypeVar

import structlog

log = structlog.get_logger(__name__)

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")


class Workers:
    """A pool of `count` processes, made anew when it breaks."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = self._make()

    def _make(self) -> Executor:
        if self._count == 0:
            return ThreadPoolExecutor(1, thread_name_prefix="worker")
        context = multiprocessing.get_context("forkserver")
        return ProcessPoolExecutor(self._count, mp_context=context, initializer=end_with_parent)

    async def run(self, work: Callable[[Argument], Answer], argument: Argument) -> Answer:
        """Run a module-level function of one picklable argument; raises what it raises, BrokenProcessPool when a
        worker died.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, argument)
        except BrokenProcessPool:
            log.warning("worker died", remedy="a new one is started; look at the memory limit if this repeats")
            self._pool = self._make()
            raise

    def close(self) -> None:
        """End the processes; work under way is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def end_with_parent() -> None:
    """In a worker: end when the program does, even by SIGKILL. A pool's worker would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
