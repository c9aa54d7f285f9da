"""A share of failures held against its own recent band: plain, robust, one-sided.

The band is median ± 3 robust standard deviations (1.4826 · MAD; Hampel 1974, "The Influence Curve and Its Role in
Robust Estimation") of the recent past, without the newest points, which may belong to the trouble, and without the
points that were judged abnormal before.

p answers "how likely is a value at least this high on a normal day?" and is the *larger* of two tail probabilities, one
for each innocent explanation, so that it is small only when neither holds (an intersection–union test; Berger 1982,
"Multiparameter Hypothesis Testing and Acceptance Sampling"):

- the service's own fluctuation: the tail of Student's t with 4 degrees of freedom at the robust z. Its tails are
  heavier than the normal's because error shares come in bursts; with fewer degrees nothing would ever be significant.
- counting noise, where the number of requests is known: n requests at a rate no higher than the band's centre give k
  or more failures with probability at most exp(−n · KL(k/n ‖ rate)) (Chernoff; Hoeffding 1963, theorem 1).

It holds for one look. Looks overlap, and p is not calibrated against labels; docs/explanation/detection.md says what
that means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import State
from detectors.results import Abstention, Band, Detection
from detectors.series import Problem, Series

MAD_TO_SIGMA: Final = 1.4826
WIDTH: Final = 3.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """The detector and its constants.

    `window` and `least` count grid points of history (at most, at least); `guard` newest points stay out of the band;
    `alpha` is the p below which a value is abnormal; `margin` is how far above the band it must lie to matter (a
    share, 0.002 = 0.2 points); `fewest` is the number of requests below which a share says nothing; `floor` is the
    least standard deviation of a share.
    """

    window: int = 720
    least: int = 30
    guard: int = 5
    alpha: float = 1e-4
    margin: float = 0.002
    fewest: float = 20.0
    floor: float = 0.0005
    masked_at_most: float = 0.25

    def detect(self, series: Series, state: State) -> tuple[Detection | Abstention, State]:
        """Judge the newest share; see the module for the method."""
        refused = self._refused(series)
        if refused is not None:
            return refused, state
        masked = masked_times(state)
        history = self._history(series, masked)
        if len(history) < self.least:
            return Abstention(f"only {len(history)} of {self.least} points of history"), state
        if history[0] > 0 and np.all(history == history[0]):
            return Abstention("the history does not move: an exporter that repeats itself looks like this"), state
        detection = self._judge(series, history)
        if not detection.abnormal:
            return detection, state
        return detection, self._remember(masked, series.end.timestamp(), series)

    def _refused(self, series: Series) -> Abstention | None:
        """Why nothing can be said of the newest value, if so."""
        if not series.health.healthy:
            return Abstention(f"data {series.health}", series.health.problems)
        if not len(series.values) or not math.isfinite(series.values[-1]):
            return Abstention("the newest value is missing", frozenset({Problem.MISSING}))
        if not 0.0 <= series.values[-1] <= 1.0:
            return Abstention(f"{series.values[-1]:g} is no share", frozenset({Problem.RESET}))
        requests = requests_behind(series)
        if requests is not None and not requests >= self.fewest:
            return Abstention(f"fewer than {self.fewest:g} requests")
        return None

    def _history(self, series: Series, masked: frozenset[float]) -> NDArray[np.float64]:
        past = series.values[
            max(0, len(series.values) - self.window - self.guard) : max(0, len(series.values) - self.guard)
        ]
        first = len(series.values) - self.guard - len(past)
        start, step = series.start.timestamp(), series.step.total_seconds()
        keep = np.isfinite(past) & (past >= 0.0) & (past <= 1.0)
        if series.support is not None:
            keep &= series.support[first : first + len(past)] >= self.fewest
        keep &= ~np.isin(np.rint(start / step + first + np.arange(len(past))) * step, list(masked))
        return past[keep]

    def _judge(self, series: Series, history: NDArray[np.float64]) -> Detection:
        value, requests = float(series.values[-1]), requests_behind(series)
        centre = float(np.median(history))
        sigma = MAD_TO_SIGMA * float(np.median(np.abs(history - centre)))
        if requests is not None:
            # Less than one failure in all of a window's requests cannot be told from none.
            smallest = max(centre, 1.0 / (requests + 2.0))
            sigma = max(sigma, math.sqrt(smallest * (1.0 - smallest) / requests))
        sigma = max(sigma, self.floor)
        band = Band(max(0.0, centre - WIDTH * sigma), min(1.0, centre + WIDTH * sigma))
        p = student4_tail((value - centre) / sigma)
        if requests is not None:
            p = max(p, chernoff(value, max(centre, self.floor), requests))
        return Detection(value, band, p, abnormal=p < self.alpha and value > band.high + self.margin)

    def _remember(self, masked: frozenset[float], at: float, series: Series) -> State:
        """Keep an abnormal time out of later bands;

        at most a quarter of the window, so that a lasting change is learnt.
        """
        most = int(self.masked_at_most * self.window)
        step = series.step.total_seconds()
        oldest = at - (self.window + self.guard) * step
        # Looks may lie between the grid's lines and several within one step: each is put on the nearest line.
        times = sorted(time for time in masked | {round(at / step) * step} if time >= oldest)
        return {"masked": [*times[-most:]]}


def masked_times(state: State) -> frozenset[float]:
    """The times that were judged abnormal; a state that is none of ours counts as empty."""
    times = state.get("masked")
    if not isinstance(times, list):
        return frozenset()
    return frozenset(float(time) for time in times if isinstance(time, int | float))


def requests_behind(series: Series) -> float | None:
    """Requests behind the newest value; None when nobody counts them, 0 when the count itself is missing."""
    if series.support is None or not len(series.support):
        return None
    newest = float(series.support[-1])
    return newest if math.isfinite(newest) else 0.0


def student4_tail(t: float) -> float:
    """P(T ≥ t) of Student's t with 4 degrees of freedom, exact, without cancellation in the far tail.

    From the closed form F(t) = 1/2 + 3/8 · x(1 − x²/12), x = t / √(1 + t²/4) (Abramowitz and Stegun 26.7.4), put as a
    polynomial of δ = 2 − x.
    """
    if t < 0.0:
        return 1.0 - student4_tail(-t)
    root = math.sqrt(t * t + 4.0)
    delta = 8.0 / (root * (root + t))
    return 3.0 * delta**2 / 16.0 - delta**3 / 32.0


def chernoff(share: float, rate: float, requests: float) -> float:
    """Upper bound of P(failures ≥ share · requests) when each request fails with `rate` by itself."""
    if share <= rate:
        return 1.0
    rate = min(rate, 1.0 - 1e-12)
    divergence = share * math.log(share / rate)
    if share < 1.0:
        divergence += (1.0 - share) * math.log((1.0 - share) / (1.0 - rate))
    return math.exp(-requests * divergence)
