"""As it is now: the level of the last quarter of an hour, with no idea of the day.

For services that are not known for a day yet. Its band is honest about what it has seen, and it has not seen a night:
with an hour of history it knows an hour's changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.base import Horizon
from detectors.forecast.band import Told, banded, steps_of
from detectors.forecast.conformal import ewma
from detectors.forecast.scale import Scale, cleaned, refused
from detectors.results import Abstention, Forecast
from detectors.series import Series


@dataclass(frozen=True, slots=True)
class Naive:
    """The forecaster and its constants: `least` points of history, `half_life` of the level and `judged` newest
    moments whose errors count, all in grid points.
    """

    least: int = 12
    half_life: float = 1.5
    judged: int = 2016

    def forecast(self, series: Series, horizon: Horizon) -> Forecast | Abstention:
        """See the module."""
        abstention = refused(series, self.least)
        if abstention is not None:
            return abstention
        values = cleaned(series)
        scale = Scale.of(values)
        logs = scale.there(values)
        level = ewma(logs, self.half_life)
        steps = max(steps_of(series, horizon), horizon.steps)
        told = Told(np.tile(level, (steps, 1)), max(0, len(values) - self.judged), "naive/1")
        return banded(series, scale, logs, told, horizon)
