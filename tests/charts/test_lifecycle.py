"""install, upgrade, uninstall by helm itself, on a real API server, as the notes say it."""

import json

import pytest

from tests.charts.chart import CHART, Helm, may
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for

pytestmark = [pytest.mark.controlplane, pytest.mark.checkout]

US = ("trimtab", "trimtab")


def test_a_release_is_installed_without_values_upgraded_to_act_and_leaves_what_holds_data(
    own_control_plane: ControlPlane, helm: Helm
) -> None:
    plane = own_control_plane
    at = ("--namespace", "trimtab", "--kubeconfig", str(plane.kubeconfig))
    plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})

    said = helm("install", "trimtab", str(CHART), "--create-namespace", *at)
    assert "trimtab observes only. It has no right to change anything." in said
    wait_for("the kinds are served", lambda: plane.kubectl("get", "trimtab", "-A") is not None, absorb=(Exception,))
    assert not may(plane, US, "patch", "apps/deployments", "shop")

    said = helm("upgrade", "trimtab", str(CHART), "--reuse-values", "--set", "act.namespaces={shop}", *at)
    assert "trimtab may act in shop" in said
    assert may(plane, US, "patch", "apps/deployments", "shop")
    assert not may(plane, US, "patch", "apps/deployments", "default")

    helm("upgrade", "trimtab", str(CHART), "--reuse-values", "--set-json", "act.namespaces=[]", *at)
    assert not may(plane, US, "patch", "apps/deployments", "shop")

    helm("uninstall", "trimtab", *at)
    assert not may(plane, US, "list", "apps/deployments", "shop")
    left = json.loads(plane.kubectl("get", "crd", "-o", "json"))["items"]
    assert len([crd for crd in left if crd["spec"]["group"] == "trimtab.dev"]) == 6
    assert plane.kubectl("get", "pvc", "-n", "trimtab", "-o", "name").split() == ["persistentvolumeclaim/trimtab"]

    helm("install", "trimtab", str(CHART), *at)
    assert may(plane, US, "list", "apps/deployments", "shop")
