"""The robust baseline of error shares: what it finds, what it leaves alone, and when it says nothing."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from detectors.anomaly.baseline import Baseline, chernoff, student4_tail
from detectors.conformance import usual, with_values
from detectors.results import Abstention, Detection
from detectors.series import DataHealth, Problem, Series

DETECTOR = Baseline()


def judged(series: Series) -> Detection:
    answer, _ = DETECTOR.detect(series, {})
    assert isinstance(answer, Detection), answer
    return answer


def shares(history: NDArray[np.float64], newest: float, requests: float = 3_000.0) -> Series:
    values = np.append(history, [newest] * 5)
    return with_values(values, np.full(len(values), requests))


def test_a_jump_of_the_error_share_is_abnormal_with_its_band() -> None:
    found = judged(usual(1, jump=0.039))

    assert found.abnormal
    assert found.p < 1e-6
    assert found.band.low <= 0.002 <= found.band.high < 0.01


@pytest.mark.parametrize("seed", range(20))
def test_the_usual_share_is_not_abnormal(seed: int) -> None:
    found = judged(usual(seed))

    assert not found.abnormal
    assert found.p > DETECTOR.alpha


def test_fewer_false_alarms_than_alpha_promises_on_independent_looks() -> None:
    looks = 4_000
    series = usual(7, length=looks + 400)

    alarms = 0
    for end in range(400, looks + 400):
        part = replace(
            series, values=series.values[:end], support=series.support[:end] if series.support is not None else None
        )
        alarms += judged(part).abnormal

    assert alarms <= stats.binom.ppf(0.999, looks, DETECTOR.alpha)


def test_fewer_errors_than_usual_are_never_abnormal() -> None:
    history = np.random.default_rng(0).normal(0.2, 0.01, 300).clip(0, 1)

    assert not judged(shares(history, 0.0)).abnormal


def test_one_failure_of_twenty_requests_is_chance() -> None:
    assert not judged(shares(np.zeros(300), 0.05, requests=20)).abnormal


def test_a_share_of_too_few_requests_says_nothing() -> None:
    answer, _ = DETECTOR.detect(shares(np.zeros(300), 1.0, requests=3), {})

    assert isinstance(answer, Abstention)
    assert "requests" in answer.reason


def test_first_errors_ever_are_found_when_they_are_many() -> None:
    assert judged(shares(np.zeros(300), 0.2)).abnormal


def test_a_difference_too_small_to_matter_is_not_abnormal() -> None:
    """At a million requests every wiggle is significant; the margin keeps it from mattering."""
    history = np.random.default_rng(0).normal(0.01, 0.00001, 300)

    assert not judged(shares(history, 0.0125, requests=1e6)).abnormal


def test_a_history_that_never_moves_is_unknown() -> None:
    answer, _ = DETECTOR.detect(with_values(np.append(np.full(300, 0.37), 0.9)), {})

    assert isinstance(answer, Abstention)


def test_too_little_history_is_unknown() -> None:
    series = usual(1, jump=0.3, length=20)

    assert isinstance(DETECTOR.detect(series, {})[0], Abstention)


@pytest.mark.parametrize("value", [1.2, -0.1])
def test_what_is_no_share_is_a_reset_counter_not_an_anomaly(value: float) -> None:
    answer, _ = DETECTOR.detect(shares(np.zeros(300), value), {})

    assert answer == Abstention(f"{value:g} is no share", frozenset({Problem.RESET}))


@pytest.mark.parametrize("problem", list(Problem))
def test_bad_data_are_never_judged(problem: Problem) -> None:
    answer, _ = DETECTOR.detect(replace(usual(1, jump=0.5), health=DataHealth(frozenset({problem}))), {})

    assert isinstance(answer, Abstention)
    assert problem in answer.problems


def test_a_long_incident_does_not_become_normal_and_a_lasting_change_does() -> None:
    calm, trouble = usual(3, length=800), 0.05
    values = np.concatenate([calm.values, np.random.default_rng(1).normal(trouble, 0.002, 1_500)])
    series = with_values(values, np.full(len(values), 3_000.0))
    state: dict[str, object] = {}
    abnormal = []
    for end in range(800, len(values)):
        part = replace(series, values=values[:end], support=None if series.support is None else series.support[:end])
        answer, state = DETECTOR.detect(part, state)  # type: ignore[arg-type,assignment]  # JSON, kept as it is
        abnormal.append(isinstance(answer, Detection) and answer.abnormal)

    assert all(abnormal[10:200]), "an incident of 100 minutes stays abnormal"
    assert not any(abnormal[-50:]), "after half a day it is how things are"


@given(st.floats(0, 1e6))
def test_students_tail_is_scipys(t: float) -> None:
    assert student4_tail(t) == pytest.approx(stats.t.sf(t, 4), rel=1e-6)
    assert student4_tail(-t) == pytest.approx(stats.t.sf(-t, 4), rel=1e-6)


@given(st.integers(1, 2_000), st.floats(0.0001, 0.9), st.floats(0, 1))
def test_the_counting_bound_is_never_below_the_exact_tail(requests: int, rate: float, part: float) -> None:
    failures = round(part * requests)
    exact = float(stats.binom.sf(failures - 1, requests, rate))

    assert chernoff(failures / requests, rate, requests) >= exact * (1 - 1e-6) - 1e-300


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=80))
def test_any_numbers_give_an_answer(values: list[float]) -> None:
    answer, _ = DETECTOR.detect(with_values(np.array(values, dtype=np.float64)), {})

    assert isinstance(answer, Abstention) or math.isfinite(answer.value)


def test_the_state_of_a_stranger_is_no_state() -> None:
    assert DETECTOR.detect(usual(1), {"masked": "everything"})[0] == DETECTOR.detect(usual(1), {})[0]


def test_looks_between_the_lines_of_the_grid_mask_the_nearest_line() -> None:
    series = usual(1, jump=0.1)
    between = replace(series, start=series.start + timedelta(seconds=7))

    _, state = DETECTOR.detect(series, {})
    _, twice = DETECTOR.detect(between, state)

    assert twice == state


def test_times_masked_are_those_of_the_grid() -> None:
    series = replace(usual(1, jump=0.1), step=timedelta(seconds=15))

    _, state = DETECTOR.detect(series, {})

    assert state == {"masked": [series.end.timestamp()]}
