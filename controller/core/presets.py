"""Queries that ship: which PromQL gives load, failures and latency, and how its labels name a workload.

Promises that nothing a user, a label or an alert says is put into a query: a fleet is asked for as a whole (`sum by
(namespace, …)`) and matched to the known workloads afterwards; only a window and a quantile, both numbers, are filled
in (S32). The counters of a rollout's pods are asked for by namespace and ReplicaSets: names that the API server holds
to the form of a name, and that are held to it here once more. Failures are asked for so that a service without a
single failure answers zero as long as its load is known, and nothing when it is not. Where two servers scrape the same
pods and their store keeps both (`replicas`), each series counts once: the larger of twins, before anything is added up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

SUFFIX: Final = "[bcdfghjklmnpqrstvwxz2456789]"
"""Letters of generated names (k8s.io/apimachinery, util/rand: SafeEncodeString)."""

POD_SUFFIX: Final = "-[a-z0-9]{5}"
"""What a ReplicaSet adds to its name for each pod. Any letter, as long as the name itself is known."""
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
    numbers are one second. `needs` tells people what must be scraped. `per_pod` are pairs of labels (namespace, pod)
    that tell the pods behind the counters apart, in order of preference; none: they cannot be told apart. `replicas`
    are labels by which twins of one series differ.
    """

    name: str
    needs: str
    naming: Naming
    total: str
    failed: tuple[str, ...] = ()
    buckets: str = ""
    latency_unit: float = 1.0
    load_unit: str = "requests/s"
    per_pod: tuple[tuple[str, str], ...] = ()
    replicas: tuple[str, ...] = ()

    def load(self, window: timedelta) -> str:
        """Requests per second (or cores) by workload labels."""
        return f"sum by ({self.naming.labels}) ({self._once(f'rate({self.total}{over(window)})')})"

    def failures(self, window: timedelta) -> str:
        """Failed requests per second; zero where there is load and none failed."""
        if not self.failed:
            return ""
        failed = " or ".join(f"rate({selector}{over(window)})" for selector in self.failed)
        return f"sum by ({self.naming.labels}) ({self._once(failed)}) or {self.load(window)} * 0"

    def latency(self, window: timedelta, quantile: float) -> str:
        """Seconds at a quantile; nothing where no request was counted."""
        if not self.buckets:
            return ""
        if not 0.0 < quantile < 1.0:
            raise ValueError(f"a quantile lies between 0 and 1, not at {quantile}")
        inner = f"sum by (le, {self.naming.labels}) ({self._once(f'rate({self.buckets}{over(window)})')})"
        # The comparison drops the NaN of an empty histogram.
        return f"(histogram_quantile({quantile:.6g}, {inner}) >= 0) / {self.latency_unit:g}"

    def pod_requests(self, namespace: str, replica_sets: Iterable[str]) -> str:
        """The counter of requests by pod, of the pods of these ReplicaSets. Raises ValueError for what is no name."""
        where = self._of_pods(namespace, replica_sets)
        return self._by_pod(narrowed(self.total, one) for one in where)

    def pod_failures(self, namespace: str, replica_sets: Iterable[str]) -> str:
        """The counter of failed requests by pod; zero where requests are counted and none failed."""
        named = tuple(replica_sets)
        where = self._of_pods(namespace, named)
        failed = self._by_pod(narrowed(selector, one) for selector in self.failed for one in where)
        return f"{failed} or {self.pod_requests(namespace, named)} * 0"

    def _by_pod(self, selectors: Iterable[str]) -> str:
        labels = ", ".join(label for pair in self.per_pod for label in pair)
        return f"sum by ({labels}) ({self._once(' or '.join(selectors))})"

    def _once(self, vector: str) -> str:
        """Of twins the larger: both have counted the same, and one may have missed some of it, or be gone."""
        return f"max without ({', '.join(self.replicas)}) ({vector})" if self.replicas else vector

    def _of_pods(self, namespace: str, replica_sets: Iterable[str]) -> tuple[str, ...]:
        """Matchers of the pods, one for each pair of labels; an earlier pair wins where both stand."""
        names = "|".join(held_to_a_name(name).replace(".", "[.]") for name in replica_sets)
        found = []
        for number, (space, pod) in enumerate(self.per_pod):
            earlier = "".join(f',{label}=""' for _, label in self.per_pod[:number])
            found.append(f'{space}="{held_to_a_name(namespace)}",{pod}=~"(?:{names}){POD_SUFFIX}"{earlier}')
        return tuple(found)

    def pod_of(self, labels: Mapping[str, str]) -> tuple[str, str] | None:
        """Namespace and name of the pod behind a series; None where the labels do not say."""
        pairs = ((labels.get(space), labels.get(pod)) for space, pod in self.per_pod)
        return next(((space, pod) for space, pod in pairs if space and pod), None)


LABEL: Final = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
"""DNS-1123 subdomain, as names of ReplicaSets and namespaces are."""


def held_to_a_name(text: str) -> str:
    """The text, if it has the form of a Kubernetes name; ValueError otherwise."""
    if NAME.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a Kubernetes name")
    return text


def narrowed(selector: str, matchers: str) -> str:
    """A selector with further matchers."""
    return f"{selector[:-1]},{matchers}}}" if selector.endswith("}") else f"{selector}{{{matchers}}}"


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
            per_pod=(("exported_namespace", "exported_pod"), ("namespace", "pod")),
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
            "Istio's standard metrics, reported by the destination; for rollouts with labels namespace and"
            " pod of the scraped pod",
            Naming(("destination_workload_namespace",), (("destination_workload", None),)),
            total='istio_requests_total{reporter="destination"}',
            failed=('istio_requests_total{reporter="destination",response_code=~"5..|0"}',),
            buckets='istio_request_duration_milliseconds_bucket{reporter="destination"}',
            latency_unit=1000.0,
            per_pod=(("namespace", "pod"),),
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
            per_pod=(("namespace", "pod"),),
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
            per_pod=(("k8s_namespace_name", "k8s_pod_name"),),
        ),
    )
}
"""By the names that a ServicePolicy may give under `metrics.preset`."""


def of_twins(replicas: Iterable[str]) -> Mapping[str, Preset]:
    """The presets for a store in which twins differ by these labels. Raises ValueError for what is no label's name."""
    labels = tuple(replicas)
    for label in labels:
        if LABEL.fullmatch(label) is None:
            raise ValueError(f"{label!r} is not the name of a label")
    return {name: replace(preset, replicas=labels) for name, preset in PRESETS.items()}
