"""The usual day × how this day differs: a seasonal profile, a level on top, and weights learnt from the past.

The profile of a moment is the median of the same moment on the seven days before. What the weekday adds is the median,
over two hours, of what load did above or below its profile a week ago. Medians: one bad hour leaves no trace, neither
the next day nor a week later. Both look back a day at least, so that every past moment can be asked what it would have
forecast, without ever having seen what came later.

The level is an exponential mean of what load did above or below its profile. How much of the profile's coming change,
of the weekday's, of the present level and of the day's level carries over to h steps ahead is learnt by least squares
for each h (ridge regression towards a usual answer; Hoerl, Kennard 1970), from moments before those whose errors make
the band. A service without a rhythm learns that its profile says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from detectors.base import Horizon
from detectors.forecast.band import Told, ahead, banded, steps_of
from detectors.forecast.conformal import Floats, ewma
from detectors.forecast.scale import Scale, cleaned, refused
from detectors.results import Abstention, Forecast
from detectors.series import Series

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Profile:
    """The forecaster and its constants.

    `days` is how many the profile looks back, `smoothing` how many neighbours on each side it is averaged with,
    `weekday` how many on each side a weekday's median goes over; half-lives are in grid points (`fast`) and days
    (`slow_share`); at most `judged_days` of errors count; `known` is the share of the last day that must not be
    missing; `ridge` is the weight of the usual answer against what was learnt, as a share of the moments learnt from.
    """

    days: int = 7
    smoothing: int = 2
    weekday: int = 12
    fast: float = 1.5
    slow_share: float = 0.5
    judged_days: float = 7.0
    known: float = 0.5
    ridge: float = 1e-3

    def forecast(self, series: Series, horizon: Horizon) -> Forecast | Abstention:
        """See the module. Abstains below a day and a half of history."""
        day = round(DAY / series.step) if series.step <= DAY / 4 else 0
        abstention = refused(series, 12)
        if abstention is not None:
            return abstention
        values = trimmed(cleaned(series))
        steps = max(steps_of(series, horizon), horizon.steps)
        if not day or len(values) < 1.5 * day or steps > day - self.smoothing - 1:
            return Abstention("a daily profile needs a day and a half of history and a horizon within a day")
        if np.isfinite(values[-day:]).mean() < self.known:
            return Abstention(f"less than {self.known:.0%} of the last day is known")
        scale = Scale.of(values)
        logs = scale.there(values)
        judged_from = len(values) - int(min(self.judged_days * day, (len(values) - day) / 2))
        centres = self._centres(logs, day, steps, judged_from)
        whole = np.full((steps, len(series.values)), np.nan)
        whole[:, len(series.values) - len(values) :] = centres
        if not np.isfinite(whole[:, -1]).all():
            return Abstention("the same time of the days before is missing")
        offset = len(series.values) - len(values)
        padded = np.concatenate([np.full(offset, np.nan), logs])
        return banded(series, scale, padded, Told(whole, judged_from + offset, "profile/1"), horizon)

    def _centres(self, logs: Floats, day: int, steps: int, judged_from: int) -> Floats:
        """What would have been said at each moment for each step ahead; shape (steps, n)."""
        n = len(logs)
        lags = [day * d for d in range(1, self.days + 1)]
        profile = smoothed(median_of(logs, lags, n + steps), self.smoothing)
        above = logs - profile[:n]
        around = [7 * day + k for k in range(-self.weekday, self.weekday + 1)]
        week = np.nan_to_num(median_of(above, around, n + steps))
        there = np.isfinite(logs)
        now, fast, slow = ewma(logs, self.fast), ewma(above, self.fast), ewma(above, self.slow_share * day)
        usual, usual_week = (ewma(np.where(there, line[:n], np.nan), self.fast) for line in (profile, week))
        future = ahead(logs, steps)
        centres = np.full((steps, n), np.nan)
        for h in range(1, steps + 1):
            features = np.stack([profile[h : h + n] - usual, week[h : h + n] - usual_week, slow - fast, -slow])
            told = future[h - 1] - now
            learnt = slice(day, max(day, judged_from - h))
            centres[h - 1] = now + carried(features[:, learnt], told[learnt], self.ridge) @ features
        return centres


USUAL = np.array([1.0, 0.5, 0.0, 0.0])
"""What carries over unless the past says otherwise: the profile's change, half of the weekday's, and the level."""


def trimmed(values: Floats) -> Floats:
    """Without the missing points before the first known one."""
    return values[int(np.flatnonzero(np.isfinite(values))[0]) :]


def median_of(values: Floats, lags: list[int], length: int) -> Floats:
    """At each of `length` moments the median of the values these lags before; NaN where none is known."""
    table = np.full((len(lags), length), np.nan)
    for row, lag in enumerate(lags):
        count = min(len(values), length - lag)
        if count > 0:
            table[row, lag : lag + count] = values[:count]
    table.sort(axis=0)  # NaN comes last
    count = np.isfinite(table).sum(axis=0)
    moments = np.arange(length)
    low, high = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, len(lags) - 1)
    return np.where(count > 0, 0.5 * (table[low, moments] + table[high, moments]), np.nan)


def smoothed(values: Floats, neighbours: int) -> Floats:
    """The mean of each point and its neighbours on each side, of those that are known."""
    if len(values) <= 2 * neighbours:
        return values
    there, kernel = np.isfinite(values), np.ones(2 * neighbours + 1)
    total = np.convolve(np.where(there, values, 0.0), kernel, "same")
    count = np.convolve(there.astype(np.float64), kernel, "same")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0.5, total / count, np.nan)


def carried(features: Floats, told: Floats, ridge: float) -> Floats:
    """How much of each feature carries over, 0–1: ridge regression of `told` (n,) on `features` (4, n) towards `USUAL`.

    What is missing is left out.
    """
    usable = np.isfinite(told) & np.isfinite(features).all(axis=0)
    if not usable.any():
        return USUAL
    x, y = features[:, usable], told[usable]
    strength = (ridge * x.shape[1] * float(np.var(y)) + 1e-12) * np.eye(len(USUAL))
    weights = np.linalg.solve(x @ x.T + strength, x @ y + strength @ USUAL)
    return np.asarray(np.clip(weights, 0.0, 1.0))
