"""A person's no, whatever happens to the workload afterwards; and questions that outlive an autoscaler's steps."""

from datetime import timedelta

import pytest

from controller.api.v1alpha1.kinds import RUNBOOK
from controller.core.events import Asked, Closed, Decided, HandedOver, NothingFits, Proposed, Superseded
from controller.core.routes import Route
from remediations.plan import PatchOp
from tests.loops.stage import MINUTE, Stage
from tests.loops.test_incidents import WELL, asked
from tests.loops.test_propose import own

ANNOTATED = PatchOp("add", "/metadata/annotations/team", "payments")
GO_BACK = {"rollback": {"to": "lastHealthy"}}


def annotate(stage: Stage) -> None:
    stage.cluster.change(stage.checkout, ANNOTATED)


def scale(stage: Stage) -> None:
    stage.scale(6)


MOVES = pytest.mark.parametrize("move", [scale, annotate], ids=["the autoscaler scales", "somebody annotates"])


@MOVES
async def test_a_rejected_change_is_not_proposed_again_when_the_object_moves(move: object) -> None:
    """The generation is another one then, and with it the digest; the change is the same."""
    async with Stage() as stage:
        await asked(stage)
        await stage.click("reject", reason="v42 carries the fix for invoices")
        await stage.tick()
        move(stage)  # type: ignore[operator]  # one of the two above
        await stage.run(5 * MINUTE)

        assert stage.effects == ()
        assert len(await stage.events(Asked)) == len(await stage.events(Proposed)) == 1
        assert len(await stage.events(HandedOver)) == len(stage.pager.sent) == 1


@MOVES
async def test_a_no_outlives_the_doubt_that_made_it_a_question(move: object) -> None:
    """Its record would let it act alone; another incident nearby made it ask, and is over."""
    async with Stage(services=2) as stage:
        await stage.learned(21)
        await stage.calm()
        stage.roll(workload=stage.workloads[1])
        await stage.run(MINUTE)
        stage.roll()
        await stage.run(MINUTE)
        (question,) = await stage.events(Asked)
        assert question.digest == (await stage.events(Proposed))[-1].plan.digest
        await stage.click("reject", reason="not now")
        stage.roll(WELL, stage.workloads[1])
        await stage.run(5 * MINUTE)
        assert [closed.reason for closed in await stage.events(Closed)] == ["the symptoms went away"]
        move(stage)  # type: ignore[operator]  # one of the two above
        await stage.run(5 * MINUTE)

        assert stage.effects == ()
        assert len(await stage.events(Asked)) == 1


async def test_a_rejected_change_is_not_proposed_by_another_runbook() -> None:
    async with Stage() as stage:
        stage.objects.add(RUNBOOK, own("go-back-as-well", "bad rollout", GO_BACK))
        await asked(stage)
        await stage.click("reject", reason="not now")
        await stage.tick()
        annotate(stage)
        await stage.run(5 * MINUTE)

        assert len(await stage.events(Proposed)) == 1
        nothing = (await stage.events(NothingFits))[-1]
        assert sum("mara rejected this change" in reason for reason in nothing.reasons) == 2


async def test_another_change_than_the_rejected_one_is_asked_about() -> None:
    """A no is about one change: more memory for v43 is another matter than going back to v41."""
    async with Stage() as stage:
        await asked(stage)
        await stage.click("reject", reason="not now")
        await stage.tick()
        more = own("more-memory", "bad rollout", {"limits": {"factor": 1.5, "max": "4Gi", "container": "app"}})
        stage.objects.add(RUNBOOK, more)
        stage.roll("registry.test/shop:v43-oom-300Mi")
        await stage.run(2 * MINUTE)

        assert [proposed.runbook for proposed in await stage.events(Proposed)] == [
            "crash-loop-after-rollout@1",
            "more-memory@1",
        ]
        assert len(await stage.events(Asked)) == 2


async def test_an_open_question_outlives_a_step_of_the_autoscaler() -> None:
    async with Stage() as stage:
        await asked(stage)
        for replicas in (5, 6, 5):
            stage.scale(replicas)
            await stage.run(timedelta(seconds=30))

        assert await stage.events(Superseded) == []
        assert len(await stage.events(Asked)) == 1
        await stage.click("approve")
        await stage.run(4 * MINUTE)
        assert stage.image() == WELL
        assert [event.route for event in await stage.events(Decided)] == [Route.ASK, Route.AUTO]


async def test_s5_an_open_question_does_not_outlive_somebody_who_writes() -> None:
    async with Stage() as stage:
        await asked(stage)
        annotate(stage)
        await stage.run(MINUTE)

        assert len(await stage.events(Superseded)) == 1
        assert len(await stage.events(Asked)) == 2
