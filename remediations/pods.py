"""What a pod says of itself: ready, crash-looping, unable to pull its image, killed for memory.

Pure readings of `status`; a pod that is being deleted counts as not ready, because the controllers count it so.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from remediations.cluster import Object

CRASH_LOOP = "CrashLoopBackOff"
IMAGE_PULL = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
)
OOM = "OOMKilled"
UNSCHEDULABLE = "Unschedulable"
JUST_NOW = timedelta(minutes=1)
"""How long a container that runs again after a crash still counts as crash-looping. It is given this long from its new
start: the pauses between starts grow to five minutes, and a question must not come and go with them.
"""


def ready(pod: Object) -> bool:
    """Its Ready condition is True and it is not on its way out."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def ready_count(pods: Iterable[Object]) -> int:
    """How many are ready."""
    return sum(map(ready, pods))


def containers(pod: Object, *, init: bool = True) -> tuple[dict[str, Any], ...]:
    """The container statuses, init containers first."""
    status = pod.get("status") or {}
    first = tuple(status.get("initContainerStatuses") or ()) if init else ()
    return first + tuple(status.get("containerStatuses") or ())


def crash_looping(pod: Object, now: datetime | None = None) -> bool:
    """A container waits in CrashLoopBackOff, or has ended badly after it was restarted before.

    With `now` also one that ended badly and runs again for less than a minute: between two crashes it is no better.
    """
    return any(_crashes(container, now) for container in containers(pod))


def _crashes(container: dict[str, Any], now: datetime | None) -> bool:
    state = container.get("state") or {}
    if (state.get("waiting") or {}).get("reason") == CRASH_LOOP:
        return True
    if not container.get("restartCount", 0):
        return False
    if (state.get("terminated") or {}).get("exitCode", 0) != 0:
        return True
    last = (container.get("lastState") or {}).get("terminated") or {}
    ended, began = instant(last.get("finishedAt")), instant((state.get("running") or {}).get("startedAt"))
    if now is None or ended is None or not last.get("exitCode"):
        return False
    return now - max(ended, began or ended) <= JUST_NOW


def image_pull_failing(pod: Object) -> bool:
    """A container waits for an image that cannot be pulled."""
    return any(
        ((container.get("state") or {}).get("waiting") or {}).get("reason") in IMAGE_PULL
        for container in containers(pod)
    )


def oom_killed(pod: Object, since: datetime | None = None) -> tuple[str, ...]:
    """The names of its containers whose present or last end was a kill for memory (not before `since`)."""
    return tuple(str(c["name"]) for c in containers(pod) if _killed_for_memory(c, since))


def _killed_for_memory(container: dict[str, Any], since: datetime | None) -> bool:
    for state in (container.get("state") or {}, container.get("lastState") or {}):
        ended = state.get("terminated") or {}
        if ended.get("reason") != OOM:
            continue
        at = instant(ended.get("finishedAt"))
        if since is None or at is None or at >= since:
            return True
    return False


def failing(pod: Object, now: datetime | None = None) -> bool:
    """It crash-loops (see there for `now`) or cannot pull its image."""
    return crash_looping(pod, now) or image_pull_failing(pod)


def unschedulable(pod: Object) -> bool:
    """No node takes it."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(
        c.get("type") == "PodScheduled" and c.get("status") == "False" and c.get("reason") == UNSCHEDULABLE
        for c in conditions
    )


def instant(text: str | None) -> datetime | None:
    """A timestamp of the API server, None when there is none."""
    return datetime.fromisoformat(text) if text else None
