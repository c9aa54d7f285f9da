"""Before the release is deleted: the hook's own command as a local process, with the hook's account."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remediations.floor import ANNOTATIONS, FLOOR, FOR, OWNER, WAS
from remediations.memory import autoscaler
from tests.charts.chart import Helm, Json, install, may, of, one
from tests.charts.fixtures import ELSEWHERE, SHOP, VALUES
from tests.controlplane.api import APPLY_PATCH, Api, ApiError
from tests.controlplane.cluster import ControlPlane

pytestmark = [pytest.mark.controlplane, pytest.mark.checkout]

SCALING, PLURAL = "autoscaling/v2", "horizontalpodautoscalers"
NAME = "trimtab-release"
RIGHTS = ("ServiceAccount", "Role", "RoleBinding")


def hooks(objects: list[Json]) -> list[Json]:
    return [found for found in objects if found["metadata"].get("annotations", {}).get("helm.sh/hook") == "pre-delete"]


def test_without_a_namespace_to_act_in_there_is_nothing_to_release(helm: Helm) -> None:
    assert hooks(helm.render()) == []
    assert hooks(helm.render(VALUES | {"releaseFloors.enabled": False})) == []


def test_s17_the_hook_has_an_account_of_its_own_that_may_only_give_floors_back(helm: Helm) -> None:
    found = hooks(helm.render({"act.namespaces": ["shop", "bank"]}))

    account, job = one(found, "ServiceAccount"), one(found, "Job")
    assert account["metadata"]["name"] == job["spec"]["template"]["spec"]["serviceAccountName"] == NAME
    assert {role["metadata"]["namespace"] for role in of(found, "Role")} == {"shop", "bank"}
    for role in of(found, "Role"):
        assert role["rules"] == [
            {"apiGroups": ["autoscaling"], "resources": [PLURAL], "verbs": ["get", "list", "patch"]}
        ]
    assert not of(found, "ClusterRole", "ClusterRoleBinding")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["release", "--all", "--yes", "--namespace=shop", "--namespace=bank"]


def test_the_rights_are_there_before_the_job(helm: Helm) -> None:
    weights = {
        found["kind"]: int(found["metadata"]["annotations"]["helm.sh/hook-weight"])
        for found in hooks(helm.render(VALUES))
    }

    assert weights["ServiceAccount"] <= weights["Role"] < weights["RoleBinding"] < weights["Job"]


@pytest.fixture(scope="module")
def hooked(charted: ControlPlane, helm: Helm) -> ControlPlane:
    """What helm makes before the job."""
    rights = of(hooks(helm.render(VALUES)), *RIGHTS)
    for found in rights:
        del found["metadata"]["annotations"]
    install(charted, rights)
    return charted


@pytest.fixture
def floor(hooked: ControlPlane, fresh: str) -> Iterator[str]:
    """An autoscaler of somebody's with a floor of ours on it."""
    applied(hooked.api, fresh, autoscaler(SHOP, fresh, 2, 10), "kubectl")
    marks = {FLOOR: "6", WAS: "2", OWNER: "kubectl", FOR: "shop/checkout@3"}
    held = {"metadata": {"name": fresh, "annotations": marks}, "spec": {"minReplicas": 6}}
    applied(
        hooked.api,
        fresh,
        {"apiVersion": SCALING, "kind": "HorizontalPodAutoscaler", **held},
        "trimtab-floor",
        force=True,
    )
    yield fresh
    hooked.api.delete(SCALING, PLURAL, fresh, SHOP)


def applied(api: Api, name: str, body: Json, manager: str, *, force: bool = False) -> Json:
    return api.patch(
        SCALING, PLURAL, name, body, SHOP, kind=APPLY_PATCH, fieldManager=manager, force=str(force).lower()
    )


def run(plane: ControlPlane, helm: Helm, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run what the job's pod would run."""
    job = one(helm.render(VALUES), "Job")["spec"]["template"]["spec"]
    (container,) = job["containers"]
    assert container["command"] == ["trimtab"]
    env = os.environ | {each["name"]: each["value"] for each in container["env"]}
    env |= {
        "TRIMTAB_KUBECONFIG": str(plane.service_account_kubeconfig("trimtab", job["serviceAccountName"])),
        "TRIMTAB_SECRETS": str(folder),
    }
    command = [sys.executable, "-m", "controller", *container["args"], *more]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_the_rights_of_the_hook_suffice_and_the_owner_applies_unforced_afterwards(
    hooked: ControlPlane, helm: Helm, floor: str, tmp_path: Path
) -> None:
    done = run(hooked, helm, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"✔ shop/{floor}: minReplicas 2, its owner's again" in done.stdout
    found: Any = hooked.api.get(SCALING, PLURAL, floor, SHOP)
    assert found["spec"]["minReplicas"] == 2
    assert set(ANNOTATIONS).isdisjoint(found["metadata"].get("annotations", {}))
    assert not [e for e in found["metadata"]["managedFields"] if e["manager"].startswith("trimtab")]
    assert applied(hooked.api, floor, autoscaler(SHOP, floor, 3, 10), "kubectl")["spec"]["minReplicas"] == 3


def test_s17_the_hook_s_account_may_nothing_else(hooked: ControlPlane) -> None:
    asked = [
        ("patch", "apps/deployments", SHOP),
        ("patch", f"autoscaling/{PLURAL}", ELSEWHERE),
        ("get", "/secrets", SHOP),
    ]

    assert not any(may(hooked, ("trimtab", NAME), verb, resource, where) for verb, resource, where in asked)


def test_where_it_may_not_look_the_hook_fails_and_says_so(hooked: ControlPlane, helm: Helm, tmp_path: Path) -> None:
    done = run(hooked, helm, tmp_path, f"--namespace={ELSEWHERE}")

    assert done.returncode == 4
    assert f"horizontalpodautoscalers.autoscaling in {ELSEWHERE}" in done.stderr


@pytest.mark.parametrize(
    "spec",
    [{"maxReplicas": 100}, {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}},
     {"metrics": []}, {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}],
    ids=["maximum", "target", "metrics", "behavior"],
)  # fmt: skip
def test_s17_the_program_s_account_may_change_nothing_of_an_autoscaler_but_its_minimum(
    hooked: ControlPlane, account: Api, floor: str, spec: Json
) -> None:
    held = account.patch(SCALING, PLURAL, floor, {"spec": {"minReplicas": 7}}, SHOP)
    assert held["spec"]["minReplicas"] == 7

    with pytest.raises(ApiError, match="trimtab may not change"):
        account.patch(SCALING, PLURAL, floor, {"spec": spec}, SHOP)
