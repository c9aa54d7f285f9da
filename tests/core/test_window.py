"""A budget over a sliding window: never exceeded, and what it says about later is true."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.core.window import NEVER, Claim, fits, frees_at, spent

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = timedelta(hours=1)

claims = st.lists(
    st.builds(
        Claim,
        at=st.integers(-120, 30).map(lambda minutes: NOW + timedelta(minutes=minutes)),
        units=st.sampled_from((0.0, 0.1, 0.5, 1.0, 2.0)),
    ),
    max_size=8,
)
limits = st.sampled_from((0.0, 0.5, 1.0, 3.0))
units = st.sampled_from((0.0, 0.1, 1.0, 2.0))


def room(taken: list[Claim], limit: float, wanted: float, at: datetime) -> bool:
    """Whether a claim fits at a time, from the definition."""
    return spent(taken, WINDOW, at) + wanted <= limit + 1e-9


@given(claims, limits, units)
def test_s8_a_claim_fits_exactly_when_the_limit_holds_with_it(taken: list[Claim], limit: float, wanted: float) -> None:
    assert (frees_at(taken, WINDOW, limit, wanted, NOW) is None) == room(taken, limit, wanted, NOW)


@given(claims, limits, units)
def test_it_fits_at_the_time_that_is_told_and_not_just_before(taken: list[Claim], limit: float, wanted: float) -> None:
    told = frees_at(taken, WINDOW, limit, wanted, NOW)

    if told is None:
        return
    if told == NEVER:
        assert not fits((), limit, wanted)
        return
    assert told > NOW
    assert room(taken, limit, wanted, told)
    assert not room(taken, limit, wanted, told - timedelta(microseconds=1))


@given(claims, limits, units, units)
def test_a_larger_claim_never_fits_earlier(taken: list[Claim], limit: float, wanted: float, more: float) -> None:
    small = frees_at(taken, WINDOW, limit, wanted, NOW) or NOW
    large = frees_at(taken, WINDOW, limit, wanted + more, NOW) or NOW

    assert large >= small
