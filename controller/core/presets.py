"""Queries that ship: which PromQL gives load, failures and latency, and how its labels name a workload.

Promises that nothing a user, a label or an alert says is put into a query: a fleet is asked for as a whole (`sum by
(namespace, …)`) and matched to the known workloads afterwards; only a window and a quantile, both numbers, are filled
in (S32). Failures are asked for so that a service without a single failure answers zero as long as its load is known,
and nothing when it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

SUFFIX: Final = "[bcdfghjklmnpqrstvwxz2456789]"
"""Letters of generated names (k8s.io/apimachinery, util/rand: SafeEncodeString)."""

POD_NAMES: Final = {
    "Deployment": f"(.+)-{SUFFIX}{{6,10}}-{SUFFIX}{{5}}",
    "StatefulSet": "(.+)-[0-9]+",
    "DaemonSet": f"(.+)-{SUFFIX}{{5}}",
}
"""How the pods of a kind are called. A name too long for its suffix was cut and does not match: it stays unknown."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Which labels name the workload: `namespaces` in order of preference, `names` the same with the kind each implies.

    Kind None is any workload of that name, if there is just one. `pods` are labels that hold a pod's name.
    """

    namespaces: tuple[str, ...]
    names: tuple[tuple[str, str | None], ...] = ()
    pods: tuple[str, ...] = ()

    @property
    def labels(self) -> str:
        """All of them, for `by (…)`."""
        return ", ".join((*self.namespaces, *(name for name, _ in self.names), *self.pods))


@dataclass(frozen=True, slots=True)
class Preset:
    """One source of metrics. Empty text: it has no such signal.

    `total` and `failed` are selectors of counters, `buckets` one of a histogram, in which `latency_unit` of its
    numbers are one second. `needs` tells people what must be scraped.
    """

    name: str
    needs: str
    naming: Naming
    total: str
    failed: tuple[str, ...] = ()
    buckets: str = ""
    latency_unit: float = 1.0
    load_unit: str = "requests/s"

    def load(self, window: timedelta) -> str:
        """Requests per second (or cores) by workload labels."""
        return f"sum by ({self.naming.labels}) (rate({self.total}{over(window)}))"

    def failures(self, window: timedelta) -> str:
        """Failed requests per second; zero where there is load and none failed."""
        if not self.failed:
            return ""
        failed = " or ".join(f"rate({selector}{over(window)})" for selector in self.failed)
        return f"sum by ({self.naming.labels}) ({failed}) or {self.load(window)} * 0"

    def latency(self, window: timedelta, quantile: float) -> str:
        """Seconds at a quantile; nothing where no request was counted."""
        if not self.buckets:
            return ""
        if not 0.0 < quantile < 1.0:
            raise ValueError(f"a quantile lies between 0 and 1, not at {quantile}")
        inner = f"sum by (le, {self.naming.labels}) (rate({self.buckets}{over(window)}))"
        # The comparison drops the NaN of an empty histogram.
        return f"(histogram_quantile({quantile:.6g}, {inner}) >= 0) / {self.latency_unit:g}"


def over(window: timedelta) -> str:
    """A range of whole seconds, `[300s]`."""
    seconds = round(window.total_seconds())
    if seconds < 1:
        raise ValueError(f"a rate needs a window of at least a second, not {window}")
    return f"[{seconds}s]"


PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for preset in (
        Preset(
            "kubernetes",
            "kube-state-metrics and the kubelet's cAdvisor; load is CPU, there are no requests to fail",
            Naming(("namespace",), pods=("pod",)),
            total='container_cpu_usage_seconds_total{container!="",pod!=""}',
            load_unit="cores",
        ),
        Preset(
            "http",
            "http_requests_total with the label code or status, http_request_duration_seconds; scraped per pod",
            Naming(("exported_namespace", "namespace"), (("deployment", "Deployment"),), ("exported_pod", "pod")),
            total="http_requests_total",
            failed=('http_requests_total{code=~"5.."}', 'http_requests_total{status=~"5.."}'),
            buckets="http_request_duration_seconds_bucket",
        ),
        Preset(
            "ingress-nginx",
            "the controller's metrics; the Service behind the Ingress is called like the workload",
            Naming(("exported_namespace", "namespace"), (("exported_service", None), ("service", None))),
            total="nginx_ingress_controller_requests",
            failed=('nginx_ingress_controller_requests{status=~"5.."}',),
            buckets="nginx_ingress_controller_request_duration_seconds_bucket",
        ),
        Preset(
            "istio",
            "Istio's standard metrics, reported by the destination",
            Naming(("destination_workload_namespace",), (("destination_workload", None),)),
            total='istio_requests_total{reporter="destination"}',
            failed=('istio_requests_total{reporter="destination",response_code=~"5..|0"}',),
            buckets='istio_request_duration_milliseconds_bucket{reporter="destination"}',
            latency_unit=1000.0,
        ),
        Preset(
            "linkerd",
            "the proxies' metrics (linkerd-viz or a scrape of your own)",
            Naming(
                ("namespace",),
                (("deployment", "Deployment"), ("statefulset", "StatefulSet"), ("daemonset", "DaemonSet")),
            ),
            total='response_total{direction="inbound"}',
            failed=('response_total{direction="inbound",classification="failure"}',),
            buckets='response_latency_ms_bucket{direction="inbound"}',
            latency_unit=1000.0,
        ),
        Preset(
            "opentelemetry",
            "http.server.request.duration with the resource attributes k8s.* promoted to labels",
            Naming(
                ("k8s_namespace_name",),
                (
                    ("k8s_deployment_name", "Deployment"),
                    ("k8s_statefulset_name", "StatefulSet"),
                    ("k8s_daemonset_name", "DaemonSet"),
                ),
            ),
            total="http_server_request_duration_seconds_count",
            failed=('http_server_request_duration_seconds_count{http_response_status_code=~"5.."}',),
            buckets="http_server_request_duration_seconds_bucket",
        ),
    )
}
"""By the names that a ServicePolicy may give under `metrics.preset`."""
