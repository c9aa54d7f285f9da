"""The Clock in virtual time: it stands still until a test or the lab moves it, and then everything happens in one
fixed order.

It promises that `advance` visits each due time once, sleepers before jobs and jobs in the order in which they were
added, and goes on only when every started job has ended or sleeps on this clock. Work that is neither a job nor
asleep here gets a few turns of the event loop, no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger(__name__)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

TURNS = 25
"""Turns of the event loop that everybody else gets at each due time."""


@dataclass(eq=False, slots=True)
class Job:
    """Something that repeats. `idle` is set while it does not run, or sleeps on this clock."""

    name: str
    period: timedelta
    work: Callable[[], Awaitable[None]]
    due: datetime
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


@dataclass(eq=False, slots=True)
class Sleeper:
    """Somebody who waits, and the job that this is part of."""

    until: datetime
    awake: asyncio.Event
    job: Job | None


_current: ContextVar[Job | None] = ContextVar("_current", default=None)


class VirtualClock:
    """A Clock that `advance` moves."""

    def __init__(self, begin: datetime = BEGIN) -> None:
        if begin.tzinfo is None:
            raise ValueError(f"{begin!r} has no time zone")
        self._now = begin.astimezone(UTC)
        self._jobs: dict[str, Job] = {}
        self._sleepers: list[Sleeper] = []
        self._started = False

    def now(self) -> datetime:
        """Virtual UTC time."""
        return self._now

    async def sleep(self, duration: timedelta) -> None:
        """Wait until the clock was moved that far; a duration of nothing gives others a turn."""
        if duration <= timedelta():
            await asyncio.sleep(0)
            return
        sleeper = Sleeper(self._now + duration, asyncio.Event(), _current.get())
        self._sleepers.append(sleeper)
        if sleeper.job is not None:
            sleeper.job.idle.set()
        try:
            await sleeper.awake.wait()
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)

    def every(self, name: str, period: timedelta, job: Callable[[], Awaitable[None]]) -> None:
        """Add a job; the first run is due at the start, or now."""
        if name in self._jobs:
            raise ValueError(f"there is a job {name} already")
        self._jobs[name] = Job(name, period, job, self._now)

    async def start(self) -> None:
        """Begin the jobs: they are due, and run with the next `advance`."""
        self._started = True
        for job in self._jobs.values():
            job.due = self._now

    async def advance(self, duration: timedelta = timedelta()) -> None:
        """Move on, stopping at every time at which something is due."""
        end = self._now + duration
        while (due := self._next()) is not None and due <= end:
            self._now = max(self._now, due)
            await self._wake()
            for job in tuple(self._jobs.values()):
                if self._started and job.due <= self._now:
                    await self._run(job)
        self._now = end
        await turns()

    async def close(self) -> None:
        """End the jobs; waits for a running one, and ends one that sleeps here: nobody will move the clock any more."""
        self._started = False
        tasks = {job.task for job in self._jobs.values()} - {None, asyncio.current_task()}
        for sleeper in tuple(self._sleepers):
            if sleeper.job is not None and sleeper.job.task is not None:
                sleeper.job.task.cancel()
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)

    def _next(self) -> datetime | None:
        jobs = [job.due for job in self._jobs.values()] if self._started else []
        return min([*jobs, *(sleeper.until for sleeper in self._sleepers)], default=None)

    async def _wake(self) -> None:
        ready = sorted((s for s in self._sleepers if s.until <= self._now), key=lambda sleeper: sleeper.until)
        for sleeper in ready:
            self._sleepers.remove(sleeper)
            job = sleeper.job
            if job is not None and not any(other.job is job for other in self._sleepers):
                job.idle.clear()
            sleeper.awake.set()
            await turns()
            if job is not None:
                await job.idle.wait()

    async def _run(self, job: Job) -> None:
        late = (self._now - job.due) // job.period
        job.due += job.period * (late + 1)
        if job.task is not None:
            log.warning("job still runs", job=job.name)
            return
        job.idle.clear()
        job.task = asyncio.create_task(self._work(job))
        await job.idle.wait()
        await turns()

    async def _work(self, job: Job) -> None:
        _current.set(job)
        try:
            await job.work()
        except Exception:
            log.exception("job failed", job=job.name)
        finally:
            job.task = None
            job.idle.set()


async def turns() -> None:
    """Let everybody else go on."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
