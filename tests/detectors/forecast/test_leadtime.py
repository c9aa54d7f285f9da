"""How long to allow for a pod's start: from nothing, from few starts, from many."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.forecast.leadtime import LONGEST, lead_time


def seconds(*starts: float, quantile: float = 0.9) -> float:
    return lead_time(starts, quantile).bound.total_seconds()


def test_without_a_start_the_bound_is_the_priors() -> None:
    found = lead_time(())

    assert found.starts == 0
    assert 120.0 < found.bound.total_seconds() < 300.0


def test_each_further_start_makes_it_surer() -> None:
    bounds = [seconds(*[30.0] * n) for n in (0, 1, 3, 10, 50)]

    assert bounds == sorted(bounds, reverse=True)
    assert 30.0 < bounds[-1] < 45.0


def test_slow_starts_are_believed_quickly() -> None:
    assert seconds(600.0, 580.0, 620.0) > 600.0


@pytest.mark.parametrize("n", [3, 10, 50])
@pytest.mark.parametrize("typical", [20.0, 60.0, 300.0])
def test_the_next_start_is_within_the_bound_as_often_as_it_says(n: int, typical: float) -> None:
    """Never clearly less often; more often as long as the prior still speaks."""
    rng = np.random.default_rng(n)
    starts = rng.lognormal(math.log(typical), 0.4, (1500, n + 1))
    held = np.mean([row[-1] <= seconds(*row[:-1]) for row in starts])

    assert held >= 0.87
    assert held <= 0.95 or n < 50


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30), st.floats(0.5, 0.99))
def test_every_list_of_numbers_gives_a_bound(starts: list[float], quantile: float) -> None:
    assert 0.0 < lead_time(starts, quantile).bound.total_seconds() <= LONGEST


def test_what_is_no_start_does_not_count() -> None:
    assert lead_time([-5.0, 0.0, math.nan, math.inf, 2 * LONGEST]) == lead_time([])
