"""Watch, Leases, Resources and Access keep their promises on a real API server."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.kubernetes.access import KubernetesAccess
from controller.adapters.kubernetes.client import Api
from controller.adapters.kubernetes.config import Connection
from controller.adapters.kubernetes.events import EventLog
from controller.adapters.kubernetes.leases import KubernetesLeases, open_leases
from controller.adapters.kubernetes.resources import KubernetesResources
from controller.adapters.kubernetes.watch import KubernetesWatch
from controller.ports import Person
from tests.adapters.kubernetes.tap import Tap
from tests.contracts import access_contract, leases_contract, resources_contract, watch_contract
from tests.controlplane.api import ApiError
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for


@dataclass
class WatchStage:
    watch: KubernetesWatch
    namespace: str
    neighbour: str
    server: ControlPlane
    tap: Tap

    async def put(self, namespace: str, name: str, value: str) -> None:
        await asyncio.to_thread(self._put, namespace, name, value)

    def _put(self, namespace: str, name: str, value: str) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}
        body |= {"data": {"value": value}}
        if self.server.api.find("v1", "configmaps", name, namespace):
            self.server.api.replace("v1", "configmaps", body)
        else:
            self.server.api.create(body, namespace)

    async def remove(self, namespace: str, name: str) -> None:
        await asyncio.to_thread(self.server.api.delete, "v1", "configmaps", name, namespace)

    async def cut_off(self) -> None:
        await self.tap.cut()

    async def mend(self) -> None:
        await self.tap.open()


class TestWatch(watch_contract.WatchContract):
    @pytest.fixture
    def stage(self, control_plane: ControlPlane, api: Api, namespace: str, neighbour: str, tap: Tap) -> WatchStage:
        watch = KubernetesWatch(api, silence=timedelta(seconds=70), chance=random.Random(7))
        return WatchStage(watch, namespace, neighbour, control_plane, tap)


@dataclass
class LeasesStage:
    one: KubernetesLeases
    other: KubernetesLeases
    namespace: str
    server: ControlPlane
    tap: Tap

    async def remove(self) -> None:
        await asyncio.to_thread(self.server.api.delete, "coordination.k8s.io/v1", "leases", "trimtab", self.namespace)

    async def cut_off(self) -> None:
        await self.tap.cut()


class TestLeases(leases_contract.LeasesContract):
    @pytest.fixture
    async def stage(
        self, control_plane: ControlPlane, connection: Connection, namespace: str, tap: Tap
    ) -> AsyncIterator[LeasesStage]:
        one, other = [await open_leases(connection, namespace, "trimtab") for _ in range(2)]
        yield LeasesStage(one, other, namespace, control_plane, tap)
        await one.close()
        await other.close()


PROBES_CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "probes.trimtab.dev"},
    "spec": {
        "group": "trimtab.dev",
        "scope": "Namespaced",
        "names": {"plural": "probes", "singular": "probe", "kind": "Probe", "listKind": "ProbeList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer", "maximum": 10},
                                    "colour": {"type": "string", "maxLength": 20},
                                },
                            },
                            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
                        },
                    }
                },
            }
        ],
    },
}


@dataclass
class ResourcesStage:
    resources: KubernetesResources
    namespace: str
    neighbour: str
    tap: Tap

    async def cut_off(self) -> None:
        await self.tap.cut()


@pytest.fixture
def probes(control_plane: ControlPlane) -> None:
    try:
        control_plane.api.create(PROBES_CRD)
    except ApiError as error:
        if error.code != 409:
            raise
    wait_for("probes are served", lambda: served(control_plane))


def served(control_plane: ControlPlane) -> bool:
    try:
        control_plane.api.list("trimtab.dev/v1", "probes")
    except ApiError as error:
        if error.code not in {404, 429, 503}:
            raise
        return False
    return True


@pytest.mark.usefixtures("probes")
class TestResources(resources_contract.ResourcesContract):
    @pytest.fixture
    def stage(self, api: Api, namespace: str, neighbour: str, tap: Tap) -> ResourcesStage:
        events = EventLog(api, lambda: datetime.now(UTC), "trimtab-0")
        return ResourcesStage(KubernetesResources(api, events), namespace, neighbour, tap)


@dataclass
class AccessStage:
    access: KubernetesAccess
    token: str
    person: Person
    group: str
    namespace: str
    neighbour: str
    tap: Tap

    async def cut_off(self) -> None:
        await self.tap.cut()


def rbac(
    namespace: str, name: str, rules: list[dict[str, Any]], subjects: list[dict[str, str]]
) -> list[dict[str, Any]]:
    version = "rbac.authorization.k8s.io/v1"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    about = {"name": name, "namespace": namespace}
    return [
        {"apiVersion": version, "kind": "Role", "metadata": about, "rules": rules},
        {"apiVersion": version, "kind": "RoleBinding", "metadata": about, "roleRef": reference, "subjects": subjects},
    ]


class TestAccess(access_contract.AccessContract):
    """The program runs as a ServiceAccount that may review tokens and access, and what the suite says."""

    @pytest.fixture
    def account(self, control_plane: ControlPlane, namespace: str, tap: Tap) -> Path:
        server = f"https://127.0.0.1:{tap.port}"
        return control_plane.service_account_kubeconfig(namespace, "program", server=server)

    @pytest.fixture
    async def stage(
        self, control_plane: ControlPlane, account: Path, namespace: str, neighbour: str, tap: Tap
    ) -> AsyncIterator[AccessStage]:
        control_plane.service_account_kubeconfig(namespace, "ana")
        program = {"kind": "ServiceAccount", "name": "program", "namespace": namespace}
        group = f"approvers-{namespace}"
        rules = [{"apiGroups": ["trimtab.dev"], "resources": ["remediations"], "verbs": ["approve"]}]
        own = [{"apiGroups": ["apps"], "resources": ["deployments", "deployments/status"], "verbs": ["patch"]}]
        people = [
            {"kind": "ServiceAccount", "name": "ana", "namespace": namespace},
            {"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"},
        ]
        for body in (*rbac(namespace, "answer", rules, people), *rbac(namespace, "act", own, [program])):
            control_plane.api.create(body, namespace)
        reviewer = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"reviewer-{namespace}"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:auth-delegator",
            },
            "subjects": [program],
        }
        control_plane.api.create(reviewer)
        connection = Connection(kubeconfig=account, timeout_seconds=3, connect_seconds=3)
        ana = Person(f"system:serviceaccount:{namespace}:ana", (f"system:serviceaccounts:{namespace}",))
        async with await Api.open(connection) as api:
            token = control_plane.token(namespace, "ana")
            yield AccessStage(KubernetesAccess(api), token, ana, group, namespace, neighbour, tap)
        control_plane.api.delete("rbac.authorization.k8s.io/v1", "clusterrolebindings", f"reviewer-{namespace}")
