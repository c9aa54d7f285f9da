"""The Cluster contract on a real API server, with real controllers."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from controller.adapters.kubernetes.client import Api
from controller.adapters.kubernetes.cluster import KubernetesCluster
from detectors.series import Workload
from remediations.plan import PatchOp
from tests.contracts.cluster_contract import ClusterContract
from tests.controlplane.api import JSON_PATCH
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads


@dataclass
class Real:
    cluster: KubernetesCluster
    server: ControlPlane
    workloads: Workloads
    namespace: str
    calm_seconds: float = 1.0

    async def deploy(self, name: str, image: str, replicas: int) -> Workload:
        await asyncio.to_thread(self.workloads.deploy, name, image, replicas)
        return Workload(self.namespace, "Deployment", name)

    async def change(self, workload: Workload, *patch: PatchOp) -> None:
        operations = [{"op": op.op, "path": op.path, "value": op.value} for op in patch]
        await asyncio.to_thread(
            self.server.api.patch,
            "apps/v1",
            "deployments",
            workload.name,
            operations,
            self.namespace,
            kind=JSON_PATCH,
        )

    async def delete(self, workload: Workload) -> None:
        await asyncio.to_thread(self._delete, workload)

    def _delete(self, workload: Workload) -> None:
        self.workloads.delete(workload.name)
        find = self.server.api.find
        wait_for(
            "the Deployment is gone",
            lambda: find("apps/v1", "deployments", workload.name, self.namespace),
            until=lambda found: found is None,
        )

    async def protect(self, workload: Workload, min_available: int) -> None:
        budget = {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": workload.name},
            "spec": {"minAvailable": min_available, "selector": {"matchLabels": {"app": workload.name}}},
        }
        await asyncio.to_thread(self.server.api.create, budget, self.namespace)


class TestRealCluster(ClusterContract):
    @pytest.fixture
    def arena(self, control_plane: ControlPlane, api: Api, workloads: Workloads, namespace: str) -> Real:
        cluster = KubernetesCluster(api, lambda: datetime.now(UTC))
        return Real(cluster, control_plane, workloads, namespace)
