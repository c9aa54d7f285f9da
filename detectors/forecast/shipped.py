"""The forecaster that ships: the daily profile where there is history for one, else the level as it is now."""

from __future__ import annotations

from dataclasses import dataclass, field

from detectors.base import Forecaster, Horizon
from detectors.forecast.naive import Naive
from detectors.forecast.profile import Profile
from detectors.results import Abstention, Forecast
from detectors.series import Series


@dataclass(frozen=True, slots=True)
class Shipped:
    """Asks in order and takes the first answer; the last abstention says what even the plainest one lacked."""

    inner: tuple[Forecaster, ...] = field(default=(Profile(), Naive()))

    def forecast(self, series: Series, horizon: Horizon) -> Forecast | Abstention:
        """The first forecast of any; bad data are refused by all."""
        answer: Forecast | Abstention = Abstention("no forecaster")
        for forecaster in self.inner:
            answer = forecaster.forecast(series, horizon)
            if isinstance(answer, Forecast):
                return answer
        return answer
