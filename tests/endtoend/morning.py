"""A morning: services with two weeks of a steep daily peak behind them, and the next one minutes ahead.

Each has a namespace, a Deployment whose pods take `READY_AFTER` to become ready, and an HPA, which the real controller
scales by the load that the real Prometheus counts.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from tests.charts.chart import Helm
from tests.controlplane.api import ApiError
from tests.controlplane.audit import Effect, Mark, effects
from tests.controlplane.errors import FixtureError
from tests.controlplane.external import AUTOSCALING, ExternalMetrics, autoscaler
from tests.controlplane.fixtures import folder, started_control_plane
from tests.controlplane.prometheus import History
from tests.controlplane.traffic import DailyPeak
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads
from tests.endtoend.process import Trimtab
from tests.endtoend.release import ACCOUNT, Release
from tests.endtoend.story import API, condition

Json = dict[str, Any]
HPAS = "horizontalpodautoscalers"
READY_AFTER = 30
"""Seconds until a new pod is ready."""
PER_POD, MINIMUM, MAXIMUM = 10.0, 6, 40
"""Requests per second that the HPA gives one pod, and its bounds."""
AHEAD = 115
"""Seconds between the start of Prometheus and the peak. It is believed once a whole window is measured; then the floor
is computed, and its pods start.
"""
SETTINGS = {"prometheus.scrapeInterval": 10, "policyDefaults": {"mode": "Observe", "preset": "http"}}
QUICK = {"TRIMTAB_DEMAND_SECONDS": "5"}


@dataclass(frozen=True)
class Moment:
    """One service at one instant (seconds since the epoch)."""

    at: float
    needed: int
    ready: int
    desired: int
    minimum: int


def peak(begins: float) -> DailyPeak:
    """60 requests a second all day, four times as many ten minutes after `begins`."""
    return DailyPeak(rps=60.0, begins=begins, rise=600.0, lasts=3600.0, times=4.0)


class Service:
    """One of them, on the cluster of `release`."""

    def __init__(self, release: Release, metrics: ExternalMetrics, name: str) -> None:
        self.namespace = self.name = name
        self.plane = release.plane
        self.traffic = peak(0.0)
        self._exporter, self._prometheus = release.exporter, release.prometheus
        self._since = self.plane.audit.mark()
        metrics.set(name, "requests", self._load)
        self.workloads = Workloads(self.plane.api, name)

    def manifest(self, minimum: int = MINIMUM, **metadata: Any) -> str:
        """The HPA as its owner writes it."""
        body = autoscaler(self.name, "requests", PER_POD, minimum=minimum, maximum=MAXIMUM)
        body["metadata"] |= {"namespace": self.namespace, **metadata}
        return json.dumps(body)

    def apply(self, manifest: str, *flags: str) -> None:
        """`kubectl apply` of it; `FixtureError` with what kubectl said when it is refused."""
        self.plane.kubectl("apply", *flags, "-f", "-", stdin=manifest)

    def policy(self) -> None:
        """A policy of mode Floor."""
        target = {"kind": "Deployment", "name": self.name}
        spec = {"target": target, "metrics": {"preset": "http"}, "scaling": {"mode": "Floor"}}
        body = {"apiVersion": API, "kind": "ServicePolicy", "metadata": {"name": self.name}, "spec": spec}
        self.plane.api.create(body, self.namespace)

    def floor_held(self) -> Json:
        """The policy's condition FloorHeld, empty before there is one."""
        return condition(self.plane.api.get(API, "servicepolicies", self.name, self.namespace), "FloorHeld")

    def held(self, timeout: float = 180.0) -> int:
        """The floor, once it is held."""
        wait_for(
            f"the floor of {self.name} is held", self.floor_held, until=lambda one: one.get("status") == "True",
            timeout=timeout,
        )  # fmt: skip
        return self.minimum

    def effects(self, since: Mark | None = None) -> list[Effect]:
        """What trimtab changed here."""
        return effects(self.plane.audit, since=since or self._since, user=ACCOUNT, namespace=self.namespace)

    @property
    def hpa(self) -> Json:
        """The HPA as it is."""
        return self.plane.api.get(AUTOSCALING, HPAS, self.name, self.namespace)

    @property
    def minimum(self) -> int:
        """What the HPA's minReplicas is."""
        return int(self.hpa["spec"]["minReplicas"])

    def deploy(self) -> None:
        """Make the Deployment, and ask for what it is asked for all day."""
        notes = {"kwok.trimtab.dev/ready-after": f"{READY_AFTER}s"}
        self.workloads.deploy(self.name, f"registry.test/{self.name}:v1", MINIMUM, template_annotations=notes)

    def look(self) -> Moment:
        """How it is now."""
        now = time.time()
        deployment, hpa = self.workloads.deployment(self.name), self.hpa
        needed = math.ceil(self.traffic.rate(now) / PER_POD)
        ready = int(deployment["status"].get("readyReplicas", 0))
        return Moment(now, needed, ready, int(deployment["spec"]["replicas"]), int(hpa["spec"]["minReplicas"]))

    def past(self, begins: float) -> History:
        """Two weeks whose next peak begins at `begins`; the load that is to come follows them."""
        self.traffic = peak(begins)
        self._exporter.ask(self.namespace, self.name, self.traffic)
        return History(
            self.namespace, self.name, self.traffic, step=15.0, replicas=MINIMUM, per_pod=PER_POD, latency=False
        )

    def _load(self) -> float | None:
        query = f'sum(rate(http_requests_total{{namespace="{self.namespace}"}}[10s]))'
        try:
            return self._prometheus.value(query)
        except (requests.RequestException, FixtureError):
            return None


class Record:
    """Looks at services every second, beside the test."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self.moments: dict[str, list[Moment]] = {service.name: [] for service in services}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="record", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join(30)

    def between(self, name: str, since: float, until: float) -> list[Moment]:
        """What was seen of a service between two instants."""
        return [one for one in self.moments[name] if since <= one.at <= until]

    def short(self, name: str, since: float, until: float) -> float:
        """Seconds between two instants in which fewer pods were ready than the load needed."""
        moments = self.between(name, since, until)
        following = [*moments[1:], None]
        return sum(
            (min(after.at, until) if after else until) - one.at
            for one, after in zip(moments, following, strict=True)
            if one.ready < one.needed
        )

    def _look(self) -> None:
        while not self._ended.wait(1.0):
            for service in self._services:
                try:
                    self.moments[service.name].append(service.look())
                except (ApiError, requests.RequestException):
                    continue


@dataclass(frozen=True)
class Morning:
    """The services by name, trimtab, and when the peak begins (seconds since the epoch)."""

    services: Mapping[str, Service]
    trimtab: Trimtab
    record: Record
    begins: float

    def until(self, at: float) -> None:
        """Return at this instant."""
        time.sleep(max(0.0, at - time.time()))


@contextmanager
def morning(helm: Helm, names: Sequence[str], prepare: Callable[[Mapping[str, Service]], None]) -> Iterator[Morning]:
    """Services of these names, each in the namespace of that name. `prepare` writes HPAs and policies."""
    with started_control_plane() as plane, folder("morning") as path, ExitStack() as ending:
        release = Release(plane, helm, path, list(names), history=(), settings=SETTINGS)
        ending.callback(release.close)
        release.install()
        metrics = ExternalMetrics(plane)
        ending.callback(metrics.close)
        services = {name: Service(release, metrics, name) for name in names}
        for service in services.values():
            service.deploy()
        prepare(services)
        trimtab = release.replica(env=QUICK).start()
        release.leads(trimtab)
        for service in services.values():
            service.workloads.wait_ready(service.name, timeout=4 * READY_AFTER)
        # Nothing was measured until now. What is slow is over: the peak does not wait.
        begins = time.time() + AHEAD
        release.prometheus.start([service.past(begins) for service in services.values()])
        record = Record(tuple(services.values()))
        ending.callback(record.close)
        yield Morning(services, trimtab, record, begins)
