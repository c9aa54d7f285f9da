"""Held fields on a real API server, with the real HPA controller beside."""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from controller.adapters.kubernetes.client import Api
from controller.adapters.kubernetes.cluster import KubernetesCluster
from controller.failpoints import Injected
from detectors.series import Workload
from remediations.cluster import Applied, Conflict
from remediations.fields import owners_of
from remediations.floor import LEAST, Floor, FloorParameters, release_of, traces
from remediations.memory import autoscaler
from remediations.plan import PatchOp, Plan
from tests.contracts.holding_contract import HoldingContract, read
from tests.controlplane.api import APPLY_PATCH, JSON_PATCH, ApiError
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCALING, PLURAL = "autoscaling/v2", "horizontalpodautoscalers"


@dataclass
class Real:
    cluster: KubernetesCluster
    server: ControlPlane
    namespace: str

    async def autoscale(self, name: str, least: int, most: int) -> Workload:
        workload = Workload(self.namespace, "HorizontalPodAutoscaler", name, SCALING)
        await asyncio.to_thread(self._apply, workload, least, most, force=False)
        return workload

    async def claim(self, workload: Workload, least: int, *, force: bool = False) -> tuple[str, ...]:
        try:
            await asyncio.to_thread(self._apply, workload, least, 10, force=force)
        except ApiError as error:
            return tuple(re.findall(r'conflicts? with "([^"]+)"', str(error))) or (str(error),)
        return ()

    def _apply(self, workload: Workload, least: int, most: int, *, force: bool) -> None:
        self.server.api.patch(
            SCALING,
            PLURAL,
            workload.name,
            autoscaler(self.namespace, workload.name, least, most),
            self.namespace,
            kind=APPLY_PATCH,
            fieldManager="kubectl",
            force=str(force).lower(),
        )

    async def change(self, workload: Workload, *patch: PatchOp) -> None:
        operations = [{"op": op.op, "path": op.path, "value": op.value} for op in patch]
        await asyncio.to_thread(
            self.server.api.patch, SCALING, PLURAL, workload.name, operations, self.namespace, kind=JSON_PATCH
        )

    async def delete(self, workload: Workload) -> None:
        await asyncio.to_thread(self._delete, workload)

    def _delete(self, workload: Workload) -> None:
        self.server.api.delete(SCALING, PLURAL, workload.name, self.namespace)
        wait_for(
            "the autoscaler is gone",
            lambda: self.server.api.find(SCALING, PLURAL, workload.name, self.namespace),
            until=lambda found: found is None,
        )


class TestRealHolding(HoldingContract):
    @pytest.fixture
    def arena(self, control_plane: ControlPlane, api: Api, namespace: str) -> Real:
        return Real(KubernetesCluster(api, lambda: datetime.now(UTC)), control_plane, namespace)


async def held_at_six(arena: Real) -> Workload:
    """An autoscaler with a floor of ours."""
    target = await arena.autoscale("checkout", 2, 10)
    world = await read(arena, target)
    plan = Floor().plan(target, world, FloorParameters(min_replicas=6, for_whom="shop/checkout@1", force=True), NOW)
    assert isinstance(plan, Plan)
    assert isinstance(await arena.cluster.apply(plan.steps[0], world.resource_version), Applied)
    return target


async def test_a_leader_stopped_inside_a_release_ends_nothing_that_another_has_begun_since(
    control_plane: ControlPlane, api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on after the other has fenced: its second write would take the other's ownership away."""
    arena = Real(KubernetesCluster(api, lambda: datetime.now(UTC)), control_plane, namespace)
    target = await held_at_six(arena)
    held = await read(arena, target)
    step = release_of(held)
    assert step is not None
    monkeypatch.setenv("TRIMTAB_FAILPOINTS", "1")
    monkeypatch.setenv("TRIMTAB_FAILPOINT", "cluster.release.after=sleep:1.5")

    stopped = asyncio.create_task(arena.cluster.release(step, held.resource_version))
    while (await read(arena, target)).object["spec"]["minReplicas"] == 6:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.05)
    assert isinstance(await arena.cluster.fence(target, held.uid, 8), Applied)

    assert isinstance(await stopped, Conflict)
    assert owners_of((await read(arena, target)).object, LEAST) == ("trimtab",)


async def test_a_release_that_broke_off_between_its_two_writes_is_made_whole_by_the_next(
    control_plane: ControlPlane, api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values are back already, but the owner would still be told of us."""
    arena = Real(KubernetesCluster(api, lambda: datetime.now(UTC)), control_plane, namespace)
    target = await held_at_six(arena)
    monkeypatch.setenv("TRIMTAB_FAILPOINTS", "1")
    monkeypatch.setenv("TRIMTAB_FAILPOINT", "cluster.release.after=raise")
    held = await read(arena, target)
    step = release_of(held)
    assert step is not None
    with pytest.raises(Injected):
        await arena.cluster.release(step, held.resource_version)
    monkeypatch.delenv("TRIMTAB_FAILPOINT")

    half = await read(arena, target)
    assert half.object["spec"]["minReplicas"] == 2
    assert traces(half.object), "who looks for floors finds it"
    assert await arena.claim(target, 3) == ("trimtab",)
    rest = release_of(half)
    assert rest is not None
    assert isinstance(await arena.cluster.release(rest, half.resource_version), Applied)
    assert await arena.claim(target, 3) == ()
    assert release_of(await read(arena, target)) is None
