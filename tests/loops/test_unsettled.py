"""A write that cannot be brought to its end is told to a person, once, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.events import Decided, HandedOver, Undone, Via
from controller.ports import Notice
from detectors.series import Workload
from remediations.cluster import ApplyResult, Gone, Refused, Unreadable, World
from remediations.memory import Losing
from remediations.plan import Outcome
from tests.loops.floors import FloorStage
from tests.loops.stage import MINUTE, NOOR, Stage
from tests.loops.test_incidents import asked, raised

NO = Refused("Forbidden", "trimtab may not patch deployments in shop")


class Forbidding:
    """Stands in the place of a cluster's fence: the rights are gone until they are given back."""

    def __init__(self, stage: Stage, answer: ApplyResult = NO) -> None:
        self.before, self.answer, self.given = stage.cluster.fence, answer, False
        stage.cluster.fence = self  # type: ignore[method-assign,assignment]  # the one call that is refused

    async def __call__(self, *asked: object) -> ApplyResult:
        return await self.before(*asked) if self.given else self.answer  # type: ignore[arg-type]  # passed on as they are


async def left_open(stage: Stage) -> Forbidding:
    """The change is in, its answer was lost, and the rights were taken away."""
    await asked(stage)
    stage.cluster.disturb(Losing(applied=True))
    rights = Forbidding(stage)
    await stage.click("approve")
    await stage.tick()
    assert (await stage.incident()).intent is not None
    return rights


async def test_a_write_that_may_not_be_settled_pages_once_with_what_stands_and_why() -> None:
    async with Stage() as stage:
        await left_open(stage)
        await stage.run(10 * MINUTE)

        (handed,) = await stage.events(HandedOver)
        assert handed.reasons[0].endswith("UTC is not settled: Forbidden: trimtab may not patch deployments in shop")
        assert handed.reasons[1] == "the change may be in force or not: nobody heard"
        assert len(stage.pager.sent) == 1
        assert "is not settled" in stage.pager.sent[0].details["reasons"]
        await stage.crashed()
        await stage.run(5 * MINUTE)
        assert len(stage.pager.sent) == 1


async def test_it_is_settled_as_soon_as_the_rights_are_back() -> None:
    async with Stage() as stage:
        rights = await left_open(stage)
        await stage.run(2 * MINUTE)
        rights.given = True
        await stage.run(8 * MINUTE)

        incident = await stage.incident()
        assert incident.action is not None
        assert incident.action.outcome is Outcome.EFFECTIVE
        assert len(stage.effects) == 1
        assert [notice.resolved for notice in stage.pager.sent] == [False, True]


async def test_a_workload_that_cannot_be_read_for_minutes_with_a_write_open_is_told_too() -> None:
    async with Stage() as stage:
        rights = await left_open(stage)
        rights.given = True
        stage.cluster.break_reading("connection refused")
        await stage.tick()
        assert await stage.events(HandedOver) == []
        for _ in range(8):
            await stage.clock.advance(MINUTE)
            await stage.loop.reconcile(stage.checkout)
        await stage.program.publisher.deliver()

        (handed,) = await stage.events(HandedOver)
        assert "the workload cannot be read: connection refused" in handed.reasons[0]
        assert len(stage.pager.sent) == 1


async def test_an_undo_that_may_not_be_settled_pages_though_its_incident_is_over() -> None:
    async with Stage() as stage:
        await raised(stage)
        await stage.run(8 * MINUTE)
        assert (await stage.incident()).closed is not None
        await stage.program.door.undo("INC-1", NOOR, Via.CLI, stage.clock.now(), access=stage.access)
        stage.cluster.disturb(Losing(applied=True))
        rights = Forbidding(stage)
        await stage.run(3 * MINUTE)
        (paged,) = told(stage)
        assert not paged.resolved
        assert "taking the change back may be in force" in paged.details["reasons"]

        rights.given = True
        await stage.run(MINUTE)
        assert [event.restored for event in await stage.events(Undone)] == [True]
        assert [notice.resolved for notice in told(stage)] == [False, True]


def told(stage: Stage) -> list[Notice]:
    """What the pager heard of the first incident."""
    return [notice for notice in stage.pager.sent if notice.key == "INC-1"]


@pytest.mark.parametrize("minutes", [1, 10])
async def test_a_leader_that_is_only_the_older_one_pages_nobody_at_once(minutes: int) -> None:
    """The next one settles it; only what stays open for minutes is told."""
    async with Stage() as stage:
        rights = await left_open(stage)
        rights.answer = Refused("Fenced", "epoch 9 stands")
        before = len(await stage.events(HandedOver))
        await stage.run(minutes * MINUTE)
        assert len(await stage.events(HandedOver)) - before <= (minutes > 5)


async def test_a_floor_whose_write_may_not_be_settled_says_why_in_log_event_and_status() -> None:
    async with FloorStage() as stage:
        stage.cluster.disturb(Losing(applied=True))
        rights = Forbidding(stage)
        await stage.needs(6)
        await stage.run(3 * MINUTE)

        assert stage.floor().intent is not None
        (reason,) = [r for event in await decisions(stage) for r in event.reasons if r.code == "unsettled"]
        assert "is not settled: Forbidden: trimtab may not patch deployments in shop" in reason.message
        assert stage.said().message == reason.message
        assert stage.events_told() == ["FloorWaits"]

        rights.given = True
        await stage.run(MINUTE)
        assert stage.floor().intent is None
        assert stage.held_condition() == ("True", "Held")
        assert len(stage.effects) == 1


async def test_a_floor_whose_autoscaler_cannot_be_read_for_minutes_says_so() -> None:
    async with FloorStage() as stage:
        stage.cluster.disturb(Losing(applied=True))
        await stage.needs(6)
        stage.cluster.break_reading("connection refused")
        for _ in range(6):
            await stage.clock.advance(MINUTE)
            await stage.scaling.round()

        (reason,) = [r for event in await decisions(stage) for r in event.reasons if r.code == "unsettled"]
        assert "the autoscaler cannot be read: connection refused" in reason.message


@pytest.mark.parametrize("undo", [False, True], ids=["hold", "release"])
async def test_a_floor_whose_write_is_never_answered_is_told_once(undo: bool) -> None:
    async with FloorStage() as stage:
        if undo:
            await stage.needs(6)
            stage.scale_by("Off")
        stage.cluster.disturb(*[Losing(applied=False)] * 40)
        before = stage.events_told()
        await (stage.tick() if undo else stage.needs(6))
        await stage.run(8 * MINUTE)

        assert stage.floor().intent is not None
        (reason,) = [r for event in await decisions(stage) for r in event.reasons if r.code == "unsettled"]
        assert "whether it was written is not known: no answer: the connection broke off" in reason.message
        assert stage.events_told() == [*before, "FloorWaits"]


@pytest.mark.parametrize("undo", [False, True], ids=["hold", "release"])
async def test_a_floor_whose_autoscaler_is_always_read_too_slowly_is_told_once(undo: bool) -> None:
    async with FloorStage() as stage:
        if undo:
            await stage.needs(6)
            stage.scale_by("Off")
        look, before = stage.cluster.read, stage.events_told()

        async def slowly(workload: Workload) -> World | Gone | Unreadable:
            seen = await look(workload)
            return replace(seen, read_at=seen.read_at - MINUTE) if isinstance(seen, World) else seen

        stage.cluster.read = slowly  # type: ignore[method-assign]  # what a slow API server looks like
        await (stage.tick() if undo else stage.needs(6))
        await stage.run(8 * MINUTE)

        (reason,) = [r for event in await decisions(stage) for r in event.reasons if r.code == "unsettled"]
        assert "reading the autoscaler takes longer than 2 s" in reason.message
        assert stage.events_told() == [*before, "FloorWaits"]


async def decisions(stage: FloorStage) -> list[Decided]:
    return [event for event in await stage.floor_story() if isinstance(event, Decided)]
