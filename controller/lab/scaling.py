"""The autoscalers: every 15 s each HPA looks at its pods' CPU or at its service's load, and scales its Deployment.

They see the mean of the last minute, a scrape late, as through a metrics pipeline. The rule itself is
`controller.lab.autoscaler`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.lab import deployments
from controller.lab.autoscaler import (
    CPU_INITIALIZATION,
    DEFAULT_BEHAVIOR,
    DOWNSCALE_WINDOW,
    INITIAL_READINESS_DELAY,
    AverageValue,
    Behavior,
    Group,
    Groups,
    Metric,
    Policy,
    Rule,
    Rules,
    Unknown,
    Utilization,
    answered,
    by_utilization,
    look,
)
from controller.lab.fleet import CPU_SAMPLES, Fleet, Phase
from controller.lab.latency import Floats
from controller.lab.manifests import milli
from controller.lab.state import Autoscaler, State
from controller.lab.values import cores

_SCRAPE, _SAMPLE_WINDOW = 15.0, 30.0
_NOBODY = Group()
_EMPTY, _PENDING, _READY, _PULLING, _TERMINATING = (
    int(phase) for phase in (Phase.EMPTY, Phase.PENDING, Phase.READY, Phase.PULLING, Phase.TERMINATING)
)


def sample_cpu(fleet: Fleet, scraped: NDArray[np.bool_]) -> None:
    """A scrape of the CPU counter of the containers that answer."""
    n = fleet.size
    fleet.cpu_seen[1:] = fleet.cpu_seen[:-1].copy()
    fleet.cpu_seen[0, :n] = np.where(scraped, fleet.cpu[:n], np.nan)


def look_all(state: State, load: Floats | None, *, shown: bool = True) -> None:
    """One look of every autoscaler; `load` is requests per second per service as the metrics tell, None: unknown.

    Without `shown` what the metrics read is not kept for the status.
    """
    groups = _groups(state) if any(one.cpu is not None for one in state.autoscalers) else []
    for scaler in state.autoscalers:
        current = state.deployments[scaler.service].replicas
        if not shown and scaler.cpu is not None and scaler.requests_per_pod is None:
            wanted = by_utilization(groups[scaler.service], scaler.cpu, current, scaler.rule.tolerance)
            answer = answered(scaler.rule, current, wanted, scaler.history, state.t)
        else:
            scaler.read = _metrics(state, scaler, groups, load)
            answer = look(scaler.rule, current, scaler.read, scaler.history, state.t)
        scaler.history, scaler.desired = answer.history, answer.desired
        scaler.limited = _limited(scaler.rule, answer.recommended, answer.desired)
        if answer.desired != current:
            scaler.scaled_at = state.t
            scale(state, scaler, answer.desired)


def _metrics(state: State, scaler: Autoscaler, groups: list[Groups], load: Floats | None) -> list[Metric]:
    metrics: list[Metric] = []
    if scaler.cpu is not None:
        metrics.append(Utilization(scaler.cpu, groups[scaler.service]))
    if scaler.requests_per_pod is not None:
        pods = sum(state.deployments[scaler.service].counts[:1])
        if load is None:
            metrics.append(Unknown("no samples"))
        else:
            metrics.append(AverageValue(scaler.requests_per_pod, float(load[scaler.service]), pods))
    return metrics


def _reading(scaler: Autoscaler, metric: Metric) -> dict[str, Any] | None:
    """A metric as the status shows it under `currentMetrics`; None for one that could not be read."""
    said: dict[str, dict[str, Any]] = {one["type"]: one for one in scaler.object["spec"]["metrics"]}
    match metric:
        case Utilization(pods=Groups(ready=ready)) if ready.request:
            current = {
                "averageUtilization": ready.usage * 100 // ready.request,
                "averageValue": milli(ready.usage / 1000 / ready.pods),
            }
            return {"type": "Resource", "resource": {"name": "cpu", "current": current}}
        case AverageValue() if metric.pods:
            average = {"averageValue": milli(metric.total / metric.pods)}
            named = said["External"]["external"]["metric"]
            return {"type": "External", "external": {"metric": named, "current": average}}
        case _:
            return None


def scale(state: State, scaler: Autoscaler, replicas: int) -> None:
    """Write spec.replicas, as the controller does through the scale subresource."""
    deployment = state.deployments[scaler.service]
    deployment.object["spec"]["replicas"] = replicas
    deployment.object["metadata"]["generation"] += 1
    deployment.machine = True
    deployments.read_scale(state, deployment)


def _limited(rule: Rule, recommended: int | None, desired: int) -> str:
    if recommended is None or recommended == desired:
        return ""
    if desired == rule.maximum and recommended > desired:
        return "TooManyReplicas"
    return "TooFewReplicas" if desired == rule.minimum and recommended < desired else ""


def _groups(state: State) -> list[Groups]:
    """`autoscaler.grouped` over the columns of the fleet."""
    fleet, count, now = state.fleet, len(state.deployments), state.t
    n = fleet.size
    phase, service = fleet.phase[:n], fleet.service[:n]
    present = (phase != _EMPTY) & (phase != _TERMINATING)
    pending = (phase == _PENDING) | (phase == _PULLING)
    seen = fleet.cpu_seen[:, :n]
    known = ~np.isnan(seen[2:])
    oldest = CPU_SAMPLES - 1 - np.argmax(known[::-1], axis=0)
    used = (seen[1] - seen[oldest, np.arange(n)]) / ((oldest - 1) * _SCRAPE)
    sampled = ~np.isnan(used)
    ready, changed, born = phase == _READY, fleet.changed[:n], fleet.born[:n]
    early = ~ready | (now - _SCRAPE < changed + _SAMPLE_WINDOW)
    never = ~ready & (born + INITIAL_READINESS_DELAY > changed)
    starting = np.where(born + CPU_INITIALIZATION > now, early, never)
    sort = np.where(pending | (sampled & starting), 1, np.where(sampled, 0, 2))
    place = np.where(present, service * 3 + sort, 3 * count)
    request = np.rint(fleet.cpu_request[:n] * 1000)
    usage = np.rint(np.where(sampled & (sort == 0), used, 0.0) * 1000)
    counts = np.bincount(place, minlength=3 * count + 1).tolist()
    requests = np.bincount(place, request, 3 * count + 1).tolist()
    usages = np.bincount(place, usage, 3 * count + 1).tolist()
    return [
        Groups(
            Group(counts[i], int(requests[i]), int(usages[i])),
            Group(counts[i + 1], int(requests[i + 1])) if counts[i + 1] else _NOBODY,
            Group(counts[i + 2], int(requests[i + 2])) if counts[i + 2] else _NOBODY,
        )
        for i in range(0, 3 * count, 3)
    ]


def rule_of(spec: dict[str, Any]) -> Rule:
    """What the object says, in the words of the rule."""
    behavior = spec.get("behavior")
    return Rule(
        minimum=int(spec.get("minReplicas") or 1),
        maximum=int(spec["maxReplicas"]),
        behavior=None if not behavior else _behavior(behavior),
    )


def _behavior(said: dict[str, Any]) -> Behavior:
    """As the API fills it in: each direction's default where nothing is said."""
    up, down = said.get("scaleUp") or {}, said.get("scaleDown") or {}
    return Behavior(
        up=Rules(
            _policies(up) or DEFAULT_BEHAVIOR.up.policies,
            float(up.get("stabilizationWindowSeconds") or 0),
            up.get("selectPolicy") or "Max",
        ),
        down=Rules(
            _policies(down) or DEFAULT_BEHAVIOR.down.policies,
            DOWNSCALE_WINDOW
            if down.get("stabilizationWindowSeconds") is None
            else float(down["stabilizationWindowSeconds"]),
            down.get("selectPolicy") or "Max",
        ),
    )


def _policies(said: dict[str, Any]) -> tuple[Policy, ...]:
    return tuple(
        Policy(one["type"], int(one["value"]), float(one["periodSeconds"])) for one in said.get("policies") or ()
    )


def targets_of(spec: dict[str, Any]) -> tuple[int | None, float | None]:
    """The CPU target in percent and the requests per pod."""
    cpu: int | None = None
    requests: float | None = None
    for metric in spec.get("metrics") or ():
        if metric["type"] == "Resource":
            cpu = int(metric["resource"]["target"]["averageUtilization"])
        elif metric["type"] == "External":
            requests = cores(metric["external"]["target"]["averageValue"])
    return cpu, requests


def _active(scaler: Autoscaler) -> dict[str, Any]:
    """Whether any metric could be read at the last look."""
    unread = [metric for metric in scaler.read if isinstance(metric, Unknown)]
    if scaler.read and len(unread) == len(scaler.read):
        return {"type": "ScalingActive", "status": "False", "reason": "FailedGetExternalMetric"}
    return {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"}


def status_of(state: State, scaler: Autoscaler) -> dict[str, Any]:
    """The HPA's status: replicas, what its metrics read, and conditions."""
    deployment = state.deployments[scaler.service]
    limited = {
        "type": "ScalingLimited",
        "status": str(bool(scaler.limited)),
        "reason": scaler.limited or "DesiredWithinRange",
    }
    status: dict[str, Any] = {
        "currentReplicas": sum(deployment.counts[:1]),
        "desiredReplicas": scaler.desired or deployment.replicas,
        "conditions": [
            {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"},
            _active(scaler),
            limited,
        ],
    }
    read = [one for metric in scaler.read if (one := _reading(scaler, metric)) is not None]
    if read:
        status["currentMetrics"] = read
    if scaler.scaled_at is not None:
        status["lastScaleTime"] = state.stamp(scaler.scaled_at)
    return status
