"""From centre lines to a forecast: what the method would have said at every moment of the past, how wrong it was, and
hence how wide the band must be now.

Promises that no error is counted before its window was over, and that the bound for a peak comes from errors of peaks,
not of single values: a peak is the larger of several tries, so bounds of single values would be too low for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from detectors.base import Horizon
from detectors.forecast.conformal import Floats, bound, running_scale
from detectors.forecast.scale import Scale
from detectors.results import Abstention, Forecast, Peak, Span
from detectors.series import Series


@dataclass(frozen=True, slots=True)
class Told:
    """What a method says at each moment, on the log scale.

    `centres` has shape (steps, n): `centres[h − 1, t]` is meant for t + h and knows nothing after t. Errors count from
    moment `judged_from`; what the method was fitted to lies before it.
    """

    centres: Floats
    judged_from: int
    model: str


def steps_of(series: Series, horizon: Horizon) -> int:
    """Grid points in the peak's window."""
    return max(1, math.ceil(horizon.window / series.step - 1e-9))


def ahead(values: Floats, steps: int) -> Floats:
    """`values` seen from each moment: row h − 1 holds the value h steps later. Shape (steps, n), NaN beyond the end."""
    found = np.full((steps, len(values)), np.nan)
    for h in range(1, min(steps, len(values) - 1) + 1):
        found[h - 1, :-h] = values[h:]
    return found


def banded(series: Series, scale: Scale, logs: Floats, told: Told, horizon: Horizon) -> Forecast | Abstention:
    """The forecast at the newest point, as wide as its own past errors ask for."""
    window = steps_of(series, horizon)
    future = ahead(logs, len(told.centres))
    centre = told.centres[:window].max(axis=0)
    # A peak is known only where its whole window is: the largest of what is left would be too low.
    errors = future[:window].max(axis=0) - centre
    peak = _bounds(errors, told.judged_from, window, (0.5, horizon.quantile))
    if peak is None:
        return Abstention("too few past forecasts to learn from how wrong they were")
    middle, top = (float(v) for v in scale.back(centre[-1] + np.array(peak)))
    paths = []
    for h in range(1, horizon.steps + 1):
        line = told.centres[h - 1]
        found = _bounds(future[h - 1] - line, told.judged_from, h, horizon.levels)
        if found is None:
            return Abstention("too few past forecasts to learn from how wrong they were")
        paths.append(tuple(np.maximum.accumulate(scale.back(line[-1] + np.array(found))).tolist()))
    tried = int(np.isfinite(errors[told.judged_from :]).sum())
    known = np.flatnonzero(np.isfinite(logs))
    return Forecast(
        at=series.end,
        step=series.step,
        levels=horizon.levels,
        paths=tuple(paths),
        peak=Peak(window * series.step, horizon.quantile, max(top, middle), middle, tried),
        model=told.model,
        trained=Span(series.start + int(known[0]) * series.step, series.end),
    )


def _bounds(errors: Floats, judged_from: int, known_after: int, levels: tuple[float, ...]) -> tuple[float, ...] | None:
    """The errors to expect now at these quantiles; None when nothing can be said."""
    scale = running_scale(errors, known_after)
    relative = errors[judged_from:] / scale[judged_from:]
    known = relative[np.isfinite(relative)]
    found = tuple(
        float(np.median(known))
        if level == 0.5 and len(known)
        else bound(known, level)
        if level > 0.5
        else -bound(-known, 1.0 - level)
        for level in levels
    )
    if not all(math.isfinite(value) for value in found):
        return None
    return tuple(value * float(scale[-1]) for value in found)
