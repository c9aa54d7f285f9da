"""The "why" strip: what was measured against what is normal here, when it was noticed and now.

Promises that a value nobody measured reads "unknown", never zero, and that a picture is drawn only from numbers that
are there. Pictures are a share of a bar's width, so that the template needs no style and no script.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from controller.core.words import chance, percent


@dataclass(frozen=True, slots=True)
class Bar:
    """Positions on a bar 100 wide: the band of normal values, the value when noticed, the value now."""

    low: float
    high: float
    noticed: float | None
    now: float | None


@dataclass(frozen=True, slots=True)
class Gauge:
    """One indicator in words, with its picture where there is one."""

    name: str
    noticed: str
    now: str
    normal: str
    bar: Bar | None = None


Evidence = Mapping[str, JsonValue]


def gauges(noticed: Evidence, now: Evidence) -> tuple[Gauge, ...]:
    """Every indicator that was measured at least once."""
    return (*_errors(noticed, now), *_replicas(noticed, now), *_objects(noticed, now), *_memory(noticed, now))


def number(evidence: Evidence, name: str) -> float | None:
    """A finite number, None when it is missing."""
    value = evidence.get(name)
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None  # type: ignore[arg-type]  # good says that it is a number


def _errors(noticed: Evidence, now: Evidence) -> Iterator[Gauge]:
    was, is_ = number(noticed, "signals.errors.value"), number(now, "signals.errors.value")
    if was is None and is_ is None:
        return
    source = noticed if number(noticed, "signals.errors.high") is not None else now
    low, high, p = (number(source, f"signals.errors.{part}") for part in ("low", "high", "p"))
    if low is None or high is None:
        yield Gauge("errors", _share(was), _share(is_), "no band yet")
        return
    told = f" (p = {chance(p)})" if p is not None and was is not None else ""
    bar = _bar(low, high, was, is_)
    yield Gauge(
        "errors", f"{_share(was)}{told}", _share(is_), f"{percent(low).removesuffix(' %')}–{percent(high)}", bar
    )


def _replicas(noticed: Evidence, now: Evidence) -> Iterator[Gauge]:
    was, is_ = number(noticed, "replicas.ready"), number(now, "replicas.ready")
    desired = number(now, "replicas.desired") or number(noticed, "replicas.desired")
    if (was is None and is_ is None) or not desired:
        return
    bar = _bar(desired, desired, was, is_, most=desired)
    yield Gauge("ready replicas", _count(was), _count(is_), f"{desired:.0f}", bar)


def _objects(noticed: Evidence, now: Evidence) -> Iterator[Gauge]:
    for name, text in (
        ("objects.crashLooping.share", "crash-looping pods"),
        ("objects.imagePull.share", "pods without image"),
        ("objects.oomKilled.share", "pods out of memory"),
    ):
        was, is_ = number(noticed, name), number(now, name)
        if was or is_:
            yield Gauge(text, _share(was), _share(is_), "0 %", _bar(0, 0, was, is_, most=1))


def _memory(noticed: Evidence, now: Evidence) -> Iterator[Gauge]:
    if not (number(noticed, "objects.oomKilled.count") or number(now, "objects.oomKilled.count")):
        return
    was, is_ = number(noticed, "memory.limit"), number(now, "memory.limit")
    if was is not None or is_ is not None:
        yield Gauge("memory limit", _mebibytes(was), _mebibytes(is_), "")


def _bar(low: float, high: float, noticed: float | None, now: float | None, most: float | None = None) -> Bar:
    values = [value for value in (high, noticed, now) if value is not None]
    top = most or max(values) * 1.08 or 1.0

    def place(value: float) -> float:
        return round(100 * min(1.0, max(0.0, value / top)), 2)

    return Bar(
        place(low),
        place(high),
        None if noticed is None else place(noticed),
        None if now is None else place(now),
    )


def _share(value: float | None) -> str:
    return "unknown" if value is None else percent(value)


def _count(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f}"


def _mebibytes(value: float | None) -> str:
    return "unknown" if value is None else f"{value / 2**20:.0f} MiB"
