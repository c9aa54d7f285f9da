"""The kubelets: pods start, become ready, crash, wait longer each time, are killed for memory, and end.

The back-off is the kubelet's own: the first restart at once, then after 10 s, 20 s … 300 s, from the beginning again
after ten minutes without a crash. A container that restarts has new counters and an empty disk.
"""

from __future__ import annotations

import math

from controller.lab.fleet import Phase
from controller.lab.latency import reach
from controller.lab.state import Ended, Pod, ReplicaSet, State
from remediations.pods import OOM

BACKOFF_FIRST, BACKOFF_MOST, BACKOFF_FORGOTTEN = 10.0, 300.0, 600.0
LONGEST_START = 30 * 86400.0
DRAIN = 5.0
"""Seconds in which a pod that is deleted goes on serving what waits in it."""


def create(state: State, owner: ReplicaSet) -> Pod:
    """A pod that is not bound to a node yet."""
    fleet, behaviour = state.fleet, owner.behaviour
    service = state.scenario.services[owner.deployment.service]
    place, identity = fleet.take(), state.new_identity()
    pod = Pod(identity, place, f"{owner.name}-{state.suffix()}", state.new_uid(), owner, state.t, behaviour)
    pod.changed = state.t
    fleet.identity[place], fleet.phase[place] = identity, Phase.PENDING
    fleet.service[place] = owner.deployment.service
    fleet.capacity[place], fleet.concurrency[place] = behaviour.capacity, service.concurrency
    fleet.cpu_each[place], fleet.cpu_idle[place] = behaviour.cpu_each, service.cpu.idle
    fleet.cpu_starting[place], fleet.cpu_request[place] = service.cpu.starting, behaviour.cpu_request
    fleet.cpu_limit[place], fleet.errors[place] = behaviour.cpu_limit, behaviour.errors
    fleet.timeout[place] = service.timeout
    fleet.memory_base[place], fleet.memory_each[place] = behaviour.memory_base, service.memory.per_waiting
    fleet.memory_limit[place], fleet.memory_request[place] = behaviour.memory_limit, behaviour.memory_request
    fleet.leak[place], fleet.pace[place] = behaviour.leak, state.drawing.uniform(-1.0, 1.0)
    latency = service.latency
    fleet.median[place], fleet.sigma[place] = latency.median * behaviour.latency, latency.sigma
    fleet.slow_share[place] = behaviour.slow_share
    fleet.slow_median[place], fleet.slow_sigma[place] = latency.slow_median * behaviour.latency, latency.slow_sigma
    main = fleet.median[place] * math.exp(latency.sigma**2 / 2)
    slow = fleet.slow_median[place] * math.exp(latency.slow_sigma**2 / 2)
    fleet.service_time[place] = main + behaviour.slow_share * (slow - main)
    fleet.reach[place] = reach(fleet.median[place], latency.sigma, fleet.slow_median[place], latency.slow_sigma)
    state.pods[identity] = pod
    owner.pods.append(pod)
    state.unbound.append(pod)
    state.touch(pod)
    return pod


def bind(state: State, pod: Pod, node: int) -> None:
    """The scheduler has chosen: the kubelet begins."""
    pod.node, pod.bound = node, state.t
    state.fleet.node[pod.place] = node
    state.fleet.born[pod.place] = state.t
    if not pod.behaviour.pullable:
        _enter(state, pod, Phase.PULLING, math.inf)
    else:
        _begin(state, pod)
    state.touch(pod)


def _begin(state: State, pod: Pod) -> None:
    """The container starts."""
    pod.begun = state.t
    pod.ready_at = state.t + _start_up(state, pod)
    after = pod.behaviour.crash_after
    pod.crash_at = math.inf if after is None else state.t + max(after, 1.0) * state.drawing.uniform(0.8, 1.2)
    state.fleet.restart(pod.place)
    _enter(state, pod, Phase.STARTING, min(pod.ready_at, pod.crash_at))


def _start_up(state: State, pod: Pod) -> float:
    """Seconds from start to ready: lognormal, slower for a share."""
    start = state.scenario.services[pod.owner.deployment.service].start
    slow, draw = state.drawing.random() < start.slow_share, state.drawing.normal()
    median = start.slow_median if slow else start.median
    return min(max(1.0, median * pod.behaviour.start * math.exp(start.sigma * draw)), LONGEST_START)


def _enter(state: State, pod: Pod, phase: Phase, due: float) -> None:
    state.fleet.phase[pod.place], state.fleet.due[pod.place] = phase, due
    state.set_ready(pod, phase is Phase.READY)


def due(state: State) -> None:
    """Everything whose time has come: ready, crashed, waited long enough, gone."""
    fleet = state.fleet
    for place in (fleet.due[: fleet.size] <= state.t).nonzero()[0]:
        pod = state.pods[int(fleet.identity[place])]
        if _frozen(state, pod):
            continue
        match state.phase(pod):
            case Phase.STARTING if pod.crash_at <= pod.ready_at:
                end(state, pod, 1, "Error")
            case Phase.STARTING if pod.behaviour.ready:
                _enter(state, pod, Phase.READY, pod.crash_at)
            case Phase.STARTING:
                _enter(state, pod, Phase.UNREADY, pod.crash_at)
            case Phase.READY | Phase.UNREADY:
                end(state, pod, 1, "Error")
            case Phase.WAITING:
                pod.restarts += 1
                _begin(state, pod)
            case Phase.TERMINATING:
                remove(state, pod)
                continue
            case _:
                fleet.due[place] = math.inf
        state.touch(pod)


def _frozen(state: State, pod: Pod) -> bool:
    """Its node is dead: nothing of it moves."""
    return pod.node >= 0 and state.nodes[pod.node].dead is not None


def end(state: State, pod: Pod, code: int, reason: str) -> None:
    """The container ends; what waited in it has failed."""
    _fail_queue(state, pod)
    pod.ended = Ended(code, reason, pod.begun, state.t)
    if state.t - pod.begun > BACKOFF_FORGOTTEN:
        pod.crashes, pod.backoff = 0, BACKOFF_FIRST
    pod.crashes += 1
    if pod.crashes == 1:
        pod.restarts += 1
        state.set_ready(pod, ready=False)
        _begin(state, pod)
    else:
        state.fleet.restart(pod.place)
        _enter(state, pod, Phase.WAITING, state.t + pod.backoff)
        pod.backoff = min(BACKOFF_MOST, pod.backoff * 2)
    state.touch(pod)


def _fail_queue(state: State, pod: Pod) -> None:
    state.lost[pod.owner.deployment.service] += state.fleet.queue[pod.place]
    state.fleet.queue[pod.place] = 0.0


def kill_for_memory(state: State) -> None:
    """Containers above their limit are killed."""
    fleet = state.fleet
    over = fleet.memory[: fleet.size] > fleet.memory_limit[: fleet.size]
    for place in over.nonzero()[0]:
        if fleet.phase[place] in {Phase.STARTING, Phase.READY, Phase.UNREADY}:
            end(state, state.pods[int(fleet.identity[place])], 137, OOM)


def lose(state: State, pod: Pod) -> None:
    """Its node was noticed to be dead: it is not ready, and what waited in it has failed."""
    _fail_queue(state, pod)
    if state.phase(pod) is Phase.READY:
        _enter(state, pod, Phase.LOST, math.inf)
    state.touch(pod)


def delete(state: State, pod: Pod) -> None:
    """No new requests from now on; it goes once it had the time to serve what waits, or when its dead node is back."""
    if pod.deleting is not None:
        return
    pod.deleting = state.t
    if pod in state.unbound:
        state.unbound.remove(pod)
    state.touch(pod)
    if _frozen(state, pod):
        _fail_queue(state, pod)
        _enter(state, pod, Phase.TERMINATING, math.inf)
    elif state.phase(pod) in {Phase.READY, Phase.UNREADY}:
        _enter(state, pod, Phase.TERMINATING, state.t + DRAIN)
    else:
        remove(state, pod)


def remove(state: State, pod: Pod) -> None:
    """It is gone, and what still waited in it has failed."""
    _fail_queue(state, pod)
    state.fleet.give_back(pod.place)
    del state.pods[pod.identity]
    pod.owner.pods.remove(pod)
    state.changed_pods.pop(pod.identity, None)
    state.gone_pods.append(pod)
    state.dirty.add(pod.owner.deployment.service)
