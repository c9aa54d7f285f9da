"""Metrics follow the live pods, Prometheus is a real one with a past, and alerts travel as they do in a cluster."""

import time

import pytest
import requests

from tests.controlplane.alertmanager import Alertmanager
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.exporter import Exporter
from tests.controlplane.fixtures import PrometheusWith
from tests.controlplane.prometheus import History, Prometheus, Rule
from tests.controlplane.traffic import Traffic
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads

RATIO = (
    'sum(rate(http_requests_total{{namespace="{0}", code=~"5.."}}[5s]))'
    ' / sum(rate(http_requests_total{{namespace="{0}"}}[5s]))'
)
MEDIAN = 'histogram_quantile(0.5, sum by (le) (rate(http_request_duration_seconds_bucket{{namespace="{0}"}}[5s])))'


def test_errors_come_with_the_broken_pods_and_go_with_them(
    control_plane: ControlPlane, workloads: Workloads, prometheus: Prometheus
) -> None:
    ratio = RATIO.format(workloads.namespace)
    workloads.deploy("checkout", "registry.test/checkout:v41", 2, wait=True)
    prometheus.wait_for(ratio, lambda found: bool(found) and found[0][1] < 0.01)

    workloads.rollout("checkout", "registry.test/checkout:v42-crash")
    prometheus.wait_for(ratio, lambda found: bool(found) and found[0][1] > 0.2)
    prometheus.wait_for(f'kube_pod_container_status_restarts_total{{namespace="{workloads.namespace}"}} >= 2')
    fired = wait_for(
        "the alerts fire",
        lambda: {labels["alertname"] for labels in prometheus.alerts(namespace=workloads.namespace)},
        until=lambda names: len(names) == 2,
    )
    assert fired == {"PodCrashLooping", "HighErrorRate"}

    control_plane.kubectl("-n", workloads.namespace, "rollout", "undo", "deployment/checkout")
    prometheus.wait_for(ratio, lambda found: bool(found) and found[0][1] < 0.01)
    prometheus.wait_for(f'ALERTS{{namespace="{workloads.namespace}"}}', lambda found: not found)


def test_a_service_without_pods_fails_every_request(workloads: Workloads, exporter: Exporter) -> None:
    """Scaling to zero never looks like health."""
    workloads.deploy("checkout", "registry.test/checkout:v41", 1, wait=True)
    workloads.scale("checkout", 0)
    wait_for("no pod is left", lambda: workloads.pods("checkout"), until=lambda pods: not pods)
    service = {"namespace": workloads.namespace, "deployment": "checkout"}

    failed = wait_for("it fails", lambda: exporter.sample("http_requests_total", **service, code="503"))
    served = exporter.sample("http_requests_total", **service, code="200")
    wait_for("it goes on failing", lambda: exporter.sample("http_requests_total", **service, code="503") > failed + 50)
    assert exporter.sample("http_requests_total", **service, code="200") in {served, 0.0}


def test_a_starting_pod_is_asked_nothing(workloads: Workloads, exporter: Exporter) -> None:
    workloads.deploy("new", "registry.test/new:v1", 1, wait=True)
    workloads.deploy("late", "registry.test/late:v1", 1, template_annotations={"kwok.trimtab.dev/ready-after": "1h"})
    pods = wait_for(
        "its pod is seen",
        lambda: exporter.samples("kube_pod_owner", namespace=workloads.namespace),
        until=lambda seen: len(seen) == 2,
    )
    late = next(labels["pod"] for labels, _ in pods if labels["pod"].startswith("late"))

    wait_for(
        "the other is asked",
        lambda: exporter.sample("http_requests_total", namespace=workloads.namespace, deployment="new") > 50,
    )
    assert exporter.samples("http_requests_total", namespace=workloads.namespace, pod=late) == []


@pytest.mark.parametrize(
    ("tag", "promql"),
    [
        ("v1-errors", 'sum(rate(http_requests_total{{namespace="{0}",code="500"}}[5s])) > 5'),
        ("v1-slow", MEDIAN + " > 0.3"),
        ("v1-oom-256Mi", 'container_memory_working_set_bytes{{namespace="{0}"}} >= 100e6'),
        ("v1-oom-256Mi", 'kube_pod_container_status_last_terminated_reason{{namespace="{0}",reason="OOMKilled"}}'),
        ("v1-nopull", 'kube_pod_container_status_waiting_reason{{namespace="{0}",reason="ImagePullBackOff"}}'),
        ("v1-unready", 'kube_pod_status_ready{{namespace="{0}",condition="false"}} == 1'),
    ],
    ids=["errors", "slow", "memory", "oom", "nopull", "unready"],
)
def test_each_behaviour_shows_in_its_metric(
    workloads: Workloads, prometheus_with: PrometheusWith, tag: str, promql: str
) -> None:
    prometheus = prometheus_with()
    workloads.deploy("checkout", f"registry.test/checkout:{tag}", 1)

    assert prometheus.wait_for(promql.format(workloads.namespace))


def test_a_healthy_service_shows_none_of_it(workloads: Workloads, prometheus: Prometheus) -> None:
    workloads.deploy("checkout", "registry.test/checkout:v41", 2, wait=True)
    here = f'{{namespace="{workloads.namespace}"}}'
    prometheus.wait_for(f"kube_deployment_status_replicas_available{here} == 2")
    prometheus.wait_for(f"sum(rate(http_requests_total{here}[5s])) > 50")

    assert prometheus.value(RATIO.format(workloads.namespace)) == pytest.approx(0.002, abs=0.008)
    assert prometheus.value(f"sum(kube_deployment_spec_replicas{here})") == 2
    assert prometheus.query(f"kube_pod_container_status_waiting_reason{here}") == []
    assert prometheus.alerts(namespace=workloads.namespace) == []


def test_two_weeks_lie_behind(prometheus: Prometheus, namespace: str) -> None:
    load = f'sum(rate(http_requests_total{{namespace="{namespace}"}}[5m]))'
    now = time.time()
    expected = Traffic()

    for days in (13.9, 10, 3, 0.1):
        at = now - days * 86_400
        assert prometheus.value(load, at) == pytest.approx(expected.rate(at - 150), rel=0.05)
    assert prometheus.value(load, now - 14.5 * 86_400) is None


def test_the_present_follows_the_past_without_a_step(workloads: Workloads, prometheus: Prometheus) -> None:
    workloads.deploy("checkout", "registry.test/checkout:v41", 2, wait=True)
    load = f'sum(rate(http_requests_total{{namespace="{workloads.namespace}"}}'
    past = prometheus.value(f"{load}[5m]))", time.time() - 600)

    assert past is not None
    prometheus.wait_for(f"{load}[5s]))", lambda found: bool(found) and found[0][1] == pytest.approx(past, rel=0.2))


def test_a_prefix_other_rules_and_client_certificates(prometheus_with: PrometheusWith, namespace: str) -> None:
    prometheus = prometheus_with(
        path_prefix="/prom", rules=[Rule("Always", "vector(1)"), Rule("one", "vector(1)", record=True)], tls=True
    )
    assert prometheus.url.endswith("/prom")
    prometheus.wait_for("one")
    prometheus.reload([Rule("Other", "vector(1)", labels={"severity": "page"})])
    wait_for("the other rule fires", lambda: prometheus.alerts(alertname="Other"))

    with pytest.raises(requests.exceptions.RequestException):
        requests.get(f"{prometheus.url}/api/v1/query?query=1", verify=str(prometheus.ca_file), timeout=5)


def test_alerts_reach_the_webhook_and_so_does_their_end(
    prometheus_with: PrometheusWith, alertmanager: Alertmanager, namespace: str
) -> None:
    prometheus = prometheus_with(
        history=[History(namespace, "checkout", days=0.1)],
        rules=[Rule("Planted", "vector(1)", labels={"namespace": namespace})],
        alertmanagers=[alertmanager.url],
    )
    first = wait_for("the webhook is called", lambda: alertmanager.received)[0]
    assert first["alerts"][0]["labels"] == {"alertname": "Planted", "namespace": namespace}
    assert first["status"] == "firing"

    prometheus.reload([])
    wait_for("the end is delivered", lambda: [body for body in alertmanager.received if body["status"] == "resolved"])
