"""Two weeks of load on a fixed grid: what is asked, what is kept, what is not believed."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from controller.observe.past import AGAIN, CHUNK, HARMLESS, POINTS, STEP, Past, Stretch
from detectors.series import Problem, Workload

NOW = datetime(2026, 11, 20, 12, 2, tzinfo=UTC)
SETTLED = timedelta(seconds=30)
ME = Workload("shop", "Deployment", "checkout")
GOOD: frozenset[Problem] = frozenset()


def value(index: int) -> float:
    return float(index % 1000)


def truth(stretch: Stretch) -> dict[Workload, NDArray[np.float64]]:
    return {ME: np.array([value(index) for index in range(stretch.first, stretch.last + 1)])}


def fill(past: Past, now: datetime) -> list[Stretch]:
    """Ask for all that is due, and believe it."""
    asked = []
    for stretch in past.due(now, SETTLED):
        asked.append(stretch)
        assert past.take(stretch, truth(stretch), GOOD)
    return asked


def test_two_weeks_are_asked_for_once_a_day_at_a_time_the_newest_first() -> None:
    past = Past()
    asked = fill(past, NOW)

    assert asked[0].end == datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    assert sum(map(len, asked)) == POINTS
    assert all(len(stretch) <= CHUNK for stretch in asked)
    assert [later.last for later in asked[1:]] == [earlier.first - 1 for earlier in asked[:-1]]
    assert fill(past, NOW) == []


def test_a_new_point_is_asked_for_with_the_two_before_it() -> None:
    past = Past()
    fill(past, NOW)
    (stretch,) = fill(past, NOW + STEP)

    assert len(stretch) == 1 + AGAIN
    series = past.series(ME, "requests/s")
    assert series is not None
    assert len(series.values) == POINTS
    assert series.end == stretch.end
    first = round(series.start.timestamp() / STEP.total_seconds())
    assert series.values.tolist() == [value(first + k) for k in range(POINTS)]


def test_a_point_counts_only_when_it_has_been_scraped() -> None:
    at = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    early = next(iter(Past().due(at + timedelta(seconds=29), SETTLED)))
    late = next(iter(Past().due(at + timedelta(seconds=30), SETTLED)))

    assert (early.end, late.end) == (at - STEP, at)


@pytest.mark.parametrize("problem", sorted(set(Problem) - HARMLESS))
def test_a_doubtful_answer_leaves_no_trace_and_is_asked_for_again(problem: Problem) -> None:
    past = Past()
    fill(past, NOW)
    before = past.series(ME, "")
    (stretch,) = past.due(NOW + STEP, SETTLED)

    assert not past.take(stretch, truth(stretch), frozenset({problem}))
    after = past.series(ME, "")
    assert before is not None
    assert after is not None
    assert np.array_equal(before.values, after.values)
    assert list(past.due(NOW + STEP, SETTLED)) == [stretch]


def test_an_empty_answer_about_now_proves_nothing() -> None:
    past = Past()
    fill(past, NOW)
    (stretch,) = past.due(NOW + STEP, SETTLED)

    assert not past.take(stretch, {}, frozenset({Problem.MISSING}))
    assert list(past.due(NOW + STEP, SETTLED)) == [stretch]


def test_a_server_without_old_history_is_not_asked_for_it_again() -> None:
    past = Past()
    for number, stretch in enumerate(past.due(NOW, SETTLED)):
        found: Mapping[Workload, NDArray[np.float64]] = truth(stretch) if number == 0 else {}
        past.take(stretch, found, GOOD if number == 0 else frozenset({Problem.MISSING}))

    assert list(past.due(NOW, SETTLED)) == []
    series = past.series(ME, "")
    assert series is not None
    assert len(series.values) == CHUNK


@pytest.mark.parametrize("hours", [2, 30, 24 * 20], ids=["hours", "more than a day", "weeks"])
def test_a_hole_that_was_not_measured_stays_missing(hours: int) -> None:
    """An outage of Prometheus; afterwards all that is known stands at its own time."""
    past = Past()
    fill(past, NOW)
    newest = past.newest
    assert newest is not None
    back = NOW + timedelta(hours=hours)
    for stretch in past.due(back, SETTLED):
        values = truth(stretch)[ME]
        indices = np.arange(stretch.first, stretch.last + 1)
        gone = (indices > newest) & (indices < round(back.timestamp() // STEP.total_seconds()))
        past.take(stretch, {ME: np.where(gone, np.nan, values)}, GOOD)
    series = past.series(ME, "")
    assert series is not None
    first = round(series.start.timestamp() / STEP.total_seconds())
    for offset, found in enumerate(series.values):
        index = first + offset
        if newest < index < first + len(series.values) - 1:
            assert np.isnan(found)
        else:
            assert found == value(index)


def test_what_came_late_fills_the_hole_it_left() -> None:
    past = Past()
    fill(past, NOW)
    (stretch,) = past.due(NOW + STEP, SETTLED)
    late = Workload("shop", "Deployment", "late")
    values = truth(stretch)[ME]
    past.take(stretch, {ME: values, late: np.array([1.0, 2.0, np.nan])}, GOOD)
    (again,) = past.due(NOW + 2 * STEP, SETTLED)
    past.take(again, {ME: truth(again)[ME], late: np.array([2.0, 3.0, 4.0])}, GOOD)
    series = past.series(late, "")
    assert series is not None

    assert series.values.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_a_workload_that_fell_silent_has_a_history_that_ends() -> None:
    past = Past()
    fill(past, NOW)
    now = NOW
    other = Workload("shop", "Deployment", "other")
    for _ in range(AGAIN + 1):
        now += STEP
        (stretch,) = past.due(now, SETTLED)
        past.take(stretch, {other: truth(stretch)[ME]}, GOOD)
    series = past.series(ME, "")

    assert series is not None
    assert np.isnan(series.values[-1])


def test_less_than_nothing_is_no_load() -> None:
    """One wrong answer of a query must not spoil two weeks."""
    past = Past()
    fill(past, NOW)
    (stretch,) = past.due(NOW + STEP, SETTLED)
    past.take(stretch, {ME: np.array([5.0, -5.0, 6.0])}, GOOD)
    series = past.series(ME, "")

    assert series is not None
    assert (series.values >= 0.0).all()
    assert series.values[-1] == 6.0
