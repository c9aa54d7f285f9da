"""The page's backend over a whole replica in memory: what it shows is what the loop did, and it takes no short cut."""

import asyncio

import pytest

from controller.api.v1alpha1.kinds import AUTOMATION_PAUSE
from controller.core.events import Answered, Verdict, Via
from controller.core.incident import fold
from controller.serving.backend import ProgramBackend
from controller.web.backend import Backend, Right
from remediations.memory import MemoryCluster
from tests.loops.stage import EVE, MARA, MINUTE, Stage


async def crashing(stage: Stage) -> ProgramBackend:
    """A rollout crash-loops and the question is open."""
    await stage.calm()
    stage.roll()
    await stage.run(MINUTE)
    return ProgramBackend(stage.program, asyncio.Event())


async def test_it_is_what_the_page_asks_for() -> None:
    async with Stage() as stage:
        backend: Backend = ProgramBackend(stage.program, asyncio.Event())

        assert await backend.recent(10) == ()
        assert await backend.incident("INC-1") == ()
        assert await backend.asking() == ()
        assert isinstance(stage.cluster, MemoryCluster)


async def test_an_open_question_is_in_the_queue_until_it_is_answered_on_the_page() -> None:
    async with Stage() as stage:
        backend = await crashing(stage)
        (stored,) = await backend.asking()
        incident = fold((item.number, item.event) for item in stored)
        assert incident is not None
        assert incident.proposal is not None
        assert await backend.recent(10) == (stored,)
        assert await backend.incident(incident.id) == stored
        digest = incident.proposal.plan.digest

        refused = await backend.answer(incident.id, digest, Verdict.APPROVE, EVE, "")
        assert not refused.counted
        taken = await backend.answer(incident.id, digest, Verdict.APPROVE, MARA, "")

        assert taken.counted
        assert [event.via for event in await stage.events(Answered)] == [Via.PAGE]
        assert await backend.asking() == ()
        second = await backend.answer(incident.id, digest, Verdict.REJECT, MARA, "too late")
        assert (second.counted, "mara has already answered" in second.sentence.lower()) == (False, True)


async def test_services_show_health_mode_and_the_open_incident() -> None:
    async with Stage() as stage:
        backend = await crashing(stage)

        (service,) = await backend.services()

        assert (service.mode, service.policy) == ("Auto", "shop/checkout@1")
        assert service.incident == (await stage.incident()).id
        assert service.desired == 4
        assert service.health is not None
        assert service.would == ""


async def test_the_kill_switch_needs_the_right_and_what_cannot_be_read_counts_as_paused() -> None:
    async with Stage() as stage:
        backend = ProgramBackend(stage.program, asyncio.Event())
        assert await backend.paused() is None
        assert not (await backend.pause(EVE, "x")).counted
        assert stage.objects.all(AUTOMATION_PAUSE) == ()

        assert (await backend.pause(MARA, "maintenance")).counted

        found = await backend.paused()
        assert found is not None
        assert (found.reason, found.by, found.known) == ("maintenance", "mara", True)
        assert await backend.may(MARA, Right.PAUSE, None)
        assert not await backend.may(EVE, Right.PAUSE, None)
        stage.objects.fail("away")
        unread = await backend.paused()
        assert unread is not None
        assert not unread.known


async def test_changes_follow_the_log_and_end_with_the_program() -> None:
    async with Stage() as stage:
        stopping = asyncio.Event()
        backend = ProgramBackend(stage.program, stopping)
        seen: list[int] = []

        async def follow() -> None:
            async for sequence in backend.changes():
                seen.append(sequence)
                stopping.set()

        await asyncio.wait_for(follow(), 10)

        assert seen == [(await stage.store.identity()).sequence]


async def test_readiness_names_the_part_that_does_not_hold() -> None:
    async with Stage() as stage:
        await stage.calm()
        backend = ProgramBackend(stage.program, asyncio.Event())

        checks = {check.name: check for check in await backend.readiness()}

        assert set(checks) >= {"event loop", "store"}
        assert checks["store"].ok


async def test_metrics_count_each_event_once_however_often_they_are_scraped() -> None:
    async with Stage() as stage:
        backend = await crashing(stage)

        first, second = await backend.metrics(), await backend.metrics()

        def asked(text: bytes) -> str:
            return next(
                line for line in text.decode().splitlines() if line.startswith('trimtab_decisions{route="Ask"}')
            )

        assert asked(first) == asked(second) == 'trimtab_decisions{route="Ask"} 1.0'
        assert "trimtab_incidents_open 1.0" in second.decode()


@pytest.mark.parametrize("limit", [1, 5])
async def test_recent_is_the_newest_first_in_pages(limit: int) -> None:
    async with Stage() as stage:
        backend = await crashing(stage)

        assert len(await backend.recent(limit)) == 1
        assert await backend.recent(limit, skip=1) == ()
