"""Virtual time: what every clock shares that stands still until it is moved.

Promises that sleepers wake before jobs run, jobs in the order in which they were added, and that whoever was begun has
ended or sleeps on this clock before the next one goes. How it moves, and who else is to be waited for, is for the
adapters to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger(__name__)

TURNS = 25
"""Turns of the event loop after which whoever was woken has gone on as far as it can by itself, as a rule."""


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


class VirtualTime:
    """The Clock but for what moves it."""

    def __init__(self, begin: datetime) -> None:
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
        """Begin the jobs: they are due, and run when the clock is moved next."""
        self._started = True
        for job in self._jobs.values():
            job.due = self._now

    async def close(self) -> None:
        """End the jobs; waits for a running one, and ends one that sleeps here: nobody will move the clock any more."""
        self._started = False
        tasks = {job.task for job in self._jobs.values()} - {None, asyncio.current_task()}
        for sleeper in tuple(self._sleepers):
            if sleeper.job is not None and sleeper.job.task is not None:
                sleeper.job.task.cancel()
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)

    async def _happen(self) -> None:
        """What is due now."""
        await self._wake()
        for job in tuple(self._jobs.values()):
            if self._started and job.due <= self._now:
                await self._run(job)

    async def _others(self) -> None:
        """Let those go on whom this clock does not know."""

    def _next(self) -> datetime | None:
        jobs = [job.due for job in self._jobs.values()] if self._started else []
        return min([*jobs, *(sleeper.until for sleeper in self._sleepers)], default=None)

    async def _wake(self) -> None:
        ready = sorted((s for s in self._sleepers if s.until <= self._now), key=lambda sleeper: sleeper.until)
        for sleeper in ready:
            self._sleepers.remove(sleeper)
            job = sleeper.job if sleeper.job is not None and sleeper.job.task is not None else None
            if job is not None and not any(other.job is job for other in self._sleepers):
                job.idle.clear()
            sleeper.awake.set()
            await self._others()
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
        await self._others()

    async def _work(self, job: Job) -> None:
        _current.set(job)
        try:
            await job.work()
        except Exception:
            log.exception("job failed", job=job.name)
        finally:
            job.task = None
            job.idle.set()


async def turns(count: int = TURNS) -> None:
    """Let everybody else go on."""
    for _ in range(count):
        await asyncio.sleep(0)
