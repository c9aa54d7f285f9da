"""Publishing: told once, updated in place, repeated until it is taken; one row that breaks stops no other."""

from datetime import timedelta

from controller.api.v1alpha1.kinds import REMEDIATION
from controller.kinds import EVENTS
from controller.ports import Commit, OutboxRow
from tests.loops.stage import MINUTE, Stage


async def asked(stage: Stage) -> None:
    await stage.calm()
    stage.roll()
    await stage.run(MINUTE)


async def test_a_chat_that_is_away_is_told_later_and_once() -> None:
    async with Stage() as stage:
        stage.chat.down = "timeout"
        await asked(stage)
        assert stage.chat.shown == []
        assert len(stage.objects.all(REMEDIATION)) == 1

        stage.chat.down = ""
        await stage.run(3 * MINUTE)
        assert len(stage.chat.shown) == 1


async def test_another_replica_goes_on_with_the_same_message() -> None:
    async with Stage() as stage:
        await asked(stage)
        await stage.crashed()
        await stage.click("approve")
        await stage.run(3 * MINUTE)

        assert len(stage.chat.shown) == 1
        assert stage.chat.shown[0].versions


async def test_every_turn_becomes_a_kubernetes_event_once() -> None:
    async with Stage() as stage:
        await asked(stage)
        await stage.click("approve")
        await stage.run(3 * MINUTE)
        await stage.crashed()
        await stage.run(MINUTE)

        reasons = [item["reason"] for item in stage.objects.all(EVENTS)]
        assert sorted(set(reasons)) == sorted(reasons)
        assert {"DecidedAsk", "Applied", "Effective"} <= set(reasons)
        assert not any("series" in item for item in stage.objects.all(EVENTS))


async def test_a_pager_that_is_away_is_told_later_and_told_when_it_is_over() -> None:
    async with Stage(settings={"people": {}}) as stage:
        stage.pager.down = "timeout"
        await asked(stage)
        await stage.run(2 * MINUTE)
        assert stage.pager.sent == []

        stage.pager.down = ""
        await stage.run(5 * MINUTE)
        assert list(stage.pager.open) == ["INC-1"]

        stage.roll("registry.test/shop:v41")
        await stage.run(4 * MINUTE)
        assert stage.pager.open == {}
        assert stage.pager.sent[-1].resolved


async def test_a_row_that_breaks_stops_no_other() -> None:
    async with Stage() as stage:
        publisher, tell = stage.program.publisher, type(stage.program.publisher)._tell
        told: list[str] = []

        async def breaking(self: object, row: OutboxRow) -> None:
            told.append(row.key)
            if row.key == "INC-broken":
                raise KeyError("nobody expected this")
            await tell(publisher, row)

        type(publisher)._tell = breaking  # type: ignore[method-assign]  # one row is made to break
        try:
            rows = (OutboxRow("publish", "INC-broken", {}), OutboxRow("publish", "INC-other", {}))
            await stage.store.commit(Commit("program", 0, (), outbox=rows), stage.clock.now())
            await publisher.deliver()
            waiting = await stage.store.due(stage.clock.now() + timedelta(hours=1))
        finally:
            type(publisher)._tell = tell  # type: ignore[method-assign]  # as it was

        assert told == ["INC-broken", "INC-other"]
        assert [(row.key, row.attempts) for row in waiting] == [("INC-broken", 1)]
