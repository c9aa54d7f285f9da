"""The usual day × how this day differs: a seasonal profile, a level on top, and weights learnt from the past.

The profile of a moment is the median of the same moment on the seven days before, averaged with the same moment one
and two weeks before where there are such (medians: one bad day leaves no trace). It looks back a day at least, so that
every past moment can be asked what it would have forecast, without ever having seen what came later.

The level is an exponential mean of what load did above or below its profile. How much of the profile's coming change,
of the present level and of the day's level carry over to h steps ahead is learnt by least squares for each h (ridge
regression towards "all of it"; Hoerl, Kennard 1970), from moments before those whose errors make the band. A service
without a rhythm learns that its profile says nothing.
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

    `days` and `weeks` are how many of each the profile looks back, `smoothing` how many neighbours on each side it is
    averaged with; half-lives are in grid points; at most `judged_days` of errors count; `known` is the share of the
    last day that must not be missing; `ridge` is the weight of "all of it" against what was learnt, as a share of the
    moments learnt from.
    """

    days: int = 7
    weeks: int = 2
    smoothing: int = 2
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
        profile = self._profile(logs, day, n + steps)
        above = logs - profile[:n]
        fast, slow = ewma(above, self.fast), ewma(above, self.slow_share * day)
        usual, now = ewma(np.where(np.isfinite(logs), profile[:n], np.nan), self.fast), ewma(logs, self.fast)
        future = ahead(logs, steps)
        centres = np.full((steps, n), np.nan)
        for h in range(1, steps + 1):
            features = np.stack([profile[h : h + n] - usual, -(fast - slow), -slow])
            told = future[h - 1] - now
            learnt = slice(day, max(day, judged_from - h))
            weights = carried(features[:, learnt], told[learnt], self.ridge)
            centres[h - 1] = now + weights @ features
        return centres

    def _profile(self, logs: Floats, day: int, length: int) -> Floats:
        """The usual value at each moment up to `length`, from moments at least a day before."""
        daily = smoothed(median_of(logs, [day * d for d in range(1, self.days + 1)], length), self.smoothing)
        weekly = smoothed(median_of(logs, [7 * day * w for w in range(1, self.weeks + 1)], length), self.smoothing)
        both = np.isfinite(daily) & np.isfinite(weekly)
        return np.where(both, 0.5 * (daily + weekly), daily)


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
    """How much of each feature carries over, 0–1: ridge regression of `told` (n,) on `features` (3, n) towards "the
    profile's change and the level stay" (1, 0, 0).
    """
    prior = np.array([1.0, 0.0, 0.0])
    usable = np.isfinite(told) & np.isfinite(features).all(axis=0)
    if not usable.any():
        return prior
    x, y = features[:, usable], told[usable]
    strength = ridge * x.shape[1] * max(float(np.var(y)), 1e-12) * np.eye(len(prior)) + 1e-12 * np.eye(len(prior))
    weights = np.linalg.solve(x @ x.T + strength, x @ y + strength @ prior)
    return np.asarray(np.clip(weights, 0.0, 1.0))
