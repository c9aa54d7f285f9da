"""How a lab begins: nodes, namespaces, and Deployments that have run for days, their pods started like any others."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from controller.kinds import NAMESPACES
from controller.lab import deployments, kubelet, manifests, nodes, scaling
from controller.lab.apiserver import MemoryObjects
from controller.lab.disruption import Budget
from controller.lab.fleet import CPU_SAMPLES, Phase
from controller.lab.flow import summed
from controller.lab.latency import Floats
from controller.lab.load import SLOT
from controller.lab.state import Autoscaler, Deployment, Node, State
from remediations.fields import written

AGE = 6 * 86400.0
"""How old the Deployments, their ReplicaSets and pods are at the beginning."""


def furnish(state: State, objects: MemoryObjects, replicas: Floats, cores: Floats) -> list[Budget]:
    """Everything that stands at the beginning; `replicas` and `cores` of each service as the past left them."""
    _place(state, objects)
    budgets = []
    state.t = -AGE
    for index, service in enumerate(state.scenario.services):
        count = int(replicas[index])
        deployment = Deployment(index, created(state, manifests.deployment(service, count), service.by), count)
        state.deployments.append(deployment)
        deployments.read_spec(state, deployment)
        if service.autoscaler is not None:
            state.autoscalers.append(autoscaler(state, index, count))
        if service.min_available is not None:
            budgets.append(Budget(created(state, manifests.budget(service), service.by)))
    control(state)
    _warm(state, cores)
    return budgets


def control(state: State) -> None:
    """One look of the Deployment and ReplicaSet controllers at what changed, and of the scheduler."""
    for deployment in state.deployments:
        if deployment.rolling and deployments.late(state, deployment) <= state.t:
            state.dirty.add(deployment.service)
    dirty, state.dirty = sorted(state.dirty), set()
    for index in dirty:
        deployments.reconcile(state, state.deployments[index])
    nodes.schedule(state)


def created(state: State, manifest: dict[str, Any], manager: str) -> dict[str, Any]:
    """The object that comes of a manifest, its fields owned by who wrote it."""
    made = copy.deepcopy(manifest)
    made["metadata"] |= {"uid": state.new_uid(), "generation": 1, "creationTimestamp": state.stamp(state.t)}
    bare = {**made, "metadata": {"name": made["metadata"]["name"]}, "spec": {}}
    return written(bare, made, manager, state.at(state.t))


def autoscaler(state: State, index: int, desired: int) -> Autoscaler:
    """The HPA of a service; ValueError when the scenario gives it none."""
    service = state.scenario.services[index]
    if service.autoscaler is None:
        raise ValueError(f"the scenario gives {service.name} no autoscaler")
    said = created(state, manifests.autoscaler(service, service.autoscaler), service.autoscaler.by)
    del said["metadata"]["generation"]
    cpu, per_pod = scaling.targets_of(said["spec"])
    return Autoscaler(index, said, scaling.rule_of(said["spec"]), cpu, per_pod, desired=desired)


def _place(state: State, objects: MemoryObjects) -> None:
    for size in state.scenario.nodes:
        for index in range(size.count):
            name = f"{size.name}-{index}"
            metadata = {"name": name, "uid": state.new_uid(), "creationTimestamp": state.stamp(-AGE)}
            made = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}}
            state.nodes.append(Node(name, size.cpu, float(size.memory), made, changed=-AGE))
            state.changed_nodes.add(len(state.nodes) - 1)
    for namespace in sorted({service.namespace for service in state.scenario.services}):
        if objects.peek(NAMESPACES, None, namespace) is None:
            labels = {"kubernetes.io/metadata.name": namespace}
            objects.put(NAMESPACES, {"metadata": {"name": namespace, "uid": state.new_uid(), "labels": labels}})


def _warm(state: State, cores: Floats) -> None:
    """The pods of the beginning have been ready for days, after a start like any other, and were scraped before."""
    fleet = state.fleet
    unscheduled = len(state.unbound)
    started = {pod.identity: pod.ready_at for pod in state.living() if pod.node >= 0 and pod.behaviour.pullable}
    for identity in started:
        state.pods[identity].ready_at = state.t
    fleet.due[: fleet.size] = np.minimum(fleet.due[: fleet.size], state.t)
    kubelet.due(state)
    for identity, at in started.items():
        pod = state.pods[identity]
        pod.changed = fleet.changed[pod.place] = at
    for deployment in state.deployments:
        deployments.reconcile(state, deployment)
        deployment.object["metadata"].setdefault("annotations", {})
    ready = fleet.phase[: fleet.size] == Phase.READY
    count = len(state.deployments)
    pods = np.maximum(summed(fleet.service[: fleet.size], ready.astype(np.float64), count), 1.0)
    each = cores / pods
    for age in range(CPU_SAMPLES):
        fleet.cpu_seen[age, : fleet.size] = np.where(ready, -age * SLOT * each[fleet.service[: fleet.size]], np.nan)
    state.t = 0.0
    state.dirty = set(range(count)) if unscheduled else set()
