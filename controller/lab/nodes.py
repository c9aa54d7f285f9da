"""Nodes and the scheduler: where a pod fits, and what becomes of the pods of a node that dies.

A dead node serves nothing at once, is noticed after 40 s (its pods leave the endpoints then), and its pods are given up
after the toleration, 300 s unless said otherwise. Unlike in a real cluster, the objects of those pods vanish then.
"""

from __future__ import annotations

import math

import numpy as np

from controller.lab import kubelet
from controller.lab.fleet import Phase
from controller.lab.state import Node, State

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
    """The node runs again; the containers of the pods that are left start anew."""
    node = state.nodes[index]
    node.dead, node.noticed, node.changed = None, False, state.t
    state.changed_nodes.add(index)
    for pod in [pod for pod in state.living() if pod.node == index]:
        kubelet.end(state, pod, 255, "Unknown")


def watch(state: State) -> None:
    """Notice dead nodes, and give up their pods in time."""
    for index, node in enumerate(state.nodes):
        if node.dead is None:
            continue
        if not node.noticed and state.t - node.dead >= GRACE:
            node.noticed, node.changed = True, state.t
            state.changed_nodes.add(index)
            for pod in [pod for pod in state.living() if pod.node == index]:
                if state.phase(pod) is Phase.READY:
                    state.lost[pod.owner.deployment.service] += state.fleet.queue[pod.place]
                    state.fleet.queue[pod.place] = 0.0
                    state.fleet.phase[pod.place] = Phase.LOST
                state.fleet.due[pod.place] = math.inf
                state.set_ready(pod, ready=False)
                state.touch(pod)
        if node.noticed and state.t - node.dead >= node.evict_after:
            for pod in [pod for pod in state.living() if pod.node == index]:
                kubelet.delete(state, pod)
