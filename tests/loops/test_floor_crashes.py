"""A replica that dies at any call to the outside while it takes, moves or gives back a floor; another one goes on.

Every commit and every write is visited, before and after. The judge is the cluster in memory: what it let through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from remediations.floor import mark_of, traces
from tests.loops.floors import FloorStage
from tests.loops.stage import MINUTE

SIDES = ["before", "after"]
FAR = 1000


class Killed(Exception):
    """The process is gone."""


class Deadly:
    """Kills at the `nth` call to the outside, before or after it; never again afterwards."""

    def __init__(self, stage: FloorStage, nth: int, side: str) -> None:
        self.left, self.side, self.calls = nth, side, 0
        for thing, names in ((stage.store, ("commit",)), (stage.cluster, ("apply", "release", "fence"))):
            for name in names:
                setattr(thing, name, self.around(getattr(thing, name)))

    def around(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def called(*given: Any, **named: Any) -> Any:
            self.calls += 1
            mine = self.left == 0
            self.left -= 1
            if mine and self.side == "before":
                raise Killed
            result = await call(*given, **named)
            if mine:
                raise Killed
            return result

        return called


async def survives(stage: FloorStage) -> bool:
    """A look that may be the last; whether it was not."""
    try:
        await stage.tick()
    except Killed:
        await stage.crashed()
        return False
    return True


async def held(nth: int, side: str) -> int:
    """Die at the nth call on the way to a floor of 6; the number of calls there were."""
    async with FloorStage() as stage:
        deadly = Deadly(stage, nth, side)
        stage.numbers.wanted[stage.checkout] = 6
        await survives(stage)
        await stage.run(MINUTE)

        mark = mark_of(stage.object())
        assert mark is not None, nth
        assert (mark.floor, mark.was, mark.ours) == (6, 2, True), nth
        assert len(stage.effects) == 1, nth
        assert stage.floor().intent is None, nth
        assert stage.said().reason == "Held", nth
        assert await stage.spent("actions:cluster") == 1, nth
        return deadly.calls


async def raised(nth: int, side: str) -> int:
    """Die at the nth call on the way from 6 to 8."""
    async with FloorStage() as stage:
        await stage.needs(6)
        deadly = Deadly(stage, nth, side)
        stage.numbers.wanted[stage.checkout] = 8
        await survives(stage)
        await stage.run(MINUTE)

        assert stage.least() == 8, nth
        assert len(stage.effects) == 2, nth
        assert stage.floor().intent is None, nth
        assert await stage.spent("actions:cluster") == 1, nth
        assert await stage.spent("pod-hours:cluster") == pytest.approx(6.0), nth
        return deadly.calls


async def released(nth: int, side: str) -> int:
    """Die at the nth call on the way back."""
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.scale_by("Off")
        deadly = Deadly(stage, nth, side)
        await survives(stage)
        await stage.run(MINUTE)

        assert stage.least() == 2, nth
        assert not traces(stage.object()), nth
        assert len([effect for effect in stage.cluster.releases if effect.patch]) == 1, nth
        assert (stage.floor().intent, stage.floor().held) == (None, None), nth
        return deadly.calls


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("nth", range(6))
async def test_s16_what_somebody_writes_while_nobody_leads_is_respected_by_the_next_leader(nth: int, side: str) -> None:
    """Even where the log never learned that the field was ours: the annotations of the same write tell it."""
    async with FloorStage() as stage:
        Deadly(stage, nth, side)
        stage.numbers.wanted[stage.checkout] = 6
        await survives(stage)
        held = stage.least() == 6
        stage.take_back(4)
        for _ in range(12):
            await survives(stage)

        assert stage.least() == (4 if held else 6)
        assert await stage.spent("actions:cluster") == 1
        assert stage.floor().intent is None
        assert traces(stage.object()) is not held


async def test_s16_a_store_that_was_lost_knows_of_a_field_taken_back_by_its_annotations() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.take_back(4)
        stage.lose_store()
        await stage.crashed()
        await stage.run(MINUTE)

        assert stage.least() == 4
        assert stage.held_condition() == ("False", "TakenBack")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("story", [held, raised, released], ids=lambda story: str(story.__name__))
async def test_a_crash_at_any_call_loses_nothing_and_writes_nothing_twice(
    story: Callable[[int, str], Awaitable[int]], side: str
) -> None:
    calls = await story(FAR, side)

    assert calls >= 4
    for nth in range(calls):
        await story(nth, side)
