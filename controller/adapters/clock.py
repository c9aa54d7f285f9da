"""The Clock on the wall, with APScheduler for what repeats.

APScheduler waits for wall-clock times, so a clock that is set back by an hour would stop every loop for an hour. Here
a watch compares the wall clock with the monotonic one and makes all jobs due when the two part. APScheduler also
cancels what runs when it is shut down; here `close` waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

log = structlog.get_logger(__name__)

WATCH = 1.0
"""Seconds between two looks at whether the wall clock was set."""

SET = timedelta(seconds=2)
"""How far the wall clock must leave the monotonic one to count as set."""


def wall_clock() -> datetime:
    """Aware UTC time of this machine."""
    return datetime.now(UTC)


class SystemClock:
    """A Clock in real time."""

    def __init__(self, wall: Callable[[], datetime] = wall_clock, watch: float = WATCH) -> None:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # what it says of every run is told here, once
        self._wall = wall
        self._watch_every = watch
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._scheduler.add_listener(overrun, EVENT_JOB_MAX_INSTANCES)
        self._running: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._closed = False

    def now(self) -> datetime:
        """Aware UTC time."""
        return self._wall()

    async def sleep(self, duration: timedelta) -> None:
        """Wait; by the monotonic clock."""
        await asyncio.sleep(duration.total_seconds())

    def every(self, name: str, period: timedelta, job: Callable[[], Awaitable[None]]) -> None:
        """Add a job; the first run is due at the start."""
        if self._scheduler.get_job(name) is not None:
            raise ValueError(f"there is a job {name} already")

        async def run() -> None:
            if not self._closed:
                await self._run(name, job)

        seconds = period.total_seconds()
        self._scheduler.add_job(run, "interval", seconds=seconds, id=name, next_run_time=wall_clock())

    async def start(self) -> None:
        """Begin the jobs."""
        self._scheduler.start()
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """End the jobs; waits for those that run (if the waiting is cancelled, so are they)."""
        self._closed = True
        if self._watching is not None:
            self._watching.cancel()
        if self._scheduler.running:
            self._scheduler.pause()
            await asyncio.gather(*(self._running - {asyncio.current_task()}), return_exceptions=True)
            self._scheduler.shutdown(wait=False)

    async def _run(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await job()
        except asyncio.CancelledError:
            if not self._closed:
                raise
            log.info("job cut off", job=name)
        except Exception:
            log.exception("job failed", job=name)
        finally:
            self._running.discard(task)

    async def _watch(self) -> None:
        """Make every job due when the wall clock was set, in either direction."""
        apart = self._apart()
        while True:
            await asyncio.sleep(self._watch_every)
            now_apart = self._apart()
            if abs(now_apart - apart) > SET:
                log.warning("wall clock was set", seconds=(now_apart - apart).total_seconds())
                for job in self._scheduler.get_jobs():
                    job.modify(next_run_time=wall_clock())
                apart = now_apart

    def _apart(self) -> timedelta:
        return self._wall() - datetime.fromtimestamp(time.monotonic(), UTC)


def overrun(event: JobSubmissionEvent) -> None:
    """A job was due while it still ran: say so, and let it run."""
    log.warning("job still runs", job=event.job_id)
