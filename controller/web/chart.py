"""Load and forecast as a drawing: places in percent of a box, for a server-rendered SVG.

Promises that a point nobody measured leaves a gap, never a line to zero; that what is expected is told apart from what
was measured by its dashes and its words, not by colour alone; and that the drawing comes with a sentence saying the
same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from controller.core.words import amount, clock, percent
from detectors.results import Forecast
from detectors.series import Series

HIGH, TOP = 100.0, 8.0
"""The box is 0–100 both ways; the largest value keeps this much room above itself."""
MOST_POINTS = 600
"""Points of a line: more than a screen has columns help nobody."""
STEPS = (1, 2, 2.5, 5, 10)
LINES = 4
"""Grid lines at most."""
SMALLEST = 1e-9
"""Nothing but zeros still has a scale."""
EVERY = tuple(timedelta(minutes=minutes) for minutes in (5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880))


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: its place in percent and what is written there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything to draw; paths are SVG path data in a box of 100 by 100, `points` the same as JSON for scripts."""

    measured: str
    expected: str
    band: str
    peak: str
    now: float | None
    values: tuple[Tick, ...]
    times: tuple[Tick, ...]
    says: str
    points: str


@dataclass(frozen=True, slots=True)
class Box:
    """Where a moment and a value lie."""

    begin: datetime
    end: datetime
    most: float

    def x(self, at: datetime) -> float:
        """Percent from the left."""
        whole = (self.end - self.begin) / timedelta(seconds=1)
        return round(100 * ((at - self.begin) / timedelta(seconds=1)) / whole, 2) if whole else 0.0

    def y(self, value: float) -> float:
        """Percent from the top."""
        return round(HIGH - (HIGH - TOP) * min(1.0, max(0.0, value / self.most)), 2)


def drawn(measured: Series | None, expected: Forecast | None, lately: timedelta = timedelta(hours=12)) -> Chart | None:
    """The last hours and what is expected after it; None when there is nothing to draw."""
    line = [] if measured is None else _points(measured, lately)
    known = [value for _, value in line if math.isfinite(value)]
    if not known:
        return None
    ahead = _ahead(expected)
    highs, ends = [high for *_, high in ahead], [at for at, *_ in ahead]
    if expected is not None:
        highs.append(expected.peak.value)
        ends.append(expected.at + expected.peak.window)
    box = Box(line[0][0], max([*ends, line[-1][0]]), max([*known, *highs, SMALLEST]))
    unit = "" if measured is None else measured.unit
    return Chart(
        measured=_path(box, line),
        expected=_path(box, [(at, middle) for at, _, middle, _ in ahead]),
        band=_band(box, ahead),
        peak=_peak(box, expected),
        now=box.x(expected.at) if expected is not None else None,
        values=tuple(Tick(box.y(value), amount(value, unit)) for value in _round_values(box.most)),
        times=tuple(Tick(box.x(at), clock(at)) for at in _round_times(box.begin, box.end)),
        says=_says(line, expected, unit),
        points=_for_scripts(line, ahead, expected, unit),
    )


def _for_scripts(line: Points, ahead: Sequence[Ahead], expected: Forecast | None, unit: str) -> str:
    """Columns of equal length: seconds, measured, expected, lowest, highest, bound; null where there is nothing."""
    rows: dict[int, list[float | None]] = {}

    def put(at: datetime, column: int, value: float) -> None:
        row = rows.setdefault(round(at.timestamp()), [None] * 5)
        row[column] = value if math.isfinite(value) else None

    for at, value in line:
        put(at, 0, value)
    for at, low, middle, high in ahead:
        for column, value in ((1, middle), (2, low), (3, high)):
            put(at, column, value)
    if expected is not None:
        until = expected.at + expected.peak.window
        put(expected.at, 4, expected.peak.value)
        put(until, 4, expected.peak.value)
        for at in [at for at, *_ in ahead if expected.at < at < until]:
            put(at, 4, expected.peak.value)
    moments = sorted(rows)
    columns = [[rows[moment][column] for moment in moments] for column in range(5)]
    shown = amount(1.0, unit).removeprefix("1")
    return json.dumps({"unit": shown, "values": [moments, *columns]}, separators=(",", ":"))


Ahead: TypeAlias = tuple[datetime, float, float, float]
"""A moment to come with its lowest, middle and highest value."""
Points: TypeAlias = Sequence[tuple[datetime, float]]


def _points(series: Series, lately: timedelta) -> list[tuple[datetime, float]]:
    """The newest stretch of a series, thinned to its largest values where it has too many."""
    count = min(len(series.values), max(2, round(lately / series.step) + 1))
    first = len(series.values) - count
    every = max(1, math.ceil(count / MOST_POINTS))
    found = []
    for begin in range(first, len(series.values), every):
        some = [float(value) for value in series.values[begin : begin + every] if math.isfinite(value)]
        found.append((series.start + series.step * begin, max(some) if some else math.nan))
    return found


def _ahead(expected: Forecast | None) -> list[Ahead]:
    """(moment, lowest, middle, highest) of every step to come."""
    if expected is None or not expected.levels:
        return []
    middle = min(range(len(expected.levels)), key=lambda index: abs(expected.levels[index] - 0.5))
    return [
        (expected.at + expected.step * (step + 1), path[0], path[middle], path[-1])
        for step, path in enumerate(expected.paths)
        if all(math.isfinite(value) for value in path)
    ]


def _path(box: Box, points: Points) -> str:
    """A line that breaks where nothing was measured."""
    parts, pen = [], "M"
    for at, value in points:
        if math.isfinite(value):
            parts.append(f"{pen}{box.x(at):g} {box.y(value):g}")
            pen = "L"
        else:
            pen = "M"
    return "".join(parts)


def _band(box: Box, ahead: Iterable[Ahead]) -> str:
    """From the lowest to the highest quantile, as one closed area."""
    points = list(ahead)
    if not points:
        return ""
    above = [f"{box.x(at):g} {box.y(high):g}" for at, _, _, high in points]
    below = [f"{box.x(at):g} {box.y(low):g}" for at, low, _, _ in reversed(points)]
    return f"M{'L'.join([*above, *below])}Z"


def _peak(box: Box, expected: Forecast | None) -> str:
    """The bound over the lead time, as a level line."""
    if expected is None or not math.isfinite(expected.peak.value):
        return ""
    begin, end = box.x(expected.at), box.x(expected.at + expected.peak.window)
    return f"M{begin:g} {box.y(expected.peak.value):g}H{end:g}"


def _round_values(most: float) -> list[float]:
    """Round numbers up to the largest value, without zero."""
    power = 10 ** math.floor(math.log10(most / LINES))
    step = next(step * power for step in STEPS if step * power * LINES >= most * (1 - 1e-9))
    return [step * number for number in range(1, LINES + 1) if step * number <= most * (1 + 1e-9)]


def _round_times(begin: datetime, end: datetime) -> list[datetime]:
    """Round moments in UTC, not too near to the edges."""
    span = end - begin
    every = next((every for every in EVERY if span / every <= 6), EVERY[-1])
    midnight = begin.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + every * math.ceil((begin - midnight) / every)
    found = [first + every * number for number in range(7)]
    return [at for at in found if begin + span * 0.04 <= at <= end - span * 0.04]


def _says(line: Points, expected: Forecast | None, unit: str) -> str:
    """The drawing in one sentence or two."""
    at, now = next((at, value) for at, value in reversed(line) if math.isfinite(value))
    known = [value for _, value in line if math.isfinite(value)]
    told = (
        f"{amount(now, unit)} at {clock(at)} UTC; between {amount(min(known), unit)} and {amount(max(known), unit)} "
        f"since {clock(line[0][0])} UTC."
    )
    if expected is None:
        return told
    peak = expected.peak
    until = clock(expected.at + peak.window)
    return f"{told} Stays under {amount(peak.value, unit)} until {until} UTC with a chance of {percent(peak.quantile)}."
