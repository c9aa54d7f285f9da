"""Answers that people write into a Remediation: heard whatever others have said, and only for the question they are
written to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from controller.api.v1alpha1.kinds import REMEDIATION
from controller.core.events import Answered, Ignored, UndoAsked, Via
from tests.loops.stage import MINUTE, NOOR, Stage
from tests.loops.test_incidents import asked, held_back, raised


def remediations(stage: Stage) -> list[Mapping[str, Any]]:
    """As the API server has them, oldest first."""
    return sorted(stage.objects.all(REMEDIATION), key=lambda item: str(item["metadata"]["name"]))


async def decide(stage: Stage, item: Mapping[str, Any], by: str = "mara") -> None:
    """Somebody writes their approval with kubectl."""
    decision = {"verdict": "Approve", "digest": item["spec"]["digest"], "by": by, "reason": ""}
    stage.objects.merge(REMEDIATION, "shop", item["metadata"]["name"], {"spec": {"decision": decision}})
    await heard(stage)


async def heard(stage: Stage) -> None:
    """The watch shows what is written, and it is taken in."""
    stage.watch()
    while busy := stage.program.background.busy:
        await asyncio.wait(busy)


async def test_a_stranger_who_was_refused_keeps_no_approver_from_being_heard() -> None:
    async with Stage() as stage:
        await asked(stage)
        await stage.click("approve", "U3")
        await stage.tick()
        (item,) = remediations(stage)
        assert [one["reason"] for one in item["status"]["conditions"]] == ["Refused"]

        await decide(stage, item)
        await stage.run(MINUTE)
        (answered,) = await stage.events(Answered)
        assert (answered.by, answered.via) == ("mara", Via.KUBECTL)
        assert len(stage.effects) == 1


async def test_an_api_server_that_cannot_be_asked_for_a_moment_leaves_no_trace_in_the_log() -> None:
    async with Stage() as stage:
        await asked(stage)
        stage.access.trouble = "timeout"
        said = await stage.click("approve")
        stage.access.trouble = ""
        await stage.tick()

        assert said == "The API server could not be asked whether you may. Nothing was recorded: try again."
        assert await stage.events(Ignored) == []
        (item,) = remediations(stage)
        assert item["status"]["conditions"] == []
        await stage.click("approve")
        await stage.run(MINUTE)
        assert len(stage.effects) == 1


async def test_a_question_asked_anew_hears_an_answer_of_its_own() -> None:
    async with Stage() as stage:
        await held_back(stage)
        old, new = remediations(stage)
        assert old["status"]["decision"]["by"] == "mara"
        assert "decision" not in new["status"]
        assert new["status"]["answer"] == ""

        await decide(stage, new, "noor")
        await stage.run(MINUTE)
        assert [event.by for event in await stage.events(Answered)] == ["mara", "noor"]
        assert len(stage.effects) == 1


async def test_an_answer_counts_in_an_object_that_was_there_before_the_question() -> None:
    """It had to wait first: the question began later than its Remediation, and ends later than that says."""
    async with Stage() as stage:
        await stage.calm()
        stage.pause()
        stage.roll()
        await stage.run(10 * MINUTE)
        (early,) = remediations(stage)
        stage.resume()
        await stage.run(MINUTE)
        (item,) = remediations(stage)
        assert item["metadata"]["name"] == early["metadata"]["name"]
        assert item["status"]["expires"] > item["spec"]["expires"]

        await decide(stage, item)
        await stage.run(MINUTE)
        assert [event.by for event in await stage.events(Answered)] == ["mara"]
        assert len(stage.effects) == 1


async def test_what_was_written_to_the_question_before_never_answers_the_one_asked_anew() -> None:
    """Its status was not written before the leader died; the next one hears everything that is not answered."""
    async with Stage() as stage:
        await asked(stage)
        (first,) = remediations(stage)
        await decide(stage, first)
        stage.pause()
        await stage.run(16 * MINUTE, MINUTE)
        stage.resume()
        await stage.run(MINUTE)
        stage.objects.merge(REMEDIATION, "shop", first["metadata"]["name"], {"status": {"decision": None}})
        await stage.crashed()
        await heard(stage)
        await stage.run(MINUTE)

        assert len(await stage.events(Answered)) == 1
        assert stage.effects == ()
        assert await stage.events(Ignored) == []


async def test_a_wish_to_undo_means_the_plan_it_was_written_to() -> None:
    async with Stage() as stage:
        await raised(stage)
        reply = await stage.program.door.undo("INC-1", NOOR, Via.KUBECTL, stage.clock.now(), digest="0" * 16)
        assert reply.sentence == "That does not count: that plan was not carried out."
        assert await stage.events(UndoAsked) == []
        await stage.run(timedelta(minutes=1))
        assert stage.memory() == "384Mi"
