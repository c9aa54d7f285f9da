"""One ledger for all three loops: a floor, a rollback and a repair compete for the actions of one namespace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.core.events import Applied, Decided, Event, Intended, Opened, Verdict, Via
from controller.core.routes import Route
from detectors.series import Workload
from remediations.plan import PatchOp
from tests.loops.canary import BAD, Canaried
from tests.loops.floors import FloorStage
from tests.loops.stage import HOUR, IMAGE, MARA, MINUTE

TICK = timedelta(seconds=30)
HUNGRY = "registry.test/shop:v41-oom-300Mi"


class Competing(FloorStage, Canaried):
    """Three services of one namespace: one gets a bad canary, one runs out of memory, one needs a floor."""

    def __init__(self, budget: int) -> None:
        super().__init__(services=3, mode="Approve", settings={"budgets": {"namespace": budget}})
        _, self.hungry, self.busy = self.workloads
        self.policy(self.hungry.name, "Approve")
        self.policy(self.busy.name, "Observe")

    def consent(self, canary: str, mode: str, bound: str | None) -> None:
        super().consent(canary, mode, bound)
        self.scale_by("Off")

    async def prepared(self) -> None:
        """The hungry one has run its version for long, without pods; everything else is calm."""
        self.resize(self.hungry, 0)
        self.cluster.change(self.hungry, PatchOp("replace", IMAGE, HUNGRY))
        await self.calm()

    def resize(self, workload: Workload, replicas: int) -> None:
        self.cluster.change(workload, PatchOp("replace", "/spec/replicas", replicas))

    async def all_at_once(self) -> None:
        """A bad version begins to roll out, pods are killed for memory, load is coming."""
        self.begin(BAD)
        self.resize(self.hungry, 4)
        self.numbers.wanted[self.busy] = 6

    async def answered(self) -> None:
        """Mara says yes to whatever is asked."""
        for incident in (*self.program.history.open.values(),):
            found = await self.program.journal.load(incident)
            if found is not None and found.question is not None and found.question.open:
                now, digest = self.clock.now(), found.question.digest
                await self.program.door.answer(incident, digest, Verdict.APPROVE, MARA, Via.SLACK, now)

    async def time_passes(self, lasting: timedelta) -> None:
        for _ in range(round(lasting / TICK)):
            await self.tick(TICK)
            await self.answered()

    async def acted(self) -> list[str]:
        """The streams whose writes are in, in order, without what was taken back: an undo is charged to nobody."""
        rows = [(row.stream, row.event) for row in await self.store.follow(0, 100_000)]
        intended = {event.key for _, event in rows if isinstance(event, Intended) and not event.undo}
        return [stream for stream, event in rows if isinstance(event, Applied) and event.key in intended]

    def stream(self, workload: Workload) -> str:
        """Where this one's story is."""
        if workload == self.busy:
            return f"floor:{workload.key}"
        found = [stream for stream, events in self.program.history.streams.items() if about(events) == workload]
        return found[-1] if found else ""

    async def waits(self) -> dict[str, list[str]]:
        """What each stream was told of its budget."""
        found: dict[str, list[str]] = {}
        for row in await self.store.follow(0, 100_000):
            found.setdefault(row.stream, []).extend(budget_reasons(row.event))
        return {stream: reasons for stream, reasons in found.items() if reasons}


def budget_reasons(event: Event) -> list[str]:
    if not isinstance(event, Decided) or event.route is not Route.WAIT:
        return []
    return [reason.message for reason in event.reasons if reason.code == "budget"]


@pytest.mark.parametrize("budget", [1, 2])
async def test_s8_a_floor_a_rollback_and_a_repair_share_one_budget_and_the_losers_are_told(budget: int) -> None:
    async with Competing(budget) as stage:
        await stage.prepared()
        await stage.all_at_once()
        began = stage.clock.now()
        await stage.time_passes(12 * MINUTE)

        assert stage.clock.now() - began < HOUR
        acted, waits = await stage.acted(), await stage.waits()
        assert len(acted) == budget
        assert await stage.spent("actions:namespace:shop") == budget
        streams = {workload: stage.stream(workload) for workload in (stage.checkout, stage.hungry, stage.busy)}
        losers = [workload for workload, stream in streams.items() if stream not in acted]
        assert len(losers) == 3 - budget
        for loser in losers:
            assert waits[streams[loser]], loser.key
            if loser == stage.busy:
                assert stage.held_condition(loser.name) == ("False", "BudgetSpent")
                assert "FloorWaits" in stage.events_told()


async def test_s8_a_floor_that_lost_is_held_once_the_budget_is_free_again() -> None:
    async with Competing(1) as stage:
        await stage.prepared()
        stage.resize(stage.hungry, 4)
        await stage.time_passes(3 * MINUTE)
        assert await stage.acted() == [stage.stream(stage.hungry)]

        stage.numbers.wanted[stage.busy] = 6
        await stage.time_passes(5 * MINUTE)
        assert stage.least(stage.busy) == 2
        assert stage.held_condition(stage.busy.name) == ("False", "BudgetSpent")

        await stage.time_passes(58 * MINUTE)
        assert stage.least(stage.busy) == 6


async def test_s8_a_raise_of_a_floor_that_is_held_takes_no_action_from_the_repairs() -> None:
    async with Competing(2) as stage:
        await stage.prepared()
        for replicas in (4, 5, 6, 7):
            await stage.needs(replicas, stage.busy)
        stage.resize(stage.hungry, 4)
        await stage.time_passes(5 * MINUTE)

        assert stage.least(stage.busy) == 7
        assert await stage.spent("actions:namespace:shop") == 2
        assert stage.stream(stage.hungry) in await stage.acted()


def about(events: list[Event]) -> Workload | None:
    """The workload of an incident."""
    return events[0].workload if isinstance(events[0], Opened) else None
