"""From what a metrics server said to what may be believed: one set of rules for every Metrics adapter.

Promises that a value is kept only when it is finite, that whatever was dropped is named in the answer's health, and
that a missing grid point stays NaN. What the answer itself cannot show (a server that has just restarted, a clock
that is off, scrapes that stopped under a rate) is read from the pulse, a probe of the server's own `up` series. Pure:
parsing and I/O are the adapter's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from controller.ports import Path, Paths, Sample, Samples
from detectors.series import HEALTHY, DataHealth, Problem

MAX_POINTS = 11_000
"""Points per series that Prometheus answers at most (web/api/v1: "exceeded maximum resolution of 11,000 points")."""

REFILLED = 0.9
"""Share of a look-back's scrapes that must be there: one or two lost scrapes are normal, a restart is not."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a reading is measured against.

    `look_back` is the longest rate window asked for; `replica_labels` tell highly available twins apart, and
    `replica_tolerance` is how far (relative) twins may differ, since they scrape at different instants.
    """

    scrape_interval: timedelta = timedelta(seconds=30)
    look_back: timedelta = timedelta(minutes=5)
    skew: timedelta = timedelta(seconds=30)
    replica_labels: tuple[str, ...] = ()
    replica_tolerance: float = 0.1

    @property
    def stale_after(self) -> timedelta:
        """Older than two scrapes is stale."""
        return 2 * self.scrape_interval


@dataclass(frozen=True, slots=True)
class Said:
    """What the server said beside the data: `warnings` cost trust, `infos` do not."""

    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawSample:
    """One parsed sample, not yet judged."""

    labels: Mapping[str, str]
    value: float
    at: datetime


@dataclass(frozen=True, slots=True)
class RawPath:
    """One parsed series, not yet judged: unix seconds and values, same length."""

    labels: Mapping[str, str]
    times: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pulse:
    """The server's own state: its clock, the age of its newest scrape, and how full the look-back is.

    `scrapes` counts the samples of the best-filled target within the look-back; `oldest` says that the first two
    scrape intervals of the look-back hold one. None: the server has no such series.
    """

    server_time: datetime | None
    age: timedelta | None
    scrapes: int | None
    oldest: bool


def said(notes: Said) -> DataHealth:
    """Warnings as problems.

    Annotations about the query ("PromQL warning: …") do not mean that data is missing; the rest does.
    """
    problems: set[Problem] = set()
    for text in notes.warnings:
        if text.startswith("PromQL info:"):
            continue
        problems.add(Problem.WARNED)
        if not text.startswith("PromQL warning:"):
            problems.add(Problem.PARTIAL)
    if not problems:
        return HEALTHY
    return DataHealth(frozenset(problems), f"the server warns: {shortened(notes.warnings[0])}")


def read_pulse(pulse: Pulse, now: datetime, trust: Trust) -> DataHealth:
    """What the server's own state takes from every answer it gives at this time."""
    if pulse.server_time is None or pulse.age is None or pulse.scrapes is None:
        return DataHealth(
            frozenset({Problem.MISSING}), "the pulse series (`up`) is empty: nothing tells whether the server scrapes"
        )
    health = HEALTHY
    off = pulse.server_time - now
    if abs(off) > trust.skew:
        health |= DataHealth(frozenset({Problem.CLOCK_SKEW}), f"its clock is {off.total_seconds():+.0f} s off ours")
    if pulse.age > trust.stale_after:
        health |= DataHealth(frozenset({Problem.STALE}), f"the newest scrape is {pulse.age.total_seconds():.0f} s old")
    if pulse.age < -trust.skew:
        health |= DataHealth(frozenset({Problem.CLOCK_SKEW}), "the newest scrape lies in its future")
    expected = trust.look_back / trust.scrape_interval
    if pulse.scrapes < math.floor(REFILLED * expected) or not pulse.oldest:
        health |= DataHealth(
            frozenset({Problem.RECOVERING}),
            f"{pulse.scrapes} of {expected:.0f} scrapes in the last {trust.look_back.total_seconds():.0f} s"
            f" (restarted, or the scrape interval is not {trust.scrape_interval.total_seconds():g} s)",
        )
    return health


def read_instant(raw: Sequence[RawSample], at: datetime, trust: Trust, notes: Said = Said()) -> Samples:
    """Judge an instant answer: what is finite, fresh and unambiguous is kept, the rest is named."""
    health = said(notes)
    if not raw:
        return Samples((), health | DataHealth(frozenset({Problem.MISSING}), "the answer is empty"))
    finite = [sample for sample in raw if math.isfinite(sample.value)]
    if len(finite) < len(raw):
        health |= DataHealth(
            frozenset({Problem.NOT_FINITE}), f"{len(raw) - len(finite)} of {len(raw)} values are not finite"
        )
    undefined = sum(math.isnan(sample.value) and abs(at - sample.at) <= trust.stale_after for sample in raw)
    current = [sample for sample in finite if abs(at - sample.at) <= trust.stale_after]
    if late := sum(at - sample.at > trust.stale_after for sample in finite):
        health |= DataHealth(frozenset({Problem.STALE}), f"{late} of {len(raw)} samples are older than two scrapes")
    if early := sum(sample.at - at > trust.stale_after for sample in finite):
        health |= DataHealth(frozenset({Problem.CLOCK_SKEW}), f"{early} of {len(raw)} samples lie in the future")
    kept: dict[frozenset[tuple[str, str]], tuple[frozenset[str], Sample]] = {}
    twins = 0
    for sample in current:
        labels, replica = without_replica(sample.labels, trust)
        key = frozenset(labels.items())
        if key not in kept:
            kept[key] = (replica, Sample(labels, sample.value, sample.at))
            continue
        twins += not same(kept[key][1].value, sample.value, kept[key][0] != replica, trust)
    if twins:
        health |= DataHealth(
            frozenset({Problem.DUPLICATE}), f"{twins} series came twice (same labels, or twins that disagree)"
        )
    if not kept and not health.problems & {Problem.STALE, Problem.CLOCK_SKEW, Problem.NOT_FINITE}:
        health |= DataHealth(frozenset({Problem.MISSING}), "nothing usable is left of the answer")
    return Samples(tuple(sample for _, sample in kept.values()), health, undefined)


def read_range(
    raw: Sequence[RawPath],
    start: datetime,
    end: datetime,
    step: timedelta,
    trust: Trust,
    notes: Said = Said(),
) -> Paths:
    """Judge a range answer (its chunks already in one list) and lay it on the asked grid;

    points off the grid raise ValueError.
    """
    health = said(notes)
    length = points(start, end, step)
    grids: dict[frozenset[tuple[str, str]], NDArray[np.float64]] = {}
    labels_of: dict[frozenset[tuple[str, str]], tuple[frozenset[str], Mapping[str, str]]] = {}
    dropped = twins = 0
    for path in raw:
        labels, replica = without_replica(path.labels, trust)
        key = frozenset(labels.items())
        index = on_grid(path.times, start, step, length)
        finite = np.isfinite(path.values)
        dropped += int((~finite).sum())
        grid = grids.setdefault(key, np.full(length, np.nan))
        first, _ = labels_of.setdefault(key, (replica, labels))
        held, new = grid[index[finite]], path.values[finite]
        clash = np.isfinite(held)
        twins += any(not same(a, b, first != replica, trust) for a, b in zip(held[clash], new[clash], strict=True))
        free = index[finite][~clash]
        grid[free] = new[~clash]
    if dropped:
        health |= DataHealth(frozenset({Problem.NOT_FINITE}), f"{dropped} values are not finite")
    if twins:
        health |= DataHealth(
            frozenset({Problem.DUPLICATE}), f"{twins} series came twice (same labels, or twins that disagree)"
        )
    paths = tuple(Path(labels, tuple(grids[key].tolist())) for key, (_, labels) in labels_of.items())
    return Paths(start, step, paths, health | coverage(list(grids.values()), step, trust))


def coverage(grids: Sequence[NDArray[np.float64]], step: timedelta, trust: Trust) -> DataHealth:
    """Holes that all series share are the server's: at the end stale, within the last look-back gapped.

    A hole further back is no problem of the newest value; it stays in the values as NaN.
    """
    known: NDArray[np.bool_] = np.zeros(0, dtype=bool)
    if grids:
        known = np.asarray(np.isfinite(np.vstack(grids)).any(axis=0))
    if not known.any():
        return DataHealth(frozenset({Problem.MISSING}), "the answer is empty")
    allowed = max(1, math.floor(trust.stale_after / step))
    last = int(np.flatnonzero(known)[-1])
    health = HEALTHY
    if len(known) - 1 - last > allowed:
        health |= DataHealth(
            frozenset({Problem.STALE}), f"nothing newer than {(len(known) - 1 - last) * step.total_seconds():.0f} s"
        )
    recent = known[max(int(np.flatnonzero(known)[0]), last - math.ceil(trust.look_back / step)) : last + 1]
    if longest_run(~recent) > allowed:
        health |= DataHealth(frozenset({Problem.GAPPED}), "a hole in the last look-back")
    return health


def points(start: datetime, end: datetime, step: timedelta) -> int:
    """Grid points from `start` to `end`, both included where they lie on the grid."""
    if end < start or step <= timedelta():
        raise ValueError(f"a range needs start <= end and a step above zero, not {start} … {end} by {step}")
    return int((end - start) / step + 1e-9) + 1


def chunks(
    start: datetime, end: datetime, step: timedelta, most: int = MAX_POINTS
) -> Iterable[tuple[datetime, datetime]]:
    """Pieces of the grid with at most `most` points each, in order, none twice."""
    total = points(start, end, step)
    for first in range(0, total, most):
        yield start + first * step, start + (min(first + most, total) - 1) * step


def on_grid(times: NDArray[np.float64], start: datetime, step: timedelta, length: int) -> NDArray[np.intp]:
    """Grid index of every time. A point between the lines or outside means that the answer is not for this question."""
    exact = (times - start.timestamp()) / step.total_seconds()
    index = np.rint(exact)
    if index.size and (np.abs(exact - index).max() > 0.01 or index.min() < 0 or index.max() >= length):
        raise ValueError("points off the asked grid")
    return index.astype(np.intp)


def without_replica(labels: Mapping[str, str], trust: Trust) -> tuple[Mapping[str, str], frozenset[str]]:
    """The labels that name the series, and which twin said it."""
    if not trust.replica_labels:
        return labels, frozenset()
    kept = {name: value for name, value in labels.items() if name not in trust.replica_labels}
    return kept, frozenset(f"{name}={labels[name]}" for name in trust.replica_labels if name in labels)


def same(one: float, other: float, twins: bool, trust: Trust) -> bool:
    """Whether declared twins agree within their tolerance. The same series twice from one server is never in order."""
    return twins and math.isclose(one, other, rel_tol=trust.replica_tolerance, abs_tol=1e-12)


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max()) if edges.size else 0


def shortened(text: str, most: int = 200) -> str:
    """Bounded text for people; a server's words are never longer than a line."""
    return text if len(text) <= most else text[: most - 1] + "…"
