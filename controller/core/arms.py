"""From the counters of pods to what two versions have counted beside each other.

Promises that a pod is given to a version by its owner in the cluster, that a counter which fell is a restart and
costs the look it happened in, that the first sample of a pod is no increment (what it failed while it started is left
out), and that a sample nobody took stays missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from controller.core.presets import SUFFIX, Preset
from controller.core.rollout import Version
from controller.ports import Path, Paths
from detectors.canary.evidence import SLACK, Arm, Evidence
from detectors.series import DataHealth, Problem

DUPLICATE = DataHealth(frozenset({Problem.DUPLICATE}), "the counter of a pod came twice: name the replica label")

IMPOSSIBLE = DataHealth(
    frozenset({Problem.RESET}), "the counter of a pod is below zero, or counts more failures than requests"
)


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
    if (requests.start, requests.step) != (failures.start, failures.step):
        raise ValueError("requests and failures were asked on different grids")
    asked, twice = by_pod(requests.paths, preset, namespace)
    failed, again = by_pod(failures.paths, preset, namespace)
    points = max((len(values) for values in asked.values()), default=1)
    health = requests.health | failures.health
    if twice or again:
        health |= DUPLICATE
    if any(impossible(asked[pod], failed[pod]) for pod in asked.keys() & failed.keys()):
        health |= IMPOSSIBLE
    arms = []
    for version in (new, old):
        pods = sorted(pod for pod in asked if belongs(pod, version, owners))
        nothing = np.full(points, np.nan)
        counts = [increments(asked[pod], failed.get(pod, nothing)) for pod in pods]
        empty: NDArray[np.float64] = np.zeros((0, points - 1))
        arms.append(
            Arm(np.vstack([one for one, _ in counts]), np.vstack([one for _, one in counts]))
            if counts
            else Arm(empty, empty)
        )
    start, step = requests.start.timestamp(), requests.step.total_seconds()
    times = start + step * np.arange(1, points, dtype=np.float64)
    return Evidence(times, arms[0], arms[1], health)


def by_pod(paths: tuple[Path, ...], preset: Preset, namespace: str) -> tuple[dict[str, NDArray[np.float64]], bool]:
    """Counters by the pod's name, and whether any came twice."""
    found: dict[str, NDArray[np.float64]] = {}
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
    return re.fullmatch(f"{re.escape(version.replica_set)}-(?:{SUFFIX}|[a-z0-9]){{5}}", pod) is not None


def impossible(requests: NDArray[np.float64], failures: NDArray[np.float64]) -> bool:
    """Whether counters stand at what no process can have counted; one that began anew does not."""
    with np.errstate(invalid="ignore"):
        more = failures > requests * (1 + SLACK) + SLACK
        return bool(np.any(requests < 0) or np.any(failures < 0) or np.any(more))


def increments(
    requests: NDArray[np.float64], failures: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What was counted between points; missing where an end is, or where a counter fell (its process began anew)."""
    asked, failed = np.diff(requests), np.diff(failures)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(asked) & np.isfinite(failed) & (asked >= 0) & (failed >= 0)
    return np.where(known, asked, np.nan), np.where(known, failed, np.nan)
