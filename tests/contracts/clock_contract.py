"""What every Clock promises, run on each: on the wall, and in virtual time that the test moves."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

import pytest
from structlog.testing import capture_logs

from controller.ports import Clock


class Stage(Protocol):
    """A clock whose time passes. `tick` is a period that is short for it."""

    tick: timedelta

    @property
    def clock(self) -> Clock:
        """What is tested."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until the condition holds."""


class ClockContract:
    """Subclasses give the fixture `stage`."""

    async def test_now_is_utc_and_moves_on(self, stage: Stage) -> None:
        begin = stage.clock.now()
        assert begin.utcoffset() == timedelta()

        await stage.until(lambda: stage.clock.now() > begin)

    async def test_sleeping_takes_at_least_that_long(self, stage: Stage) -> None:
        begin = stage.clock.now()

        sleeping = asyncio.create_task(stage.clock.sleep(stage.tick))
        await stage.until(sleeping.done)

        assert stage.clock.now() - begin >= stage.tick * 0.99

    async def test_nothing_runs_before_the_start(self, stage: Stage) -> None:
        runs: list[str] = []
        stage.clock.every("job", stage.tick, recorder(runs, "job"))

        begin = stage.clock.now()
        await stage.until(lambda: stage.clock.now() - begin > 3 * stage.tick)

        assert runs == []

    async def test_a_job_runs_at_the_start_and_again_each_period(self, stage: Stage) -> None:
        runs: list[str] = []
        stage.clock.every("often", stage.tick, recorder(runs, "often"))
        stage.clock.every("rarely", stage.tick * 1000, recorder(runs, "rarely"))

        await stage.clock.start()
        await stage.until(lambda: runs.count("often") >= 4)

        assert runs.count("rarely") == 1

    async def test_a_job_may_join_after_the_start(self, stage: Stage) -> None:
        runs: list[str] = []
        await stage.clock.start()
        stage.clock.every("late", stage.tick, recorder(runs, "late"))

        await stage.until(lambda: len(runs) >= 2)

    async def test_a_slow_job_never_runs_twice_at_once_and_catches_up_with_one_run(self, stage: Stage) -> None:
        inside, most, runs = 0, 0, 0

        async def slow() -> None:
            nonlocal inside, most, runs
            inside, runs = inside + 1, runs + 1
            most = max(most, inside)
            await stage.clock.sleep(stage.tick * 5)
            inside -= 1

        others: list[str] = []
        stage.clock.every("slow", stage.tick, slow)
        stage.clock.every("other", stage.tick, recorder(others, "other"))
        with capture_logs():
            await stage.clock.start()
            await stage.until(lambda: runs >= 3)

        assert most == 1
        assert len(others) > runs, "a slow job does not hold up the others"

    async def test_an_error_is_logged_and_does_not_end_the_schedule(self, stage: Stage) -> None:
        runs: list[str] = []

        async def fails() -> None:
            runs.append("x")
            raise RuntimeError("on purpose")

        stage.clock.every("fails", stage.tick, fails)
        with capture_logs() as logs:
            await stage.clock.start()
            await stage.until(lambda: len(runs) >= 3)

        failed = [entry for entry in logs if entry["event"] == "job failed"]
        assert len(failed) >= 2
        assert {(entry["job"], entry["log_level"], entry["exc_info"]) for entry in failed} == {("fails", "error", True)}

    async def test_a_name_serves_once(self, stage: Stage) -> None:
        stage.clock.every("job", stage.tick, recorder([], "job"))

        with pytest.raises(ValueError, match="job"):
            stage.clock.every("job", stage.tick, recorder([], "job"))

    async def test_closing_waits_for_a_running_job_and_starts_nothing_more(self, stage: Stage) -> None:
        running, go_on = asyncio.Event(), asyncio.Event()
        story: list[str] = []

        async def job() -> None:
            story.append("begun")
            running.set()
            await go_on.wait()
            story.append("ended")

        stage.clock.every("job", stage.tick, job)
        await stage.clock.start()
        passing = asyncio.create_task(stage.until(running.is_set))
        await running.wait()

        closing = asyncio.create_task(stage.clock.close())
        for _ in range(50):
            await asyncio.sleep(0)
        assert not closing.done()
        go_on.set()
        await closing
        await passing

        assert story == ["begun", "ended"]
        begin = stage.clock.now()
        await stage.until(lambda: stage.clock.now() - begin > 3 * stage.tick)
        assert story == ["begun", "ended"]

    async def test_closing_what_never_started_is_quiet(self, stage: Stage) -> None:
        await stage.clock.close()


def recorder(runs: list[str], name: str) -> Callable[[], Awaitable[None]]:
    async def record() -> None:
        runs.append(name)

    return record
