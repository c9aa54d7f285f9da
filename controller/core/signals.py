"""From the fleet's answer to one series per workload, with the doubts it came with.

Promises that a path is given to a workload only when its labels name exactly one that is known, that an error share
exists only where load was measured, and that what cannot be a share or a rate (negative, above one) makes the series
unhealthy: that is how a counter reset looks once it is a ratio.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from controller.core.alerts import Known
from controller.core.presets import POD_NAMES, Naming
from controller.ports import Path, Paths, Samples
from detectors.series import DataHealth, Problem, Series, Signal, Workload

RESET = DataHealth(frozenset({Problem.RESET}), "a rate below zero or more failures than requests: a counter was reset")
DUPLICATE = DataHealth(
    frozenset({Problem.DUPLICATE}), "a series came twice: name the replica label, or aggregate the query"
)
SLACK = 1e-9


def error_shares(
    failures: Paths, load: Paths, naming: Naming, known: Known, window: timedelta
) -> Mapping[Workload, Series]:
    """Failed over all requests by workload, with the number of requests in each window as support.

    Points without load are missing: nobody asked, so nothing is known.
    """
    failed, total = by_workload(failures.paths, naming, known), by_workload(load.paths, naming, known)
    health = failures.health | load.health
    if twice(failures.paths, naming) or twice(load.paths, naming):
        health |= DUPLICATE
    if (failures.start, failures.step) != (load.start, load.step):
        raise ValueError("failures and load were asked on different grids")
    found = {}
    for workload, asked in total.items():
        bad = failed.get(workload)
        if bad is None or len(bad) != len(asked):
            continue
        impossible = bool(np.any(asked < 0) or np.any(bad < 0) or np.any(bad > asked * (1 + SLACK) + SLACK))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(asked > 0, bad / asked, np.nan)
        found[workload] = Series(
            workload,
            Signal.ERRORS,
            load.start,
            load.step,
            share,
            "ratio",
            health | RESET if impossible else health,
            asked * window.total_seconds(),
        )
    return found


def own_share(paths: Paths, workload: Workload) -> Series:
    """The error share from a policy's own query: one path, whatever its labels."""
    values = np.array(paths.paths[0].values, dtype=np.float64) if paths.paths else np.zeros(0)
    series = Series(workload, Signal.ERRORS, paths.start, paths.step, values, "ratio", paths.health)
    if len(paths.paths) > 1:
        return replace(series, health=series.health | DUPLICATE)
    if np.any(values < 0) or np.any(values > 1):
        return replace(series, health=series.health | RESET)
    return series


def nobody_asked(newest: Samples) -> bool:
    """Whether a policy's own query gave one value, and that is 0/0: no requests, and nothing wrong with the data."""
    return newest.undefined == 1 and not newest.samples and newest.health.problems == {Problem.NOT_FINITE}


def by_workload(paths: Iterable[Path], naming: Naming, known: Known) -> dict[Workload, NDArray[np.float64]]:
    """Paths summed up by workload; those that name none are left out. A point is missing where all of its paths are."""
    found: dict[Workload, NDArray[np.float64]] = {}
    index = names_of(known)
    for path in paths:
        workload = named(path.labels, naming, known, index)
        if workload is None:
            continue
        values = np.array(path.values, dtype=np.float64)
        if workload in found:
            both = np.isnan(found[workload]) & np.isnan(values)
            values = np.where(both, np.nan, np.nan_to_num(found[workload]) + np.nan_to_num(values))
        found[workload] = values
    return found


def twice(paths: Iterable[Path], naming: Naming) -> bool:
    """Whether any series came more than once: a preset sums by these labels, so each combination may stand there once.

    This is how highly available twins look whose replica label nobody declared; then no series of the answer is
    believed.
    """
    wanted = (*naming.namespaces, *(label for label, _ in naming.names), *naming.pods)
    keys = [tuple(path.labels.get(label) for label in wanted) for path in paths]
    return len(set(keys)) < len(keys)


def names_of(known: Known) -> Mapping[tuple[str, str], tuple[Workload, ...]]:
    """Known workloads by namespace and name."""
    index: dict[tuple[str, str], tuple[Workload, ...]] = {}
    for workload in known.workloads:
        key = (workload.namespace, workload.name)
        index[key] = (*index.get(key, ()), workload)
    return index


def named(
    labels: Mapping[str, str], naming: Naming, known: Known, index: Mapping[tuple[str, str], tuple[Workload, ...]]
) -> Workload | None:
    """The one known workload that the labels name; None when they name none or several.

    A label that names nothing known is somebody else's (an application may count by `deployment="blue"`): the next one
    is asked.
    """
    namespace = next((labels[label] for label in naming.namespaces if labels.get(label)), None)
    if namespace is None:
        return None
    for label, kind in naming.names:
        if name := labels.get(label):
            fitting = [w for w in index.get((namespace, name), ()) if kind in (None, w.kind)]
            if fitting:
                return fitting[0] if len(fitting) == 1 else None
    for label in naming.pods:
        if pod := labels.get(label):
            found = known.pods.get((namespace, pod)) or by_pod_name(namespace, pod, known)
            if found is not None:
                return found
    return None


def by_pod_name(namespace: str, pod: str, known: Known) -> Workload | None:
    """The known workload whose pods are called like this (for pods that are gone); None when several could be."""
    fitting = {
        workload
        for kind, pattern in POD_NAMES.items()
        if (match := re.fullmatch(pattern, pod)) is not None
        and (workload := Workload(namespace, kind, match.group(1))) in known.workloads
    }
    return next(iter(fitting)) if len(fitting) == 1 else None
