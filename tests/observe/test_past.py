"""Two weeks of load on a fixed grid: what is asked, what is kept, what is not believed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from controller.observe.past import (
    AGAIN,
    CHUNK,
    HARMLESS,
    POINTS,
    SMALLEST,
    STEP,
    TRIES,
    Answered,
    Past,
    Stretch,
)
from detectors.series import Problem, Workload

NOW = datetime(2026, 11, 20, 12, 2, tzinfo=UTC)
SETTLED = timedelta(seconds=30)
ME = Workload("shop", "Deployment", "checkout")
GOOD: frozenset[Problem] = frozenset()
WARNED = frozenset({Problem.WARNED, Problem.PARTIAL})


def value(index: int) -> float:
    return float(index % 1000)


def truth(stretch: Stretch) -> dict[Workload, NDArray[np.float64]]:
    return {ME: np.array([value(index) for index in range(stretch.first, stretch.last + 1)])}


async def fill(
    past: Past, now: datetime, answer: Callable[[Stretch], Answered] = lambda stretch: (truth(stretch), GOOD)
) -> list[Stretch]:
    """One round: ask for all that is due while it is to be believed; what was asked."""
    asked = []

    async def ask(stretch: Stretch) -> Answered:
        asked.append(stretch)
        return answer(stretch)

    await past.fill(now, SETTLED, CHUNK, ask)
    return asked


def ahead(past: Past, now: datetime) -> Stretch:
    stretch = past.ahead(now, SETTLED)
    assert stretch is not None
    return stretch


def spoilt(bad: int, problem: Problem) -> Callable[[Stretch], Answered]:
    """A server that has a doubt about every answer with this grid point in it."""

    def answer(stretch: Stretch) -> Answered:
        return truth(stretch), frozenset({problem}) if stretch.first <= bad <= stretch.last else GOOD

    return answer


async def test_two_weeks_are_asked_for_once_a_day_at_a_time_the_newest_first() -> None:
    past = Past()
    asked = await fill(past, NOW)

    assert asked[0].end == datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    assert sum(map(len, asked)) == POINTS
    assert all(len(stretch) <= CHUNK for stretch in asked)
    assert [later.last for later in asked[1:]] == [earlier.first - 1 for earlier in asked[:-1]]
    assert await fill(past, NOW) == []


async def test_a_new_point_is_asked_for_with_the_two_before_it() -> None:
    past = Past()
    await fill(past, NOW)
    (stretch,) = await fill(past, NOW + STEP)

    assert len(stretch) == 1 + AGAIN
    series = past.series(ME, "requests/s")
    assert series is not None
    assert len(series.values) == POINTS
    assert series.end == stretch.end
    first = round(series.start.timestamp() / STEP.total_seconds())
    assert series.values.tolist() == [value(first + k) for k in range(POINTS)]


def test_a_point_counts_only_when_it_has_been_scraped() -> None:
    at = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    early = ahead(Past(), at + timedelta(seconds=29))
    late = ahead(Past(), at + timedelta(seconds=30))

    assert (early.end, late.end) == (at - STEP, at)


@pytest.mark.parametrize("problem", sorted(set(Problem) - HARMLESS))
async def test_a_doubtful_answer_leaves_no_trace_and_is_asked_for_again(problem: Problem) -> None:
    past = Past()
    await fill(past, NOW)
    before = past.series(ME, "")
    stretch = ahead(past, NOW + STEP)

    assert not past.take(stretch, truth(stretch), frozenset({problem}))
    after = past.series(ME, "")
    assert before is not None
    assert after is not None
    assert np.array_equal(before.values, after.values)
    assert ahead(past, NOW + STEP) == stretch


async def test_an_empty_answer_about_now_proves_nothing() -> None:
    past = Past()
    await fill(past, NOW)
    stretch = ahead(past, NOW + STEP)

    assert not past.take(stretch, {}, frozenset({Problem.MISSING}))
    assert ahead(past, NOW + STEP) == stretch


async def test_a_server_without_old_history_is_not_asked_for_it_again() -> None:
    past = Past()
    newest = ahead(past, NOW)
    await fill(past, NOW, lambda s: (truth(s), GOOD) if s == newest else ({}, frozenset({Problem.MISSING})))

    assert await fill(past, NOW) == []
    series = past.series(ME, "")
    assert series is not None
    assert len(series.values) == CHUNK


@pytest.mark.parametrize("hours", [2, 30, 24 * 20], ids=["hours", "more than a day", "weeks"])
async def test_a_hole_that_was_not_measured_stays_missing(hours: int) -> None:
    """An outage of Prometheus; afterwards all that is known stands at its own time."""
    past = Past()
    await fill(past, NOW)
    newest = past.newest
    assert newest is not None
    back = NOW + timedelta(hours=hours)

    def answer(stretch: Stretch) -> Answered:
        indices = np.arange(stretch.first, stretch.last + 1)
        gone = (indices > newest) & (indices < round(back.timestamp() // STEP.total_seconds()))
        return {ME: np.where(gone, np.nan, truth(stretch)[ME])}, GOOD

    await fill(past, back, answer)
    series = past.series(ME, "")
    assert series is not None
    first = round(series.start.timestamp() / STEP.total_seconds())
    for offset, found in enumerate(series.values):
        index = first + offset
        if newest < index < first + len(series.values) - 1:
            assert np.isnan(found)
        else:
            assert found == value(index)


async def test_what_came_late_fills_the_hole_it_left() -> None:
    past = Past()
    await fill(past, NOW)
    stretch = ahead(past, NOW + STEP)
    late = Workload("shop", "Deployment", "late")
    values = truth(stretch)[ME]
    past.take(stretch, {ME: values, late: np.array([1.0, 2.0, np.nan])}, GOOD)
    again = ahead(past, NOW + 2 * STEP)
    past.take(again, {ME: truth(again)[ME], late: np.array([2.0, 3.0, 4.0])}, GOOD)
    series = past.series(late, "")
    assert series is not None

    assert series.values.tolist() == [1.0, 2.0, 3.0, 4.0]


async def test_a_workload_that_fell_silent_has_a_history_that_ends() -> None:
    past = Past()
    await fill(past, NOW)
    now = NOW
    other = Workload("shop", "Deployment", "other")
    for _ in range(AGAIN + 1):
        now += STEP
        stretch = ahead(past, now)
        past.take(stretch, {other: truth(stretch)[ME]}, GOOD)
    series = past.series(ME, "")

    assert series is not None
    assert np.isnan(series.values[-1])


async def test_less_than_nothing_is_no_load() -> None:
    """One wrong answer of a query must not spoil two weeks."""
    past = Past()
    await fill(past, NOW)
    stretch = ahead(past, NOW + STEP)
    past.take(stretch, {ME: np.array([5.0, -5.0, 6.0])}, GOOD)
    series = past.series(ME, "")

    assert series is not None
    assert (series.values >= 0.0).all()
    assert series.values[-1] == 6.0


@pytest.mark.parametrize("back", [1, 40, CHUNK + 40, POINTS - 2], ids=["now", "hours", "a day", "two weeks"])
async def test_a_value_that_is_no_number_costs_one_point(back: int) -> None:
    """One pod exports NaN for a minute: everybody else's history, and the rest of its own, is there at once."""
    past = Past()
    bad = ahead(past, NOW).last - back

    def answer(stretch: Stretch) -> Answered:
        indices = np.arange(stretch.first, stretch.last + 1)
        problems = frozenset({Problem.NOT_FINITE}) if bad in indices else GOOD
        return {ME: np.where(indices == bad, np.nan, truth(stretch)[ME])}, problems

    assert sum(map(len, await fill(past, NOW, answer))) == POINTS
    series = past.series(ME, "")
    assert series is not None
    assert len(series.values) == POINTS
    assert np.isnan(series.values).sum() == 1


async def test_points_that_are_no_numbers_were_measured_and_are_not_asked_for_again() -> None:
    """0 / 0 in quiet hours."""
    past = Past()
    await fill(past, NOW)
    quiet = {ME: np.full(1 + AGAIN, np.nan)}
    newest = ahead(past, NOW + STEP)

    assert past.take(newest, quiet, frozenset({Problem.NOT_FINITE, Problem.MISSING}))
    assert past.newest == newest.last
    assert past.ahead(NOW + STEP, SETTLED) is None


@pytest.mark.parametrize("problem", sorted(set(Problem) - HARMLESS))
@pytest.mark.parametrize("back", [5, CHUNK - 5, CHUNK + 100, POINTS - 30])
async def test_a_lasting_doubt_about_an_old_point_costs_only_the_points_around_it(problem: Problem, back: int) -> None:
    """A series came twice for a minute, or a stretch can only be answered with a warning: the rest is there soon."""
    past = Past()
    bad = ahead(past, NOW).last - back
    answer, asked = spoilt(bad, problem), []
    for minute in range(60):
        asked += await fill(past, NOW + minute * timedelta(minutes=1), answer)

    series = past.series(ME, "")
    assert series is not None
    holes = np.flatnonzero(np.isnan(series.values))
    assert 0 < len(holes) + (POINTS - len(series.values)) <= SMALLEST
    assert len(asked) < 120


async def test_while_every_answer_is_doubtful_nothing_is_stepped_over() -> None:
    """An hour in which the server warns with each answer, just when two weeks are being asked for."""
    past, now = Past(), NOW
    await fill(past, now, lambda stretch: (truth(stretch), GOOD if stretch.last >= ahead(Past(), NOW).last else WARNED))
    for _ in range(60):
        now += timedelta(minutes=1)
        await fill(past, now, lambda stretch: (truth(stretch), WARNED))
    asked = await fill(past, now)

    series = past.series(ME, "")
    assert series is not None
    assert len(series.values) == POINTS
    assert np.isfinite(series.values).all()
    assert len(asked) < POINTS // CHUNK + TRIES * SMALLEST


@pytest.mark.parametrize("layers", [1, 2])
async def test_rows_may_have_layers(layers: int) -> None:
    """An error share and its support stand at the same points."""
    past = Past(timedelta(minutes=2), 720)

    def answer(stretch: Stretch) -> Answered:
        return {ME: np.vstack([truth(stretch)[ME] + layer for layer in range(layers)])}, GOOD

    await fill(past, NOW, answer)
    await fill(past, NOW + timedelta(minutes=10), answer)
    found = past.known(ME)
    assert found is not None
    first, row = found
    assert row.shape == (layers, 720)
    assert row[:, 0].tolist() == [value(first) + layer for layer in range(layers)]
