"""How long pods took to start: from a pod's creation to its Ready condition, as the watches saw it.

A pod is read once, when it is first seen ready: a later flap moves its Ready condition and would look like a slow
start. A pod that had restarted by then is left out. What was learnt goes with its workload.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.kinds import PODS
from controller.observe.cache import Cache
from detectors.forecast.leadtime import LONGEST
from detectors.series import Workload
from remediations.pods import instant

MOST = 50
"""Starts remembered of one workload: the newest."""


@dataclass(slots=True)
class Starts:
    """Seconds of the newest starts by workload."""

    seen: set[str] = field(default_factory=set)
    seconds: dict[Workload, deque[float]] = field(default_factory=dict)

    def look(self, cache: Cache) -> None:
        """Take in pods that became ready since the last look."""
        there = set()
        for pod in tuple(cache.shelf(PODS).objects.values()):
            uid = str(pod["metadata"].get("uid", ""))
            there.add(uid)
            if uid in self.seen:
                continue
            took = start_of(pod)
            if took is None:
                continue
            self.seen.add(uid)
            workload = cache.owner_of(PODS, pod)
            if workload is not None and 0.0 < took <= LONGEST:
                self.seconds.setdefault(workload, deque(maxlen=MOST)).append(took)
        self.seen &= there
        for gone in self.seconds.keys() - set(cache.workloads()):
            del self.seconds[gone]

    def of(self, workload: Workload) -> tuple[float, ...]:
        """The newest starts, oldest first."""
        return tuple(self.seconds.get(workload, ()))


def start_of(pod: Mapping[str, Any]) -> float | None:
    """Seconds until the pod was ready, 0 when that cannot be told from it; None while it is not ready."""
    status = pod.get("status") or {}
    ready = next((c for c in status.get("conditions") or () if c.get("type") == "Ready"), None)
    if ready is None or ready.get("status") != "True":
        return None
    created, since = instant(pod["metadata"].get("creationTimestamp")), instant(ready.get("lastTransitionTime"))
    restarted = any(container.get("restartCount") for container in status.get("containerStatuses") or ())
    if created is None or since is None or restarted:
        return 0.0
    # Both are whole seconds, cut off: what took less than one took some of it.
    return max((since - created).total_seconds(), 0.5)
