"""The score: pod hours, minutes lost to the objectives, requests that failed, evictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.lab.flow import Tick
from controller.lab.latency import Floats
from controller.lab.scenario import Scenario
from detectors.series import Workload


@dataclass(frozen=True, slots=True)
class Score:
    """What a run cost and what it lost, by workload key. `slo_minutes`: minutes with more failures than the objective
    allows, or a wait above it.
    """

    pod_hours: float
    slo_minutes: dict[str, int]
    requests: dict[str, float]
    lost: dict[str, float]
    evictions: int

    @property
    def slo_minutes_lost(self) -> int:
        """Over all services."""
        return sum(self.slo_minutes.values())


class Scoring:
    """Counts along."""

    def __init__(self, scenario: Scenario, services: tuple[Workload, ...]) -> None:
        count = len(services)
        self._keys = [service.key for service in services]
        self._allowed = np.array([1.0 - service.objectives.availability for service in scenario.services])
        self._wait = np.array([service.objectives.wait for service in scenario.services])
        self._pod_seconds = 0.0
        self._requests, self._failed = np.zeros(count), np.zeros(count)
        self._minute_requests, self._minute_failed, self._late = np.zeros(count), np.zeros(count), np.zeros(count)
        self._minutes: Floats = np.zeros(count)

    def add(self, tick: Tick, failed: Floats, pods: int, dt: float, t: float) -> None:
        """One tick that ended at `t`; `failed` includes what was killed."""
        self._pod_seconds += pods * dt
        answered = np.maximum(tick.answered, failed)
        self._requests += answered
        self._failed += failed
        self._minute_requests += answered
        self._minute_failed += failed
        self._late = np.maximum(self._late, tick.wait)
        if t % 60 == 0:
            bad = self._minute_failed > self._allowed * np.maximum(self._minute_requests, 1e-9)
            self._minutes += (bad & (self._minute_failed >= 1.0)) | (self._late > self._wait)
            self._minute_requests[:] = self._minute_failed[:] = self._late[:] = 0.0

    def score(self, evictions: int) -> Score:
        """So far; a minute counts once it is over."""
        return Score(
            pod_hours=self._pod_seconds / 3600.0,
            slo_minutes={key: int(value) for key, value in zip(self._keys, self._minutes, strict=True)},
            requests={key: float(value) for key, value in zip(self._keys, self._requests, strict=True)},
            lost={key: float(value) for key, value in zip(self._keys, self._failed, strict=True)},
            evictions=evictions,
        )
