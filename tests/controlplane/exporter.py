"""Metrics computed from the live pods of a control plane: the link that makes a repair verifiable.

Knows nothing but what the API server shows and what `images.py` says of an image. Requests of a service (a Deployment)
are spread over its pods: a ready pod answers as its image does, a broken one is a 503, a starting one gets nothing, and
without any pod everything is a 503 of nobody. A repair that did not happen can therefore not look like one.

Series as kube-state-metrics, cAdvisor and a plain instrumented service name them.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from pathlib import Path

import numpy as np
import requests
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.images import Behaviour, Image, parse, quantity
from tests.controlplane.ports import free_port
from tests.controlplane.traffic import BUCKETS, Traffic, mean, shares
from tests.controlplane.workloads import is_ready, restart_count, waiting_reason

TICK = 0.5
_SLOWER = 10.0
_ERRORS = 0.2
_STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})
_OOM_AFTER = 2.0  # seconds until `stages/oom.yaml` kills at the earliest


class State(Enum):
    """What a pod does with a request."""

    READY = auto()
    BROKEN = auto()
    STARTING = auto()


@dataclass
class Counts:
    """Requests of one pod of one service, since the pod appeared."""

    by_code: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    buckets: list[float] = field(default_factory=lambda: [0.0] * len(BUCKETS))
    seconds: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """The cluster at one instant."""

    pods: tuple[Json, ...] = ()
    deployments: tuple[Json, ...] = ()
    replica_sets: tuple[Json, ...] = ()

    def service_of(self, pod: Json) -> str | None:
        """The Deployment a pod belongs to, by way of its ReplicaSet."""
        owner = _owner(pod)
        if owner is None or owner["kind"] != "ReplicaSet":
            return None
        for found in self.replica_sets:
            above = _owner(found)
            if found["metadata"]["uid"] == owner["uid"] and above is not None and above["kind"] == "Deployment":
                return str(above["name"])
        return None


class Exporter(Collector):
    """`/metrics` at `url`, of the cluster that `kubeconfig` shows; `traffic` is what every service is asked for."""

    def __init__(self, kubeconfig: Path, traffic: Traffic | None = None, seed: int = 1) -> None:
        self._api = Api(kubeconfig)
        self._traffic = traffic or Traffic()
        self._own: dict[tuple[str, str], Traffic] = {}
        self._random = np.random.default_rng(seed)
        self._counts: dict[tuple[str, str, str], Counts] = {}
        self._spoilt: set[str] = set()
        self._snapshot = Snapshot()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._at = time.time()
        registry = CollectorRegistry()
        registry.register(self)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/metrics"
        self._server, self._thread = start_http_server(self.port, "127.0.0.1", registry)
        self._watching = threading.Thread(target=self._watch, name="exporter", daemon=True)
        self._watching.start()

    def close(self) -> None:
        """Return when the port is free and the threads are gone."""
        self._ended.set()
        self._watching.join(40)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
        self._api.close()

    def ask(self, namespace: str, deployment: str, traffic: Traffic) -> None:
        """Ask this service for something else than the others."""
        with self._lock:
            self._own[namespace, deployment] = traffic

    def spoil(self, namespace: str, deployment: str) -> None:
        """The processes that run now get into a bad state: they fail like the behaviour `errors` until replaced."""
        with self._lock:
            self._spoilt |= {
                _uid(pod)
                for pod in self._snapshot.pods
                if pod["metadata"]["namespace"] == namespace and self._snapshot.service_of(pod) == deployment
            }

    def sample(self, name: str, **labels: str) -> float:
        """The sum of the samples with these labels, as `/metrics` shows them; 0 when there is none."""
        return sum(value for _, value in self.samples(name, **labels))

    def samples(self, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
        """The samples with these labels, as `/metrics` shows them."""
        return [
            (sample.labels, sample.value)
            for metric in self.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def collect(self) -> Iterable[Metric]:
        """What prometheus-client asks for at each scrape."""
        with self._lock:
            return [*self._traffic_metrics(), *_kube_metrics(self._snapshot), *_memory_metrics(self._snapshot)]

    def _watch(self) -> None:
        while not self._ended.wait(TICK):
            # An API server that does not answer stops no traffic: the last known pods go on.
            snapshot = self._read() or self._snapshot
            with self._lock:
                self._snapshot = snapshot
                self._advance(time.time())

    def _read(self) -> Snapshot | None:
        cached = {"resourceVersion": "0"}
        try:
            pods = self._api.request("GET", "/api/v1/pods", params=cached, timeout=5)["items"]
            deployments = self._api.request("GET", "/apis/apps/v1/deployments", params=cached, timeout=5)["items"]
            sets = self._api.request("GET", "/apis/apps/v1/replicasets", params=cached, timeout=5)["items"]
        except (ApiError, requests.RequestException):
            return None
        return Snapshot(tuple(pods), tuple(deployments), tuple(sets))

    def _advance(self, now: float) -> None:
        serving: dict[tuple[str, str], list[Json]] = defaultdict(list)
        for pod in self._snapshot.pods:
            service = self._snapshot.service_of(pod)
            if service is not None and "deletionTimestamp" not in pod["metadata"]:
                serving[pod["metadata"]["namespace"], service].append(pod)
        alive: set[tuple[str, str, str]] = set()
        for deployment in self._snapshot.deployments:
            namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
            asked = self._own.get((namespace, name), self._traffic)
            total = float(self._random.poisson(max(0.0, asked.total(self._at, now))))
            pods = [pod for pod in serving[namespace, name] if state(pod) is not State.STARTING]
            alive |= {
                (namespace, name, ""),
                *((namespace, name, pod["metadata"]["name"]) for pod in serving[namespace, name]),
            }
            for pod in pods:
                self._answer(self._counted(namespace, name, pod["metadata"]["name"]), pod, total / len(pods), asked)
            if not pods:
                self._counted(namespace, name, "").by_code["503"] += total
        self._counts = {key: counts for key, counts in self._counts.items() if key in alive}
        self._at = now

    def _counted(self, namespace: str, deployment: str, pod: str) -> Counts:
        return self._counts.setdefault((namespace, deployment, pod), Counts())

    def _answer(self, counts: Counts, pod: Json, share: float, asked: Traffic) -> None:
        image = _image(pod)
        if state(pod) is State.BROKEN:
            counts.by_code["503"] += share
            return
        failing = _ERRORS if image.behaviour is Behaviour.ERRORS or _uid(pod) in self._spoilt else asked.errors
        failed = float(self._random.binomial(round(share), failing))
        median = asked.median * (_SLOWER if image.behaviour is Behaviour.SLOW else 1.0)
        counts.by_code["500"] += failed
        counts.by_code["200"] += share - failed
        counts.seconds += share * mean(median)
        counts.buckets = [before + share * part for before, part in zip(counts.buckets, shares(median), strict=True)]

    def _traffic_metrics(self) -> Iterator[Metric]:
        labels = ["namespace", "deployment", "pod"]
        total = CounterMetricFamily("http_requests", "Requests by answer.", labels=[*labels, "code"])
        latency = HistogramMetricFamily("http_request_duration_seconds", "Time to answer.", labels=labels)
        cpu = CounterMetricFamily("container_cpu_usage_seconds", "CPU time.", labels=["namespace", "pod", "container"])
        for (namespace, deployment, pod), counts in self._counts.items():
            who = [namespace, deployment, pod]
            for code, count in counts.by_code.items():
                total.add_metric([*who, code], count)
            if pod:
                edges = ["+Inf" if edge == float("inf") else str(edge) for edge in BUCKETS]
                latency.add_metric(who, list(zip(edges, counts.buckets, strict=True)), counts.seconds)
                cpu.add_metric([namespace, pod, "main"], 0.004 * sum(counts.by_code.values()))
        yield from (total, latency, cpu)


def state(pod: Json) -> State:
    """What a pod does with a request: one that has not started yet gets none, one that cannot go on breaks it."""
    if is_ready(pod):
        return State.READY
    running = (_status(pod).get("state") or {}).get("running")
    if running or restart_count(pod) > 0 or waiting_reason(pod) not in _STARTING:
        return State.BROKEN
    return State.STARTING


def _kube_metrics(snapshot: Snapshot) -> Iterator[Metric]:
    pod = ["namespace", "pod"]
    container = [*pod, "container"]
    waiting = GaugeMetricFamily(
        "kube_pod_container_status_waiting_reason", "Why it waits.", labels=[*container, "reason"]
    )
    ended = GaugeMetricFamily(
        "kube_pod_container_status_last_terminated_reason", "Why it ended last.", labels=[*container, "reason"]
    )
    restarts = CounterMetricFamily("kube_pod_container_status_restarts", "Restarts.", labels=container)
    ready = GaugeMetricFamily("kube_pod_status_ready", "Readiness.", labels=[*pod, "condition"])
    phase = GaugeMetricFamily("kube_pod_status_phase", "Phase.", labels=[*pod, "phase"])
    owner = GaugeMetricFamily("kube_pod_owner", "Owner.", labels=[*pod, "owner_kind", "owner_name"])
    limits = GaugeMetricFamily("kube_pod_container_resource_limits", "Limits.", labels=[*container, "resource", "unit"])
    for found in snapshot.pods:
        who = [found["metadata"]["namespace"], found["metadata"]["name"]]
        above = _owner(found) or {"kind": "", "name": ""}
        owner.add_metric([*who, above["kind"], above["name"]], 1)
        phase.add_metric([*who, found["status"].get("phase", "Unknown")], 1)
        for value in ("true", "false"):
            ready.add_metric([*who, value], float(is_ready(found) is (value == "true")))
        for status in found["status"].get("containerStatuses", ()):
            here = [*who, status["name"]]
            restarts.add_metric(here, status["restartCount"])
            if "waiting" in status.get("state", {}):
                waiting.add_metric([*here, status["state"]["waiting"]["reason"]], 1)
            if "terminated" in status.get("lastState", {}):
                ended.add_metric([*here, status["lastState"]["terminated"]["reason"]], 1)
        for spec in found["spec"]["containers"]:
            memory = _limit(spec)
            if memory is not None:
                limits.add_metric([*who, spec["name"], "memory", "byte"], memory)
    yield from (waiting, ended, restarts, ready, phase, owner, limits)
    yield from _deployment_metrics(snapshot)


def _deployment_metrics(snapshot: Snapshot) -> Iterator[Metric]:
    labels = ["namespace", "deployment"]
    read: dict[str, Callable[[Json], float]] = {
        "kube_deployment_spec_replicas": lambda one: one["spec"].get("replicas", 1),
        "kube_deployment_status_replicas": lambda one: one["status"].get("replicas", 0),
        "kube_deployment_status_replicas_available": lambda one: one["status"].get("availableReplicas", 0),
        "kube_deployment_status_replicas_ready": lambda one: one["status"].get("readyReplicas", 0),
        "kube_deployment_status_replicas_updated": lambda one: one["status"].get("updatedReplicas", 0),
        "kube_deployment_metadata_generation": lambda one: one["metadata"]["generation"],
        "kube_deployment_status_observed_generation": lambda one: one["status"].get("observedGeneration", 0),
    }
    for name, value in read.items():
        gauge = GaugeMetricFamily(name, "Of the Deployment.", labels=labels)
        for one in snapshot.deployments:
            gauge.add_metric([one["metadata"]["namespace"], one["metadata"]["name"]], value(one))
        yield gauge
    owner = GaugeMetricFamily(
        "kube_replicaset_owner", "Owner.", labels=["namespace", "replicaset", "owner_kind", "owner_name"]
    )
    for found in snapshot.replica_sets:
        above = _owner(found) or {"kind": "", "name": ""}
        owner.add_metric([found["metadata"]["namespace"], found["metadata"]["name"], above["kind"], above["name"]], 1)
    yield owner


def _memory_metrics(snapshot: Snapshot) -> Iterator[Metric]:
    labels = ["namespace", "pod", "container"]
    used = GaugeMetricFamily("container_memory_working_set_bytes", "Memory in use.", labels=labels)
    limit = GaugeMetricFamily("container_spec_memory_limit_bytes", "Memory limit, 0 without.", labels=labels)
    for pod in snapshot.pods:
        for spec, status in zip(pod["spec"]["containers"], pod["status"].get("containerStatuses", ()), strict=False):
            who = [pod["metadata"]["namespace"], pod["metadata"]["name"], spec["name"]]
            most = _limit(spec)
            limit.add_metric(who, most or 0)
            used.add_metric(who, _memory(parse(spec["image"]), status, most, time.time()))
    yield from (used, limit)


def _memory(image: Image, status: Mapping[str, Json], limit: float | None, now: float) -> float:
    """Bytes in use: 40 % of the limit, but what `oom` wants grows with the age of the container up to what it needs."""
    running = status.get("state", {}).get("running")
    if not running:
        return 0.0
    if image.behaviour is not Behaviour.OOM:
        return 0.4 * (limit or 2**27)
    age = now - datetime.fromisoformat(running["startedAt"]).timestamp()
    wanted = 0.9 * image.needs
    grown = wanted * min(1.0, 0.3 + 0.7 * age / _OOM_AFTER)
    return min(grown, limit) if limit else grown


def _uid(pod: Json) -> str:
    return str(pod["metadata"]["uid"])


def _image(pod: Json) -> Image:
    return parse(pod["spec"]["containers"][0]["image"])


def _limit(container: Json) -> float | None:
    text = (container.get("resources", {}).get("limits") or {}).get("memory")
    return None if text is None else float(quantity(text))


def _status(pod: Json) -> Json:
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    first: Json = statuses[0]
    return first


def _owner(found: Json) -> Json | None:
    owners: list[Json] = found["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)
