"""The weekly report is told once a week by whoever leads, and never for a week that nobody watched."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.core.events import Decided, Event, FloorHeld
from controller.core.report import report
from controller.core.routes import Lifts, Route, blocker
from controller.errors import ChatUnavailable
from controller.ports import Commit, Message
from controller.runtime.weekly import fell_due
from controller.settings import Settings
from detectors.series import Workload
from tests.core import samples
from tests.loops.stage import HOUR, MINUTE, Stage

MONDAY = datetime(2026, 11, 23, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("now", "weekday", "due"),
    [
        pytest.param(MONDAY, "Monday", MONDAY, id="this very moment"),
        pytest.param(MONDAY - MINUTE, "Monday", MONDAY - 7 * DAY, id="a minute before"),
        pytest.param(MONDAY + 6 * DAY, "Monday", MONDAY, id="six days later"),
        pytest.param(MONDAY + HOUR, "Sunday", MONDAY - DAY, id="another day"),
        pytest.param(MONDAY, "off", None, id="off"),
    ],
)
def test_a_report_falls_due_on_its_day_and_hour(now: datetime, weekday: str, due: datetime | None) -> None:
    assert fell_due(now, weekday, 8) == due


def test_a_bare_off_in_yaml_means_off() -> None:
    assert Settings(report_weekday=False).report_weekday == "off"


async def told(stage: Stage) -> list[Message]:
    """One look and one delivery; the reports in the chat."""
    await stage.program.journal.catch_up()
    await stage.program.publisher.weekly.round()
    await stage.program.publisher.deliver()
    return [shown.message for shown in stage.chat.shown if shown.message.key.startswith("report-")]


async def happened(stage: Stage) -> None:
    """A repaired incident, on the Friday that the stage begins."""
    tale = samples.repaired()
    await stage.store.commit(Commit(f"incident:{tale.id}", 0, tuple(tale.events)), stage.clock.now())


async def until(stage: Stage, moment: datetime) -> None:
    await stage.clock.advance(moment - stage.clock.now())


async def test_the_report_is_told_once_a_week() -> None:
    async with Stage() as stage:
        await happened(stage)
        assert await told(stage) == []
        await until(stage, MONDAY)

        (message,) = await told(stage)
        await until(stage, MONDAY + 6 * DAY)
        assert await told(stage) == [message]

        assert message.headline == "Last week I acted once."
        assert message.buttons == ()
        assert "rolled back to v41 by mara" in dict(message.facts)["shop/checkout"]
        await until(stage, MONDAY + 7 * DAY)
        assert [one.headline for one in await told(stage)] == [message.headline, "Last week I saw nothing break."]


async def test_the_report_reads_only_its_week_and_tells_the_same() -> None:
    """A floor raised weeks ago and lowered now is no floor raised, however much of the log is left out."""
    async with Stage() as stage:
        autoscaler = Workload("shop", "HorizontalPodAutoscaler", "checkout", "autoscaling/v2")
        for number, (days, replicas) in enumerate(((-30, 4), (-29, 9), (-3, 7), (-2, 8), (-1, 3))):
            at = MONDAY + days * DAY
            held = FloorHeld(at, stage.checkout, autoscaler, "uid", "shop/checkout@1", replicas, was=2)
            await stage.store.commit(Commit(f"floor:{stage.checkout.key}", number, (held,)), at)
        await stage.program.journal.catch_up()
        begin, everything = MONDAY - 7 * DAY, await stage.store.follow(0)
        streams: dict[str, list[Event]] = {}
        for item in everything:
            streams.setdefault(item.stream, []).append(item.event)

        made = await stage.program.publisher.weekly.made(MONDAY)

        assert made == report(streams, begin, MONDAY, watched=made.watched)
        assert [deed.text for deed in made.deeds] == ["floor raised to 8 (its own minimum is 2)"]


async def test_a_floor_held_long_before_the_stretch_is_not_told_as_raised_whatever_was_decided_since() -> None:
    async with Stage() as stage:
        autoscaler = Workload("shop", "HorizontalPodAutoscaler", "checkout", "autoscaling/v2")
        waits = Decided(MONDAY, "d", Route.WAIT, (blocker("budget", "spent", Lifts.TIME),))
        held = FloorHeld(MONDAY, stage.checkout, autoscaler, "uid", "shop/checkout@1", 9, was=2)
        told: list[tuple[int, Decided | FloorHeld]] = [(-30, held), *[(-20, waits)] * 30, (-3, waits)]
        told.append((-2, replace(held, replicas=7)))
        for number, (days, event) in enumerate(told):
            at = MONDAY + days * DAY
            await stage.store.commit(Commit(f"floor:{stage.checkout.key}", number, (replace(event, at=at),)), at)
        await stage.program.journal.catch_up()

        made = await stage.program.publisher.weekly.made(MONDAY)

        assert [line.text for line in made.lines] == ["held back 1 × by the gate: spent."]
        assert made.deeds == ()


async def test_another_leader_does_not_tell_it_again() -> None:
    async with Stage() as stage:
        await happened(stage)
        await until(stage, MONDAY)
        assert len(await told(stage)) == 1

        await stage.crashed()

        assert len(await told(stage)) == 1


async def test_a_leader_that_was_replaced_tells_nothing() -> None:
    async with Stage() as stage:
        await happened(stage)
        await until(stage, MONDAY)
        await stage.store.advance_epoch(100)

        assert await told(stage) == []


async def test_while_the_chat_is_away_the_report_waits() -> None:
    async with Stage() as stage:
        await happened(stage)
        await until(stage, MONDAY)
        stage.chat.down = "away"
        assert await told(stage) == []
        stage.chat.down = ""
        await until(stage, MONDAY + HOUR)

        assert len(await told(stage)) == 1


async def test_a_report_that_fell_due_while_nothing_ran_is_told_late_with_its_own_dates() -> None:
    async with Stage() as stage:
        await happened(stage)
        await until(stage, MONDAY + 3 * DAY)

        (message,) = await told(stage)

        assert dict(message.facts)["Period"].startswith("Mon 16 Nov 08:00 to Mon 23 Nov 08:00 UTC")


async def test_a_week_before_the_log_began_has_no_report() -> None:
    async with Stage() as stage:
        await until(stage, MONDAY + HOUR)
        tale = samples.repaired()
        late = [replace(event, at=event.at + 4 * DAY) for event in tale.events]
        await stage.store.commit(Commit(f"incident:{tale.id}", 0, tuple(late)), stage.clock.now())

        assert await told(stage) == []


async def test_switched_off_nothing_is_told() -> None:
    async with Stage(settings={"report_weekday": "off"}) as stage:
        await happened(stage)
        await until(stage, MONDAY)

        assert await told(stage) == []


async def test_the_report_names_the_page_when_it_has_an_address() -> None:
    async with Stage(settings={"public_url": "https://trimtab.test/"}) as stage:
        await happened(stage)
        await until(stage, MONDAY)

        (message,) = await told(stage)

        assert message.footer == "all of it: https://trimtab.test/report"


async def test_who_has_ceased_to_lead_tells_and_notes_nothing() -> None:
    """Its row waits for the next leader, who tells it once."""
    async with Stage() as stage:
        await happened(stage)
        await until(stage, MONDAY)
        await stage.program.journal.catch_up()
        await stage.program.publisher.weekly.round()
        before = await stage.store.identity()
        stage.program.leadership.drop()
        assert await told(stage) == []
        assert (await stage.store.identity()).sequence == before.sequence

        await stage.crashed()
        assert len(await told(stage)) == 1
        assert len(await told(stage)) == 1


async def test_a_report_that_was_posted_by_a_leader_replaced_meanwhile_is_not_noted_by_it() -> None:
    async with Stage() as stage:
        await happened(stage)
        await until(stage, MONDAY)
        before = await stage.store.identity()
        stage.program.leadership.drop()
        with pytest.raises(ChatUnavailable, match="not noted"):
            await stage.program.publisher.weekly.tell(MONDAY)
        assert (await stage.store.identity()).sequence == before.sequence
