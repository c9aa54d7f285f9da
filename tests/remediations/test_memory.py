"""The Cluster contract on the cluster in memory, and what it can do beyond: faults, effects, simulated rollouts."""

from datetime import UTC, datetime, timedelta

import pytest

from detectors.series import Workload
from remediations.cluster import Applied, Conflict, Refused, Unknown, Unreadable, World
from remediations.memory import Busy, Intruding, Losing, MemoryCluster, Refusing, deployment
from remediations.plan import PatchOp
from remediations.pods import crash_looping, image_pull_failing, oom_killed, ready_count
from remediations.verification import in_force
from tests.contracts.cluster_contract import IMAGE, Arena, ClusterContract, marked, of_image, seen

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class MemoryArena:
    calm_seconds = 0.0

    def __init__(self) -> None:
        self.cluster = MemoryCluster(lambda: NOW)

    async def deploy(self, name: str, image: str, replicas: int) -> Workload:
        return self.cluster.create(deployment("shop", name, image, replicas))

    async def change(self, workload: Workload, *patch: PatchOp) -> None:
        self.cluster.change(workload, *patch)

    async def delete(self, workload: Workload) -> None:
        self.cluster.delete(workload)

    async def protect(self, workload: Workload, min_available: int) -> None:
        selector = {"matchLabels": {"app": workload.name}}
        metadata = {"name": workload.name, "namespace": workload.namespace, "generation": 1}
        self.cluster.add_budget({"metadata": metadata, "spec": {"minAvailable": min_available, "selector": selector}})


class TestMemoryCluster(ClusterContract):
    @pytest.fixture
    def arena(self) -> Arena:
        return MemoryArena()


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster(lambda: NOW)


@pytest.fixture
def workload(cluster: MemoryCluster) -> Workload:
    return cluster.create(deployment("shop", "checkout", "registry.test/checkout:v41"))


def look(cluster: MemoryCluster, workload: Workload) -> World:
    world = cluster.look(workload)
    assert isinstance(world, World)
    return world


async def test_a_refused_write_has_no_effect(cluster: MemoryCluster, workload: Workload) -> None:
    cluster.disturb(Refusing("Forbidden", "no"))
    world = look(cluster, workload)

    assert await cluster.apply(marked(world), world.resource_version) == Refused("Forbidden", "no")
    assert look(cluster, workload) == world
    assert not cluster.effects


@pytest.mark.parametrize("landed", [True, False], ids=["write landed", "write lost"])
async def test_a_lost_answer_does_not_tell_whether_the_write_landed(
    cluster: MemoryCluster, workload: Workload, landed: bool
) -> None:
    cluster.disturb(Losing(applied=landed))
    world = look(cluster, workload)
    step = marked(world)

    assert isinstance(await cluster.apply(step, world.resource_version), Unknown)
    assert in_force(step, look(cluster, workload)) is landed
    assert len(cluster.effects) == landed


async def test_a_busy_server_names_when_to_come_back(cluster: MemoryCluster, workload: Workload) -> None:
    cluster.disturb(Busy(3.0))
    world = look(cluster, workload)

    result = await cluster.apply(marked(world), world.resource_version)

    assert isinstance(result, Unknown)
    assert result.retry_after == 3.0
    assert isinstance(await cluster.apply(marked(world), world.resource_version), Applied)


async def test_an_intruder_makes_the_write_a_conflict(cluster: MemoryCluster, workload: Workload) -> None:
    cluster.disturb(Intruding())
    world = look(cluster, workload)

    assert isinstance(await cluster.apply(marked(world), world.resource_version), Conflict)


async def test_a_dry_run_meets_no_fault_and_leaves_no_effect(cluster: MemoryCluster, workload: Workload) -> None:
    cluster.disturb(Refusing("Forbidden", "no"))
    world = look(cluster, workload)

    assert isinstance(await cluster.apply(marked(world), world.resource_version, dry_run=True), Applied)
    assert not cluster.effects


async def test_a_broken_reading_is_unreadable_not_gone(cluster: MemoryCluster, workload: Workload) -> None:
    cluster.break_reading("connection refused")

    assert await cluster.read(workload) == Unreadable("connection refused")


async def test_a_fence_is_no_effect(cluster: MemoryCluster, workload: Workload) -> None:
    await cluster.fence(workload, look(cluster, workload).uid, 3)

    assert not cluster.effects
    assert len(cluster.fences) == 1


async def test_a_reading_is_a_copy(cluster: MemoryCluster, workload: Workload) -> None:
    world = look(cluster, workload)
    world.object["spec"]["template"]["spec"]["containers"][0]["image"] = "changed"

    assert look(cluster, workload).object != world.object


@pytest.mark.parametrize(
    ("behaviour", "failing"),
    [("crash", crash_looping), ("nopull", image_pull_failing), ("unready", lambda pod: True)],
    ids=["crash", "nopull", "unready"],
)
def test_a_bad_image_gets_stuck_within_surge_and_unavailability(
    cluster: MemoryCluster, workload: Workload, behaviour: str, failing: object
) -> None:
    cluster.change(workload, of_image(f"registry.test/checkout:v42-{behaviour}"))

    world = look(cluster, workload)
    assert callable(failing)
    assert ready_count(world.pods) == 3
    assert [bool(failing(pod)) for pod in world.pods if not ready_count([pod])] == [True]


def test_a_recreated_deployment_loses_every_ready_pod_to_a_bad_image(cluster: MemoryCluster) -> None:
    manifest = deployment("shop", "batch", "registry.test/batch:v1", strategy={"type": "Recreate"})
    workload = cluster.create(manifest)
    cluster.change(workload, of_image("registry.test/batch:v2-crash"))

    world = look(cluster, workload)
    assert (len(world.pods), ready_count(world.pods)) == (3, 0)


def test_memory_kills_end_when_the_limit_is_high_enough(cluster: MemoryCluster) -> None:
    workload = cluster.create(deployment("shop", "cart", "registry.test/cart:v1-oom-256Mi", memory="128Mi"))
    assert all(oom_killed(pod) == ("app",) for pod in look(cluster, workload).pods)

    cluster.change(workload, PatchOp("replace", "/spec/template/spec/containers/0/resources/limits/memory", "256Mi"))

    world = look(cluster, workload)
    assert ready_count(world.pods) == 3
    assert not any(oom_killed(pod) for pod in world.pods)


def test_a_rollout_keeps_enough_pods_ready_at_every_step() -> None:
    cluster = MemoryCluster(lambda: NOW, settling=False)
    workload = cluster.create(deployment("shop", "checkout", "registry.test/checkout:v41", 8))
    cluster.settle()
    cluster.change(workload, of_image("registry.test/checkout:v42"))

    steps = 0
    while cluster.step():
        steps += 1
        assert ready_count(look(cluster, workload).pods) >= 6
        assert len(look(cluster, workload).pods) <= 10
    assert steps > 2
    assert look(cluster, workload).object["status"]["updatedReplicas"] == 8


def test_a_rollout_that_does_not_come_forward_exceeds_its_deadline() -> None:
    clock = [NOW]
    cluster = MemoryCluster(lambda: clock[0])
    workload = cluster.create(deployment("shop", "checkout", "registry.test/checkout:v41"))
    cluster.change(workload, of_image("registry.test/checkout:v42-unready"))
    clock[0] += timedelta(seconds=601)
    cluster.settle()

    reasons = [c.get("reason") for c in look(cluster, workload).object["status"]["conditions"]]
    assert "ProgressDeadlineExceeded" in reasons


def test_a_paused_deployment_rolls_nothing_out(cluster: MemoryCluster, workload: Workload) -> None:
    cluster.change(workload, PatchOp("add", "/spec/paused", True))
    cluster.change(workload, of_image("registry.test/checkout:v42"))

    world = look(cluster, workload)
    assert len(world.replica_sets) == 1
    assert {pod["spec"]["containers"][0]["image"] for pod in world.pods} == {"registry.test/checkout:v41"}


async def test_a_change_of_spec_raises_the_generation(cluster: MemoryCluster, workload: Workload) -> None:
    before = look(cluster, workload)
    cluster.change(workload, PatchOp("add", "/metadata/labels/x", "y"))
    labelled = look(cluster, workload)
    cluster.change(workload, PatchOp("replace", IMAGE, "registry.test/checkout:v42"))

    assert labelled.generation == before.generation
    assert labelled.resource_version != before.resource_version
    assert look(cluster, workload).generation == 2
    assert await seen(MemoryArenaOf(cluster), workload) == look(cluster, workload)


class MemoryArenaOf(MemoryArena):
    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster
