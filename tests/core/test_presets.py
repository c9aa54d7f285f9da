"""Presets: known by the names a policy may give, filled with numbers only, and documented as they are."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from controller.api.v1alpha1.servicepolicy import Preset as PresetName
from controller.core.preset_page import page
from controller.core.presets import PRESETS, of_twins

WINDOW = timedelta(minutes=5)


def test_every_preset_a_policy_may_name_has_queries_and_no_other() -> None:
    assert set(PRESETS) == {name.value for name in PresetName}


@pytest.mark.checkout
def test_the_reference_page_is_what_the_code_asks() -> None:
    found = Path(__file__).parents[2] / "docs/reference/metrics-presets.md"

    assert found.read_text() == page(), "run make crds"


@pytest.mark.parametrize("quantile", [0.0, 1.0, -1.0, float("nan")])
def test_an_impossible_quantile_never_reaches_a_query(quantile: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        PRESETS["istio"].latency(WINDOW, quantile)


@pytest.mark.parametrize("window", [timedelta(), timedelta(seconds=-1), timedelta(milliseconds=1)])
def test_an_impossible_window_never_reaches_a_query(window: timedelta) -> None:
    with pytest.raises(ValueError, match="window"):
        PRESETS["istio"].load(window)


@pytest.mark.parametrize("name", PRESETS)
def test_twins_are_taken_out_of_every_query_before_it_adds_anything_up(name: str) -> None:
    preset = of_twins(["prometheus_replica"])[name]
    pods = ("shop", ("web-5d8f7c9b6",))
    by_pod = (preset.pod_requests(*pods), preset.pod_failures(*pods)) if preset.per_pod else ()

    for query in (preset.load(WINDOW), preset.failures(WINDOW), preset.latency(WINDOW, 0.99), *by_pod):
        inside = re.findall(r"sum by \([^)]+\) \((.{20})", query)
        assert all(part == "max without (prometh" for part in inside)
        assert bool(inside) is bool(query)


@pytest.mark.parametrize("label", ["", "a b", "0a", "pod) (up", "é"])
def test_what_is_no_label_never_reaches_a_query(label: str) -> None:
    with pytest.raises(ValueError, match="label"):
        of_twins([label])


@pytest.mark.parametrize("name", PRESETS)
def test_every_query_asks_for_the_whole_fleet_by_the_labels_it_is_matched_by(name: str) -> None:
    preset = PRESETS[name]

    for query in (preset.load(WINDOW), preset.failures(WINDOW), preset.latency(WINDOW, 0.99)):
        assert not query or f"{preset.naming.labels})" in query
        assert "namespace=" not in query
