"""Held fields on a real API server, with the real HPA controller beside."""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from controller.adapters.kubernetes.client import Api
from controller.adapters.kubernetes.cluster import KubernetesCluster
from detectors.series import Workload
from remediations.memory import autoscaler
from remediations.plan import PatchOp
from tests.contracts.holding_contract import HoldingContract
from tests.controlplane.api import APPLY_PATCH, JSON_PATCH, ApiError
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for

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
