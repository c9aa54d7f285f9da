"""The Deployment and ReplicaSet controllers: versions come and go within surge and unavailability.

Follows pkg/controller/deployment of kubernetes/kubernetes (`rolling.go`, `progress.go`, `sync.go`): a template gets its
ReplicaSet or takes an old one up again, old pods that are not available go first, a change of scale in the middle of a
rollout is shared out, `ProgressDeadlineExceeded` comes by the deadline and not after a version has been complete once.
`minReadySeconds` is taken as 0.
"""

from __future__ import annotations

import copy
import math
from typing import Any

from controller.lab import kubelet
from controller.lab.behaviour import behaviour_of
from controller.lab.fleet import Phase
from controller.lab.state import LETTERS, Deployment, Pod, ReplicaSet, State
from remediations import templates
from remediations.rollouts import fences, wanted

HISTORY_LIMIT = 10
_LOOKS = 4


def read_spec(state: State, deployment: Deployment) -> None:
    """Take in what the object says now; a Deployment whose spec changed is looked at."""
    spec = deployment.object["spec"]
    read_scale(state, deployment)
    deployment.recreate = (spec.get("strategy") or {}).get("type") == "Recreate"
    deployment.paused = bool(spec.get("paused"))
    deployment.deadline = float(spec.get("progressDeadlineSeconds") or 600)
    digest = templates.digest(spec["template"])
    if digest != deployment.digest:
        deployment.digest = digest
        deployment.rolling = True
        deployment.progressed = state.t


def read_scale(state: State, deployment: Deployment) -> None:
    """Take in the replicas wanted, and the bounds that follow from them."""
    bounds = fences(deployment.object)
    deployment.replicas = wanted(deployment.object)
    deployment.surge, deployment.unavailable = bounds.surge, bounds.unavailable
    state.dirty.add(deployment.service)


def reconcile(state: State, deployment: Deployment) -> None:
    """One look of both controllers."""
    deployment.observed = int(deployment.object["metadata"]["generation"])
    newest = _newest(state, deployment)
    if newest is not None:
        _shared_out(state, deployment, newest)
        for _ in range(_LOOKS):
            before = [replica_set.wanted for replica_set in deployment.replica_sets]
            if not deployment.paused:
                _roll(deployment, newest)
            for replica_set in deployment.replica_sets:
                _keep_up(state, replica_set)
            if before == [replica_set.wanted for replica_set in deployment.replica_sets]:
                break
        _forget(state, deployment)
    else:
        _scaled_while_paused(state, deployment)
    report(state, deployment)


def _newest(state: State, deployment: Deployment) -> ReplicaSet | None:
    """The ReplicaSet of the present template, with the newest revision; None while paused before it was made."""
    last = max((one.revision for one in deployment.replica_sets), default=0)
    found = next((one for one in deployment.replica_sets if one.digest == deployment.digest), None)
    if found is None:
        if deployment.paused and deployment.replica_sets:
            return None
        found = _made(state, deployment, last + 1)
        deployment.replica_sets.append(found)
        _condition(state, deployment, "Progressing", "True", "NewReplicaSetCreated")
        deployment.progressed = state.t
    elif found.revision < last:
        found.revision = last + 1
        found.object["metadata"]["annotations"][templates.REVISION] = str(found.revision)
        _condition(state, deployment, "Progressing", "True", "FoundNewReplicaSet")
        deployment.progressed = state.t
        state.changed_sets[found.uid] = found
    annotations = deployment.object["metadata"].setdefault("annotations", {})
    annotations[templates.REVISION] = str(found.revision)
    return found


def _made(state: State, deployment: Deployment, revision: int) -> ReplicaSet:
    template = copy.deepcopy(deployment.object["spec"]["template"])
    suffix = "".join(LETTERS[int(digit, 16)] for digit in deployment.digest[:10])
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    labels[templates.HASH_LABEL] = suffix
    metadata = deployment.object["metadata"]
    object_: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "namespace": metadata["namespace"],
            "name": f"{metadata['name']}-{suffix}",
            "uid": state.new_uid(),
            "generation": 1,
            "labels": dict(labels),
            "annotations": {templates.REVISION: str(revision)},
            "creationTimestamp": state.stamp(state.t),
            "ownerReferences": [owned_by(deployment.object)],
        },
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {**deployment.object["spec"]["selector"]["matchLabels"]}},
            "template": template,
        },
    }
    object_["spec"]["selector"]["matchLabels"][templates.HASH_LABEL] = suffix
    service = state.scenario.services[deployment.service]
    made = ReplicaSet(deployment, object_, deployment.digest, behaviour_of(service, template), state.t, revision)
    state.changed_sets[made.uid] = made
    return made


def owned_by(owner: dict[str, Any]) -> dict[str, Any]:
    """An owner reference of the controlling kind."""
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _shared_out(state: State, deployment: Deployment, newest: ReplicaSet) -> None:
    """A change of scale: the one version takes it, several take it in proportion."""
    if deployment.scaled_for == deployment.replicas:
        return
    first, deployment.scaled_for = deployment.scaled_for is None, deployment.replicas
    active = [one for one in deployment.replica_sets if one.wanted]
    if first or not active:
        return
    if len(active) == 1 and active[0] is newest:
        newest.wanted = deployment.replicas
        return
    total = sum(one.wanted for one in active)
    delta = deployment.replicas + (0 if deployment.recreate else deployment.surge) - total
    left = delta
    for replica_set in sorted(active, key=lambda one: (-one.wanted, one.created)):
        part = round(replica_set.wanted * delta / total)
        part = max(min(part, left), 0) if delta > 0 else min(max(part, left), 0)
        replica_set.wanted, left = max(0, replica_set.wanted + part), left - part
    active[0].wanted = max(0, active[0].wanted + left)
    for replica_set in active:
        state.changed_sets[replica_set.uid] = replica_set


def _scaled_while_paused(state: State, deployment: Deployment) -> None:
    """A paused Deployment makes no version, and its scale is still kept: by the one it has most of."""
    kept = max(deployment.replica_sets, key=lambda one: one.wanted)
    kept.wanted = max(0, deployment.replicas - sum(one.wanted for one in deployment.replica_sets if one is not kept))
    deployment.scaled_for = deployment.replicas
    for replica_set in deployment.replica_sets:
        _keep_up(state, replica_set)


def _roll(deployment: Deployment, newest: ReplicaSet) -> None:
    """New pods within the surge, old ones away while enough are available."""
    count = deployment.replicas
    olds = sorted((one for one in deployment.replica_sets if one is not newest), key=lambda one: one.created)
    if deployment.recreate:
        for old in olds:
            old.wanted = 0
        if not any(old.pods for old in olds):
            newest.wanted = count
        return None
    total = newest.wanted + sum(old.wanted for old in olds)
    if newest.wanted > count:
        newest.wanted = count
    elif newest.wanted < count:
        newest.wanted += max(0, min(count - newest.wanted, count + deployment.surge - total))
        return _down(deployment, newest, olds)
    return _down(deployment, newest, olds)


def _down(deployment: Deployment, newest: ReplicaSet, olds: list[ReplicaSet]) -> None:
    least = deployment.replicas - deployment.unavailable
    total = newest.wanted + sum(old.wanted for old in olds)
    room = total - least - (newest.wanted - min(newest.wanted, _available(newest)))
    if room <= 0:
        return
    for old in olds:
        away = min(room, max(0, old.wanted - min(old.wanted, _available(old))))
        old.wanted, room = old.wanted - away, room - away
    spare = _available(newest) + sum(min(old.wanted, _available(old)) for old in olds) - least
    for old in olds:
        away = max(0, min(old.wanted, spare))
        old.wanted, spare = old.wanted - away, spare - away


def _available(replica_set: ReplicaSet) -> int:
    return sum(pod.ready for pod in replica_set.pods if pod.deleting is None)


def _keep_up(state: State, replica_set: ReplicaSet) -> None:
    """As many pods as wanted: the least useful go first."""
    active = replica_set.active()
    for _ in range(replica_set.wanted - len(active)):
        kubelet.create(state, replica_set)
    surplus = len(active) - replica_set.wanted
    if surplus > 0:
        on_node: dict[int, int] = {}
        for pod in active:
            on_node[pod.node] = on_node.get(pod.node, 0) + 1
        for pod in sorted(active, key=lambda pod: _usefulness(state, pod, on_node))[:surplus]:
            kubelet.delete(state, pod)
    if len(active) != replica_set.wanted or replica_set.object["spec"]["replicas"] != replica_set.wanted:
        state.changed_sets[replica_set.uid] = replica_set


def _usefulness(state: State, pod: Pod, on_node: dict[int, int]) -> tuple[float, ...]:
    """What the ReplicaSet controller keeps longest comes last: bound, running, ready, alone on its node, long ready."""
    phase = state.phase(pod)
    return (
        float(pod.node >= 0),
        float(phase not in {Phase.PENDING, Phase.PULLING}),
        float(pod.ready),
        -float(on_node[pod.node]),
        -pod.changed,
        -float(pod.restarts),
        -pod.created,
        float(pod.identity),
    )


def _forget(state: State, deployment: Deployment) -> None:
    empty = [one for one in deployment.replica_sets if not one.wanted and not one.pods]
    empty = sorted((one for one in empty if one.digest != deployment.digest), key=lambda one: one.revision)
    for replica_set in empty[: max(0, len(empty) - HISTORY_LIMIT)]:
        deployment.replica_sets.remove(replica_set)
        state.changed_sets.pop(replica_set.uid, None)
        state.gone_sets.append(replica_set)


def report(state: State, deployment: Deployment) -> None:
    """The status: counts, and the conditions as the controller words them."""
    newest = next((one for one in deployment.replica_sets if one.digest == deployment.digest), None)
    total = sum(len(one.active()) for one in deployment.replica_sets)
    updated = 0 if newest is None else len(newest.active())
    available = sum(map(_available, deployment.replica_sets))
    counts = (total, updated, available)
    if counts != deployment.counts:
        if (
            updated > sum(deployment.counts[1:2])
            or available > sum(deployment.counts[2:3])
            or total < sum(deployment.counts[:1])
        ):
            deployment.progressed = state.t
        deployment.counts = counts
    enough = available >= deployment.replicas - deployment.unavailable
    _condition(
        state,
        deployment,
        "Available",
        str(enough),
        "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
    )
    complete = updated == deployment.replicas == total == available and newest is not None
    reason = str(deployment.conditions.get("Progressing", {}).get("reason", ""))
    if complete:
        deployment.rolling = False
        _condition(state, deployment, "Progressing", "True", "NewReplicaSetAvailable")
    elif total == updated and reason == "NewReplicaSetAvailable" and not deployment.rolling:
        pass
    elif state.t - deployment.progressed > deployment.deadline:
        _condition(state, deployment, "Progressing", "False", "ProgressDeadlineExceeded")
    elif reason != "NewReplicaSetCreated" or deployment.progressed == state.t:
        _condition(state, deployment, "Progressing", "True", "ReplicaSetUpdated")


def late(state: State, deployment: Deployment) -> float:
    """When the progress deadline passes, in seconds from the beginning; never for one that is complete."""
    if not deployment.rolling:
        return math.inf
    return deployment.progressed + deployment.deadline


def _condition(state: State, deployment: Deployment, type_: str, status: str, reason: str) -> None:
    before = deployment.conditions.get(type_)
    if before is not None and (before["status"], before["reason"]) == (status, reason):
        return
    now = state.stamp(state.t)
    changed = now if before is None or before["status"] != status else before["lastTransitionTime"]
    deployment.conditions[type_] = {
        "type": type_,
        "status": status,
        "reason": reason,
        "lastUpdateTime": now,
        "lastTransitionTime": changed,
    }
    state.dirty.add(deployment.service)


def status_of(deployment: Deployment) -> dict[str, Any]:
    """The status object."""
    total, updated, available = deployment.counts or (0, 0, 0)
    return {
        "observedGeneration": deployment.observed,
        "replicas": total,
        "updatedReplicas": updated,
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": max(0, deployment.replicas - available),
        "conditions": [dict(one) for _, one in sorted(deployment.conditions.items())],
    }
