"""What a query of the shipped presets asks for, read off its text.

Promises that a text is recognised exactly when `core.presets` would write it for some window (and quantile), so that
the lab answers what the program asks and nothing that merely looks like it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import cache, lru_cache

from controller.core.presets import PRESETS, Preset

WINDOW, QUANTILE = timedelta(seconds=987_654_321), 0.123457
"""Numbers that stand nowhere else in a query, to be replaced by a pattern."""


NAMESPACE, FIRST, SECOND = "xx.namespace", "xx.first", "xx.second"
"""Names that stand nowhere else."""


class What(Enum):
    """Which signal, by workload."""

    LOAD = "load"
    FAILURES = "failures"
    LATENCY = "latency"


class OfPods(Enum):
    """Which counter, by pod."""

    REQUESTS = "requests"
    FAILURES = "failures"


@dataclass(frozen=True, slots=True)
class Asked:
    """A recognised query."""

    preset: Preset
    what: What
    window: timedelta
    quantile: float = 0.0


@dataclass(frozen=True, slots=True)
class AskedPods:
    """A recognised query for the counters of the pods of some ReplicaSets."""

    preset: Preset
    what: OfPods
    namespace: str
    replica_sets: tuple[str, ...]


Written = Callable[[Preset], str]
WRITTEN: dict[What, Written] = {
    What.LOAD: lambda preset: preset.load(WINDOW),
    What.FAILURES: lambda preset: preset.failures(WINDOW),
    What.LATENCY: lambda preset: preset.latency(WINDOW, QUANTILE),
}


@cache
def patterns() -> tuple[tuple[re.Pattern[str], Preset, What], ...]:
    """Every query that ships, its numbers left open."""
    found = []
    for preset in PRESETS.values():
        for what, write in WRITTEN.items():
            if text := write(preset):
                found.append((pattern(text), preset, what))
    return tuple(found)


def pattern(text: str) -> re.Pattern[str]:
    """A query's text with any window and quantile; each must be the same wherever it stands."""
    opened = re.escape(text)
    for number, name, shape in (
        (f"{WINDOW.total_seconds():.0f}", "window", r"\d+"),
        (f"{QUANTILE:.6g}", "quantile", r"0\.\d+|\d+(?:\.\d+)?e-\d+"),
    ):
        first, *others = opened.split(re.escape(number))
        if others:
            opened = f"{first}(?P<{name}>{shape}){f'(?P={name})'.join(others)}"
    return re.compile(opened)


@cache
def pod_patterns() -> tuple[tuple[re.Pattern[str], Preset, OfPods], ...]:
    """Every query by pod that ships, the names left open."""
    sets = (FIRST, SECOND)
    return tuple(
        (pod_pattern(text), preset, what)
        for preset in PRESETS.values()
        if preset.per_pod
        for what, text in (
            (OfPods.REQUESTS, preset.pod_requests(NAMESPACE, sets)),
            (OfPods.FAILURES, preset.pod_failures(NAMESPACE, sets)),
        )
    )


def pod_pattern(text: str) -> re.Pattern[str]:
    """A query's text with any namespace and ReplicaSets; each must be the same wherever it stands."""
    opened = re.escape(text)
    sets = "|".join(name.replace(".", "[.]") for name in (FIRST, SECOND))
    name = r"[a-z0-9](?:[-a-z0-9]|\.)*"
    quoted = r"[a-z0-9](?:[-a-z0-9]|\[\.\])*"
    for placed, group, shape in (
        (NAMESPACE, "namespace", name),
        (sets, "sets", rf"{quoted}(?:\|{quoted})*"),
    ):
        first, *others = opened.split(re.escape(placed))
        opened = f"{first}(?P<{group}>{shape}){f'(?P={group})'.join(others)}"
    return re.compile(opened)


@lru_cache(maxsize=512)
def asked(query: str) -> Asked | AskedPods | None:
    """What a query asks for, None when it is not one of the presets'."""
    for shape, preset, what in patterns():
        if found := shape.fullmatch(query):
            numbers = found.groupdict()
            window = timedelta(seconds=int(numbers["window"]))
            return Asked(preset, what, window, float(numbers.get("quantile") or 0.0))
    for shape, preset, of_pods in pod_patterns():
        if found := shape.fullmatch(query):
            sets = tuple(name.replace("[.]", ".") for name in found["sets"].split("|"))
            return AskedPods(preset, of_pods, found["namespace"], sets)
    return None
