"""What is the case: one live reading, the alerts and the error share as the facts that runbooks ask about.

Promises that only what was measured is in the answer: an abstention, an unread alert list or a status of an older
generation leaves its facts out, and a missing fact matches nothing. Pure; the loop reads, this counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue

from controller.core.alerts import Alert
from detectors.results import Abstention, Detection
from remediations.cluster import HealthyRevision, Object, World
from remediations.owners import controlled_by
from remediations.pods import (
    OOM,
    containers,
    crash_looping,
    failing,
    image_pull_failing,
    instant,
    oom_killed,
    ready,
    ready_count,
)
from remediations.quantity import BadQuantity, bytes_of
from remediations.rollouts import updated_pods, wanted
from remediations.templates import REVISION, current_replica_set, pods_of
from runbooks.evidence import Evidence, Value

RECENT = timedelta(minutes=30)
"""How far back kills for memory and rollouts count."""

HEALTHY_FOR = timedelta(minutes=10)
"""How long a version must be fully available before it counts as one to return to."""


def observe(
    world: World, alerts: Sequence[Alert] | None, errors: Detection | Abstention | None, now: datetime
) -> Evidence:
    """Every fact that this reading, these alerts (None: unread) and this judgement of the error share allow."""
    facts: dict[str, Value] = {}
    for part in (_objects(world, now), _replicas(world), _rollout(world, now), _alerts(alerts), _errors(errors)):
        facts.update(part)
    limit = memory_limit(world, now)
    if limit is not None:
        facts["memory.limit"] = limit
    return facts


def living(world: World) -> tuple[Object, ...]:
    """The pods that count: not on their way out, not ended for good."""
    return tuple(
        pod
        for pod in world.pods
        if not pod["metadata"].get("deletionTimestamp")
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    )


def _objects(world: World, now: datetime) -> Iterator[tuple[str, Value]]:
    pods = living(world)
    for name, count in (
        ("crashLooping", sum(crash_looping(pod, now) for pod in pods)),
        ("imagePull", sum(map(image_pull_failing, pods))),
    ):
        yield f"objects.{name}.count", count
        if pods:
            yield f"objects.{name}.share", count / len(pods)
    kills = [memory_kills(pod, now) for pod in pods]
    yield "objects.oomKilled.count", sum(kills)
    if pods:
        yield "objects.oomKilled.share", sum(kill > 0 for kill in kills) / len(pods)
    desired = wanted(world.object)
    waiting = max(0, desired - ready_count(world.pods))
    yield "objects.notReady.count", waiting
    if desired:
        yield "objects.notReady.share", waiting / desired
    if waiting and (lasting := not_ready_for(world, now)) is not None:
        yield "objects.notReady.lasting", lasting
    if (stuck := stuck_rollout(world)) is not None:
        yield "objects.stuckRollout", stuck


def _replicas(world: World) -> Iterator[tuple[str, Value]]:
    yield "replicas.desired", wanted(world.object)
    yield "replicas.ready", ready_count(world.pods)
    yield "replicas.updated", sum(not pod["metadata"].get("deletionTimestamp") for pod in updated_pods(world))


def _rollout(world: World, now: datetime) -> Iterator[tuple[str, Value]]:
    """Only for a Deployment whose controller has caught up with its template."""
    if world.object["kind"] != "Deployment" or current_replica_set(world) is None:
        return
    versions = newest_first(world)
    created = instant(versions[0]["metadata"].get("creationTimestamp"))
    if len(versions) < 2:
        yield "changes.rollout.recent", False
        return
    if created is not None:
        age = max(timedelta(), now - created)
        yield "changes.rollout.age", age
        yield "changes.rollout.recent", age < RECENT
    bad = [pod for pod in living(world) if failing(pod, now) or oom_killed(pod, now - RECENT)]
    if bad:
        newest = str(versions[0]["metadata"]["uid"])
        yield "changes.rollout.onlyNewFails", all(controlled_by(pod, newest) for pod in bad)
    before = str(versions[1]["metadata"]["uid"])
    seen = any(revision.uid == before for revision in world.healthy)
    yield "changes.rollout.previousAlsoFailed", not seen or any(map(failing, pods_of(world, before)))


def _alerts(alerts: Sequence[Alert] | None) -> Iterator[tuple[str, Value]]:
    if alerts is None:
        return
    firing = [alert for alert in alerts if alert.firing]
    yield "alerts.firing", bool(firing)
    yield "alerts.count", len(firing)
    yield "alerts.critical", sum(alert.critical for alert in firing)
    yield "alerts.names", tuple(sorted({alert.name for alert in firing}))


def _errors(errors: Detection | Abstention | None) -> Iterator[tuple[str, Value]]:
    if not isinstance(errors, Detection):
        return
    yield "signals.errors.value", errors.value
    yield "signals.errors.normal", errors.value <= errors.band.high
    yield "signals.errors.abnormal", errors.abnormal
    yield "signals.errors.low", errors.band.low
    yield "signals.errors.high", errors.band.high
    yield "signals.errors.p", errors.p


def memory_kills(pod: Object, now: datetime) -> int:
    """Kills for memory in the last 30 minutes, at least: the status keeps the last end of a container only.

    A pod younger than that was killed at each restart, if the last one was for memory. Of an older one, a last run
    that both began (after another restart) and ended within the time means two.
    """
    if not oom_killed(pod, now - RECENT):
        return 0
    created = instant(pod["metadata"].get("creationTimestamp"))
    return sum(_kills(container, now, created is not None and now - created <= RECENT) for container in containers(pod))


def _kills(container: dict[str, Any], now: datetime, young: bool) -> int:
    states = (container.get("state") or {}, container.get("lastState") or {})
    ends = [end for state in states if (end := state.get("terminated") or {}).get("reason") == OOM]
    recent = [end for end in ends if (at := instant(end.get("finishedAt"))) is None or at >= now - RECENT]
    if not recent:
        return 0
    restarts = int(container.get("restartCount") or 0)
    if young:
        return max(len(recent), restarts)
    began = instant(recent[-1].get("startedAt"))
    again = restarts >= 2 and began is not None and began >= now - RECENT
    return len(recent) + again


def not_ready_for(world: World, now: datetime) -> timedelta | None:
    """How long the pod that has waited longest has not been ready, or the workload not available."""
    since = [
        at for pod in living(world) if not ready(pod) and (at := _since(pod, "Ready", "False", born=True)) is not None
    ]
    available = _since(world.object, "Available", "False")
    if available is not None:
        since.append(available)
    return max(timedelta(), now - min(since)) if since else None


def _since(obj: Object, condition: str, status: str, *, born: bool = False) -> datetime | None:
    """When the condition took this status;

    with `born`, an object that never had the condition counts from its creation.
    """
    for found in (obj.get("status") or {}).get("conditions") or ():
        if found.get("type") == condition and found.get("status") != status:
            return None
        if found.get("type") == condition and found.get("lastTransitionTime"):
            return instant(found["lastTransitionTime"])
    return instant(obj["metadata"].get("creationTimestamp")) if born else None


def stuck_rollout(world: World) -> bool | None:
    """Whether the progress deadline is exceeded; None while the status is about an older generation."""
    if world.object["kind"] != "Deployment":
        return False
    status = world.object.get("status") or {}
    if world.generation is not None and int(status.get("observedGeneration") or 0) < world.generation:
        return None
    return any(
        c.get("type") == "Progressing" and c.get("status") == "False" and c.get("reason") == "ProgressDeadlineExceeded"
        for c in status.get("conditions") or ()
    )


def newest_first(world: World) -> tuple[Object, ...]:
    """The ReplicaSets, newest creation first (a rollback runs an older one again;

    its age is not that of a new version).
    """

    def order(replica_set: Object) -> tuple[str, int]:
        annotations = replica_set["metadata"].get("annotations") or {}
        revision = str(annotations.get(REVISION) or "0")
        return str(replica_set["metadata"].get("creationTimestamp") or ""), int(revision) if revision.isdigit() else 0

    return tuple(sorted(world.replica_sets, key=order, reverse=True))


def memory_limit(world: World, now: datetime) -> int | None:
    """Bytes of the killed container's limit, else of the first that has one; None where there is none to read."""
    killed = {name for pod in living(world) for name in oom_killed(pod, now - RECENT)}
    spec = (world.object["spec"].get("template") or {}).get("spec") or {}
    limits = {
        str(c["name"]): ((c.get("resources") or {}).get("limits") or {}).get("memory")
        for c in spec.get("containers") or ()
    }
    named = [limits.get(name) for name in sorted(killed)] or [limit for limit in limits.values() if limit is not None]
    try:
        return bytes_of(named[0]) if named and named[0] is not None else None
    except BadQuantity:
        return None


def healthy_now(world: World, now: datetime, for_at_least: timedelta = HEALTHY_FOR) -> HealthyRevision | None:
    """The present version, when all wanted pods are its own and each has been Ready for long enough; else None.

    Its `since` is when the last of them became ready.
    """
    current, desired = current_replica_set(world), wanted(world.object)
    if current is None or desired == 0 or stuck_rollout(world) is not False:
        return None
    own, everyone = pods_of(world, str(current["metadata"]["uid"])), living(world)
    if len(own) < desired or len(everyone) != len(own) or not all(map(ready, own)):
        return None
    since = [_since(pod, "Ready", "True", born=True) for pod in own]
    known = [at for at in since if at is not None]
    if len(known) < len(own) or now - max(known) < for_at_least:
        return None
    return HealthyRevision(str(current["metadata"]["uid"]), str(current["metadata"]["name"]), max(known), now)


def plain(evidence: Evidence) -> dict[str, JsonValue]:
    """Evidence as JSON for events: durations in seconds, lists as lists."""
    return {name: _plain(value) for name, value in sorted(evidence.items())}


def _plain(value: Value) -> JsonValue:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return list(value) if isinstance(value, tuple) else value
