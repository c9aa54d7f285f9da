import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.web.strip import gauges
from tests.core.samples import CRASHING, HEALTHY


def test_a_value_stands_against_its_band_when_noticed_and_now() -> None:
    errors, ready, crashing = gauges(CRASHING, HEALTHY)

    assert (errors.noticed, errors.now, errors.normal) == ("4.1 % (p = 3·10⁻⁹)", "0.2 %", "0.1–0.3 %")
    assert errors.bar is not None
    assert errors.bar.noticed is not None
    assert errors.bar.now is not None
    assert errors.bar.low < errors.bar.now < errors.bar.high < errors.bar.noticed
    assert (ready.noticed, ready.now, ready.normal) == ("5", "12", "12")
    assert (crashing.noticed, crashing.now) == ("58 %", "0 %")


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, "much", True], ids=str)
def test_what_was_not_measured_is_unknown_never_zero(missing: object) -> None:
    now: dict[str, Any] = {**HEALTHY, "signals.errors.value": missing}
    errors = gauges(CRASHING, now)[0]

    assert errors.now == "unknown"
    assert errors.bar is not None
    assert errors.bar.now is None


def test_an_indicator_nobody_measured_is_not_drawn() -> None:
    assert gauges({}, {}) == ()


def test_without_a_band_there_is_no_picture() -> None:
    (errors,) = gauges({"signals.errors.value": 0.5}, {})

    assert (errors.normal, errors.bar) == ("no band yet", None)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_every_mark_lies_on_the_bar(low: float, high: float, noticed: float, now: float) -> None:
    before = {
        "signals.errors.value": noticed,
        "signals.errors.low": min(low, high),
        "signals.errors.high": max(low, high),
    }
    found = gauges(before, {"signals.errors.value": now})[0].bar

    assert found is not None
    assert found.noticed is not None
    assert found.now is not None
    assert 0 <= found.low <= found.high <= 100
    assert 0 <= found.noticed <= 100
    assert 0 <= found.now <= 100
