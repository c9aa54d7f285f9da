"""The clock contract in virtual time, and its determinism."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from controller.adapters.memory.clock import BEGIN, VirtualClock
from tests.contracts.clock_contract import ClockContract

MINUTE = timedelta(minutes=1)


class VirtualStage:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.tick = MINUTE

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(10_000):
            if condition():
                return
            await self.clock.advance(self.tick / 4)
        raise AssertionError("it never came")


class TestVirtualClock(ClockContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[VirtualStage]:
        stage = VirtualStage()
        yield stage
        await stage.clock.close()

    async def test_time_stands_still_by_itself(self) -> None:
        clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))
        await asyncio.sleep(0.01)

        assert clock.now() == datetime(2026, 3, 1, tzinfo=UTC)

    def test_a_beginning_without_a_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="time zone"):
            VirtualClock(datetime(2026, 3, 1))  # noqa: DTZ001 -- what must be refused

    async def test_everything_happens_at_its_time_and_in_one_order(self) -> None:
        assert await story() == await story()
        assert (await story())[:6] == ["0 a", "0 b", "1 woke", "1 a", "2 a", "2 b"]

    async def test_one_long_advance_is_many_short_ones(self) -> None:
        assert await story(timedelta(minutes=10)) == await story(timedelta(seconds=7.5), times=80)

    async def test_a_job_that_does_real_io_is_waited_for(self, tmp_path: Path) -> None:
        clock, seen = VirtualClock(), list[datetime]()

        async def job() -> None:
            await asyncio.to_thread(tmp_path.joinpath("x").write_text, "x")
            seen.append(clock.now())

        clock.every("io", MINUTE, job)
        await clock.start()
        await clock.advance(2 * MINUTE)

        assert seen == [BEGIN, BEGIN + MINUTE, BEGIN + 2 * MINUTE]
        await clock.close()

    async def test_a_job_may_sleep_within_subtasks(self) -> None:
        clock, ends = VirtualClock(), list[datetime]()

        async def job() -> None:
            await asyncio.gather(clock.sleep(MINUTE), clock.sleep(2 * MINUTE))
            ends.append(clock.now())

        clock.every("job", timedelta(hours=1), job)
        await clock.start()
        await clock.advance(3 * MINUTE)

        assert ends == [BEGIN + 2 * MINUTE]
        await clock.close()

    async def test_closing_ends_a_job_that_sleeps_on_the_clock(self) -> None:
        clock = VirtualClock()
        clock.every("job", MINUTE, lambda: clock.sleep(timedelta(days=1)))
        await clock.start()
        with capture_logs():
            await clock.advance(MINUTE)

        await clock.close()

    async def test_a_cancelled_sleeper_is_forgotten(self) -> None:
        clock = VirtualClock()
        sleeping = asyncio.create_task(clock.sleep(MINUTE))
        await asyncio.sleep(0)
        sleeping.cancel()
        await asyncio.gather(sleeping, return_exceptions=True)

        await clock.advance(2 * MINUTE)


async def story(step: timedelta = timedelta(minutes=10), times: int = 1) -> list[str]:
    """Two jobs and a sleeper over ten minutes; what happened at which minute."""
    clock, told = VirtualClock(), list[str]()

    def tell(what: str) -> None:
        told.append(f"{(clock.now() - BEGIN) // MINUTE} {what}")

    async def a() -> None:
        tell("a")

    async def b() -> None:
        tell("b")

    async def sleeper() -> None:
        await clock.sleep(MINUTE)
        tell("woke")

    clock.every("a", MINUTE, a)
    clock.every("b", 2 * MINUTE, b)
    sleeping = asyncio.create_task(sleeper())
    await asyncio.sleep(0)
    await clock.start()
    for _ in range(times):
        await clock.advance(step)
    await sleeping
    await clock.close()
    return told
