"""check_forecaster(): whether a forecaster keeps the promises of `base.Forecaster`, in one run.

Public: run it on your own forecaster, as trimtab runs it on its own. It tells what is broken, with the case that broke
it; whether the forecasts are any good is for a backtest to say.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.base import Forecaster, Horizon
from detectors.conformance import START, Broken, Report
from detectors.results import Abstention, Forecast
from detectors.series import DataHealth, Problem, Series, Signal, Workload

STEP = timedelta(minutes=5)
DAY = 288
HORIZON = Horizon(timedelta(minutes=9), 0.9, steps=6)


class Check(Protocol):
    """One promise, tried."""

    __name__: str

    def __call__(self, fresh: Callable[[], Forecaster], seed: int) -> Iterator[Broken]:
        """What was seen to break it."""
        ...


def check_forecaster(forecaster: Forecaster, seed: int = 0) -> Report:
    """Try every promise on generated load; `forecaster` itself is copied, never used."""
    checks: tuple[Check, ...] = (
        answers_every_series,
        abstains_on_bad_health,
        abstains_without_newest,
        is_causal,
        is_deterministic,
        knows_no_unit,
        covers_steady_load,
    )
    return Report(tuple(broken for check in checks for broken in caught(check, forecaster, seed)))


def caught(check: Check, forecaster: Forecaster, seed: int) -> tuple[Broken, ...]:
    """One check's findings; a forecaster that fails in it has broken the first promise."""
    try:
        return tuple(check(lambda: copy.deepcopy(forecaster), seed))
    except Exception as error:  # noqa: BLE001 -- whatever a plugin raises is the finding
        return (Broken("answers every series", f"{check.__name__}: {type(error).__name__}: {error}"),)


def answers_every_series(fresh: Callable[[], Forecaster], seed: int) -> Iterator[Broken]:
    """No series makes it fail, and what it says is a well-formed answer."""
    for name, series in odd_series(seed):
        try:
            answer = fresh().forecast(series, HORIZON)
        except Exception as error:  # noqa: BLE001 -- whatever a plugin raises is the finding
            yield Broken("answers every series", f"{name}: {type(error).__name__}: {error}")
            continue
        if problem := malformed(answer, series, HORIZON):
            yield Broken("answers every series", f"{name}: {problem}")


def abstains_on_bad_health(fresh: Callable[[], Forecaster], seed: int) -> Iterator[Broken]:
    """Data with a problem give no forecast, and the abstention names the problem."""
    for problem in Problem:
        series = replace(usual(seed), health=DataHealth(frozenset({problem})))
        answer = fresh().forecast(series, HORIZON)
        if not isinstance(answer, Abstention):
            yield Broken("abstains on bad data", f"{problem}: a forecast")
        elif problem not in answer.problems:
            yield Broken("abstains on bad data", f"{problem} is not named in {answer}")


def abstains_without_newest(fresh: Callable[[], Forecaster], seed: int) -> Iterator[Broken]:
    """A missing newest value is no value: not the one before it, and not zero."""
    values = usual(seed).values.copy()
    values[-1] = math.nan
    answer = fresh().forecast(load(values), HORIZON)
    if not isinstance(answer, Abstention):
        yield Broken("abstains without a newest value", "a forecast")


def is_causal(fresh: Callable[[], Forecaster], seed: int) -> Iterator[Broken]:
    """What comes later changes no earlier answer, even where it lies behind the values in the same memory."""
    whole, used = usual(seed).values, fresh()
    other = whole.copy()
    half = len(whole) // 2
    other[half:] = 9_999.0
    used.forecast(load(whole.copy()), HORIZON)
    for end in range(half - 3, half):
        first = fresh().forecast(load(whole[:end].copy()), HORIZON)
        second = used.forecast(load(other[:end]), HORIZON)
        if first != second:
            yield Broken("is causal", f"after {end} points the answer depends on what came later")
            return


def is_deterministic(fresh: Callable[[], Forecaster], seed: int) -> Iterator[Broken]:
    """The same input gives the same answer, in a fresh instance and in a used one, and the input stays as it was."""
    before = usual(seed).values
    series = load(before.copy())
    used = fresh()
    answers = [used.forecast(series, HORIZON), used.forecast(series, HORIZON), fresh().forecast(series, HORIZON)]
    if any(answer != answers[0] for answer in answers):
        yield Broken("is deterministic", "the same series was answered in two ways")
    if not np.array_equal(before, series.values, equal_nan=True):
        yield Broken("changes nothing it is given", "the values of the series were written")


def knows_no_unit(fresh: Callable[[], Forecaster], seed: int) -> Iterator[Broken]:
    """Requests per minute and 53 weeks later are the same load: only the numbers' unit and the dates move."""
    one, other = usual(seed), usual(seed)
    other = replace(other, values=other.values * 7.3, start=other.start + timedelta(days=371))
    first, second = fresh().forecast(one, HORIZON), fresh().forecast(other, HORIZON)
    if not isinstance(first, Forecast) or not isinstance(second, Forecast):
        yield Broken("forecasts a usual series", f"{first}; {second}")
    elif not math.isclose(first.peak.value * 7.3, second.peak.value, rel_tol=1e-6):
        yield Broken("knows no unit", f"7.3 × {first.peak.value} became {second.peak.value}")


def covers_steady_load(fresh: Callable[[], Forecaster], seed: int) -> Iterator[Broken]:
    """Of 60 peaks of noise without any pattern, bounds at 0.9 hold at least 43 (fewer: chance below 1 in 10,000)."""
    noise = np.random.default_rng(seed)
    held, asked, window = 0, 60, 2
    for _ in range(asked):
        values = noise.lognormal(5.0, 0.1, 2 * DAY + window)
        answer = fresh().forecast(load(values[:-window]), HORIZON)
        held += isinstance(answer, Forecast) and bool(values[-window:].max() <= answer.peak.value)
    if held < 43:
        yield Broken("its bound holds", f"{held} of {asked} peaks of plain noise at 0.9")


def odd_series(seed: int) -> Iterator[tuple[str, Series]]:
    """Series that a careless forecaster stumbles over."""
    noise = np.random.default_rng(seed)
    yield "empty", load(np.zeros(0))
    for value in (0.0, 1.0, 1e-300, -1.0, 1e300, math.nan, math.inf, -math.inf):
        for length in (1, 2, 13, 3 * DAY):
            yield f"{length} × {value}", load(np.full(length, value))
    holes = usual(seed).values.copy()
    holes[:-1][noise.random(len(holes) - 1) < 0.5] = math.nan
    yield "half missing", load(holes)
    outage = usual(seed).values.copy()
    outage[-DAY:-1] = math.nan
    yield "a day missing", load(outage)
    spikes = usual(seed).values.copy()
    spikes[:-1:7] = math.inf
    yield "some infinite", load(spikes)
    yield "an hour", load(usual(seed).values[:12].copy())
    yield "mostly nothing", load(np.where(noise.random(5 * DAY) < 0.02, 3.0, 0.0))
    yield "a step", load(np.repeat([1.0, 1e6], 2 * DAY))
    yield "coarse", replace(usual(seed), step=timedelta(hours=7))
    yield "fine", replace(usual(seed), step=timedelta(seconds=15))


def usual(seed: int, days: int = 8) -> Series:
    """Days that resemble each other, by a factor of three between night and noon, with noise of a tenth."""
    noise = np.random.default_rng(seed)
    moments = np.arange(days * DAY)
    shape = 200.0 * (2.0 - np.cos(2.0 * np.pi * moments / DAY))
    return load(shape * noise.lognormal(0.0, 0.1, len(moments)))


def load(values: NDArray[np.float64]) -> Series:
    """A series of requests per second every five minutes; read-only, so that writing to it is an error."""
    seen = values.view()
    seen.flags.writeable = False
    return Series(Workload("shop", "Deployment", "checkout"), Signal.LOAD, START, STEP, seen, "requests/s")


def malformed(answer: object, series: Series, horizon: Horizon) -> str:
    """What is wrong with the form of an answer; empty when nothing is."""
    match answer:
        case Abstention(reason):
            return "" if reason else "an abstention without a reason"
        case Forecast():
            return next(malformations(answer, series, horizon), "")
        case _:
            return f"neither Forecast nor Abstention: {answer!r}"


def malformations(answer: Forecast, series: Series, horizon: Horizon) -> Iterator[str]:
    """Everything that is wrong with the form of a forecast."""
    table = np.array(answer.paths, dtype=np.float64)
    if table.shape != (horizon.steps, len(horizon.levels)) or answer.levels != horizon.levels:
        yield f"{table.shape} quantiles at {answer.levels} instead of those asked for"
    elif not np.isfinite(table).all() or (np.diff(table, axis=1) < 0.0).any():
        yield "quantiles that are not finite or not in order"
    peak = answer.peak
    if not (math.isfinite(peak.value) and math.isfinite(peak.centre) and peak.centre <= peak.value):
        yield f"an impossible peak: {peak}"
    if peak.quantile != horizon.quantile or peak.window < horizon.window:
        yield "another peak than the one asked for"
    if (answer.at, answer.step) != (series.end, series.step) or not answer.model:
        yield "not about this series, or without the name of a model"
    if not series.start <= answer.trained.begin <= answer.trained.end <= series.end:
        yield f"trained on {answer.trained}, which is not its history"
