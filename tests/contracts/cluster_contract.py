"""What every Cluster adapter promises, run on each: in memory, and on a real API server.

A subclass gives the fixture `arena`: the adapter, and ways to do what other people do. On a real server controllers
write too, so a reading may be out of date at once: the helpers read and try again where the rule under test is not
about that.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from detectors.series import Workload
from remediations.cluster import Applied, ApplyResult, Cluster, Conflict, Gone, Refused, World
from remediations.plan import Held, PatchOp, Step, StepClass
from remediations.pods import ready_count
from remediations.pointer import pointer_to, value_at
from remediations.steps import step_of
from remediations.verification import in_force

IMAGE = "/spec/template/spec/containers/0/image"
MARK = pointer_to("metadata", "annotations", "example.com/mark")
EPOCH = "trimtab.dev/epoch"
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.05


class Arena(Protocol):
    """One adapter and the world behind it."""

    @property
    def cluster(self) -> Cluster: ...

    @property
    def calm_seconds(self) -> float:
        """How long an object has to stay as it is before its controllers count as done (0: they work at once)."""
        ...

    async def deploy(self, name: str, image: str, replicas: int) -> Workload:
        """Create a Deployment with one container as a user would, selected by the label `app`."""
        ...

    async def change(self, workload: Workload, *patch: PatchOp) -> None:
        """Write as somebody else would."""
        ...

    async def delete(self, workload: Workload) -> None:
        """Delete it as somebody else would, and wait until it is gone."""
        ...

    async def protect(self, workload: Workload, min_available: int) -> None:
        """Create a disruption budget over its pods."""
        ...


async def seen(arena: Arena, workload: Workload, condition: Callable[[World], bool] = lambda world: True) -> World:
    """A reading in which `condition` holds."""
    world: object = None
    for _ in range(round(PATIENCE_SECONDS / PAUSE_SECONDS)):
        world = await arena.cluster.read(workload)
        if isinstance(world, World) and condition(world):
            return world
        await asyncio.sleep(PAUSE_SECONDS)
    raise AssertionError(f"not seen within {PATIENCE_SECONDS:.0f} s; last: {world}")


async def rested(arena: Arena, workload: Workload) -> World:
    """A reading after its pods are ready and the controllers have nothing left to write."""
    await seen(arena, workload, lambda world: ready_count(world.pods) == world.object["spec"]["replicas"])
    before = ""
    for _ in range(round(PATIENCE_SECONDS)):
        world = await seen(arena, workload)
        if world.resource_version == before:
            return world
        before = world.resource_version
        await asyncio.sleep(arena.calm_seconds)
    raise AssertionError("the object does not come to rest")


async def sent(arena: Arena, workload: Workload, *patch: PatchOp) -> tuple[Step, ApplyResult]:
    """A step planned and sent on a fresh reading, again while others write in between."""
    for _ in range(20):
        world = await seen(arena, workload)
        step = marked(world, *patch)
        result = await arena.cluster.apply(step, world.resource_version)
        if not isinstance(result, Conflict):
            return step, result
    raise AssertionError("others write all the time")


def marked(world: World, *patch: PatchOp) -> Step:
    return step_of("contract", StepClass.VALUE_IDEMPOTENT, world, patch or (PatchOp("add", MARK, "set"),))


def of_image(image: str) -> PatchOp:
    return PatchOp("replace", IMAGE, image)


class ClusterContract:
    """The suite. Subclass it, give `arena`, and it runs."""

    @pytest.fixture
    def arena(self) -> Arena:
        raise NotImplementedError

    @pytest.fixture
    async def workload(self, arena: Arena) -> Workload:
        return await arena.deploy("checkout", "registry.test/checkout:v41", 2)

    async def test_a_reading_is_whole(self, arena: Arena, workload: Workload) -> None:
        await arena.protect(workload, 1)
        world = await seen(arena, workload, lambda world: ready_count(world.pods) == 2 and len(world.budgets) == 1)

        assert world.workload == workload
        assert (world.object["kind"], world.object["apiVersion"]) == ("Deployment", "apps/v1")
        assert world.uid
        assert world.resource_version
        assert world.generation is not None
        assert len(world.replica_sets) == 1
        assert world.read_at.tzinfo is not None

    async def test_a_reading_leaves_out_what_belongs_to_others(self, arena: Arena, workload: Workload) -> None:
        other = await arena.deploy("search", "registry.test/search:v1", 1)
        await arena.protect(other, 1)
        await seen(arena, other, lambda world: len(world.pods) == 1 and len(world.budgets) == 1)

        world = await seen(arena, workload, lambda world: len(world.pods) == 2)

        assert not world.budgets
        assert {pod["metadata"]["labels"]["app"] for pod in world.pods} == {"checkout"}

    async def test_reading_what_is_not_there_says_gone(self, arena: Arena, workload: Workload) -> None:
        assert isinstance(await arena.cluster.read(replace(workload, name="nobody")), Gone)

    async def test_an_applied_step_is_in_force_and_raises_the_version(self, arena: Arena, workload: Workload) -> None:
        before = await seen(arena, workload)

        step, result = await sent(arena, workload)

        assert isinstance(result, Applied)
        assert result.resource_version != before.resource_version
        assert in_force(step, await seen(arena, workload))

    async def test_a_step_changes_nothing_but_its_pointers(self, arena: Arena, workload: Workload) -> None:
        before = await rested(arena, workload)

        await sent(arena, workload)
        after = await rested(arena, workload)

        assert after.object["spec"] == before.object["spec"]
        extra = after.annotations.keys() - before.annotations.keys()
        assert extra == {"example.com/mark"}

    async def test_a_change_of_spec_raises_the_generation(self, arena: Arena, workload: Workload) -> None:
        before = await seen(arena, workload)

        await sent(arena, workload, of_image("registry.test/checkout:v43"))

        after = await seen(arena, workload)
        assert before.generation is not None
        assert after.generation is not None
        assert after.generation > before.generation

    async def test_an_annotation_raises_the_generation_of_a_deployment_too(
        self, arena: Arena, workload: Workload
    ) -> None:
        """As its registry strategy has it, so that a fence, too, is a new generation."""
        before = await rested(arena, workload)

        await sent(arena, workload)

        after = await rested(arena, workload)
        assert before.generation is not None
        assert after.generation == before.generation + 1

    async def test_a_new_template_gets_a_replica_set_and_an_old_one_is_taken_up_again(
        self, arena: Arena, workload: Workload
    ) -> None:
        first = await rested(arena, workload)
        await sent(arena, workload, of_image("registry.test/checkout:v42"))
        both = await seen(arena, workload, lambda world: len(world.replica_sets) == 2)
        await sent(arena, workload, of_image("registry.test/checkout:v41"))

        old = first.replica_sets[0]["metadata"]["uid"]
        await seen(arena, workload, lambda world: {owner(pod) for pod in world.pods} == {old})
        last = await rested(arena, workload)

        assert {rs["metadata"]["uid"] for rs in last.replica_sets} == {
            rs["metadata"]["uid"] for rs in both.replica_sets
        }

    async def test_a_stale_version_is_a_conflict_and_writes_nothing(self, arena: Arena, workload: Workload) -> None:
        world = await rested(arena, workload)
        await arena.change(workload, PatchOp("add", pointer_to("metadata", "annotations", "example.com/other"), "x"))

        result = await arena.cluster.apply(marked(world), world.resource_version)

        assert isinstance(result, Conflict)
        assert value_at((await seen(arena, workload)).object, MARK) is None

    async def test_a_recreated_object_is_gone_for_a_step_of_the_old_one(self, arena: Arena, workload: Workload) -> None:
        old = await seen(arena, workload)
        await arena.delete(workload)
        await arena.deploy("checkout", "registry.test/checkout:v41", 2)
        new = await rested(arena, workload)

        assert isinstance(await arena.cluster.apply(marked(old), new.resource_version), Gone)
        assert isinstance(await arena.cluster.apply(marked(old), old.resource_version), Gone)
        assert value_at((await seen(arena, workload)).object, MARK) is None

    async def test_a_deleted_object_is_gone_and_not_made_anew(self, arena: Arena, workload: Workload) -> None:
        world = await seen(arena, workload)
        await arena.delete(workload)

        assert isinstance(await arena.cluster.apply(marked(world), world.resource_version), Gone)
        assert isinstance(await arena.cluster.fence(workload, world.uid, 7), Gone)
        assert isinstance(await arena.cluster.read(workload), Gone)

    async def test_a_dry_run_answers_and_writes_nothing(self, arena: Arena, workload: Workload) -> None:
        world = await rested(arena, workload)

        result = await arena.cluster.apply(marked(world), world.resource_version, dry_run=True)

        assert isinstance(result, Applied)
        after = await seen(arena, workload)
        assert after.resource_version == world.resource_version
        assert value_at(after.object, MARK) is None

    async def test_a_dry_run_is_locked_like_the_write(self, arena: Arena, workload: Workload) -> None:
        world = await rested(arena, workload)
        await arena.change(workload, PatchOp("add", MARK, "other"))

        result = await arena.cluster.apply(marked(world), world.resource_version, dry_run=True)

        assert isinstance(result, Conflict)

    async def test_a_patch_that_does_not_fit_is_refused(self, arena: Arena, workload: Workload) -> None:
        world = await rested(arena, workload)
        nowhere = PatchOp("replace", "/spec/template/spec/containers/7/image", "x")
        step = replace(marked(world), patch=(nowhere,), holds=(Held(nowhere.path, "x"),))

        result = await arena.cluster.apply(step, world.resource_version)

        assert isinstance(result, Refused)
        assert result.code == "Invalid"

    async def test_an_impossible_value_is_refused(self, arena: Arena, workload: Workload) -> None:
        labels = PatchOp("replace", "/spec/template/metadata/labels", {"app": "another"})

        _, result = await sent(arena, workload, labels)

        assert isinstance(result, Refused)
        assert result.code == "Invalid"

    async def test_repeating_what_is_in_force_changes_nothing(self, arena: Arena, workload: Workload) -> None:
        await sent(arena, workload)
        world = await rested(arena, workload)

        result = await arena.cluster.apply(marked(world), world.resource_version)

        assert isinstance(result, Applied)
        assert (await seen(arena, workload)).resource_version == world.resource_version

    async def test_a_fence_writes_the_epoch_and_nothing_else(self, arena: Arena, workload: Workload) -> None:
        before = await rested(arena, workload)

        result = await arena.cluster.fence(workload, before.uid, 7)

        after = await rested(arena, workload)
        assert isinstance(result, Applied)
        assert after.annotations[EPOCH] == "7"
        assert after.object["spec"] == before.object["spec"]

    async def test_a_fence_voids_every_older_version(self, arena: Arena, workload: Workload) -> None:
        """The old leader has read and decided; the new one fences; the old one's write comes late."""
        old = await rested(arena, workload)
        await arena.cluster.fence(workload, old.uid, 7)

        assert isinstance(await arena.cluster.apply(marked(old), old.resource_version), Conflict)
        assert value_at((await seen(arena, workload)).object, MARK) is None

    async def test_a_fence_of_the_same_epoch_voids_what_was_read_since_the_last(
        self, arena: Arena, workload: Workload
    ) -> None:
        """A leader whose second write got no answer either fences again: a no-op would void nothing."""
        before = await rested(arena, workload)
        for fence in ("7", "7.1", "7.2"):
            held = await rested(arena, workload)
            assert isinstance(await arena.cluster.fence(workload, before.uid, 7), Applied)

            assert isinstance(await arena.cluster.apply(marked(held), held.resource_version), Conflict)
            assert (await seen(arena, workload)).annotations[EPOCH] == fence
        assert isinstance(await arena.cluster.fence(workload, before.uid, 6), Refused)

    async def test_an_older_epoch_never_replaces_a_newer_one(self, arena: Arena, workload: Workload) -> None:
        world = await seen(arena, workload)
        await arena.cluster.fence(workload, world.uid, 8)

        assert isinstance(await arena.cluster.fence(workload, world.uid, 7), Refused)
        assert (await seen(arena, workload)).annotations[EPOCH] == "8"

    async def test_a_fence_knows_another_object_of_the_same_name(self, arena: Arena, workload: Workload) -> None:
        assert isinstance(await arena.cluster.fence(workload, "00000000-dead-4000-8000-000000000000", 7), Gone)

    async def test_of_two_writes_from_one_reading_one_comes_through(self, arena: Arena, workload: Workload) -> None:
        world = await rested(arena, workload)
        steps = [marked(world, PatchOp("add", MARK, value)) for value in ("one", "two")]

        results = await asyncio.gather(*(arena.cluster.apply(step, world.resource_version) for step in steps))

        assert sorted(type(result).__name__ for result in results) == ["Applied", "Conflict"]


def owner(pod: object) -> object:
    return value_at(pod, "/metadata/ownerReferences/0/uid")
