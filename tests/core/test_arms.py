"""Counters of pods as counts of two versions: by owner, without resets, without first samples."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.arms import alone, belongs, evidence_of, increments
from controller.core.presets import PRESETS, held_to_a_name
from controller.core.rollout import Version
from controller.ports import Path, Paths
from detectors.series import HEALTHY, DataHealth, Problem

START = datetime.fromisoformat("2026-11-20T14:00:00+00:00")
STEP = timedelta(seconds=15)
NEW, OLD = Version("rs-42", "checkout-7b6f5c4d8", "v42"), Version("rs-41", "checkout-5d8f7c9b6", "v41")
HTTP, ISTIO = PRESETS["http"], PRESETS["istio"]
NAN = math.nan


def paths(*series: tuple[str, list[float]], **labels: str) -> Paths:
    found = (Path({"namespace": "shop", "pod": pod, **labels}, tuple(values)) for pod, values in series)
    return Paths(START, STEP, tuple(found), HEALTHY)


def test_each_pod_counts_for_the_version_that_owns_it() -> None:
    a, b, c = "checkout-7b6f5c4d8-aaaaa", "checkout-5d8f7c9b6-bbbbb", "checkout-5d8f7c9b6-ccccc"
    requests = paths((a, [0, 10, 20]), (b, [5, 25, 45]), (c, [0, 1, 2]), ("other-6d8f7c9b6-ddddd", [0, 9, 9]))
    failures = paths((a, [0, 1, 3]), (b, [1, 1, 1]), (c, [0, 0, 0]))

    evidence = evidence_of(requests, failures, HTTP, "shop", NEW, OLD, {a: "rs-42", b: "rs-41"})

    assert evidence.canary.requests.tolist() == [[10, 10]]
    assert evidence.canary.failures.tolist() == [[1, 2]]
    assert evidence.baseline.requests.tolist() == [[20, 20], [1, 1]]
    assert evidence.times.tolist() == [(START + STEP).timestamp(), (START + 2 * STEP).timestamp()]


def test_what_the_old_version_counted_alone_is_of_its_pods_only() -> None:
    a, b = "checkout-7b6f5c4d8-aaaaa", "checkout-5d8f7c9b6-bbbbb"
    requests, failures = paths((a, [NAN, 0, 10]), (b, [0, 40, 60])), paths((a, [NAN, 0, 1]), (b, [0, 3, 3]))

    found = alone(requests, failures, HTTP, "shop", OLD, {})

    assert found is not None
    assert (found.requests.tolist(), found.failures.tolist()) == ([[40, 20]], [[3, 0]])


@pytest.mark.parametrize(("problem", "kept"), [(Problem.GAPPED, True), (Problem.PARTIAL, False)])
def test_nothing_is_learned_from_what_cannot_be_believed(problem: Problem, kept: bool) -> None:
    """A hole leaves looks missing; anything else may have changed the numbers."""
    requests = replace(paths(("checkout-5d8f7c9b6-bbbbb", [0, 40])), health=DataHealth(frozenset({problem})))

    assert (alone(requests, requests, HTTP, "shop", OLD, {}) is not None) is kept


def test_a_pod_is_owned_by_what_the_cluster_says_whatever_its_name() -> None:
    pod = "checkout-7b6f5c4d8-aaaaa"

    assert belongs(pod, NEW, {})
    assert not belongs(pod, NEW, {pod: "rs-41"})
    assert belongs(pod, OLD, {pod: "rs-41"})
    assert not belongs("checkout-7b6f5c4d8x-aaaaa", NEW, {})


def test_another_namespace_and_what_names_no_pod_are_left_out() -> None:
    pod = "checkout-7b6f5c4d8-aaaaa"
    elsewhere = Paths(
        START, STEP, (Path({"namespace": "other", "pod": pod}, (0.0, 9.0)), Path({}, (0.0, 9.0))), HEALTHY
    )

    evidence = evidence_of(elsewhere, elsewhere, HTTP, "shop", NEW, OLD, {})

    assert len(evidence.canary.requests) == len(evidence.baseline.requests) == 0


def test_the_exported_pod_goes_before_the_pod_that_was_scraped() -> None:
    pod = "checkout-7b6f5c4d8-aaaaa"
    found = paths(("exporter-0", [0, 7]), exported_namespace="shop", exported_pod=pod)

    evidence = evidence_of(found, found, HTTP, "shop", NEW, OLD, {})

    assert evidence.canary.requests.tolist() == [[7]]


def test_a_counter_that_came_twice_is_a_doubt() -> None:
    pod = "checkout-7b6f5c4d8-aaaaa"
    twice = paths((pod, [0, 10]), (pod, [0, 12]))

    evidence = evidence_of(twice, twice, ISTIO, "shop", NEW, OLD, {})

    assert Problem.DUPLICATE in evidence.health.problems


@pytest.mark.parametrize(
    ("requests", "failures"), [([0, -1], [0, 0]), ([0, 9], [0, -1]), ([0, 9], [0, 10])],
    ids=["below zero", "failures below zero", "more failures than requests"],
)  # fmt: skip
def test_counters_that_no_process_can_have_are_a_doubt(requests: list[float], failures: list[float]) -> None:
    pod = "checkout-7b6f5c4d8-aaaaa"
    evidence = evidence_of(paths((pod, requests)), paths((pod, failures)), HTTP, "shop", NEW, OLD, {})

    assert Problem.RESET in evidence.health.problems


def test_the_doubts_of_both_answers_travel_with_the_counts() -> None:
    stale = Paths(START, STEP, (), DataHealth(frozenset({Problem.STALE})))
    warned = Paths(START, STEP, (), DataHealth(frozenset({Problem.WARNED})))

    assert evidence_of(stale, warned, HTTP, "shop", NEW, OLD, {}).health.problems == {Problem.STALE, Problem.WARNED}


def test_answers_on_different_grids_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="different grids"):
        evidence_of(paths(), Paths(START, 2 * STEP, (), HEALTHY), HTTP, "shop", NEW, OLD, {})


@pytest.mark.parametrize(
    ("requests", "failures", "asked", "failed"),
    [
        ([0, 10, 30], [0, 1, 1], [10, 20], [1, 0]),
        ([NAN, 10, 30], [NAN, 5, 6], [NAN, 20], [NAN, 1]),
        ([0, NAN, 30, 40], [0, NAN, 1, 1], [NAN, NAN, 10], [NAN, NAN, 0]),
        ([100, 110, 5, 15], [9, 9, 0, 1], [10, NAN, 10], [0, NAN, 1]),
        ([100, 110, 120], [9, 3, 4], [NAN, 10], [NAN, 1]),
    ],
    ids=["grows", "begins", "hole", "restart", "failures fell"],
)
def test_increments_are_known_only_between_two_points_of_one_process(
    requests: list[float], failures: list[float], asked: list[float], failed: list[float]
) -> None:
    found = increments(np.array(requests, dtype=float), np.array(failures, dtype=float))

    np.testing.assert_array_equal(found[0], asked)
    np.testing.assert_array_equal(found[1], failed)


@given(st.lists(st.floats(0, 1e9) | st.just(NAN), min_size=2, max_size=20))
def test_no_increment_is_below_zero(values: list[float]) -> None:
    counter = np.array(values)
    asked, failed = increments(counter, counter)

    assert not np.any(asked < 0)
    np.testing.assert_array_equal(np.isnan(asked), np.isnan(failed))


# The queries


def test_pods_are_asked_for_by_names_of_the_cluster_only() -> None:
    query = HTTP.pod_failures("shop", (NEW.replica_set, OLD.replica_set))

    assert 'namespace="shop",pod=~"(?:checkout-7b6f5c4d8|checkout-5d8f7c9b6)-[a-z0-9]{5}",exported_pod=""' in query
    assert query.endswith("* 0")


@pytest.mark.parametrize(
    "text", ['shop"} or vector(1) #', "Shop", "", "a b", "-a", "a-", "a\n", "shop|.*"],
    ids=["injected", "capital", "empty", "space", "dash first", "dash last", "line break", "pattern"],
)  # fmt: skip
def test_what_is_no_name_never_reaches_a_query(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes name"):
        held_to_a_name(text)
    with pytest.raises(ValueError, match="not a Kubernetes name"):
        ISTIO.pod_requests(text, ("checkout-5d8f7c9b6",))
    with pytest.raises(ValueError, match="not a Kubernetes name"):
        ISTIO.pod_requests("shop", (text,))


def test_a_dot_in_a_name_is_a_dot() -> None:
    assert "a[.]b-5d8f7c9b6" in ISTIO.pod_requests("shop", ("a.b-5d8f7c9b6",))
