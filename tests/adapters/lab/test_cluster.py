"""The Cluster contracts on the lab, and what its cluster can do beyond: swallow writes, and tell a twin of them."""

from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.lab.cluster import LabCluster
from controller.kinds import BUDGETS
from controller.lab.lab import Lab
from detectors.series import Workload
from remediations.cluster import Applied, ApplyResult, Conflict, Gone, Unreadable, World
from remediations.plan import PatchOp, Step
from remediations.pointer import value_at
from tests.contracts.cluster_contract import MARK, Arena, ClusterContract, marked
from tests.contracts.holding_contract import LEAST, HoldingArena, HoldingContract
from tests.lab.playing import lab, scaler, scenario, workload, world

MOST = "/spec/maxReplicas"


class Living:
    """A cluster whose controllers work at each look at it: five seconds pass."""

    def __init__(self, cluster: LabCluster, fleet: Lab) -> None:
        self._cluster, self._fleet = cluster, fleet

    async def read(self, workload: Workload) -> World | Gone | Unreadable:
        self._fleet.advance(self._fleet.now + timedelta(seconds=5))
        return await self._cluster.read(workload)

    async def apply(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        return await self._cluster.apply(step, resource_version, dry_run=dry_run)

    async def release(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        return await self._cluster.release(step, resource_version, dry_run=dry_run)

    async def fence(self, workload: Workload, uid: str, epoch: int) -> ApplyResult:
        return await self._cluster.fence(workload, uid, epoch)


def quick(name: str, **said: Any) -> dict[str, Any]:
    """A service without load whose pods start at once."""
    versions: dict[str, dict[str, Any]] = {version: {} for version in ("v41", "v42", "v43")}
    return {
        "name": name,
        "capacity": 50,
        "start": {"median": "1s", "sigma": 0},
        "versions": versions,
        "running": "v41",
        **said,
    }


class LabArena:
    """A fleet in which five seconds pass at each look at it."""

    calm_seconds = 0.0

    def __init__(self) -> None:
        self.lab = lab(scenario(quick("checkout", replicas=2), quick("search", replicas=1)))
        self.cluster = Living(LabCluster(self.lab), self.lab)

    async def deploy(self, name: str, image: str, replicas: int) -> Workload:
        made = workload(name)
        if isinstance(self.lab.look(made), Gone):
            self.lab.create(made)
        return made

    async def change(self, workload: Workload, *patch: PatchOp) -> None:
        assert isinstance(self.lab.act_as("kubectl-edit", workload, *patch), Applied)

    async def delete(self, workload: Workload) -> None:
        self.lab.delete(workload)

    async def protect(self, workload: Workload, min_available: int) -> None:
        selector = {"matchLabels": {"app": workload.name}}
        metadata = {"name": workload.name, "namespace": workload.namespace, "uid": f"budget-{workload.name}"}
        spec = {"minAvailable": min_available, "selector": selector}
        self.lab.objects.put(BUDGETS, {"metadata": metadata, "spec": spec})


class ScaledArena(LabArena):
    """A fleet with an autoscaler that somebody applied as `kubectl`."""

    def __init__(self) -> None:
        scaled = {"min": 2, "max": 10, "cpu": 50}
        self.lab = lab(scenario(quick("checkout", replicas=2, autoscaler=scaled)))
        self.cluster = Living(LabCluster(self.lab), self.lab)

    async def autoscale(self, name: str, least: int, most: int) -> Workload:
        made = scaler(name)
        if isinstance(self.lab.look(made), Gone):
            self.lab.create(made)
        for more in (1, 0):  # another value first, so that nobody else owns it beside
            bounds = PatchOp("add", LEAST, least + more), PatchOp("add", MOST, most + more)
            self.lab.claim("kubectl", made, *bounds, force=True)
        return made

    async def claim(self, workload: Workload, least: int, *, force: bool = False) -> tuple[str, ...]:
        wanted = (PatchOp("add", LEAST, least), PatchOp("add", MOST, 10))
        result = self.lab.claim("kubectl", workload, *wanted, force=force)
        return result.owners if isinstance(result, Conflict) else ()


class TestLabCluster(ClusterContract):
    @pytest.fixture
    def arena(self) -> Arena:
        return LabArena()


class TestLabHolding(HoldingContract):
    @pytest.fixture
    def arena(self) -> HoldingArena:
        return ScaledArena()


async def test_a_write_that_is_swallowed_is_answered_and_changes_nothing() -> None:
    stage, told = lab(), list[Step]()
    cluster = LabCluster(stage, suppress=lambda step: True, mirror=told.append)
    before = world(stage)

    result = await cluster.apply(marked(before), before.resource_version)

    assert isinstance(result, Applied)
    assert value_at(world(stage).object, MARK) is None
    assert told == []


async def test_a_twin_is_told_of_what_came_through_and_of_nothing_else() -> None:
    stage, told = lab(), list[Step]()
    cluster = LabCluster(stage, mirror=told.append)
    before = world(stage)
    step = marked(before)

    assert isinstance(await cluster.apply(step, before.resource_version, dry_run=True), Applied)
    assert isinstance(await cluster.apply(step, "0"), Conflict)
    assert told == []
    await cluster.apply(step, before.resource_version)
    assert told == [step]
