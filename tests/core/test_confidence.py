"""Confidence is a count of outcomes, and nothing else raises it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.confidence import BORROWED, Tally, measured

NONE = Tally()


@st.composite
def tallies(draw: st.DrawFn, most: int = 200) -> Tally:
    n = draw(st.integers(0, most))
    return Tally(draw(st.integers(0, n)), n)


def test_21_of_21_earn_90() -> None:
    assert measured(NONE, Tally(21, 21), 1.0, 1.0).lower == pytest.approx(0.90, abs=0.005)
    assert measured(NONE, Tally(20, 20), 1.0, 1.0).lower < 0.90 <= measured(NONE, Tally(21, 21), 1.0, 1.0).lower


def test_19_of_21_is_what_the_example_shows() -> None:
    shown = measured(NONE, Tally(19, 21), 0.99, 0.93)

    assert (round(shown.estimate, 2), round(shown.lower, 2), shown.good, shown.n) == (0.87, 0.78, 19, 21)


def test_nothing_known_is_a_coin_and_a_low_bound() -> None:
    cold = measured(NONE, NONE, 1.0, 1.0)

    assert (cold.estimate, round(cold.lower, 2), cold.n) == (0.5, 0.1, 0)


@given(tallies(), tallies(), st.floats(0, 1), st.floats(0, 1))
def test_what_is_abnormal_and_what_caused_it_only_cap(
    elsewhere: Tally, here: Tally, abnormal: float, cause: float
) -> None:
    free, capped = measured(elsewhere, here, 1.0, 1.0), measured(elsewhere, here, abnormal, cause)

    assert capped.estimate == min(free.estimate, abnormal, cause)
    assert capped.lower == min(free.lower, abnormal, cause)
    assert 0 <= capped.lower <= capped.estimate <= 1


@given(tallies(), tallies())
def test_a_good_outcome_never_lowers_and_a_bad_one_never_raises(elsewhere: Tally, here: Tally) -> None:
    before = measured(elsewhere, here, 1.0, 1.0)

    assert measured(elsewhere, here.with_label(True), 1.0, 1.0).lower >= before.lower
    assert measured(elsewhere, here.with_label(False), 1.0, 1.0).lower <= before.lower
    assert measured(elsewhere, here.with_label(False), 1.0, 1.0).estimate <= before.estimate


@given(st.integers(30, 10_000))
def test_a_record_elsewhere_is_worth_at_most_so_many_outcomes(n: int) -> None:
    """However well it went elsewhere, a service that sees it fail counts for itself."""
    assert measured(Tally(n, n), NONE, 1.0, 1.0).lower == pytest.approx(measured(Tally(30, 30), NONE, 1.0, 1.0).lower)
    assert measured(Tally(n, n), Tally(0, 30), 1.0, 1.0).estimate == pytest.approx(0.5)
    assert BORROWED == 30


@given(st.integers(1, 29))
def test_a_small_record_elsewhere_counts_as_it_is(n: int) -> None:
    assert measured(Tally(n, n), NONE, 1.0, 1.0).lower == measured(NONE, Tally(n, n), 1.0, 1.0).lower


def test_the_record_shown_is_everything_seen() -> None:
    both = measured(Tally(40, 50), Tally(3, 4), 1.0, 1.0)

    assert (both.good, both.n) == (43, 54)
