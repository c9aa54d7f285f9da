"""A person's undo beside other incidents of the same workload: carried out at once, never at the same time as another
write, and in nobody's way while it waits.
"""

from __future__ import annotations

from structlog.testing import capture_logs

from controller.core.events import Applied, Intended, NotApplied, Superseded, Undone, Via
from controller.core.incident import Incident
from controller.kinds import EVENTS
from controller.loops.incidents import Incidents
from controller.runtime.answers import Reply
from controller.runtime.executor import Executor
from remediations.memory import Losing
from remediations.plan import Outcome
from tests.loops.stage import HOUR, MINUTE, NOOR, Stage


async def repaired(stage: Stage) -> None:
    """A limit was raised after approval, it worked, INC-1 is over."""
    await stage.calm()
    await stage.out_of_memory()
    await stage.run(2 * MINUTE)
    await stage.click("approve")
    await stage.run(8 * MINUTE)
    assert stage.memory() == "384Mi"
    assert (await stage.incident()).closed is not None, await stage.told()


async def broken_again(stage: Stage) -> None:
    """Somebody rolls out what crashes: INC-2, which asks."""
    await stage.clock.advance(HOUR)
    await stage.tick()
    stage.roll()
    await stage.run(MINUTE)
    assert stage.program.history.open == {stage.checkout.key: "INC-2"}, await stage.told()


async def undo(stage: Stage, incident: str = "INC-1") -> Reply:
    return await stage.program.door.undo(incident, NOOR, Via.CLI, stage.clock.now(), access=stage.access)


async def test_an_undo_does_not_wait_behind_a_newer_incident() -> None:
    async with Stage() as stage:
        await repaired(stage)
        await broken_again(stage)
        assert (await undo(stage)).counted
        await stage.tick()

        assert stage.memory() == "256Mi"
        assert (await stage.incident(2)).closed is None
        await stage.tick()
        assert stage.program.history.unfinished == {}


async def test_a_waiting_undo_does_not_hide_new_trouble_of_its_workload() -> None:
    async with Stage() as stage:
        await repaired(stage)
        stage.pause()
        assert (await undo(stage)).counted
        await stage.run(MINUTE)
        await broken_again(stage)
        assert (await stage.incident(2)).decision is not None
        assert stage.memory() == "384Mi"

        stage.resume()
        await stage.run(MINUTE)
        assert stage.memory() == "256Mi"


async def test_a_waiting_undo_survives_a_restart_and_hides_nothing_either() -> None:
    async with Stage() as stage:
        await repaired(stage)
        stage.pause()
        await undo(stage)
        await stage.crashed()
        await broken_again(stage)
        stage.resume()
        await stage.run(MINUTE)

        assert stage.memory() == "256Mi"
        assert (await stage.incident(2)).closed is None


async def test_an_undo_waits_until_the_write_of_another_incident_is_judged() -> None:
    """Two incidents never write to one workload at the same time; the first to begin comes to its end."""
    async with Stage() as stage:
        await repaired(stage)
        await broken_again(stage)
        await stage.click("approve")
        await stage.tick()
        assert (await stage.incident(2)).verifying
        await undo(stage)
        await stage.run(MINUTE)
        assert stage.memory() == "384Mi"

        await stage.run(10 * MINUTE)
        second = await stage.incident(2)
        assert second.action is not None
        assert second.action.outcome is Outcome.EFFECTIVE
        assert stage.memory() == "256Mi"


async def test_s33_what_an_undo_waits_for_is_told_once() -> None:
    async with Stage() as stage:
        await repaired(stage)
        await broken_again(stage)
        await stage.click("approve")
        await stage.tick()
        await undo(stage)
        await stage.run(MINUTE / 2)
        await stage.crashed()
        await stage.tick()
        assert stage.memory() == "384Mi"

        (told,) = [event for event in stage.objects.all(EVENTS) if event["reason"] == "UndoWaits"]
        assert told["note"] == "INC-1: the undo that noor asked for waits until the action of INC-2 is judged"
        assert told["regarding"]["name"] == "checkout"
        assert "series" not in told


async def test_another_incident_waits_until_an_undo_is_settled() -> None:
    """The answer to the undo's write is lost while the other one has its approval."""
    async with Stage() as stage:
        await repaired(stage)
        await broken_again(stage)
        await stage.click("approve")
        await undo(stage)
        stage.cluster.disturb(Losing(applied=False))
        await stage.tick()
        first = await stage.incident(1)
        assert first.intent is not None
        assert (await stage.incident(2)).intent is None

        await stage.run(2 * MINUTE)
        assert stage.memory() == "256Mi"
        assert await most_open_writes(stage) == 1


async def most_open_writes(stage: Stage) -> int:
    """How many writes were open at once, at most, by the log."""
    opened, most = set[str](), 0
    for row in await stage.store.follow(0, 100_000):
        match row.event:
            case Intended(key=key):
                opened.add(key)
            case Applied(key=key) | NotApplied(key=key) | Superseded(key=key):
                opened.discard(key)
            case _:
                pass
        most = max(most, len(opened))
    return most


async def test_two_undos_of_one_workload_are_both_carried_out_the_newer_one_first() -> None:
    """256 to 384 to 512 Mi and back: each restores what it found, so the order matters."""
    async with Stage() as stage:
        await repaired(stage)
        await stage.clock.advance(HOUR)
        stage.roll("registry.test/shop:v41-oom-450Mi")
        stage.scale(0)
        await stage.clock.advance(45 * MINUTE)
        stage.scale(4)
        await stage.run(2 * MINUTE)
        await stage.click("approve")
        await stage.run(8 * MINUTE)
        second = await stage.incident(2)
        assert second.action is not None
        assert (second.action.outcome, second.closed is not None) == (Outcome.EFFECTIVE, True), await stage.told()
        assert stage.memory() not in ("256Mi", "384Mi")

        stage.pause()
        await undo(stage, "INC-1")
        await undo(stage, "INC-2")
        stage.resume()
        await stage.run(MINUTE)

        undone = await stage.events(Undone)
        assert [event.restored for event in undone] == [True, True]
        assert stage.memory() == "256Mi"
        assert stage.program.history.unfinished == {}


async def test_an_undo_that_breaks_does_not_keep_new_trouble_from_being_seen() -> None:
    async with Stage() as stage:
        await repaired(stage)
        await undo(stage)

        class Breaking(Executor):
            async def revert(self, *_: object) -> Incident:
                raise IndexError("?")

        stage.loop = Incidents(stage.program.rooms, Breaking(stage.program.rooms, stage.executor.epoch))
        with capture_logs():
            await broken_again(stage)
        assert (await stage.incident(2)).question is not None
