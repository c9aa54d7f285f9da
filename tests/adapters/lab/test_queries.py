"""The lab knows the queries that the presets write, with any number in them, and no other."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.lab.quantile import histogram_quantile
from controller.adapters.lab.queries import Asked, AskedPods, OfPods, What, asked
from controller.core.presets import PRESETS, Preset

WINDOWS = st.integers(1, 10**7).map(lambda seconds: timedelta(seconds=seconds))
EDGES = np.array([0.1, 0.2, 0.4, np.inf])


@given(st.sampled_from(sorted(PRESETS)), WINDOWS, st.floats(1e-6, 0.999999))
def test_every_query_of_a_preset_is_recognised(name: str, window: timedelta, quantile: float) -> None:
    preset = PRESETS[name]

    assert asked(preset.load(window)) == Asked(preset, What.LOAD, window)
    if preset.failed:
        assert asked(preset.failures(window)) == Asked(preset, What.FAILURES, window)
    if preset.buckets:
        found = asked(preset.latency(window, quantile))
        assert isinstance(found, Asked)
        assert (found.what, found.window) == (What.LATENCY, window)
        assert found.quantile == pytest.approx(quantile, rel=1e-5)


@given(
    st.sampled_from([preset for preset in PRESETS.values() if preset.per_pod]),
    st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True),
    st.lists(st.from_regex(r"[a-z]([-a-z0-9.]{0,8}[a-z0-9])?", fullmatch=True), min_size=1, max_size=3),
)
def test_every_query_by_pod_is_recognised(preset: Preset, namespace: str, sets: list[str]) -> None:
    requests, failures = preset.pod_requests(namespace, sets), preset.pod_failures(namespace, sets)

    assert asked(requests) == AskedPods(preset, OfPods.REQUESTS, namespace, tuple(sets))
    assert asked(failures) == AskedPods(preset, OfPods.FAILURES, namespace, tuple(sets))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_what_only_looks_like_one_is_not_known(preset: Preset) -> None:
    load, window = preset.load(timedelta(minutes=5)), timedelta(minutes=5)

    for text in (f"{load} ", f"{load} or vector(0)", load.replace("[300s]", "[5m]"), load.upper(), ""):
        assert asked(text) is None
    mixed = preset.failures(window).replace("[300s]", "[60s]", 1)
    assert asked(mixed) is None


def test_a_quantile_is_linear_within_its_bucket() -> None:
    """promql/quantile.go: half of ten requests lie in the second bucket."""
    counted = np.array([[2.0, 8.0, 10.0, 10.0]])

    assert histogram_quantile(0.5, counted, EDGES) == pytest.approx([0.15])
    assert histogram_quantile(0.1, counted, EDGES) == pytest.approx([0.05])
    assert histogram_quantile(0.9, counted, EDGES) == pytest.approx([0.3])


def test_the_last_bucket_answers_its_lower_edge_and_nothing_counted_nothing() -> None:
    assert histogram_quantile(0.99, np.array([[0.0, 0.0, 1.0, 10.0]]), EDGES) == pytest.approx([0.4])
    assert np.isnan(histogram_quantile(0.99, np.zeros((1, 4)), EDGES)).all()


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4), st.floats(0.01, 0.99))
def test_a_higher_quantile_is_never_smaller(counts: list[int], quantile: float) -> None:
    counted = np.cumsum(np.array([counts], dtype=np.float64), axis=1)
    low, high = (histogram_quantile(q, counted, EDGES) for q in (quantile / 2, quantile))

    assert np.isnan(low).all() == (sum(counts) == 0)
    assert sum(counts) == 0 or (low <= high + 1e-12).all()
