"""The clock contract in real time, and what only a wall clock can suffer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from controller.adapters.clock import SystemClock, wall_clock
from controller.ports import Clock
from tests.contracts.clock_contract import ClockContract, Stage, recorder


class WallStage:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.tick = timedelta(milliseconds=20)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 -- a contract waits for what it can see, not for events
            await asyncio.sleep(0.005)


class TestSystemClock(ClockContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        clock = SystemClock()
        yield WallStage(clock)
        await clock.close()

    @pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1)], ids=["back", "ahead"])
    async def test_a_clock_that_is_set_makes_every_job_due(self, jump: timedelta) -> None:
        """Else a clock set back by an hour would stop every loop for that hour."""
        offset = timedelta()

        def wall() -> datetime:
            return wall_clock() + offset

        clock = SystemClock(wall, watch=0.01)
        stage, runs = WallStage(clock), list[str]()
        clock.every("hourly", timedelta(hours=1), recorder(runs, "hourly"))
        with capture_logs() as logs:
            await clock.start()
            await stage.until(lambda: len(runs) == 1)
            offset = jump
            await stage.until(lambda: len(runs) == 2)
        await clock.close()

        (told,) = [entry for entry in logs if entry["event"] == "wall clock was set"]
        assert told["seconds"] == pytest.approx(jump.total_seconds(), abs=1)
