"""The rules of trust that every Metrics adapter shares."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.reading import (
    Pulse,
    RawPath,
    RawSample,
    Said,
    Trust,
    chunks,
    points,
    read_instant,
    read_pulse,
    read_range,
)
from detectors.series import Problem

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEP = timedelta(seconds=30)
TRUST = Trust()
FULL = Pulse(NOW, timedelta(seconds=5), 10, oldest=True)


def problems_of(values: list[float], trust: Trust = TRUST) -> frozenset[Problem]:
    times = np.array([(NOW + i * STEP).timestamp() for i in range(len(values))])
    kept = np.array([not math.isnan(value) for value in values], dtype=bool)
    raw = RawPath({"a": "b"}, times[kept], np.array(values)[kept])
    return read_range([raw], NOW, NOW + (len(values) - 1) * STEP, STEP, trust).health.problems


@pytest.mark.parametrize(
    ("pulse", "problem"),
    [
        (FULL, None),
        (Pulse(None, None, None, oldest=False), Problem.MISSING),
        (Pulse(NOW + timedelta(seconds=31), timedelta(), 10, oldest=True), Problem.CLOCK_SKEW),
        (Pulse(NOW - timedelta(minutes=10), timedelta(), 10, oldest=True), Problem.CLOCK_SKEW),
        (Pulse(NOW, timedelta(seconds=61), 10, oldest=True), Problem.STALE),
        (Pulse(NOW, timedelta(seconds=60), 10, oldest=True), None),
        (Pulse(NOW, -timedelta(minutes=1), 10, oldest=True), Problem.CLOCK_SKEW),
        (Pulse(NOW, timedelta(), 9, oldest=True), None),
        (Pulse(NOW, timedelta(), 8, oldest=True), Problem.RECOVERING),
        (Pulse(NOW, timedelta(), 10, oldest=False), Problem.RECOVERING),
    ],
    ids=["full", "none", "ahead", "behind", "stale", "two scrapes", "future", "one lost", "two lost", "just begun"],
)
def test_the_pulse_says_what_a_rate_hides(pulse: Pulse, problem: Problem | None) -> None:
    assert read_pulse(pulse, NOW, TRUST).problems == ({problem} if problem else frozenset())


NAN = math.nan


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([1.0] * 20, None),
        ([1.0] * 18 + [NAN] * 2, None),
        ([1.0] * 17 + [NAN] * 3, Problem.STALE),
        ([1.0] * 12 + [NAN] * 3 + [1.0] * 5, Problem.GAPPED),
        ([1.0] * 12 + [NAN] * 2 + [1.0] * 6, None),
        ([1.0] * 2 + [NAN] * 5 + [1.0] * 13, None),
        ([NAN] * 20, Problem.MISSING),
        ([NAN] * 10 + [1.0] * 10, None),
    ],
    ids=["full", "two late", "three late", "hole", "two lost", "hole long ago", "none", "began later"],
)
def test_holes_at_the_end_are_stale_and_recent_ones_gaps(values: list[float], problem: Problem | None) -> None:
    assert problems_of(values) == ({problem} if problem else frozenset())


@given(st.integers(0, 50_000), st.integers(1, 11_000))
def test_chunks_cover_the_grid_once_and_are_never_too_long(length: int, most: int) -> None:
    end = NOW + length * STEP
    pieces = list(chunks(NOW, end, STEP, most))

    sizes = [points(first, last, STEP) for first, last in pieces]
    assert sum(sizes) == length + 1
    assert max(sizes) <= most
    assert pieces[0][0] == NOW
    assert pieces[-1][1] == end
    assert all(first == before + STEP for (_, before), (first, _) in pairwise(pieces))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(), st.integers(-600, 600)), max_size=12))
def test_what_is_kept_is_finite_fresh_and_single_and_what_is_not_is_named(
    found: list[tuple[str, float, int]],
) -> None:
    raw = [RawSample({"name": name}, value, NOW + timedelta(seconds=late)) for name, value, late in found]

    answer = read_instant(raw, NOW, TRUST)

    assert len({s.labels["name"] for s in answer.samples}) == len(answer.samples)
    assert all(math.isfinite(s.value) and abs(NOW - s.at) <= 2 * STEP for s in answer.samples)
    assert answer.health.healthy == (0 < len(raw) == len(answer.samples))


def test_points_off_the_grid_are_no_answer() -> None:
    off = RawPath({}, np.array([NOW.timestamp() + 7]), np.array([1.0]))

    with pytest.raises(ValueError, match="grid"):
        read_range([off], NOW, NOW + STEP, STEP, TRUST)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("PromQL info: might not be a counter", set()),
        ("PromQL warning: quantile out of range", {Problem.WARNED}),
        ("store failed", {Problem.WARNED, Problem.PARTIAL}),
    ],
)
def test_warnings_cost_trust_and_remarks_do_not(text: str, problems: set[Problem]) -> None:
    sample = RawSample({}, 1.0, NOW)

    assert read_instant([sample], NOW, TRUST, Said((text,))).health.problems == problems
    assert read_instant([sample], NOW, TRUST, Said(infos=(text,))).health.healthy
