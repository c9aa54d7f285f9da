"""Two leaders and lost answers, to the letter: one process, one world in memory, one real PostgreSQL.

What `test_kill.py` and `test_fencing.py` do to processes is done here to single calls, so that every order is certain.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.database import open_database
from controller.core.events import (
    Applied,
    Claimed,
    Closed,
    Decided,
    HandedOver,
    Intended,
    NotApplied,
    Proposed,
    Superseded,
    Verified,
)
from controller.core.routes import Route
from controller.journal import Replaced
from controller.ports import Store
from remediations.cluster import Conflict
from remediations.memory import Losing
from remediations.plan import PatchOp, StepClass
from tests.crash.seats import Gate, Seats
from tests.loops.stage import IMAGE, MINUTE

LEFT_ALONE, PAUSED, REPAIRED, TOUCHED = "left-alone", "paused", "repaired-by-hand", "touched"


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    opened = await open_database(postgres_url)
    yield opened
    await opened.close()


def happens(stage: Seats, what: str) -> None:
    """What goes on in the world while nobody leads."""
    match what:
        case "paused":
            stage.pause()
        case "repaired-by-hand":
            stage.cluster.change(stage.checkout, PatchOp("replace", IMAGE, "registry.test/shop:v43"))
        case "touched":
            stage.cluster.change(stage.checkout, PatchOp("add", "/spec/minReadySeconds", 5))
        case _:
            assert what == LEFT_ALONE


async def ended(task: "asyncio.Task[Any]", gate: Gate) -> None:
    """The first replica goes on, and is told by the store that another leads."""
    gate.opened.set()
    with pytest.raises(Replaced):
        await asyncio.wait_for(task, 30)


@pytest.mark.parametrize("what", [LEFT_ALONE, PAUSED, REPAIRED, TOUCHED])
async def test_s5_a_claimed_write_of_a_replaced_leader_is_void_whatever_the_other_decided(
    store: Store, what: str
) -> None:
    """The interleaving of DESIGN.md section 4: claimed, replaced, decided, continued."""
    async with Seats(store) as stage:
        await stage.approved()
        stage.line.before = gate = Gate()
        old = await stage.acting(gate)
        assert await stage.claims() == 1
        happens(stage, what)
        await stage.succeed()
        await stage.tick()
        before = stage.effects
        await ended(old, gate)

        assert stage.effects == before
        assert len(stage.effects) == (what == LEFT_ALONE)
        assert len(stage.cluster.fences) == 1
        assert await stage.outcomes() == ["applied" if what == LEFT_ALONE else "superseded"]
        assert await stage.budgets() == (1 if what == LEFT_ALONE else 0)


async def test_without_the_fence_that_write_would_come_through(store: Store) -> None:
    """What the test above would say of a program that does not fence."""
    async with Seats(store) as stage:
        await stage.approved()
        stage.line.before = gate = Gate()
        old = await stage.acting(gate)
        stage.pause()
        await stage.succeed(fencing=False)
        await stage.tick()
        assert await stage.outcomes() == ["superseded"]
        await ended(old, gate)

        assert len(stage.effects) == 1


@pytest.mark.parametrize("what", [LEFT_ALONE, PAUSED])
async def test_s27_what_the_replaced_leader_had_written_is_settled_by_reading(store: Store, what: str) -> None:
    async with Seats(store) as stage:
        await stage.approved()
        stage.line.after = gate = Gate()
        old = await stage.acting(gate)
        happens(stage, what)
        await stage.succeed()
        await stage.tick()
        await ended(old, gate)

        assert len(stage.effects) == 1
        assert [event.settled for event in await stage.events(Applied)] == ["reading"]
        assert await stage.budgets() == 1


@pytest.mark.parametrize("kind", [Intended, Claimed, Applied], ids=lambda kind: str(kind.__name__).lower())
async def test_a_replaced_leader_commits_nothing_more(store: Store, kind: type[Any]) -> None:
    gate = Gate()
    async with Seats(store, guarded=(kind, gate)) as stage:
        await stage.approved()
        old = await stage.acting(gate)
        await stage.succeed()
        await stage.tick()
        await stage.tick()
        await ended(old, gate)
        await stage.run(MINUTE)

        assert len(stage.effects) == 1
        assert await stage.outcomes() == ["applied"]
        assert await stage.budgets() == 1


@pytest.mark.parametrize("restarted", [False, True], ids=["same-leader", "restarted"])
@pytest.mark.parametrize("applied", [False, True], ids=["not-in", "in"])
async def test_s27_a_lost_answer_is_settled_by_reading_never_by_guessing(
    store: Store, applied: bool, restarted: bool
) -> None:
    async with Seats(store) as stage:
        await stage.approved()
        stage.cluster.disturb(Losing(applied=applied))
        await stage.tick()
        assert await stage.outcomes() == ["open"]
        if restarted:
            await stage.succeed()
        await stage.run(MINUTE)

        assert len(stage.effects) == 1
        assert await stage.outcomes() == ["applied"]
        assert [event.settled for event in await stage.events(Applied)] == ["reading" if applied else "answer"]
        assert await stage.claims() == (1 if applied else 2)


@pytest.mark.parametrize("restarted", [False, True], ids=["same-leader", "restarted"])
@pytest.mark.parametrize("what", [LEFT_ALONE, PAUSED, REPAIRED, TOUCHED])
async def test_s27_a_write_that_arrives_late_finds_its_version_void(store: Store, what: str, restarted: bool) -> None:
    """No answer, and it was on its way all the time: whoever decides on it fences first, the same leader too."""
    async with Seats(store) as stage:
        await stage.approved()
        stage.line.lose = True
        await stage.tick()
        assert await stage.outcomes() == ["open"]
        stage.line.lose = False
        happens(stage, what)
        if restarted:
            await stage.succeed()
        await stage.tick()
        before = stage.effects
        late = await stage.line.deliver()

        assert [type(answer) for answer in late] == [Conflict]
        assert stage.effects == before
        assert len(stage.effects) == (what == LEFT_ALONE)
        assert await stage.outcomes() == ["applied" if what == LEFT_ALONE else "superseded"]
        assert await stage.budgets() == (1 if what == LEFT_ALONE else 0)


async def test_s27_two_writes_that_arrive_late_are_both_void(store: Store) -> None:
    """The same leader, without an answer twice: each time it fences anew."""
    async with Seats(store) as stage:
        await stage.approved()
        stage.line.lose = True
        await stage.tick()
        await stage.tick()
        assert len(stage.line.lost) == 2
        stage.line.lose = False
        stage.pause()
        await stage.tick()

        assert [type(answer) for answer in await stage.line.deliver()] == [Conflict, Conflict]
        assert stage.effects == ()
        assert await stage.outcomes() == ["superseded"]


async def test_s27_an_opaque_step_without_an_answer_is_handed_over_never_repeated(store: Store) -> None:
    async with Seats(store) as stage:
        await stage.approved()
        await opaque(stage)
        stage.line.lose = True
        await stage.tick()
        stage.line.lose = False
        await stage.run(2 * MINUTE)

        assert await stage.claims() == 1
        assert [event.code for event in await stage.events(NotApplied)] == ["unknown"]
        assert stage.effects == ()
        assert [type(answer) for answer in await stage.line.deliver()] == [Conflict]
        assert len(await stage.events(HandedOver)) == 1
        assert await stage.budgets() == 0


async def opaque(stage: Seats) -> None:
    """The approved plan, with steps that nobody can read the outcome of."""
    incident = await stage.incident()
    proposal, decision = incident.proposal, incident.decision
    assert proposal is not None
    assert decision is not None
    steps = tuple(replace(step, step_class=StepClass.OPAQUE) for step in proposal.plan.steps)
    plan = replace(proposal.plan, steps=steps)
    assert plan.digest == proposal.plan.digest
    now = stage.clock.now()
    again = replace(proposal, at=now, plan=plan)
    opened = Decided(now, plan.digest, Route.AUTO, decision.reasons, decision.policy)
    await stage.program.journal.record(incident, (again, opened), now)
    await stage.program.journal.catch_up()
    assert [event.plan.steps[0].step_class for event in await stage.events(Proposed)][-1] is StepClass.OPAQUE


@pytest.mark.parametrize(
    ("times", "outcome"), [(1, "applied"), (2, "applied"), (3, "not-applied")], ids=["once", "twice", "each-time"]
)
async def test_s5_a_write_is_given_up_after_the_third_conflict(store: Store, times: int, outcome: str) -> None:
    async with Seats(store) as stage:
        await stage.approved()
        stage.line.intrude = times
        await stage.tick()

        assert (await stage.outcomes())[:1] == [outcome]
        assert len(stage.effects) == (outcome == "applied")
        assert not await stage.events(Superseded)


@pytest.mark.parametrize(("times", "outcome"), [(5, "applied"), (10, "not-applied")], ids=["a-while", "without-end"])
async def test_s5_pods_that_come_and_go_do_not_count_as_somebody_who_writes(
    store: Store, times: int, outcome: str
) -> None:
    """Each moves the status of the workload, and with it the resourceVersion that locks the write."""
    async with Seats(store) as stage:
        await stage.approved()
        stage.line.flap = times
        await stage.tick()

        assert (await stage.outcomes())[:1] == [outcome]
        assert len(stage.effects) == (outcome == "applied")
        assert await stage.claims() == min(times + 1, 10)


async def test_an_incident_whose_repair_was_verified_is_closed_as_that_after_a_crash_in_between(store: Store) -> None:
    gate = Gate()
    async with Seats(store, guarded=(Closed, gate)) as stage:
        await stage.approved()
        going_on = asyncio.create_task(stage.run(6 * MINUTE))
        await asyncio.wait_for(gate.reached.wait(), 60)
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)
        assert len(await stage.events(Verified)) == 1
        assert not await stage.events(Closed)
        await stage.succeed()
        await stage.tick()

        assert [event.reason for event in await stage.events(Closed)] == ["effective"]
        assert await stage.budgets() == 1
        assert len(stage.effects) == 1
