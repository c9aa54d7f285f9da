"""A control plane with the chart installed as it ships; a plugin, loaded by tests/conftest.py."""

import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.api.examples import REMEDIATION
from tests.charts.chart import Helm, install, of
from tests.controlplane import provider
from tests.controlplane.api import Api, ApiError
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.fixtures import need, started_control_plane
from tests.controlplane.waiting import wait_for

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
    """A control plane with three releases: `trimtab` acts in `shop`; of `watcher` (default values) and
    `narrow` (watches `shop` only) there are only the rights.
    """
    with started_control_plane() as plane:
        for name in ("trimtab", "watching", "narrowing", SHOP, ELSEWHERE):
            plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        install(plane, helm.render(VALUES))
        # A second policy would guard the same Remediations for another account.
        default = helm.render(release="watcher", namespace="watching")
        narrow = helm.render({"watch.namespaces": [SHOP]}, release="narrow", namespace="narrowing")
        rights = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
        install(plane, of([*default, *narrow], *rights))
        _in_force(plane)
        yield plane


def _in_force(plane: ControlPlane) -> None:
    """Return when both admission policies refuse: the API server learns of a policy a moment after it was written."""
    template = {"metadata": {"labels": {"app": "probe"}}, "spec": {"containers": [{"name": "a", "image": "a:v1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "probe"}}, "template": template}
    plane.api.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "probe"}, "spec": spec}, SHOP)
    host = {"spec": {"template": {"spec": {"hostNetwork": True}}}}
    api = Api(plane.service_account_kubeconfig("trimtab", "trimtab"))
    wait_for(
        "workloads are guarded",
        lambda: _refused(lambda: api.patch("apps/v1", "deployments", "probe", host, SHOP, dryRun="All")),
    )
    wait_for("answers are guarded", lambda: _refused(lambda: plane.api.create(REMEDIATION, SHOP, dryRun="All")))
    api.close()
    plane.api.delete("apps/v1", "deployments", "probe", SHOP)


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except ApiError as error:
        return "ValidatingAdmissionPolicy" in str(error)
    return False


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
