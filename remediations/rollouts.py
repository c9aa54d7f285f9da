"""The arithmetic of rollouts, as the controllers of Kubernetes do it: how many pods may be missing while a template
changes.

Sources: pkg/controller/deployment/util (ResolveFenceposts), pkg/controller/daemon/util and pkg/controller/statefulset
of kubernetes/kubernetes; intstr.GetScaledValueFromIntOrPercent for the rounding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from remediations.cluster import Object, World
from remediations.owners import controlled_by
from remediations.plan import BlastRadius
from remediations.pods import ready_count
from remediations.templates import current_replica_set, pods_of

_DAEMON_GENERATION = "deprecated.daemonset.template.generation"
_PERCENT = re.compile(r"([0-9]{1,6})%")


class BadIntOrPercent(ValueError):
    """Neither a whole number nor a percentage."""


def scaled(value: int | str, of: int, *, round_up: bool) -> int:
    """An int-or-percent of `of`; raises `BadIntOrPercent`.

    A string without a percent sign is an error, as in Kubernetes.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise BadIntOrPercent(f"{value!r} is neither a number nor a percentage")
    share = int(match.group(1)) * of
    return -(-share // 100) if round_up else share // 100


@dataclass(frozen=True, slots=True)
class Fences:
    """Bounds of a rollout: at most `surge` pods more, at most `unavailable` ready pods fewer than wanted."""

    surge: int
    unavailable: int


def fences(workload: Object) -> Fences:
    """The bounds for a Deployment, StatefulSet or DaemonSet; Recreate: all of them unavailable.

    Rolling Deployment: surge rounds up, unavailable rounds down, both zero means one unavailable. DaemonSet: both
    round up. StatefulSet: rounds down, at least one.
    """
    spec, count = workload["spec"], wanted(workload)
    match workload["kind"]:
        case "Deployment":
            strategy = spec.get("strategy") or {}
            if strategy.get("type") == "Recreate":
                return Fences(0, count)
            rolling = strategy.get("rollingUpdate") or {}
            surge = scaled(_given(rolling, "maxSurge", "25%"), count, round_up=True)
            unavailable = scaled(_given(rolling, "maxUnavailable", "25%"), count, round_up=False)
        case "DaemonSet":
            rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
            surge = scaled(_given(rolling, "maxSurge", 0), count, round_up=True)
            unavailable = scaled(_given(rolling, "maxUnavailable", 1), count, round_up=True)
        case "StatefulSet":
            rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
            surge = 0
            unavailable = max(1, scaled(_given(rolling, "maxUnavailable", 1), count, round_up=False))
        case other:
            raise ValueError(f"{other} has no rollout")
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Fences(surge, min(unavailable, count))


def _given(rolling: Object, field: str, default: int | str) -> int | str:
    value: int | str | None = rolling.get(field)
    return default if value is None else value


def wanted(workload: Object) -> int:
    """Replicas wanted: `spec.replicas` (1 when absent), for a DaemonSet one per node it is scheduled to."""
    if workload["kind"] == "DaemonSet":
        return int((workload.get("status") or {}).get("desiredNumberScheduled") or 0)
    replicas = workload["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def touched(world: World, kept_uid: str | None = None) -> BlastRadius:
    """Who feels a change of template: every pod but those of the ReplicaSet `kept_uid`.

    The controllers remove pods that are not ready first, and ready ones only while enough others are available. So at
    least `wanted − maxUnavailable` stay ready, or as many as are ready now when those are fewer, or those that are
    kept.
    """
    replaced = [pod for pod in world.pods if kept_uid is None or not controlled_by(pod, kept_uid)]
    if not ready_count(replaced):
        return BlastRadius(len(replaced), ready_at_least=None)
    now = ready_count(world.pods)
    promised = max(0, wanted(world.object) - fences(world.object).unavailable)
    return BlastRadius(len(replaced), ready_at_least=max(now - ready_count(replaced), min(now, promised)))


def updated_pods(world: World) -> tuple[Object, ...]:
    """The pods of the present template: of the newest ReplicaSet, or those labelled with the newest revision of the
    other kinds.
    """
    match world.object["kind"]:
        case "Deployment":
            newest = current_replica_set(world)
            return () if newest is None else pods_of(world, str(newest["metadata"]["uid"]))
        case "StatefulSet":
            revision = (world.object.get("status") or {}).get("updateRevision")
            return _labelled(world, "controller-revision-hash", revision)
        case _:
            return _labelled(world, "pod-template-generation", world.annotations.get(_DAEMON_GENERATION))


def _labelled(world: World, label: str, value: str | None) -> tuple[Object, ...]:
    return tuple(pod for pod in world.pods if (pod["metadata"].get("labels") or {}).get(label) == value)
