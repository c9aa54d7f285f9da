"""Forecasts of load: the day's shape, honest bands, and what little history allows."""

import math
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.base import Horizon
from detectors.forecast.conformance import DAY, load
from detectors.forecast.naive import Naive
from detectors.forecast.profile import carried, median_of
from detectors.forecast.shipped import Shipped
from detectors.results import Abstention, Forecast

Floats = NDArray[np.float64]
TEN_MINUTES = Horizon(timedelta(minutes=10), 0.9, steps=6)


def told(values: Floats, horizon: Horizon = TEN_MINUTES) -> Forecast:
    answer = Shipped().forecast(load(values), horizon)
    assert isinstance(answer, Forecast), answer
    return answer


def daily(days: float, seed: int, noise: float = 0.08, phi: float = 0.9, weekend: float = 1.0) -> Floats:
    """A day's swing by three, noise that holds on (AR 1), quiet weekends."""
    rng = np.random.default_rng(seed)
    n = round(days * DAY)
    moments = np.arange(n)
    shape = 200.0 * (2.0 - np.cos(2.0 * np.pi * moments / DAY))
    shape = np.where((moments // DAY) % 7 >= 5, weekend * shape, shape)
    wander = np.zeros(n)
    for i in range(1, n):
        wander[i] = phi * wander[i - 1] + rng.normal(0.0, noise * math.sqrt(1 - phi**2))
    return np.asarray(shape * np.exp(wander))


def ramp(days: float, seed: int) -> Floats:
    """Growth of 3 % a day."""
    return np.asarray(daily(days, seed) * 1.03 ** (np.arange(round(days * DAY)) / DAY))


def counts(days: float, seed: int) -> Floats:
    """A quiet service: a few requests in each five minutes, none in the night."""
    rng = np.random.default_rng(seed)
    rate = np.maximum(0.0, daily(days, seed, 0.01) / 60.0 - 4.0)
    return np.asarray(rng.poisson(rate).astype(np.float64))


def plain(days: float, seed: int) -> Floats:
    """Noise without a rhythm."""
    return np.asarray(np.random.default_rng(seed).lognormal(5.0, 0.2, round(days * DAY)))


KINDS: dict[str, Callable[[float, int], Floats]] = {
    "daily": daily,
    "weekly": lambda days, seed: daily(days, seed, weekend=0.5),
    "growing": ramp,
    "counts": counts,
    "plain": plain,
}


def coverage(make: Callable[[float, int], Floats], days: float, quantile: float, window: int) -> float:
    """Share of 180 origins, spread over a week of four seeds, whose peak stayed under the bound."""
    held = []
    horizon = Horizon(window * timedelta(minutes=5), quantile, steps=1)
    for seed in range(4):
        values = make(days + 7, seed)
        for origin in np.linspace(days * DAY, len(values) - window - 1, 45).astype(int):
            history = values[origin - round(days * DAY) : origin]
            held.append(values[origin : origin + window].max() <= told(history, horizon).peak.value)
    return float(np.mean(held))


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_for_the_peak_holds_as_often_as_it_says(kind: str) -> None:
    """Nominal ± .03; ties of counts may only make it hold more often. Weekends that begin within five minutes are held
    to .05: two weeks have seen each weekday's edge twice.
    """
    found = coverage(KINDS[kind], 14, 0.95, 2)

    assert found >= (0.90 if kind == "weekly" else 0.92)
    assert found <= 0.98 or kind == "counts"


@pytest.mark.parametrize("days", [1, 3], ids=["a day", "three days"])
def test_little_history_makes_a_wider_band_not_a_broken_one(days: float) -> None:
    assert coverage(KINDS["daily"], days, 0.9, 2) >= 0.84


def test_the_morning_is_seen_coming() -> None:
    """Before the steepest rise the profile is above the present, the plain level is not."""
    values = daily(14, 1, 0.02)[: 13 * DAY + DAY // 4]
    hour = Horizon(timedelta(hours=1), 0.9, steps=12)
    truth = 200.0 * (2.0 - math.cos(2.0 * math.pi * (DAY // 4 + 11) / DAY))
    seasonal = told(values, hour)
    plain_level = Naive().forecast(load(values), hour)
    assert isinstance(plain_level, Forecast)

    assert seasonal.model == "profile/1"
    assert seasonal.paths[-1][1] == pytest.approx(truth, rel=0.06)
    assert abs(plain_level.paths[-1][1] - truth) > 2 * abs(seasonal.paths[-1][1] - truth)


@pytest.mark.parametrize(
    ("points", "model"),
    [(12, "naive/1"), (DAY, "naive/1"), (3 * DAY, "profile/1"), (14 * DAY, "profile/1")],
    ids=["an hour", "a day", "three days", "two weeks"],
)
def test_the_model_is_what_the_history_allows(points: int, model: str) -> None:
    forecast = told(daily(14, 2)[-points:])

    assert forecast.model == model
    assert forecast.trained.end - forecast.trained.begin == (points - 1) * timedelta(minutes=5)


@pytest.mark.parametrize("points", [0, 1, 5, 11])
def test_less_than_an_hour_is_no_history(points: int) -> None:
    assert isinstance(Shipped().forecast(load(daily(1, 2)[:points]), TEN_MINUTES), Abstention)


def test_a_constant_load_needs_nothing_on_top() -> None:
    forecast = told(np.full(14 * DAY, 120.0))

    assert forecast.peak.value == pytest.approx(120.0, rel=1e-6)


def test_no_load_at_all_is_forecast_as_none() -> None:
    assert told(np.zeros(3 * DAY)).peak.value == 0.0


def test_one_bad_day_leaves_no_trace() -> None:
    """A spike of yesterday is not expected again today, nor a week later."""
    values = daily(14, 3, 0.02)
    clean = told(values)
    for ago in (1, 7):
        spiked = values.copy()
        spiked[-ago * DAY - 3 : -ago * DAY + 6] *= 8.0
        assert told(spiked).peak.centre == pytest.approx(clean.peak.centre, rel=0.03)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_new_level_is_mostly_believed_after_a_quarter_of_an_hour(factor: float) -> None:
    values = daily(14, 4, 0.02)
    stepped = values.copy()
    stepped[-3:] *= factor

    carried_over = math.log(told(stepped).peak.centre / told(values).peak.centre) / math.log(factor)
    assert 0.5 < carried_over < 1.1


def test_nothing_is_forecast_above_twice_of_what_was_ever_seen() -> None:
    values = np.exp(np.linspace(0.0, 9.0, 20))

    assert told(values).peak.value <= 2.0 * values.max()


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_holes_change_little(share: float) -> None:
    values = daily(14, 5)
    holes = values.copy()
    holes[:-1][np.random.default_rng(5).random(len(values) - 1) < share] = math.nan

    assert told(holes).peak.value == pytest.approx(told(values).peak.value, rel=0.2)


def test_after_a_long_outage_the_day_is_not_believed() -> None:
    values = daily(14, 6)
    values[-DAY:-20] = math.nan
    forecast = told(values)

    assert forecast.model == "naive/1"


def test_a_service_without_a_rhythm_learns_that_its_profile_says_nothing() -> None:
    rng = np.random.default_rng(7)
    walk, noise = np.cumsum(rng.normal(size=4000)), rng.normal(size=4000)
    weights = carried(np.stack([noise, *rng.normal(size=(3, 4000))]), 0.1 * walk, 1e-3)

    assert weights[0] < 0.3


def test_the_median_of_lags_skips_what_is_missing() -> None:
    values = np.array([1.0, 10.0, math.nan, 20.0, 3.0, 30.0])

    assert median_of(values, [2, 4], 8)[6] == pytest.approx(3.0)
    assert median_of(values, [2, 4], 8)[7] == pytest.approx(25.0)
    assert math.isnan(median_of(values, [2, 4], 8)[0])
