"""Nodes and the scheduler: where a pod fits, and what becomes of the pods of a node that dies.

A dead node serves nothing at once and is noticed after 40 s: its pods are not ready from then on, and leave the
endpoints. After the toleration, 300 s unless said otherwise, they are deleted and replaced; as nobody is there who
could end them, they stay as terminating until the node is back.
"""

from __future__ import annotations

import numpy as np

from controller.lab import kubelet
from controller.lab.fleet import Phase
from controller.lab.state import Node, Pod, State

GRACE = 40.0


def schedule(state: State) -> None:
    """Bind every pod that fits somewhere: fewest pods of its service, then most cores free."""
    if not state.unbound:
        return
    fleet, count = state.fleet, len(state.nodes)
    n = fleet.size
    bound = fleet.node[:n] >= 0
    places = fleet.node[:n][bound]
    cores = np.array([node.cores for node in state.nodes]) - np.bincount(places, fleet.cpu_request[:n][bound], count)
    memory = np.array([node.memory for node in state.nodes]) - np.bincount(
        places, fleet.memory_request[:n][bound], count
    )
    open_ = np.array([usable(node) for node in state.nodes])
    for pod in tuple(state.unbound):
        place = pod.place
        fits = open_ & (cores >= fleet.cpu_request[place]) & (memory >= fleet.memory_request[place])
        if not fits.any():
            continue
        own = bound & (fleet.service[:n] == fleet.service[place])
        spread = np.bincount(fleet.node[:n][own & (fleet.node[:n] >= 0)], minlength=count)
        order = np.where(fits, spread * 1e6 - cores, np.inf)
        node = int(np.argmin(order))
        state.unbound.remove(pod)
        kubelet.bind(state, pod, node)
        bound = fleet.node[:n] >= 0
        cores[node] -= fleet.cpu_request[place]
        memory[node] -= fleet.memory_request[place]


def usable(node: Node) -> bool:
    """New pods may go there."""
    return node.dead is None and not node.object["spec"].get("unschedulable")


def lose(state: State, index: int, evict_after: float) -> None:
    """The node dies."""
    node = state.nodes[index]
    node.dead, node.noticed, node.evict_after = state.t, False, evict_after


def come_back(state: State, index: int) -> None:
    """The node runs again: the pods that were deleted meanwhile are gone, the containers of the others start anew."""
    node = state.nodes[index]
    node.dead, node.noticed, node.changed = None, False, state.t
    state.changed_nodes.add(index)
    for pod in _pods(state, index):
        if pod.deleting is not None:
            kubelet.remove(state, pod)
        elif state.phase(pod) is not Phase.PULLING:
            kubelet.end(state, pod, 255, "Unknown")


def watch(state: State) -> None:
    """Notice dead nodes, and give up their pods in time."""
    for index, node in enumerate(state.nodes):
        if node.dead is None:
            continue
        if not node.noticed and state.t - node.dead >= GRACE:
            node.noticed, node.changed = True, state.t
            state.changed_nodes.add(index)
            for pod in _pods(state, index):
                kubelet.lose(state, pod)
        if node.noticed and state.t - node.changed >= node.evict_after:
            for pod in _pods(state, index):
                kubelet.delete(state, pod)


def _pods(state: State, index: int) -> list[Pod]:
    return [pod for pod in state.living() if pod.node == index]
