"""From the counters of pods to what two versions have counted beside each other.

Promises that a pod is given to a version by its owner in the cluster, that a counter which fell is a restart and
costs the look it happened in, that the first sample of a pod is no increment (what it failed while it started is left
out), and that a sample nobody took stays missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from controller.core.presets import POD_SUFFIX, Preset
from controller.core.rollout import Version
from controller.ports import Path, Paths
from detectors.canary.evidence import SLACK, Arm, Evidence
from detectors.series import DataHealth, Problem

Floats: TypeAlias = NDArray[np.float64]

DUPLICATE = DataHealth(frozenset({Problem.DUPLICATE}), "the counter of a pod came twice: name the replica label")

IMPOSSIBLE = DataHealth(
    frozenset({Problem.RESET}), "the counter of a pod is below zero, or counts more failures than requests"
)
HARMLESS = frozenset({Problem.GAPPED, Problem.MISSING, Problem.STALE})
"""Problems of the time before a rollout that only leave looks missing."""


def evidence_of(
    requests: Paths,
    failures: Paths,
    preset: Preset,
    namespace: str,
    new: Version,
    old: Version,
    owners: Mapping[str, str],
) -> Evidence:
    """Both arms over the grid of the answers. `owners`: the uid of the ReplicaSet of every pod that lives, by name."""
    counted = counters(requests, failures, preset, namespace)
    canary, baseline = (arm_of(version, counted, owners) for version in (new, old))
    start, step = requests.start.timestamp(), requests.step.total_seconds()
    times = start + step * np.arange(1, counted.points, dtype=np.float64)
    return Evidence(times, canary, baseline, counted.health)


def alone(
    requests: Paths, failures: Paths, preset: Preset, namespace: str, old: Version, owners: Mapping[str, str]
) -> Arm | None:
    """What the old version counted before the new one came; None where that cannot be believed."""
    counted = counters(requests, failures, preset, namespace)
    return None if counted.health.problems - HARMLESS else arm_of(old, counted, owners)


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters by pod on one grid of so many points, and the doubts about them."""

    asked: Mapping[str, Floats]
    failed: Mapping[str, Floats]
    points: int
    health: DataHealth


def counters(requests: Paths, failures: Paths, preset: Preset, namespace: str) -> Counters:
    """Both answers by pod. Raises ValueError for answers on different grids."""
    if (requests.start, requests.step) != (failures.start, failures.step):
        raise ValueError("requests and failures were asked on different grids")
    asked, twice = by_pod(requests.paths, preset, namespace)
    failed, again = by_pod(failures.paths, preset, namespace)
    health = requests.health | failures.health
    if twice or again:
        health |= DUPLICATE
    if any(impossible(asked[pod], failed[pod]) for pod in asked.keys() & failed.keys()):
        health |= IMPOSSIBLE
    return Counters(asked, failed, max((len(values) for values in asked.values()), default=1), health)


def arm_of(version: Version, counted: Counters, owners: Mapping[str, str]) -> Arm:
    """What the pods of one version counted between the points."""
    nothing = np.full(counted.points, np.nan)
    pods = sorted(pod for pod in counted.asked if belongs(pod, version, owners))
    counts = [increments(counted.asked[pod], counted.failed.get(pod, nothing)) for pod in pods]
    if not counts:
        return Arm(np.zeros((0, counted.points - 1)), np.zeros((0, counted.points - 1)))
    return Arm(np.vstack([one for one, _ in counts]), np.vstack([one for _, one in counts]))


def by_pod(paths: tuple[Path, ...], preset: Preset, namespace: str) -> tuple[dict[str, Floats], bool]:
    """Counters by the pod's name, and whether any came twice."""
    found: dict[str, Floats] = {}
    twice = False
    for path in paths:
        pod = preset.pod_of(path.labels)
        if pod is None or pod[0] != namespace:
            continue
        twice |= pod[1] in found
        found[pod[1]] = np.array(path.values, dtype=np.float64)
    return found, twice


def belongs(pod: str, version: Version, owners: Mapping[str, str]) -> bool:
    """Whether a pod is of this version: by its owner while it lives, afterwards by how its ReplicaSet names pods."""
    if pod in owners:
        return owners[pod] == version.uid
    return re.fullmatch(re.escape(version.replica_set) + POD_SUFFIX, pod) is not None


def impossible(requests: Floats, failures: Floats) -> bool:
    """Whether counters stand at what no process can have counted; one that began anew does not."""
    with np.errstate(invalid="ignore"):
        more = failures > requests * (1 + SLACK) + SLACK
        return bool(np.any(requests < 0) or np.any(failures < 0) or np.any(more))


def increments(requests: Floats, failures: Floats) -> tuple[Floats, Floats]:
    """What was counted between points; missing where an end is, or where a counter fell (its process began anew)."""
    asked, failed = np.diff(requests), np.diff(failures)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(asked) & np.isfinite(failed) & (asked >= 0) & (failed >= 0)
    return np.where(known, asked, np.nan), np.where(known, failed, np.nan)
