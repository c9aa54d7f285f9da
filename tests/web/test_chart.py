"""The chart leaves a gap where nobody measured, and says in words what it draws."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.web.chart import Chart, drawn
from detectors.series import Series, Signal
from tests.core import samples
from tests.web.memory import tomorrow, yesterday

NOW = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
STEP = timedelta(minutes=5)


def series(*values: float) -> Series:
    """Newest last, ending now."""
    start = NOW - STEP * (len(values) - 1)
    return Series(samples.CHECKOUT, Signal.LOAD, start, STEP, np.array(values, dtype=float), "requests/s")


def seen(chart: Chart | None) -> Chart:
    assert chart is not None
    return chart


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([-\d.e]+) ([-\d.e]+)", path)]


@pytest.mark.parametrize(
    "measured",
    [None, series(), series(np.nan, np.nan), series(np.inf)],
    ids=["nothing", "no points", "all missing", "not finite"],
)
def test_without_a_measured_point_there_is_nothing_to_draw(measured: Series | None) -> None:
    assert drawn(measured, None) is None
    assert drawn(measured, tomorrow(NOW)) is None


def test_a_point_nobody_measured_is_a_gap_and_never_zero() -> None:
    chart = seen(drawn(series(10, 20, np.nan, np.nan, 30, 40), None))

    assert chart.measured.count("M") == 2
    assert len(places(chart.measured)) == 4
    assert max(y for _, y in places(chart.measured)) < 100


def test_what_is_expected_begins_where_the_measured_ends() -> None:
    chart = seen(drawn(yesterday(NOW), tomorrow(NOW)))

    assert chart.now is not None
    assert places(chart.measured)[-1][0] == chart.now
    assert all(x > chart.now for x, _ in places(chart.expected))
    assert chart.band.endswith("Z")
    assert chart.peak.startswith(f"M{chart.now:g} ")


def test_the_same_is_said_in_words() -> None:
    assert seen(drawn(series(10, 20, np.nan), tomorrow(NOW))).says == (
        "20/s at 14:00 UTC; between 10/s and 20/s since 13:55 UTC. "
        "Stays under 338/s until 14:11 UTC with a chance of 95 %."
    )
    assert seen(drawn(series(0.0, 0.0), None)).says == "0/s at 14:05 UTC; between 0/s and 0/s since 14:00 UTC."


def test_a_long_history_is_thinned_to_its_largest_values() -> None:
    values = np.full(5000, 10.0)
    values[-37] = 90.0
    long = Series(samples.CHECKOUT, Signal.LOAD, NOW - timedelta(seconds=4999), timedelta(seconds=1), values, "1/s")

    chart = seen(drawn(long, None))

    assert len(places(chart.measured)) <= 600
    assert "between 10/s and 90/s" in chart.says


def test_the_grid_has_round_numbers() -> None:
    chart = seen(drawn(series(0, 340), None))

    assert [tick.text for tick in chart.values] == ["100/s", "200/s", "300/s"]
    chart = seen(drawn(yesterday(NOW), tomorrow(NOW)))
    assert [tick.text for tick in chart.times] == ["03:00", "06:00", "09:00", "12:00", "15:00"]


@given(
    values=st.lists(
        st.one_of(st.floats(0, 1e9, allow_subnormal=False), st.just(float("nan"))), min_size=1, max_size=200
    ),
    ahead=st.booleans(),
)
def test_everything_lies_in_the_box(values: list[float], ahead: bool) -> None:
    chart = drawn(series(*values), tomorrow(NOW) if ahead else None)
    if chart is None:
        assert not any(np.isfinite(values))
        return
    for path in (chart.measured, chart.expected, chart.band):
        for x, y in places(path):
            assert -0.01 <= x <= 100.01
            assert 0 <= y <= 100
    assert all(0 <= tick.at <= 100 for tick in (*chart.values, *chart.times))
    assert 1 <= len(chart.values) <= 4


def test_scripts_get_the_same_points_and_nulls_where_nothing_was_measured() -> None:
    told = json.loads(seen(drawn(series(10, np.nan, 30), replace(tomorrow(NOW), paths=((1.0, 2.0, 3.0),)))).points)

    moments, measured, expected, low, high, bound = told["values"]
    assert told["unit"] == "/s"
    assert moments == sorted(moments)
    assert measured == [10.0, None, 30.0, None, None]
    assert (expected, low, high) == ([None] * 3 + [2.0, None], [None] * 3 + [1.0, None], [None] * 3 + [3.0, None])
    assert bound == [None, None, 338.0, 338.0, 338.0]


def test_a_forecast_without_steps_still_shows_its_bound() -> None:
    chart = seen(drawn(series(10, 20), replace(tomorrow(NOW), paths=())))

    assert (chart.expected, chart.band) == ("", "")
    assert chart.peak
