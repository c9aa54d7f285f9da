"""A fresh install on a burning cluster: it sees, it says what it would do, it has no right to any of it (S11)."""

import json
from collections.abc import Iterator

import pytest

from tests.charts.chart import ACCOUNT, Helm, install, may, resources
from tests.controlplane.audit import denied, effects
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.fixtures import folder
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads
from tests.endtoend import release
from tests.endtoend.process import Trimtab
from tests.endtoend.story import CRASHING, GOOD

CHANGING = ("create", "update", "patch", "delete", "deletecollection")
WORKLOADS = ("pods", "deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "cronjobs")


@pytest.fixture
def observing(own_control_plane: ControlPlane, helm: Helm) -> Iterator[Trimtab]:
    """The chart as it comes, without a single value."""
    for name in ("trimtab", "shop"):
        own_control_plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    objects = helm.render()
    install(own_control_plane, [found for found in objects if found["kind"] != "Deployment"])
    account = own_control_plane.service_account_kubeconfig(*ACCOUNT)
    with folder("observing") as path:
        replica = Trimtab(path, objects, account, env=release.QUICK)
        replica.start()
        yield replica
        replica.stop()


def test_on_a_burning_cluster_a_fresh_install_changes_nothing_and_says_what_it_would_do(
    own_control_plane: ControlPlane, observing: Trimtab
) -> None:
    plane, since = own_control_plane, own_control_plane.audit.mark()
    shop = Workloads(plane.api, "shop")
    for name, behaviour in (("search", "crash"), ("cart", "nopull"), ("mail", "oom-256Mi"), ("stock", "unready")):
        shop.deploy(name, f"registry.test/{name}:v1-{behaviour}", 2)
    shop.deploy("checkout", GOOD, 4, wait=True)
    known = "shop/Deployment/checkout"
    wait_for("checkout is known", lambda: observing.logged("version known healthy", workload=known), every=0.25)
    shop.rollout("checkout", CRASHING)

    told = wait_for("it is explained", lambda: _about_checkout(observing), timeout=180, every=1)

    assert "would have asked whether to roll back to v41" in told
    _every_workload_is_listed_without_a_policy(plane, observing)
    assert effects(plane.audit, since=since, user=release.ACCOUNT) == []
    assert denied(plane.audit, release.ACCOUNT, since=since) == []
    assert _rights(plane) == []


def _every_workload_is_listed_without_a_policy(plane: ControlPlane, trimtab: Trimtab) -> None:
    """As `kubectl exec` would ask: with the account's own token."""
    said = trimtab.cli("status", "--output", "json")
    assert said.code == 0, said.problem
    found = json.loads(said.out)
    services = {service["name"]: service for service in found["services"] if service["namespace"] == "shop"}

    assert plane.api.list("trimtab.dev/v1alpha1", "servicepolicies", "shop") == []
    assert set(services) == {"search", "cart", "mail", "stock", "checkout"}
    assert {service["modes"] for service in services.values()} == {"Observe"}
    assert {service["policy"] for service in services.values()} == {"default"}
    assert "would have asked whether to roll back to v41" in services["checkout"]["would"]
    assert "roll back to v41" in [would["text"] for would in found["would"] if would["name"] == "checkout"]
    assert found["program"]["leads"]
    text = trimtab.cli("status", "-n", "shop", columns=120).out
    assert "shop/checkout" in text
    assert trimtab.cli("report").out.startswith("Last week I would have asked")


def _about_checkout(trimtab: Trimtab) -> str:
    listed = trimtab.cli("incidents", "--output", "json").out
    for found in json.loads(listed)["incidents"]:
        if found["name"] == "checkout":
            told = trimtab.cli("explain", found["id"]).out
            return told if "proposed" in told else ""
    return ""


def _rights(plane: ControlPlane) -> list[str]:
    """Every right to change a workload that the account has anywhere."""
    served = [found for found in resources(plane) if found.partition("/")[2].partition("/")[0] in WORKLOADS]
    return [
        f"{verb} {found} in {namespace}"
        for namespace in ("shop", "trimtab")
        for found in served
        for verb in CHANGING
        if may(plane, ACCOUNT, verb, found, namespace)
    ]
