"""A morning: services with two weeks of a steep daily peak behind them, and the next one minutes ahead.

Each has a Deployment whose pods take `READY_AFTER` to become ready and an HPA of its own, which the real controller
scales by the load that the real Prometheus counts.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests

from tests.controlplane.api import ApiError
from tests.controlplane.errors import FixtureError
from tests.controlplane.external import AUTOSCALING, ExternalMetrics, autoscaler
from tests.controlplane.prometheus import History
from tests.controlplane.traffic import DailyPeak
from tests.controlplane.workloads import Workloads
from tests.endtoend.release import Release

Json = dict[str, Any]
HPAS = "horizontalpodautoscalers"
READY_AFTER = 40
"""Seconds until a new pod is ready."""
PER_POD, MINIMUM, MAXIMUM = 10.0, 6, 40
"""Requests per second that the HPA gives one pod, and its bounds."""


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


def history(services: Sequence[tuple[str, str]], begins: float) -> list[History]:
    """What these services (namespace, name) went through in the two weeks before."""
    return [
        History(*service, traffic=peak(begins), replicas=MINIMUM, per_pod=PER_POD, latency=False, lately=5.0)
        for service in services
    ]


class Service:
    """One of them, on the cluster of `release`."""

    def __init__(self, release: Release, metrics: ExternalMetrics, namespace: str, name: str, begins: float) -> None:
        self.namespace, self.name = namespace, name
        self.traffic = peak(begins)
        self.plane = release.plane
        self._prometheus = release.prometheus
        release.exporter.ask(namespace, name, self.traffic)
        metrics.set(namespace, f"{name}-requests", self._load)
        self.workloads = Workloads(self.plane.api, namespace)

    @property
    def manifest(self) -> Json:
        """The HPA as its owner wrote it."""
        body = autoscaler(self.name, f"{self.name}-requests", PER_POD, minimum=MINIMUM, maximum=MAXIMUM)
        body["metadata"]["namespace"] = self.namespace
        return body

    @property
    def hpa(self) -> Json:
        """The HPA as it is."""
        return self.plane.api.get(AUTOSCALING, HPAS, self.name, self.namespace)

    @property
    def minimum(self) -> int:
        """What the HPA's minReplicas is."""
        return int(self.hpa["spec"]["minReplicas"])

    def deploy(self) -> None:
        """Make the Deployment."""
        notes = {"kwok.trimtab.dev/ready-after": f"{READY_AFTER}s"}
        self.workloads.deploy(self.name, f"registry.test/{self.name}:v1", MINIMUM, template_annotations=notes)

    def look(self) -> Moment:
        """How it is now."""
        now = time.time()
        deployment, hpa = self.workloads.deployment(self.name), self.hpa
        needed = math.ceil(self.traffic.rate(now) / PER_POD)
        ready = int(deployment["status"].get("readyReplicas", 0))
        return Moment(now, needed, ready, int(deployment["spec"]["replicas"]), int(hpa["spec"]["minReplicas"]))

    def _load(self) -> float | None:
        query = f'sum(rate(http_requests_total{{namespace="{self.namespace}",deployment="{self.name}"}}[10s]))'
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

    def short(self, name: str, since: float, until: float) -> float:
        """Seconds between two instants in which fewer pods were ready than the load needed."""
        moments = [one for one in self.moments[name] if since <= one.at <= until]
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
