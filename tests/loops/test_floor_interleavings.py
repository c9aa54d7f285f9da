"""Whatever happens in whatever order around a floor: people write, policies change, data spoil, replicas die."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.core.events import FloorHeld, FloorProposed
from detectors.series import HEALTHY
from remediations.fields import entries_of, is_ours
from remediations.floor import least_of, mark_of, traces
from tests.loops.floors import STALE, FloorStage

NEEDS = ("need 3", "need 6", "need 50")
ACTIONS = (*NEEDS, "take back", "edit", "floor", "observe", "pause", "resume", "spoil", "mend", "die", "rest")
Steps = st.lists(st.sampled_from(ACTIONS), min_size=3, max_size=10)


@dataclass
class People:
    """What people have written last over a floor of ours, and in which generation of the policy."""

    stage: FloorStage
    theirs: tuple[int, int] | None = None
    paused: bool = False


async def happens(stage: FloorStage, people: People, action: str) -> None:
    """One thing, and a look."""
    numbers, checkout = stage.numbers, stage.checkout
    match action.split():
        case ["need", text]:
            numbers.wanted[checkout] = int(text)
        case ["take", "back"]:
            mark = mark_of(stage.object())
            value = 5 if least_of(stage.object()) != 5 else 4
            stage.take_back(value)
            people.theirs = (value, stage.policy_generation()) if mark is not None and mark.ours else None
        case ["edit"]:
            stage.touch_policy()
        case ["floor"]:
            stage.scale_by("Floor")
        case ["observe"]:
            stage.scale_by("Observe")
        case ["pause"] if not people.paused:
            stage.pause()
            people.paused = True
        case ["resume"] if people.paused:
            stage.resume()
            people.paused = False
        case ["spoil"]:
            numbers.health[checkout] = STALE
        case ["mend"]:
            numbers.health[checkout] = HEALTHY
        case ["die"]:
            await stage.crashed()
        case _:
            pass
    before = stage.least()
    await stage.tick()
    await holds(stage, people, before)


async def holds(stage: FloorStage, people: People, before: int) -> None:
    """What is true after every look."""
    now, mark = stage.least(), mark_of(stage.object())
    assert now <= 8 or now == before, "above the cap"
    if people.paused:
        assert now == before, "moved under the kill switch"
    if people.theirs is not None and people.theirs[1] == stage.policy_generation():
        assert now == people.theirs[0], "overwrote what was taken back"
    if mark is not None and mark.ours:
        assert now >= mark.was, "below what people wrote"
    if stage.numbers.health.get(stage.checkout, HEALTHY) is STALE and stage.floor().held is not None:
        assert now == before, "moved on bad data"


async def played(steps: list[str]) -> None:
    async with FloorStage() as stage:
        people = People(stage)
        for action in steps:
            await happens(stage, people, action)
        taken: Counter[str] = Counter()
        story = await stage.floor_story()
        for index, event in enumerate(story):
            proposed = [one for one in story[:index] if isinstance(one, FloorProposed)]
            if isinstance(event, FloorHeld) and proposed and proposed[-1].takes:
                taken[event.policy] += 1
        assert all(count == 1 for count in taken.values()), taken

        for action in ("resume", "mend", "observe", "rest", "rest"):
            await happens(stage, people, action)
        assert not traces(stage.object())
        assert not [entry for entry in entries_of(stage.object()) if is_ours(entry["manager"])]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(Steps)
def test_s16_no_order_of_things_overwrites_a_person_or_leaves_a_trace(steps: list[str]) -> None:
    asyncio.run(played(steps))
