"""Deployments without a cluster: ReplicaSets, pods, and what images do, as far as repairs can tell.

One `step` is one look of the Deployment controller and the kubelets: a template gets its ReplicaSet (an old one is
taken up again), pods are replaced within surge and unavailability, new pods are ready one step later. What a pod does
is written in the tag of its first image, as in `tests/README.md`: `-crash`, `-nopull`, `-unready`, `-oom-256Mi`. Not
simulated: nodes, scheduling, other kinds.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from remediations import templates
from remediations.owners import controlled_by
from remediations.pods import OOM, ready
from remediations.quantity import bytes_of
from remediations.rollouts import fences, wanted

RESTARTS = 5
"""What a pod that crash-loops shows from the start: the back-off of minutes is not waited for."""

_PROGRESS_SECONDS = 600
_OOM = re.compile(r"-oom-([0-9]+[KMG]i)$")


@dataclass(slots=True)
class Stored:
    """An object and what it controls; `progressed_at` is when its rollout last came forward."""

    object: dict[str, Any]
    progressed_at: datetime
    replica_sets: list[dict[str, Any]] = field(default_factory=list)
    pods: list[dict[str, Any]] = field(default_factory=list)


def stamp(at: datetime) -> str:
    """A timestamp as the API server writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def step(stored: Stored, now: datetime, new_uid: Callable[[], str]) -> bool:
    """One look; False when nothing is left to do. Kinds other than Deployment are left as they are."""
    if stored.object["kind"] != "Deployment":
        return False
    before = copy.deepcopy((stored.object, stored.replica_sets, stored.pods))
    for pod in stored.pods:
        pod["status"] = status_of(pod, now)
    if not stored.object["spec"].get("paused"):
        _roll(stored, now, new_uid)
    shape = [pod["metadata"]["uid"] for pod in stored.pods], sum(map(ready, stored.pods))
    if shape != ([pod["metadata"]["uid"] for pod in before[2]], sum(map(ready, before[2]))):
        stored.progressed_at = now
    _report(stored, now)
    return before != (stored.object, stored.replica_sets, stored.pods)


def _roll(stored: Stored, now: datetime, new_uid: Callable[[], str]) -> None:
    count, bounds = wanted(stored.object), fences(stored.object)
    newest = _replica_set(stored, now, new_uid)
    newest_uid = newest["metadata"]["uid"]
    new = [pod for pod in stored.pods if controlled_by(pod, newest_uid)]
    old = [pod for pod in stored.pods if not controlled_by(pod, newest_uid)]
    if (stored.object["spec"].get("strategy") or {}).get("type") == "Recreate":
        removed, room = old, 0 if old else count
    else:
        removed = _superfluous(old, new, count - bounds.unavailable)
        room = count + bounds.surge - len(stored.pods)
    removed = [*removed, *sorted(new, key=ready)[: max(0, len(new) - count)]]
    gone = {pod["metadata"]["uid"] for pod in removed}
    stored.pods = [pod for pod in stored.pods if pod["metadata"]["uid"] not in gone]
    stored.pods += [_pod(stored, newest, now, new_uid()) for _ in range(min(count - len(new), room))]
    for replica_set in stored.replica_sets:
        mine = [pod for pod in stored.pods if controlled_by(pod, replica_set["metadata"]["uid"])]
        replica_set["spec"]["replicas"] = len(mine)
        replica_set["status"] = {"replicas": len(mine), "readyReplicas": sum(map(ready, mine))}


def _superfluous(old: list[dict[str, Any]], new: list[dict[str, Any]], least: int) -> list[dict[str, Any]]:
    """Old pods to remove: those not ready while enough are there in all, then ready ones while enough are ready."""
    new_ready = sum(map(ready, new))
    spare = max(0, len(old) + len(new) - least - (len(new) - new_ready))
    unready = [pod for pod in old if not ready(pod)][:spare]
    healthy = [pod for pod in old if ready(pod)]
    return unready + healthy[: max(0, len(healthy) + new_ready - least)]


def _replica_set(stored: Stored, now: datetime, new_uid: Callable[[], str]) -> dict[str, Any]:
    """The ReplicaSet of the present template, made or taken up again, with the newest revision."""
    template = stored.object["spec"]["template"]
    digest = templates.digest(template)
    newest = max((int(rs["metadata"]["annotations"][templates.REVISION]) for rs in stored.replica_sets), default=0)
    for replica_set in stored.replica_sets:
        if templates.digest(replica_set["spec"]["template"]) == digest:
            break
    else:
        replica_set = _new_replica_set(stored.object, digest[:10], now, new_uid())
        stored.replica_sets.append(replica_set)
    annotations = replica_set["metadata"]["annotations"]
    if int(annotations[templates.REVISION]) < max(newest, 1):
        annotations[templates.REVISION] = str(newest + 1)
    stored.object["metadata"].setdefault("annotations", {})[templates.REVISION] = annotations[templates.REVISION]
    return replica_set


def _new_replica_set(deployment: dict[str, Any], digest: str, now: datetime, uid: str) -> dict[str, Any]:
    template = copy.deepcopy(deployment["spec"]["template"])
    labels = template["metadata"].setdefault("labels", {})
    labels[templates.HASH_LABEL] = digest
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "namespace": deployment["metadata"]["namespace"],
            "name": f"{deployment['metadata']['name']}-{digest}",
            "uid": uid,
            "labels": dict(labels),
            "annotations": {templates.REVISION: "0"},
            "creationTimestamp": stamp(now),
            "ownerReferences": [_owned_by(deployment)],
        },
        "spec": {"replicas": 0, "template": template},
    }


def _owned_by(owner: dict[str, Any]) -> dict[str, Any]:
    metadata = owner["metadata"]
    named = {"kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return {"apiVersion": owner["apiVersion"], **named, "controller": True, "blockOwnerDeletion": True}


def _pod(stored: Stored, replica_set: dict[str, Any], now: datetime, uid: str) -> dict[str, Any]:
    template = replica_set["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": stored.object["metadata"]["namespace"],
            "name": f"{replica_set['metadata']['name']}-{uid[-5:]}",
            "uid": uid,
            "labels": dict(template["metadata"].get("labels") or {}),
            "creationTimestamp": stamp(now),
            "ownerReferences": [_owned_by(replica_set)],
        },
        "spec": copy.deepcopy(template["spec"]),
        "status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}], "startTime": stamp(now)},
    }


def status_of(pod: dict[str, Any], now: datetime) -> dict[str, Any]:
    """What the kubelet would report of a pod, by the tag of its first image."""
    containers = pod["spec"]["containers"]
    behaviour = templates.tag(str(containers[0].get("image") or ""))
    ended_at = (_last_end(pod["status"]) or {}).get("finishedAt") or stamp(now)
    started = {"startTime": pod["status"].get("startTime")}
    oom = _OOM.search(behaviour)
    if behaviour.endswith("-crash"):
        first = _waiting("CrashLoopBackOff", {"exitCode": 1, "reason": "Error", "finishedAt": ended_at})
    elif oom and not _enough_memory(containers[0], oom.group(1)):
        first = _waiting("CrashLoopBackOff", {"exitCode": 137, "reason": OOM, "finishedAt": ended_at})
    elif behaviour.endswith("-nopull"):
        first = {"ready": False, "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    else:
        running = {"running": {"startedAt": pod["status"].get("startTime")}}
        first = {"ready": not behaviour.endswith("-unready"), "restartCount": 0, "state": running}
    statuses = [{"name": container["name"], "image": container.get("image"), **first} for container in containers[:1]]
    return {
        "phase": "Running" if "running" in first["state"] else "Pending",
        "conditions": [{"type": "Ready", "status": str(bool(first["ready"]))}],
        "containerStatuses": statuses,
        **started,
    }


def _waiting(reason: str, ended: dict[str, Any]) -> dict[str, Any]:
    state = {"waiting": {"reason": reason}}
    return {"ready": False, "restartCount": RESTARTS, "state": state, "lastState": {"terminated": ended}}


def _last_end(status: dict[str, Any]) -> dict[str, Any] | None:
    for container in status.get("containerStatuses") or ():
        ended: dict[str, Any] | None = (container.get("lastState") or {}).get("terminated")
        return ended
    return None


def _enough_memory(container: dict[str, Any], needed: str) -> bool:
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return limit is not None and bytes_of(limit) >= bytes_of(needed)


def _report(stored: Stored, now: datetime) -> None:
    """The Deployment's status, as its controller would write it."""
    deployment, count = stored.object, wanted(stored.object)
    digest = templates.digest(deployment["spec"]["template"])
    newest = [rs for rs in stored.replica_sets if templates.digest(rs["spec"]["template"]) == digest]
    updated = [pod for pod in stored.pods if newest and controlled_by(pod, newest[0]["metadata"]["uid"])]
    ready_now = sum(map(ready, stored.pods))
    complete = len(updated) == len(stored.pods) == count == ready_now
    seconds = deployment["spec"].get("progressDeadlineSeconds") or _PROGRESS_SECONDS
    late = not complete and now - stored.progressed_at > timedelta(seconds=seconds)
    conditions = _conditions(complete, late=late, available=ready_now >= count - fences(deployment).unavailable)
    deployment["status"] = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": len(stored.pods),
        "updatedReplicas": len(updated),
        "readyReplicas": ready_now,
        "availableReplicas": ready_now,
        "unavailableReplicas": max(0, count - ready_now),
        "conditions": list(conditions),
    }


def _conditions(complete: bool, *, late: bool, available: bool) -> Iterable[dict[str, str]]:
    yield {"type": "Available", "status": str(available)}
    if late:
        yield {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    else:
        reason = "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated"
        yield {"type": "Progressing", "status": "True", "reason": reason}
