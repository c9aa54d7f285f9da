"""Which of several runbooks is proposed: that of the likelier cause; of one cause, the cheapest first."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from controller.api.v1alpha1.kinds import RUNBOOK
from controller.core.events import HandedOver, NothingFits, Proposed
from controller.loops.propose import SAME_REASONS
from remediations.plan import PatchOp
from tests.loops.stage import MINUTE, Stage


def own(name: str, cause: str, step: dict[str, Any]) -> dict[str, Any]:
    """A runbook that matches whenever a pod crash-loops."""
    return {
        "apiVersion": "trimtab.dev/v1alpha1",
        "kind": "Runbook",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "summary": "Something is done.",
            "targets": ["Deployment"],
            "when": "objects.crashLooping.count >= 1",
            "cause": cause,
            "steps": [step],
            "verify": {"within": "5m", "all": ["replicas.ready >= replicas.desired"]},
        },
    }


LIMITS = {"limits": {"factor": 1.5, "max": "4Gi", "container": "app"}}


async def first_proposal(*runbooks: dict[str, Any]) -> Proposed:
    async with Stage() as stage:
        for runbook in runbooks:
            stage.objects.add(RUNBOOK, runbook)
        await stage.calm()
        stage.roll("registry.test/shop:v42-oom-300Mi")
        await stage.run(MINUTE)
        return (await stage.events(Proposed))[0]


async def test_the_likelier_cause_goes_before_the_cheaper_repair() -> None:
    """A limit can be taken back and a rollback cannot; but the rollout is by far the likelier cause."""
    proposed = await first_proposal(own("more-memory", "memory limit too low", LIMITS))

    assert proposed.runbook == "crash-loop-after-rollout@1"
    other = next(found for found in proposed.alternatives if found.runbook.startswith("more-memory"))
    assert other.estimate < proposed.confidence.estimate


async def test_of_one_cause_the_repair_that_can_be_taken_back_goes_first() -> None:
    proposed = await first_proposal(own("more-memory", "bad rollout", LIMITS))

    assert proposed.runbook == "more-memory@1"


async def test_a_change_that_did_not_help_is_not_proposed_again_by_another_runbook() -> None:
    """Somebody rolls the bad version out once more; the other runbook would go back to the same version as before."""
    again = own("go-back-as-well", "bad rollout", {"rollback": {"to": "lastHealthy"}})
    async with Stage(mode="Approve") as stage:
        stage.objects.add(RUNBOOK, again)
        await stage.calm()
        stage.roll()
        await stage.run(MINUTE)
        await stage.click("approve")
        await stage.tick()
        assert len(stage.effects) == 1
        stage.roll()
        await stage.run(14 * MINUTE)

        assert len(await stage.events(Proposed)) == 1
        (nothing,) = await stage.events(NothingFits)
        assert any("the same change was made and did not help" in reason for reason in nothing.reasons)
        assert len(await stage.events(HandedOver)) == 1


async def test_why_nothing_fits_is_told_anew_when_it_is_another_reason_and_not_more_than_once_a_minute() -> None:
    """The numbers in a reason move with each look and are no other reason."""
    never = PatchOp("add", "/metadata/annotations/trimtab.dev~1rollback", "never")
    paused = PatchOp("replace", "/metadata/annotations/trimtab.dev~1rollback", ""), PatchOp("add", "/spec/paused", True)
    async with Stage(mode="Approve") as stage:
        await stage.calm()
        stage.cluster.change(stage.checkout, never)
        stage.roll()
        for patch in (paused, (never,), paused):
            await stage.run(timedelta(seconds=30))
            stage.cluster.change(stage.checkout, *patch)
        await stage.run(10 * MINUTE)

        told = [(event.at, " ".join(event.reasons)) for event in await stage.events(NothingFits)]
        assert ["carries the annotation" in text for _, text in told[:2]] == [True, False]
        assert ["is paused" in text for _, text in told[:2]] == [False, True]
        assert len(told) < 6
        assert all(later - earlier >= SAME_REASONS for (earlier, _), (later, _) in pairwise(told))
