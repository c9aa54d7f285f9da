"""What every Cluster adapter promises of a field that is held, run on each: in memory, and on a real API server.

A subclass gives the fixture `arena`: the adapter, and ways to do what the owner of an autoscaler does. On a real server
its controller writes statuses, so a step is planned and sent anew when that made it too late.
"""

from dataclasses import replace
from typing import Protocol

import pytest

from detectors.series import Workload
from remediations.cluster import Applied, ApplyResult, Cluster, Conflict, Gone, Refused, Unknown, World
from remediations.fields import entries_of, is_ours, owners_of
from remediations.plan import Holding, PatchOp, Step, StepClass
from remediations.pointer import held, pointer_to, value_at
from remediations.steps import reverse_of, setting, step_of
from remediations.verification import in_force

LEAST = "/spec/minReplicas"
WAS = pointer_to("metadata", "annotations", "trimtab.dev/was")
TAKEN = Holding("trimtab-floor", force=True)
ASKED = Holding("trimtab-floor")


class HoldingArena(Protocol):
    """One adapter, and the people who own an autoscaler."""

    @property
    def cluster(self) -> Cluster: ...

    async def autoscale(self, name: str, least: int, most: int) -> Workload:
        """Somebody applies a HorizontalPodAutoscaler server-side as `kubectl`."""
        ...

    async def claim(self, workload: Workload, least: int, *, force: bool = False) -> tuple[str, ...]:
        """They apply it again with this minimum; the managers that stood against it."""
        ...

    async def change(self, workload: Workload, *patch: PatchOp) -> None:
        """Somebody writes plainly."""
        ...

    async def delete(self, workload: Workload) -> None:
        """They delete it, and wait until it is gone."""
        ...


async def read(arena: HoldingArena, workload: Workload) -> World:
    world = await arena.cluster.read(workload)
    assert isinstance(world, World), world
    return world


def holds(world: World, least: int, how: Holding = TAKEN) -> Step:
    """Hold the minimum, and an annotation with what it was."""
    was = str(value_at(world.object, WAS) or value_at(world.object, LEAST))
    values = ((LEAST, least), (WAS, was))
    patch = tuple(setting(held(world.object, pointer), value) for pointer, value in values)
    return step_of("contract", StepClass.VALUE_IDEMPOTENT, world, patch, holding=how)


def back(step: Step, least: int) -> Step:
    """The way back to this minimum from what the step left."""
    undo = reverse_of(step)
    patch = (PatchOp("remove", WAS), PatchOp("replace", LEAST, least))
    return replace(undo, patch=patch)


async def hold(
    arena: HoldingArena, workload: Workload, least: int, how: Holding = TAKEN, **more: bool
) -> tuple[Step, ApplyResult]:
    """A step sent on a fresh reading; again only while statuses are written in between."""
    for _ in range(20):
        world = await read(arena, workload)
        step = holds(world, least, how)
        result = await arena.cluster.apply(step, world.resource_version, **more)
        if not isinstance(result, Conflict) or result.owners:
            return step, result
    raise AssertionError("others write all the time")


async def release(arena: HoldingArena, step: Step, **more: bool) -> ApplyResult:
    for _ in range(20):
        world = await read(arena, step.workload)
        result = await arena.cluster.release(step, world.resource_version, **more)
        # A busy server may leave a write without an answer; a release is repeated without harm.
        if not isinstance(result, Conflict | Unknown):
            return result
    raise AssertionError("others write all the time")


class HoldingContract:
    """The suite. Subclass it, give `arena`, and it runs."""

    @pytest.fixture
    def arena(self) -> HoldingArena:
        raise NotImplementedError

    @pytest.fixture
    async def target(self, arena: HoldingArena) -> Workload:
        return await arena.autoscale("checkout", 2, 10)

    async def test_an_autoscaler_is_read_as_an_object_with_its_owners(
        self, arena: HoldingArena, target: Workload
    ) -> None:
        world = await read(arena, target)

        assert (world.object["kind"], world.object["apiVersion"]) == ("HorizontalPodAutoscaler", "autoscaling/v2")
        assert world.generation is None
        assert owners_of(world.object, LEAST) == ("kubectl",)

    async def test_what_is_held_unforced_against_its_owner_is_a_conflict_that_names_him(
        self, arena: HoldingArena, target: Workload
    ) -> None:
        _, result = await hold(arena, target, 6, ASKED)

        assert isinstance(result, Conflict)
        assert result.owners == ("kubectl",)
        world = await read(arena, target)
        assert value_at(world.object, LEAST) == 2
        assert WAS.rpartition("/")[2] not in world.annotations

    async def test_force_takes_the_field_over_with_what_it_was_in_the_same_write(
        self, arena: HoldingArena, target: Workload
    ) -> None:
        step, result = await hold(arena, target, 6)

        world = await read(arena, target)
        assert isinstance(result, Applied)
        assert in_force(step, world)
        assert value_at(world.object, WAS) == "2"
        assert owners_of(world.object, LEAST) == ("trimtab-floor",)

    async def test_what_is_ours_is_raised_without_force(self, arena: HoldingArena, target: Workload) -> None:
        await hold(arena, target, 6)

        _, result = await hold(arena, target, 8, ASKED)

        world = await read(arena, target)
        assert isinstance(result, Applied)
        assert (value_at(world.object, LEAST), value_at(world.object, WAS)) == (8, "2")

    async def test_holding_changes_nothing_else(self, arena: HoldingArena, target: Workload) -> None:
        before = await read(arena, target)

        await hold(arena, target, 6)

        after = await read(arena, target)
        assert {**after.object["spec"], "minReplicas": 2} == before.object["spec"]

    async def test_holding_what_is_held_changes_nothing(self, arena: HoldingArena, target: Workload) -> None:
        await hold(arena, target, 6)
        step, _ = await hold(arena, target, 6, ASKED)
        first = entries_of((await read(arena, target)).object)

        await hold(arena, target, 6, ASKED)

        world = await read(arena, target)
        assert in_force(step, world)
        assert [e for e in entries_of(world.object) if is_ours(e["manager"])] == [
            e for e in first if is_ours(e["manager"])
        ]

    async def test_another_object_of_the_name_is_gone_for_a_hold(self, arena: HoldingArena, target: Workload) -> None:
        old = await read(arena, target)
        await arena.delete(target)
        await arena.autoscale("checkout", 2, 10)
        new = await read(arena, target)

        assert isinstance(await arena.cluster.apply(holds(old, 6), new.resource_version), Gone)
        assert isinstance(await arena.cluster.apply(holds(old, 6), old.resource_version), Gone)
        assert value_at((await read(arena, target)).object, LEAST) == 2

    async def test_an_object_that_is_gone_is_not_made_by_a_hold(self, arena: HoldingArena, target: Workload) -> None:
        old = await read(arena, target)
        await arena.delete(target)

        result = await arena.cluster.apply(holds(old, 6), old.resource_version)

        assert isinstance(result, Gone)
        assert isinstance(await arena.cluster.read(target), Gone)

    async def test_a_hold_on_an_old_reading_is_a_conflict_without_an_owner(
        self, arena: HoldingArena, target: Workload
    ) -> None:
        old = await read(arena, target)
        await arena.change(target, PatchOp("add", pointer_to("metadata", "labels"), {"touched": "yes"}))

        result = await arena.cluster.apply(holds(old, 6), old.resource_version)

        assert isinstance(result, Conflict)
        assert result.owners == ()
        assert value_at((await read(arena, target)).object, LEAST) == 2

    async def test_a_fence_voids_an_older_hold(self, arena: HoldingArena, target: Workload) -> None:
        old = await read(arena, target)
        await arena.cluster.fence(target, old.uid, 7)

        assert isinstance(await arena.cluster.apply(holds(old, 6), old.resource_version), Conflict)

    async def test_a_rehearsed_hold_writes_nothing(self, arena: HoldingArena, target: Workload) -> None:
        _, result = await hold(arena, target, 6, dry_run=True)

        assert isinstance(result, Applied)
        assert value_at((await read(arena, target)).object, LEAST) == 2

    async def test_a_minimum_above_the_maximum_is_refused(self, arena: HoldingArena, target: Workload) -> None:
        _, result = await hold(arena, target, 11)

        assert isinstance(result, Refused)
        assert result.code == "Invalid"

    async def test_a_hold_takes_nothing_away(self, arena: HoldingArena, target: Workload) -> None:
        step, _ = await hold(arena, target, 6)
        world = await read(arena, target)

        result = await arena.cluster.apply(back(step, 2), world.resource_version)

        assert isinstance(result, Refused)
        assert value_at((await read(arena, target)).object, LEAST) == 6

    async def test_the_owner_is_told_of_us_and_takes_it_back_by_force(
        self, arena: HoldingArena, target: Workload
    ) -> None:
        await hold(arena, target, 6)

        assert await arena.claim(target, 3) == ("trimtab-floor",)
        assert await arena.claim(target, 3, force=True) == ()

        world = await read(arena, target)
        assert value_at(world.object, LEAST) == 3
        assert owners_of(world.object, LEAST) == ("kubectl",)

    async def test_after_a_plain_write_of_somebody_our_next_hold_is_told_who_it_was(
        self, arena: HoldingArena, target: Workload
    ) -> None:
        await hold(arena, target, 6)
        await arena.change(target, PatchOp("replace", LEAST, 3))

        _, result = await hold(arena, target, 6, ASKED)

        assert isinstance(result, Conflict)
        assert len(result.owners) == 1
        assert not is_ours(result.owners[0])

    async def test_a_release_restores_and_leaves_nothing_of_ours(self, arena: HoldingArena, target: Workload) -> None:
        before = await read(arena, target)
        step, _ = await hold(arena, target, 6)
        await arena.cluster.fence(target, before.uid, 7)

        result = await release(arena, back(step, 2))

        world = await read(arena, target)
        assert isinstance(result, Applied)
        assert world.object["spec"] == before.object["spec"]
        assert set(world.annotations) - set(before.annotations) == {"trimtab.dev/epoch"}
        assert not [entry for entry in entries_of(world.object) if is_ours(entry["manager"])]

    async def test_after_a_release_the_owner_applies_unforced(self, arena: HoldingArena, target: Workload) -> None:
        step, _ = await hold(arena, target, 6)
        await release(arena, back(step, 2))

        assert await arena.claim(target, 4) == ()
        assert value_at((await read(arena, target)).object, LEAST) == 4

    async def test_a_release_leaves_alone_what_is_no_longer_ours(self, arena: HoldingArena, target: Workload) -> None:
        step, _ = await hold(arena, target, 6)
        await arena.change(target, PatchOp("replace", LEAST, 3))

        result = await release(arena, back(step, 2))

        world = await read(arena, target)
        assert isinstance(result, Applied)
        assert value_at(world.object, LEAST) == 3
        assert value_at(world.object, WAS) is None
        assert not [entry for entry in entries_of(world.object) if is_ours(entry["manager"])]

    async def test_a_release_leaves_alone_what_its_owner_applied_at_our_own_number(
        self, arena: HoldingArena, target: Workload
    ) -> None:
        """No conflict tells of it: an apply of an equal value shares the field."""
        step, _ = await hold(arena, target, 6)
        assert await arena.claim(target, 6) == ()
        assert set(owners_of((await read(arena, target)).object, LEAST)) == {"trimtab-floor", "kubectl"}

        result = await release(arena, back(step, 2))

        world = await read(arena, target)
        assert isinstance(result, Applied)
        assert value_at(world.object, LEAST) == 6
        assert value_at(world.object, WAS) is None
        assert owners_of(world.object, LEAST) == ("kubectl",)

    async def test_a_release_is_repeated_without_harm(self, arena: HoldingArena, target: Workload) -> None:
        step, _ = await hold(arena, target, 6)
        await release(arena, back(step, 2))

        assert isinstance(await release(arena, back(step, 2)), Applied)
        assert value_at((await read(arena, target)).object, LEAST) == 2

    async def test_a_rehearsed_release_writes_nothing(self, arena: HoldingArena, target: Workload) -> None:
        step, _ = await hold(arena, target, 6)

        assert isinstance(await release(arena, back(step, 2), dry_run=True), Applied)
        assert in_force(step, await read(arena, target))

    async def test_a_release_is_locked_by_uid_and_version(self, arena: HoldingArena, target: Workload) -> None:
        old = await read(arena, target)
        step, _ = await hold(arena, target, 6)

        assert isinstance(await arena.cluster.release(back(step, 2), old.resource_version), Conflict)
        await arena.delete(target)
        assert isinstance(await arena.cluster.release(back(step, 2), old.resource_version), Gone)
        await arena.autoscale("checkout", 6, 10)
        new = await read(arena, target)
        assert isinstance(await arena.cluster.release(back(step, 2), new.resource_version), Gone)
        assert value_at((await read(arena, target)).object, LEAST) == 6
