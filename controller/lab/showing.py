"""What the lab's API server shows: pods, ReplicaSets, Deployments, autoscalers, budgets and nodes, when they change.

Promises the statuses that the real controllers and kubelets write, as far as trimtab reads them: restart counts, last
ends, waiting reasons, conditions with the time of their last change.
"""

from __future__ import annotations

import copy
from typing import Any

from controller.kinds import AUTOSCALERS, BUDGETS, DEPLOYMENTS, NODES, PODS, REPLICA_SETS
from controller.lab import deployments, scaling
from controller.lab.apiserver import MemoryObjects
from controller.lab.deployments import owned_by
from controller.lab.disruption import Budget
from controller.lab.fleet import Phase
from controller.lab.state import Autoscaler, Deployment, Node, Pod, ReplicaSet, State
from remediations.fields import written
from remediations.pods import CRASH_LOOP

MACHINE = "kube-controller-manager"


def show(state: State, budgets: list[Budget], objects: MemoryObjects) -> None:
    """Publish everything that changed since the last time."""
    for pod in state.gone_pods:
        if pod.shown:
            objects.take_away(PODS, _namespace(pod.owner), pod.name)
    for replica_set in state.gone_sets:
        objects.take_away(REPLICA_SETS, _namespace(replica_set), replica_set.name)
    for pod in state.changed_pods.values():
        objects.put(PODS, pod_object(state, pod))
        pod.shown = True
        state.changed_sets[pod.owner.uid] = pod.owner
    for pod in state.gone_pods:
        if pod.owner in pod.owner.deployment.replica_sets:
            state.changed_sets[pod.owner.uid] = pod.owner
    for replica_set in state.changed_sets.values():
        _show_replica_set(objects, replica_set)
    for deployment in state.deployments:
        show_deployment(state, objects, deployment)
    for scaler in state.autoscalers:
        show_autoscaler(state, objects, scaler)
    for budget in budgets:
        _show_budget(state, objects, budget)
    for index in sorted(state.changed_nodes):
        show_node(state, objects, state.nodes[index])
    state.changed_pods.clear()
    state.changed_sets.clear()
    state.gone_pods.clear()
    state.gone_sets.clear()
    state.changed_nodes.clear()


def _namespace(replica_set: ReplicaSet) -> str:
    return str(replica_set.object["metadata"]["namespace"])


def pod_object(state: State, pod: Pod) -> dict[str, Any]:
    """The pod as the API server holds it."""
    template = pod.owner.object["spec"]["template"]
    metadata: dict[str, Any] = {
        "namespace": _namespace(pod.owner),
        "name": pod.name,
        "uid": pod.uid,
        "labels": dict(template["metadata"].get("labels") or {}),
        "creationTimestamp": state.stamp(pod.created),
        "ownerReferences": [owned_by(pod.owner.object)],
    }
    if pod.deleting is not None:
        metadata["deletionTimestamp"] = state.stamp(pod.deleting)
    spec = dict(template["spec"])
    if pod.node >= 0:
        spec["nodeName"] = state.nodes[pod.node].name
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": _pod_status(state, pod)}


def _pod_status(state: State, pod: Pod) -> dict[str, Any]:
    phase = state.phase(pod)
    if pod.bound is None:
        scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        return {"phase": "Pending", "conditions": [{**scheduled, "lastTransitionTime": state.stamp(pod.created)}]}
    ready = {"status": str(pod.ready), "lastTransitionTime": state.stamp(pod.changed)}
    return {
        "phase": "Pending" if phase is Phase.PULLING else "Running",
        "startTime": state.stamp(pod.bound),
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": state.stamp(pod.bound)},
            {"type": "ContainersReady", **ready},
            {"type": "Ready", **ready},
        ],
        "containerStatuses": [_container(state, pod, phase)],
    }


def _container(state: State, pod: Pod, phase: Phase) -> dict[str, Any]:
    container = pod.owner.object["spec"]["template"]["spec"]["containers"][0]
    status: dict[str, Any] = {
        "name": container["name"],
        "image": container.get("image"),
        "ready": pod.ready,
        "started": pod.ready,
        "restartCount": pod.restarts,
    }
    if phase is Phase.PULLING:
        status["state"] = {"waiting": {"reason": "ImagePullBackOff"}}
    elif phase is Phase.WAITING:
        status["state"] = {"waiting": {"reason": CRASH_LOOP}}
    else:
        status["state"] = {"running": {"startedAt": state.stamp(pod.begun)}}
    if pod.ended is not None:
        ended = {
            "exitCode": pod.ended.code,
            "reason": pod.ended.reason,
            "startedAt": state.stamp(pod.ended.started),
            "finishedAt": state.stamp(pod.ended.finished),
        }
        status["lastState"] = {"terminated": ended}
    return status


def _show_replica_set(objects: MemoryObjects, replica_set: ReplicaSet) -> None:
    made = replica_set.object
    if made["spec"]["replicas"] != replica_set.wanted:
        made["spec"]["replicas"] = replica_set.wanted
        made["metadata"]["generation"] += 1
    active = replica_set.active()
    ready = sum(pod.ready for pod in active)
    made["status"] = {
        "replicas": len(active),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "observedGeneration": made["metadata"]["generation"],
    }
    before = objects.peek(REPLICA_SETS, _namespace(replica_set), replica_set.name)
    if before is None or before.get("status") != made["status"] or _differs(before, made):
        objects.put(REPLICA_SETS, copy.deepcopy(made))


def show_deployment(state: State, objects: MemoryObjects, deployment: Deployment) -> None:
    """Put the Deployment with its status, if it differs from what is shown and was not deleted."""
    if deployment.absent:
        return
    metadata = deployment.object["metadata"]
    status = deployments.status_of(deployment)
    before = objects.peek(DEPLOYMENTS, metadata["namespace"], metadata["name"])
    if before is not None and before.get("status") == status and not _differs(before, deployment.object):
        return
    made = copy.deepcopy({**deployment.object, "status": status})
    if deployment.machine and before is not None:
        made = written(before, made, MACHINE, state.at(state.t))
        deployment.machine = False
    made["metadata"].pop("resourceVersion", None)
    made["metadata"]["resourceVersion"] = objects.put(DEPLOYMENTS, made)
    deployment.object = copy.deepcopy(made)


def show_autoscaler(state: State, objects: MemoryObjects, scaler: Autoscaler) -> None:
    """Put the HPA with its status, if it differs from what is shown."""
    metadata = scaler.object["metadata"]
    status = scaling.status_of(state, scaler)
    before = objects.peek(AUTOSCALERS, metadata["namespace"], metadata["name"])
    if before is not None and before.get("status") == status and not _differs(before, scaler.object):
        return
    made = copy.deepcopy({**scaler.object, "status": status})
    made["metadata"]["resourceVersion"] = objects.put(AUTOSCALERS, made)
    scaler.object = copy.deepcopy(made)


def _show_budget(state: State, objects: MemoryObjects, budget: Budget) -> None:
    status = budget.status(state)
    metadata = budget.object["metadata"]
    before = objects.peek(BUDGETS, metadata["namespace"], metadata["name"])
    if before is None or before.get("status") != status or _differs(before, budget.object):
        objects.put(BUDGETS, copy.deepcopy({**budget.object, "status": status}))


def show_node(state: State, objects: MemoryObjects, node: Node) -> None:
    """Put the node with its condition."""
    ready = {
        "type": "Ready",
        "status": "Unknown" if node.noticed else "True",
        "reason": "NodeStatusUnknown" if node.noticed else "KubeletReady",
        "lastTransitionTime": state.stamp(node.changed),
    }
    room = {"cpu": f"{round(node.cores * 1000)}m", "memory": str(round(node.memory))}
    status = {"capacity": room, "allocatable": dict(room), "conditions": [ready]}
    objects.put(NODES, copy.deepcopy({**node.object, "status": status}))


def _differs(before: Any, after: dict[str, Any]) -> bool:
    """Anything but status and resourceVersion."""
    old = {key: value for key, value in before["metadata"].items() if key != "resourceVersion"}
    new = {key: value for key, value in after["metadata"].items() if key != "resourceVersion"}
    return old != new or before.get("spec") != after.get("spec")
