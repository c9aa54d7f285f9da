"""How long pods took to start: from a pod's creation to its Ready condition, as the watches saw it.

A pod is read once, when it is first seen ready: a later flap moves its Ready condition and would look like a slow
start. A flap that came before anybody looked does so too, whenever trimtab starts: so a slow start counts only where
the pod was seen starting, and of a pod that was ready already only a quick one. A pod that had restarted by then is
left out. What was learnt goes with its workload.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from controller.kinds import PODS
from controller.observe.cache import Cache
from detectors.forecast.leadtime import LONGEST
from detectors.series import Workload
from remediations.cluster import Object
from remediations.pods import instant

MOST = 50
"""Starts remembered of one workload: the newest."""
QUICK = 300.0
"""Seconds: a pod that became ready within them, and not seen before, has hardly flapped meanwhile."""


@dataclass(slots=True)
class Starts:
    """Seconds of the newest starts by workload. `starting` are pods that were seen before they were ever ready, `seen`
    those that were read.
    """

    seen: set[str] = field(default_factory=set)
    starting: set[str] = field(default_factory=set)
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
                if never_ready(pod):
                    self.starting.add(uid)
                continue
            self.seen.add(uid)
            workload = cache.owner_of(PODS, pod)
            longest = LONGEST if uid in self.starting else QUICK
            if workload is not None and 0.0 < took <= longest:
                self.seconds.setdefault(workload, deque(maxlen=MOST)).append(took)
        self.seen &= there
        self.starting &= there - self.seen
        for gone in self.seconds.keys() - set(cache.workloads()):
            del self.seconds[gone]

    def of(self, workload: Workload) -> tuple[float, ...]:
        """The newest starts, oldest first."""
        return tuple(self.seconds.get(workload, ()))


def start_of(pod: Object) -> float | None:
    """Seconds until the pod was ready, 0 when that cannot be told from it; None while it is not ready."""
    ready = _ready(pod)
    if ready is None or ready.get("status") != "True":
        return None
    created, since = instant(pod["metadata"].get("creationTimestamp")), instant(ready.get("lastTransitionTime"))
    restarted = any(container.get("restartCount") for container in _containers(pod))
    if created is None or since is None or restarted:
        return 0.0
    # Both are whole seconds, cut off: what took less than one took some of it.
    return max((since - created).total_seconds(), 0.5)


def never_ready(pod: Object) -> bool:
    """Whether a pod that is not ready has never been: its containers started after it was first said not to be ready.
    One that was ready and is no longer was said so later.
    """
    ready = _ready(pod)
    since = instant(ready.get("lastTransitionTime")) if ready is not None else None
    running = [(container.get("state") or {}).get("running") or {} for container in _containers(pod)]
    begun = [at for one in running if (at := instant(one.get("startedAt"))) is not None]
    return since is None or all(at >= since for at in begun)


def _ready(pod: Object) -> Object | None:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == "Ready"), None)


def _containers(pod: Object) -> Sequence[Object]:
    found: Sequence[Object] = (pod.get("status") or {}).get("containerStatuses") or ()
    return found
