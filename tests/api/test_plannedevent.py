"""S12: freeze windows mean the clock on the wall, across time zones and changes of clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.read import BadObject, from_cluster
from controller.api.v1alpha1.plannedevent import PlannedEvent
from tests.api.examples import EVENT, spoilt


def window(start: str, end: str, zone: str) -> PlannedEvent:
    event = spoilt(spoilt(EVENT, "spec.from", start), "spec.until", end)
    return from_cluster(PlannedEvent, spoilt(event, "spec.timeZone", zone))


@pytest.mark.parametrize(
    ("start", "end", "zone", "begins", "ends"),
    [
        ("2026-11-27T08:00", "2026-11-27T22:00", "Europe/Berlin", "2026-11-27T07:00", "2026-11-27T21:00"),
        ("2026-07-01T08:00", "2026-07-01T22:00", "Europe/Berlin", "2026-07-01T06:00", "2026-07-01T20:00"),
        ("2026-11-27T08:00", "2026-11-27T22:00", "Asia/Kolkata", "2026-11-27T02:30", "2026-11-27T16:30"),
        ("2026-11-27T08:00", "2026-11-27T22:00", "UTC", "2026-11-27T08:00", "2026-11-27T22:00"),
        ("2026-10-25T02:30", "2026-10-25T03:30", "Europe/Berlin", "2026-10-25T00:30", "2026-10-25T02:30"),
        ("2026-10-24T22:00", "2026-10-25T02:30", "Europe/Berlin", "2026-10-24T20:00", "2026-10-25T01:30"),
        ("2026-03-29T02:30", "2026-03-29T04:00", "Europe/Berlin", "2026-03-29T00:30", "2026-03-29T02:00"),
        ("2026-03-28T22:00", "2026-03-29T02:30", "Europe/Berlin", "2026-03-28T21:00", "2026-03-29T01:30"),
    ],
    ids=[
        "winter", "summer", "half an hour", "utc",
        "begins at a time shown twice: the first", "ends at a time shown twice: the second",
        "begins at a time never shown: the earlier reading", "ends at a time never shown: the later reading",
    ],
)  # fmt: skip
def test_s12_a_window_is_as_long_as_any_reading_of_the_clock(
    start: str, end: str, zone: str, begins: str, ends: str
) -> None:
    event = window(start, end, zone)

    assert event.spec.begins() == datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert event.spec.ends() == datetime.fromisoformat(ends).replace(tzinfo=UTC)


WHOLE_SECONDS = st.integers(0, 30 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))


@given(
    instant=st.integers(1_577_836_800, 2_051_222_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    before=WHOLE_SECONDS,
    after=WHOLE_SECONDS.filter(bool),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
)
def test_s12_a_window_covers_every_instant_whose_clock_shows_a_time_within_it(
    instant: datetime, before: timedelta, after: timedelta, zone: str
) -> None:
    clock = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    event = window((clock - before).isoformat(), (clock + after).isoformat(), zone)

    assert event.spec.begins() <= instant <= event.spec.ends()


@pytest.mark.parametrize("zone", ["Europe/Berlinn", "Mars/Phobos", "CET+1", "../etc/passwd"])
def test_a_time_zone_that_nobody_knows_is_refused(zone: str) -> None:
    with pytest.raises(BadObject):
        window("2026-11-27T08:00", "2026-11-27T22:00", zone)


@pytest.mark.parametrize("date", ["2026-02-30T08:00", "2026-13-01T08:00", "2026-11-27T25:00"])
def test_a_date_that_no_calendar_has_is_refused(date: str) -> None:
    with pytest.raises(BadObject):
        window(date, "2027-11-27T22:00", "UTC")
