"""The HPA controller is the real one: it reads the external metrics that a test sets, and scales by them."""

import pytest
import requests

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.external import AUTOSCALING, ExternalMetrics, autoscaler
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads, is_ready

HPAS = "horizontalpodautoscalers"


def _status(plane: ControlPlane, name: str, namespace: str) -> Json:
    status: Json = plane.api.get(AUTOSCALING, HPAS, name, namespace).get("status", {})
    return status


def test_the_hpa_scales_a_deployment_by_a_metric_that_rises_and_pods_are_ready_as_late_as_they_say(
    control_plane: ControlPlane, external_metrics: ExternalMetrics, workloads: Workloads
) -> None:
    namespace = workloads.namespace
    external_metrics.set(namespace, "load", 100.0)
    workloads.deploy("web", "registry.test/web:v1", 2, template_annotations={"kwok.trimtab.dev/ready-after": "4s"})
    control_plane.api.create(autoscaler("web", "load", 100.0, minimum=2, maximum=8), namespace)
    wait_for(
        "the HPA has read the metric",
        lambda: _status(control_plane, "web", namespace).get("currentMetrics") or [],
        until=lambda found: [one["external"]["current"]["averageValue"] for one in found] == ["50"],
    )

    external_metrics.set(namespace, "load", 550.0)

    asked = wait_for("six pods are asked for", lambda: workloads.pods("web"), until=lambda pods: len(pods) == 6)
    assert sum(is_ready(pod) for pod in asked) <= 2
    assert workloads.wait_ready("web")["status"]["readyReplicas"] == 6
    assert {reading.value for reading in external_metrics.readings(namespace, "load")} == {100.0, 550.0}


def test_an_hpa_without_its_metric_leaves_the_replicas_alone_and_obeys_a_raised_minimum(
    control_plane: ControlPlane, external_metrics: ExternalMetrics, workloads: Workloads
) -> None:
    namespace = workloads.namespace
    external_metrics.forget(namespace, "load")
    workloads.deploy("web", "registry.test/web:v1", 3)
    control_plane.api.create(autoscaler("web", "load", 100.0, minimum=1, maximum=8), namespace)
    unknown = wait_for(
        "the HPA says that it knows nothing",
        lambda: [
            one
            for one in _status(control_plane, "web", namespace).get("conditions", ())
            if one["type"] == "ScalingActive" and one["status"] == "False"
        ],
    )
    assert unknown[0]["reason"] == "FailedGetExternalMetric"
    assert workloads.deployment("web")["spec"]["replicas"] == 3

    control_plane.api.patch(AUTOSCALING, HPAS, "web", {"spec": {"minReplicas": 5}}, namespace)

    wait_for("the floor is obeyed", lambda: workloads.deployment("web")["spec"]["replicas"], until=lambda n: n == 5)


def test_nobody_but_the_api_server_is_answered(control_plane: ControlPlane, external_metrics: ExternalMetrics) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(external_metrics.url, verify=str(control_plane.ca_file), timeout=5, proxies={"https": ""})
