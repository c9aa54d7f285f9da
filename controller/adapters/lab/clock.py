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
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger(__name__)

LOOK = 0.2
"""Longest real seconds between two looks at whether a person still is waited for."""

TURNS = 5
"""Turns of the event loop after which whoever was woken has begun to do something that `quiet` knows of."""


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


async def at_once() -> None:
    """Nobody else is to be waited for."""


def nobody() -> bool:
    """No person is waited for."""
    return False


class LabClock:
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
        if begin.tzinfo is None:
            raise ValueError(f"{begin!r} has no time zone")
        self._now = begin.astimezone(UTC)
        self._move = move
        self.quiet, self.attended, self.pace = quiet, attended, pace
        self._jobs: dict[str, Job] = {}
        self._sleepers: list[Sleeper] = []
        self._started = False
        self._debt = 0.0

    # the port

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

    # what moves it

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

    async def _happen(self) -> None:
        """What is due now."""
        await self._wake()
        for job in tuple(self._jobs.values()):
            if self._started and job.due <= self._now:
                await self._run(job)

    async def _settled(self) -> None:
        """Let everybody go on until nobody has anything left to do now."""
        await turns()
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
            if job is not None:
                await job.idle.wait()
        await self._settled()

    async def _run(self, job: Job) -> None:
        late = (self._now - job.due) // job.period
        job.due += job.period * (late + 1)
        if job.task is not None:
            log.warning("job still runs", job=job.name)
            return
        job.idle.clear()
        job.task = asyncio.create_task(self._work(job))
        await job.idle.wait()

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
