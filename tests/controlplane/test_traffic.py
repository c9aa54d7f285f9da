"""Load is one model: what was counted between two instants is the area under the rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from tests.controlplane.prometheus import History
from tests.controlplane.traffic import DailyPeak, Traffic

NOON = 1_795_176_000.0
PEAK = DailyPeak(rps=100.0, begins=NOON, rise=30.0, lasts=600.0, times=4.0)


@given(st.floats(NOON - 4000, NOON + 4000), st.floats(1, 4000))
def test_the_total_is_the_integral_of_the_rate_of_a_daily_peak(start: float, seconds: float) -> None:
    corners = [corner for corner in (NOON, NOON + 30, NOON + 630, NOON + 660) if start < corner < start + seconds]
    area, _ = quad(PEAK.rate, start, start + seconds, points=corners or None, limit=200)

    assert PEAK.total(start, start + seconds) == pytest.approx(area, rel=1e-6)


@pytest.mark.parametrize("day", [-14, -1, 0, 1])
def test_the_peak_comes_each_day_at_its_hour_and_ends(day: int) -> None:
    begins = NOON + day * 86_400

    assert PEAK.rate(begins - 1) == 100.0
    assert PEAK.rate(begins + 15) == 250.0
    assert PEAK.rate(begins + 330) == 400.0
    assert PEAK.rate(begins + 661) == 100.0


def test_a_history_with_an_autoscaler_has_more_pods_at_its_peak() -> None:
    history = History("shop", "web", PEAK, replicas=2, per_pod=60.0)

    assert [history.replicas_at(NOON + at) for at in (-60, 15, 330)] == [2, 5, 7]
    assert History("shop", "web", Traffic(), replicas=3).replicas_at(NOON) == 3


def test_a_history_is_sampled_closely_at_its_end_if_asked() -> None:
    coarse, fine = History("shop", "web", days=1.0), History("shop", "web", days=1.0, lately=5.0)

    assert {round(gap) for gap in np.diff(coarse.times(NOON))} == {60}
    assert len(coarse.times(NOON)) < len(fine.times(NOON)) < len(coarse.times(NOON)) + 900 / 5
    assert {round(gap) for gap in np.diff(fine.times(NOON)[-170:])} == {5}
    assert coarse.times(NOON)[-1] < NOON
    assert fine.times(NOON)[-1] < NOON
