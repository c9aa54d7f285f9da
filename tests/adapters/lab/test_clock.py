"""The clock contract in the lab's time; who it waits for, and when it lasts as long as on the wall."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from controller.adapters.lab.clock import LabClock
from controller.runtime.queue import KeyedQueue
from tests.contracts.clock_contract import ClockContract

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def still(at: datetime) -> None:
    """Physics without anything in it."""


class LabStage:
    def __init__(self) -> None:
        self.clock = LabClock(BEGIN, still)
        self.tick = MINUTE

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(10_000):
            if condition():
                return
            await self.clock.advance(self.tick / 4)
        raise AssertionError("it never came")


class TestLabClock(ClockContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[LabStage]:
        stage = LabStage()
        yield stage
        await stage.clock.close()


async def test_the_physics_comes_to_each_due_time_before_the_job_that_looks_at_it() -> None:
    told: list[str] = []
    clock = LabClock(BEGIN, lambda at: told.append(f"{(at - BEGIN) // SECOND} world"))

    async def job() -> None:
        told.append(f"{(clock.now() - BEGIN) // SECOND} job")

    clock.every("job", MINUTE, job)
    await clock.start()
    await clock.advance(2 * MINUTE)

    assert told == ["0 job", "60 world", "60 job", "120 world", "120 job"]
    await clock.close()


async def test_time_waits_for_whoever_is_not_quiet() -> None:
    clock = LabClock(BEGIN, still)
    queue: KeyedQueue[str] = KeyedQueue(clock)
    clock.quiet = queue.drained
    seen: list[datetime] = []

    async def work() -> None:
        while True:
            key = await queue.get()
            await asyncio.sleep(0.02)
            seen.append(clock.now())
            queue.add_after(key, 10)
            queue.done(key)

    working = asyncio.create_task(work())
    queue.add("a")
    await clock.advance(30 * SECOND)

    assert seen == [BEGIN + n * 10 * SECOND for n in range(4)]
    working.cancel()
    queue.clear()


async def test_while_a_person_is_waited_for_a_second_lasts_a_second() -> None:
    attended = True
    clock = LabClock(BEGIN, still, attended=lambda: attended)
    loop = asyncio.get_running_loop()
    begin = loop.time()

    running = asyncio.create_task(clock.run(BEGIN + timedelta(hours=1)))
    await asyncio.sleep(0.5)
    moved = (clock.now() - BEGIN).total_seconds()
    assert 0 < moved <= loop.time() - begin

    attended = False
    await running
    assert clock.now() == BEGIN + timedelta(hours=1)


async def test_a_pace_holds_it_back() -> None:
    clock, loop = LabClock(BEGIN, still, pace=300.0), asyncio.get_running_loop()
    clock.every("job", SECOND, nothing)
    await clock.start()

    begin = loop.time()
    await clock.advance(MINUTE)

    assert loop.time() - begin >= 0.1
    await clock.close()


async def test_it_stops_where_it_is_told_to() -> None:
    clock = LabClock(BEGIN, still)
    clock.every("job", MINUTE, nothing)
    await clock.start()

    await clock.run(BEGIN + timedelta(hours=1), lambda: clock.now() >= BEGIN + 5 * MINUTE)

    assert clock.now() == BEGIN + 5 * MINUTE
    await clock.close()


async def test_a_task_that_outlives_the_job_it_came_from_holds_nobody_up() -> None:
    clock, woke = LabClock(BEGIN, still), list[datetime]()
    children: list[asyncio.Task[None]] = []

    async def child() -> None:
        await clock.sleep(90 * SECOND)
        woke.append(clock.now())

    async def job() -> None:
        if not children:
            children.append(asyncio.create_task(child()))

    clock.every("job", MINUTE, job)
    await clock.start()
    await clock.advance(3 * MINUTE)

    assert woke == [BEGIN + 90 * SECOND]
    await clock.close()


async def nothing() -> None:
    """A job with nothing to do."""
