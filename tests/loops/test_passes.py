"""One workload's trouble costs the other workloads nothing, and is told (S33)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from controller.core.events import RolloutBegan
from controller.errors import ApiUnavailable, Denied
from controller.journal import Behind, Replaced
from controller.kinds import EVENTS
from controller.observe.arms import Arms
from controller.observe.demand import Demanded
from controller.observe.passes import Passes
from controller.runtime.reconcile import Reconciler, Result
from detectors.results import Verdict
from detectors.series import Workload
from tests.loops.canary import GOOD, Canaried
from tests.loops.floors import FloorStage, Numbers
from tests.loops.stage import MINUTE, Stage


@dataclass
class Broken(Numbers):
    """Numbers that break for one workload, as long as `broken` says so."""

    broken: Callable[[Workload], bool] = lambda _: False

    def of(self, workload: Workload) -> Demanded | None:
        if self.broken(workload):
            raise IndexError("tuple index out of range")
        return super().of(workload)


class BrokenArms(Arms):
    """Arms that break for one workload."""

    async def verdict(self, workload: Workload, *rest: Any) -> Verdict:
        if workload.name == "checkout":
            raise ValueError("operands could not be broadcast together")
        return await super().verdict(workload, *rest)


def failures(loop: str) -> float:
    return REGISTRY.get_sample_value("trimtab_passes_failed_total", {"loop": loop}) or 0.0


def told(stage: Stage) -> list[tuple[str, str]]:
    """What Events have said of a pass that failed: about whom, and what; once for each time it was said."""
    found = [event for event in stage.objects.all(EVENTS) if event["reason"] == "PassFailed"]
    return [
        (str(event["regarding"]["name"]), str(event["note"]))
        for event in found
        for _ in range(event.get("series", {}).get("count", 1))
    ]


async def test_one_workload_that_breaks_the_scaling_loop_costs_the_others_nothing() -> None:
    async with FloorStage(services=3) as stage:
        broken, first, last = stage.checkout, *stage.workloads[1:]
        stage.numbers = Broken(broken=lambda workload: workload == broken)
        for name in (first.name, last.name):
            stage.policy(name, "Observe")
        stage.start()
        await stage.lead()
        before = failures("scaling")
        for workload in stage.workloads:
            stage.numbers.wanted[workload] = 6
        with capture_logs():
            await stage.run(timedelta(seconds=45))

        assert [stage.least(workload) for workload in stage.workloads] == [2, 6, 6]
        assert failures("scaling") == before + 3
        assert stage.held_condition() == ("False", "NotLooked")


async def test_a_trouble_is_told_once_on_its_workload_until_it_is_over() -> None:
    async with FloorStage() as stage:
        numbers = stage.numbers = Broken(broken=lambda _: True)
        stage.start()
        await stage.lead()
        with capture_logs():
            await stage.run(MINUTE)
        (event,) = told(stage)
        assert event == (
            "checkout",
            "the scaling loop cannot look after it: an error nobody expected, IndexError: see the log",
        )

        numbers.broken = lambda _: False
        await stage.needs(6)
        assert stage.least() == 6
        numbers.broken = lambda _: True
        with capture_logs():
            await stage.run(MINUTE)
        assert len(told(stage)) == 2


async def test_one_rollout_that_cannot_be_judged_leaves_the_others_judged() -> None:
    async with Canaried(services=2) as stage:
        await stage.calm()
        stage.policy("service-1", "Observe")
        rooms = stage.program.rooms
        stage.program.rollouts = replace(
            stage.program.rollouts, arms=BrokenArms(rooms.arms.metrics, rooms.arms.workers, rooms.arms.scrape)
        )
        stage.slow = True
        for workload in stage.workloads:
            stage.roll(GOOD, workload)
        with capture_logs():
            await stage.run(2 * MINUTE, timedelta(seconds=15))

        rows = await stage.store.follow(0, 10_000)
        began = [row.stream for row in rows if isinstance(row.event, RolloutBegan)]
        assert sorted(began) == sorted(f"rollout:{workload.key}" for workload in stage.workloads)
        assert stage.program.rollouts.arms.latest.keys() == {stage.workloads[1]}
        assert [name for name, _ in told(stage)] == ["checkout"]


@pytest.mark.parametrize(
    ("error", "events"),
    [(ApiUnavailable("away"), 0), (Denied("no"), 1), (ValueError("?"), 1)],
    ids=["comes and goes", "stays until somebody acts", "nobody expected it"],
)
async def test_what_passes_by_itself_is_counted_and_no_event(error: Exception, events: int) -> None:
    async with Stage() as stage:
        passes, before = stage.program.rooms.passes, failures("rollouts")
        with capture_logs():
            for _ in range(3):
                assert await passes.over("rollouts", stage.checkout, failing(error))

        assert failures("rollouts") == before + 3
        assert len(told(stage)) == events


async def test_a_replaced_leader_stops_and_one_that_fell_behind_looks_again() -> None:
    async with Stage() as stage:
        passes = stage.program.rooms.passes
        with pytest.raises(Replaced):
            await passes.over("scaling", stage.checkout, failing(Replaced("7")))
        assert await passes.over("scaling", stage.checkout, failing(Behind("floor")))
        assert told(stage) == []


async def test_that_it_cannot_be_told_ends_no_round_and_is_tried_again() -> None:
    async with Stage() as stage:
        stage.resources = cast("Any", Deaf(stage.resources))
        passes = Passes(stage.resources)
        with capture_logs():
            await passes.over("scaling", stage.checkout, failing(ValueError("?")))
            assert told(stage) == []
            await passes.over("scaling", stage.checkout, failing(ValueError("?")))
        assert len(told(stage)) == 1


async def test_a_workload_whose_repair_breaks_is_told_of_too_and_tried_again() -> None:
    """The same promise for the loop that works a queue."""
    async with Stage() as stage:
        tried: list[datetime] = []

        class Breaking:
            async def reconcile(self, workload: Workload) -> Result:
                tried.append(stage.clock.now())
                raise ValueError("?")

        program = stage.program

        async def replaced() -> None:
            raise AssertionError("nobody replaced it")

        reconciler = Reconciler(Breaking(), program.queue, program.rooms.passes, replaced)
        reconciler.start()
        program.queue.add(stage.checkout)
        with capture_logs():
            for _ in range(5):
                await program.queue.drained()
                await stage.clock.advance(timedelta(seconds=2))
        await reconciler.stop(0.0)

        assert len(tried) >= 2
        assert len(told(stage)) == 1


async def failing(error: Exception) -> None:
    raise error


class Deaf:
    """Resources whose first Event is lost."""

    def __init__(self, resources: Any) -> None:
        self.resources, self.lost = resources, False

    async def record(self, *said: Any) -> None:
        if not self.lost:
            self.lost = True
            raise ApiUnavailable("away")
        await self.resources.record(*said)
