"""The chain over the log: any change of any row, or of their order, is found."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.chain import GENESIS, MOST_FAULTS, Inspection, Row, canonical, instant, link

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANGED: dict[str, Any] = {
    "stream": "b",
    "number": 9,
    "kind": "closed",
    "version": 2,
    "body": '{"a": 1}',
    "at": AT + timedelta(microseconds=1),
    "recorded_at": AT + timedelta(microseconds=1),
}

Log = list[tuple[Row, str]]


def log(length: int) -> Log:
    """A log of one stream."""
    head, made = GENESIS, list[tuple[Row, str]]()
    for number in range(1, length + 1):
        row = Row(number, "a", number, "noted", 1, '{"a":1}', AT, AT)
        head = link(head, row)
        made.append((row, head))
    return made


def faults(stored: Log, told: Log, expected_head: str | None = None) -> tuple[str, ...]:
    """What is found in `stored` by a store that has recorded the end of `told`."""
    inspection = Inspection(expected_head)
    for row, chain in stored:
        inspection.feed(row, chain)
    return inspection.conclude(told[-1][0].sequence if told else 0, told[-1][1] if told else GENESIS)[2]


@given(st.integers(0, 20))
def test_s34_an_untouched_log_has_no_fault(length: int) -> None:
    whole = log(length)

    assert faults(whole, whole) == ()
    for _, chain in whole:
        assert faults(whole, whole, expected_head=chain) == ()


@pytest.mark.parametrize("name", [field.name for field in fields(Row) if field.name != "sequence"])
@given(where=st.integers(0, 4))
def test_s34_a_change_of_any_column_is_found_where_it_is(name: str, where: int) -> None:
    whole = log(5)
    row, chain = whole[where]
    changed = [*whole[:where], (replace(row, **{name: CHANGED[name]}), chain), *whole[where + 1 :]]

    found = faults(changed, whole)

    assert any(fault.startswith(f"event {where + 1} (") and "does not match" in fault for fault in found)


@given(st.sets(st.integers(0, 9), min_size=1, max_size=9))
def test_s34_any_deletion_is_found(gone: set[int]) -> None:
    whole = log(10)

    assert faults([pair for index, pair in enumerate(whole) if index not in gone], whole)


@given(st.permutations(range(6)))
def test_s34_any_other_order_is_found(order: list[int]) -> None:
    whole = log(6)
    shuffled = [(replace(whole[old][0], sequence=new + 1), whole[old][1]) for new, old in enumerate(order)]

    assert bool(faults(shuffled, whole)) == (order != sorted(order))


@given(st.integers(0, 8))
def test_s34_a_consistent_cut_is_found_by_a_head_from_elsewhere(kept: int) -> None:
    whole = log(9)
    cut = whole[:kept]

    assert faults(cut, cut) == ()
    assert "known elsewhere is not in the log" in faults(cut, cut, expected_head=whole[-1][1])[0]


def test_a_thousand_faults_are_told_briefly() -> None:
    broken = [(row, "00") for row, _ in log(1000)]

    found = faults(broken, broken)

    assert len(found) == MOST_FAULTS + 1
    assert found[-1] == "and 900 more"


def test_one_instant_has_one_text() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert instant(AT) == instant(elsewhere) == "2026-03-01T12:00:00.000000Z"
    with pytest.raises(ValueError, match="time zone"):
        instant(AT.replace(tzinfo=None))


@given(st.dictionaries(st.text(), st.integers()))
def test_canonical_text_does_not_depend_on_order(value: dict[str, int]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)
