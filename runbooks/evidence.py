"""What a runbook may ask about: the dotted names, their types, and what they mean.

Promises that a name not listed here is an error at load time, and that a value nobody could measure is *missing*,
which matches nothing. Every source of evidence (object states, alerts, detectors) fills the same flat mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

Value: TypeAlias = bool | int | float | str | timedelta | tuple[str, ...]
Evidence: TypeAlias = Mapping[str, Value]
Type: TypeAlias = Literal["bool", "int", "double", "string", "duration", "list"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing a runbook can ask about. `unit` is what a number counts, where people read it in a larger one."""

    name: str
    type: Type
    meaning: str
    unit: str = ""


FACTS: tuple[Fact, ...] = (
    Fact("objects.crashLooping.share", "double", "share of the workload's pods that crash-loop, 0–1"),
    Fact("objects.crashLooping.count", "int", "pods that crash-loop"),
    Fact("objects.oomKilled.share", "double", "share of the pods killed for memory in the last 30 minutes, 0–1"),
    Fact("objects.oomKilled.count", "int", "kills for memory over the pods that live now, last 30 minutes"),
    Fact("objects.imagePull.share", "double", "share of the pods whose image cannot be pulled, 0–1"),
    Fact("objects.imagePull.count", "int", "pods whose image cannot be pulled"),
    Fact("objects.notReady.share", "double", "share of the wanted replicas that are not ready, 0–1"),
    Fact("objects.notReady.count", "int", "wanted replicas that are not ready"),
    Fact(
        "objects.notReady.lasting",
        "duration",
        "how long the pod that has waited longest has not been ready; missing when none waits",
    ),
    Fact("objects.stuckRollout", "bool", "the rollout exceeded its progress deadline"),
    Fact(
        "changes.rollout.age",
        "duration",
        "time since the newest ReplicaSet was created; missing when there was one only",
    ),
    Fact(
        "changes.rollout.recent",
        "bool",
        "a new version replaced another in the last 30 minutes; false when there was one only",
    ),
    Fact("changes.rollout.onlyNewFails", "bool", "every failing pod belongs to the newest ReplicaSet"),
    Fact(
        "changes.rollout.previousAlsoFailed",
        "bool",
        "the version before failed in the same way, or was never seen healthy",
    ),
    Fact("replicas.desired", "int", "replicas wanted"),
    Fact("replicas.ready", "int", "replicas ready"),
    Fact("replicas.updated", "int", "replicas of the newest template"),
    Fact("replicas.autoscaled", "bool", "a HorizontalPodAutoscaler scales the workload"),
    Fact("signals.errors.value", "double", "share of requests that fail, 0–1"),
    Fact("signals.errors.normal", "bool", "the error share lies in its own recent band"),
    Fact("signals.errors.abnormal", "bool", "the error share lies above its own recent band"),
    Fact("signals.errors.low", "double", "lower end of the band of the error share"),
    Fact("signals.errors.high", "double", "upper end of the band of the error share"),
    Fact("signals.errors.p", "double", "chance of an error share at least this far out on a normal day"),
    Fact(
        "signals.errors.pods",
        "int",
        "the fewest pods that give nine tenths of the failed requests of the last 5 minutes; measured in an incident"
        " with abnormal errors, where the preset counts requests by pod and one version runs",
    ),
    Fact("signals.errors.podsOf", "int", "of how many pods, each of which was counted"),
    Fact("signals.errors.podsShare", "double", "the share of the failed requests that those pods give, 0–1"),
    Fact(
        "signals.errors.elsewhere",
        "double",
        "share of requests that fail on the other pods (on all, without others), 0–1",
    ),
    Fact(
        "canary.regression",
        "bool",
        "the newest version fails more of its requests than the one before, by the sequential test; missing while it"
        " cannot be known",
    ),
    Fact("canary.version", "string", "the version that is judged, as people call it"),
    Fact("canary.baseline", "string", "the version it is held against"),
    Fact("canary.errors", "double", "share of the new version's requests that fail, 0–1"),
    Fact("canary.baselineErrors", "double", "share of the old version's requests that fail, 0–1"),
    Fact("canary.eValue", "double", "how many times likelier the counts are if the new version is worse"),
    Fact("alerts.firing", "bool", "an alert that names the workload fires"),
    Fact("alerts.count", "int", "alerts firing that name the workload"),
    Fact("alerts.critical", "int", "those of them whose severity is critical"),
    Fact("alerts.names", "list", "their names, sorted"),
    Fact(
        "memory.limit",
        "int",
        "memory limit of the container that was killed (else the first one that has a limit), bytes",
        unit="bytes",
    ),
)
