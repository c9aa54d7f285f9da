"""What a pod says of itself: ready, crash-looping, unable to pull its image, killed for memory.

Pure readings of `status`; a pod that is being deleted counts as not ready, because the controllers count it so.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from remediations.cluster import Object

CRASH_LOOP = "CrashLoopBackOff"
IMAGE_PULL = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
)
OOM = "OOMKilled"


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


def crash_looping(pod: Object) -> bool:
    """A container waits in CrashLoopBackOff, or has just ended badly after it was restarted before."""
    return any(_crashes(container) for container in containers(pod))


def _crashes(container: dict[str, Any]) -> bool:
    state = container.get("state") or {}
    if (state.get("waiting") or {}).get("reason") == CRASH_LOOP:
        return True
    ended = state.get("terminated") or {}
    return bool(ended.get("exitCode", 0) != 0 and container.get("restartCount", 0) > 0)


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


def failing(pod: Object) -> bool:
    """It crash-loops or cannot pull its image."""
    return crash_looping(pod) or image_pull_failing(pod)


def instant(text: str | None) -> datetime | None:
    """A timestamp of the API server, None when there is none."""
    return datetime.fromisoformat(text) if text else None
