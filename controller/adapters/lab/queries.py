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
from functools import cache

from controller.core.presets import PRESETS, Preset

WINDOW, QUANTILE = timedelta(seconds=987_654_321), 0.123457
"""Numbers that stand nowhere else in a query, to be replaced by a pattern."""


class What(Enum):
    """Which signal."""

    LOAD = "load"
    FAILURES = "failures"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Asked:
    """A recognised query."""

    preset: Preset
    what: What
    window: timedelta
    quantile: float = 0.0


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
def asked(query: str) -> Asked | None:
    """What a query asks for, None when it is not one of the presets'."""
    for shape, preset, what in patterns():
        if found := shape.fullmatch(query):
            numbers = found.groupdict()
            window = timedelta(seconds=int(numbers["window"]))
            return Asked(preset, what, window, float(numbers.get("quantile") or 0.0))
    return None
