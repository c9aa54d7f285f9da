"""A control plane with the chart installed as it ships; a plugin, loaded by tests/conftest.py."""

import secrets
from collections.abc import Iterator

import pytest

from tests.charts.chart import Helm, install
from tests.controlplane import provider
from tests.controlplane.api import Api
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.fixtures import need, started_control_plane

SHOP = "shop"
ELSEWHERE = "elsewhere"
VALUES = {
    "act.namespaces": [SHOP],
    "approvers": ["mara", "group:sre-oncall"],
    "groups": {"sre-oncall": ["li"]},
    "prometheus.url": "http://prometheus.monitoring:9090",
}


@pytest.fixture(scope="session")
def helm() -> Helm:
    """helm, on the chart of this checkout."""
    return Helm(need(provider.binaries))


@pytest.fixture(scope="session")
def charted(helm: Helm) -> Iterator[ControlPlane]:
    """A control plane with two releases: `trimtab` acts in `shop`, `watcher` has the default values."""
    with started_control_plane() as plane:
        for name in ("trimtab", "watching", SHOP, ELSEWHERE):
            plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        install(plane, helm.render(VALUES))
        # A second release would guard the same Remediations for another account; only its rights matter here.
        default = helm.render(release="watcher", namespace="watching")
        rights = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
        install(plane, [found for found in default if found["kind"] in rights])
        yield plane


@pytest.fixture
def account(charted: ControlPlane) -> Iterator[Api]:
    """The API server as the account of the release that may act in `shop`."""
    api = Api(charted.service_account_kubeconfig("trimtab", "trimtab"))
    yield api
    api.close()


@pytest.fixture
def fresh() -> str:
    """A name that no other test uses."""
    return f"t-{secrets.token_hex(4)}"
