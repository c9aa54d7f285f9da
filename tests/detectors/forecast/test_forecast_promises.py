"""Every forecaster that ships keeps the promises, and the check finds each way to break them."""

import math
import random
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from detectors.base import Forecaster, Horizon
from detectors.forecast.conformance import check_forecaster
from detectors.forecast.naive import Naive
from detectors.forecast.profile import Profile
from detectors.forecast.shipped import Shipped
from detectors.results import Abstention, Forecast
from detectors.series import Problem, Series

Answer = Forecast | Abstention


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("forecaster", [Naive(), Profile(), Shipped()], ids=["naive", "profile", "shipped"])
def test_what_ships_keeps_every_promise(forecaster: Forecaster, seed: int) -> None:
    report = check_forecaster(forecaster, seed)

    assert report.ok, str(report)


class Inner:
    """A sound forecaster; the broken ones below spoil it in one point each."""

    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        return Naive().forecast(series, horizon)


class Crashes(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        assert len(series.values) > 2
        return super().forecast(series, horizon)


class TrustsBadData(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        return super().forecast(replace(series, health=type(series.health)()), horizon)


class NamesNoProblem(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        answer = super().forecast(series, horizon)
        return Abstention("no idea") if isinstance(answer, Abstention) else answer


class TakesTheOneBefore(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        values = series.values.copy()
        if len(values) > 1 and math.isnan(values[-1]):
            values[-1] = values[-2]
        return super().forecast(replace(series, values=values), horizon)


class LooksAhead(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        behind: Any = series.values.base
        whole = behind if isinstance(behind, np.ndarray) else series.values
        answer = super().forecast(series, horizon)
        if isinstance(answer, Abstention):
            return answer
        return moved(answer, float(np.nanmax(np.where(np.isfinite(whole), whole, 0.0))))


class Guesses(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        answer = super().forecast(series, horizon)
        return answer if isinstance(answer, Abstention) else moved(answer, random.random())


class Writes(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        if len(series.values):
            series.values[0] = 0.0
        return super().forecast(series, horizon)


@dataclass
class Remembers(Inner):
    last: list[float] = field(default_factory=list)

    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        answer = super().forecast(series, horizon)
        self.last.append(1.0)
        return answer if isinstance(answer, Abstention) else moved(answer, float(len(self.last)))


class CountsInOnes(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        answer = super().forecast(series, horizon)
        return answer if isinstance(answer, Abstention) else moved(answer, 50.0)


class TooNarrow(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        answer = super().forecast(series, horizon)
        if isinstance(answer, Abstention):
            return answer
        return replace(answer, peak=replace(answer.peak, value=answer.peak.centre))


class NotFinite(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        answer = super().forecast(series, horizon)
        return answer if isinstance(answer, Abstention) else moved(answer, math.inf)


class AnotherPeak(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        return super().forecast(series, replace(horizon, quantile=0.5))


class Wordless(Inner):
    def forecast(self, series: Series, horizon: Horizon) -> Answer:
        answer = super().forecast(series, horizon)
        return replace(answer, reason="") if isinstance(answer, Abstention) else answer


def moved(forecast: Forecast, by: float) -> Forecast:
    return replace(forecast, peak=replace(forecast.peak, value=forecast.peak.value + by))


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (Crashes(), "answers every series"),
        (NotFinite(), "answers every series"),
        (AnotherPeak(), "answers every series"),
        (Wordless(), "answers every series"),
        (TrustsBadData(), "abstains on bad data"),
        (NamesNoProblem(), "abstains on bad data"),
        (TakesTheOneBefore(), "abstains without a newest value"),
        (LooksAhead(), "is causal"),
        (Guesses(), "is deterministic"),
        (Remembers(), "is deterministic"),
        (Writes(), "answers every series"),
        (CountsInOnes(), "knows no unit"),
        (TooNarrow(), "its bound holds"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Inner) else None,
)
def test_a_broken_promise_is_named(broken: Forecaster, promise: str) -> None:
    report = check_forecaster(broken)

    assert promise in {found.promise for found in report.broken}, str(report)


def test_an_abstention_names_the_problem() -> None:
    report = check_forecaster(NamesNoProblem())

    assert any(str(problem) in str(report) for problem in Problem)
