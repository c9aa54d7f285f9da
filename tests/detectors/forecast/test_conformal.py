"""The bounds: exact ranks, Student's limits, means that skip what is missing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detectors.forecast.conformal import bound, ewma, fewest, geometric, running_scale, student, student_upper, upper


@given(st.integers(1, 300), st.floats(0.5, 0.99))
def test_the_bound_is_the_rank_that_the_theorem_names(n: int, quantile: float) -> None:
    errors = np.random.default_rng(n).permutation(np.arange(1.0, n + 1.0))
    rank = math.ceil((n + 1) * quantile - 1e-9)

    assert upper(errors, quantile) == (rank if rank <= n else math.inf)


@pytest.mark.parametrize(("quantile", "needed"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_fewer_errors_than_the_quantile_needs_give_no_rank(quantile: float, needed: int) -> None:
    assert fewest(quantile) == needed
    assert upper(np.zeros(needed - 1), quantile) == math.inf
    assert upper(np.zeros(needed), quantile) == 0.0


@pytest.mark.parametrize("n", [20, 100, 1000])
@pytest.mark.parametrize("quantile", [0.8, 0.95])
def test_exchangeable_errors_are_covered_as_promised(n: int, quantile: float) -> None:
    """Nominal −.03 … + .03 + 1/(n + 1), which is the theorem's own slack."""
    noise = np.random.default_rng(3)
    errors = noise.standard_t(3, (2000, n + 1))
    held = np.mean([row[-1] <= upper(row[:-1], quantile) for row in errors])

    assert quantile - 0.03 <= held <= quantile + 0.03 + 1 / (n + 1)


@pytest.mark.parametrize("n", [5, 12, 18])
def test_few_normal_errors_are_covered_too(n: int) -> None:
    noise = np.random.default_rng(4)
    held = np.mean([row[-1] <= bound(row[:-1], 0.95) for row in noise.normal(size=(2000, n + 1))])

    assert 0.92 <= held <= 0.98


@pytest.mark.parametrize("degrees", [3, 4, 10, 50])
@pytest.mark.parametrize("quantile", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_student_is_within_a_hundredth_of_the_exact_quantile(degrees: int, quantile: float) -> None:
    assert student(quantile, degrees) == pytest.approx(stats.t.ppf(quantile, degrees), rel=0.01, abs=1e-9)


def test_two_errors_bound_nothing() -> None:
    assert student_upper(np.array([1.0, 2.0, math.nan]), 0.9) == math.inf


def test_missing_points_carry_no_weight() -> None:
    values = np.array([4.0, math.nan, 4.0, math.nan, math.nan])

    assert ewma(values, 2.0) == pytest.approx(np.full(5, 4.0))
    assert np.isnan(ewma(np.full(3, math.nan), 2.0)).all()


def test_the_mean_follows_its_half_life() -> None:
    step = np.concatenate([np.zeros(400), np.ones(400)])

    assert ewma(step, 10.0)[409] == pytest.approx(0.5, abs=0.01)


def test_an_error_makes_the_scale_larger_only_once_it_is_known() -> None:
    errors = np.full(400, 0.1)
    errors[300] = 5.0
    scale = running_scale(errors, known_after=3)

    assert scale[302] == pytest.approx(scale[250])
    assert scale[303] > 1.2 * scale[302]


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)), min_size=1, max_size=60), st.integers(1, 70))
def test_the_scale_is_always_a_positive_number(errors: list[float], known_after: int) -> None:
    scale = running_scale(np.array(errors), known_after)

    assert scale.shape == (len(errors),)
    assert np.isfinite(scale).all()
    assert (scale > 0.0).all()


@given(st.integers(1, 60), st.floats(0.0, 0.999))
def test_doubling_gives_the_geometric_sum(n: int, factor: float) -> None:
    values = np.random.default_rng(n).normal(size=n)
    plain = [sum(factor**k * values[t - k] for k in range(t + 1)) for t in range(n)]

    assert geometric(values, factor) == pytest.approx(np.array(plain), abs=1e-6)
