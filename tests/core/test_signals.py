"""From fleet answers to one error share per workload."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.alerts import Known
from controller.core.presets import PRESETS, Naming
from controller.core.reading import RawSample, Said, Trust, read_instant
from controller.core.signals import error_shares, nobody_asked, own_share
from controller.ports import Path, Paths
from detectors.series import DataHealth, Problem, Series, Workload

START = datetime(2026, 3, 1, tzinfo=UTC)
STEP = timedelta(seconds=30)
WINDOW = timedelta(minutes=5)
CHECKOUT = Workload("shop", "Deployment", "checkout")
KNOWN = Known(frozenset({CHECKOUT, Workload("shop", "StatefulSet", "db")}), {("shop", "web-1"): CHECKOUT})
ISTIO = PRESETS["istio"].naming
HTTP = PRESETS["http"].naming
NAN = float("nan")


def paths(*found: tuple[dict[str, str], tuple[float, ...]], problems: frozenset[Problem] = frozenset()) -> Paths:
    return Paths(START, STEP, tuple(Path(labels, values) for labels, values in found), DataHealth(problems))


def requests(series: Series) -> list[float]:
    assert series.support is not None
    return [float(value) for value in series.support]


ME = {"destination_workload_namespace": "shop", "destination_workload": "checkout"}


def test_a_share_is_failures_over_load_with_the_requests_behind_it() -> None:
    found = error_shares(paths((ME, (0.0, 1.0))), paths((ME, (10.0, 20.0))), ISTIO, KNOWN, WINDOW)

    assert found[CHECKOUT].values.tolist() == [0.0, 0.05]
    assert requests(found[CHECKOUT]) == [3000.0, 6000.0]
    assert found[CHECKOUT].health.healthy


def test_no_load_is_missing_not_without_errors() -> None:
    found = error_shares(paths((ME, (0.0, NAN))), paths((ME, (0.0, 5.0))), ISTIO, KNOWN, WINDOW)

    assert np.isnan(found[CHECKOUT].values).all()


def test_failures_without_an_answer_are_not_zero() -> None:
    assert error_shares(paths(), paths((ME, (5.0,))), ISTIO, KNOWN, WINDOW) == {}


@pytest.mark.parametrize(
    ("bad", "asked"), [(-1.0, 5.0), (6.0, 5.0), (0.0, -5.0)], ids=["negative", "more than all", "load"]
)
def test_impossible_numbers_are_a_reset(bad: float, asked: float) -> None:
    found = error_shares(paths((ME, (bad,))), paths((ME, (asked,))), ISTIO, KNOWN, WINDOW)

    assert Problem.RESET in found[CHECKOUT].health.problems


def test_twins_that_nobody_declared_are_doubted_not_added_up() -> None:
    failures = paths(({**ME, "replica": "a"}, (1.0,)), ({**ME, "replica": "b"}, (1.01,)))

    found = error_shares(failures, paths((ME, (5.0,))), ISTIO, KNOWN, WINDOW)

    assert found[CHECKOUT].health.problems == {Problem.DUPLICATE}


def test_doubts_about_either_answer_stay_with_the_share() -> None:
    for one, other in ((Problem.STALE, None), (None, Problem.PARTIAL)):
        failures = paths((ME, (0.0,)), problems=frozenset({one} if one else set()))
        load = paths((ME, (5.0,)), problems=frozenset({other} if other else set()))

        assert error_shares(failures, load, ISTIO, KNOWN, WINDOW)[CHECKOUT].health.problems == {one or other}


def test_pods_old_and_new_add_up_to_their_workload() -> None:
    load = paths(
        ({"namespace": "shop", "pod": "web-1"}, (NAN, 2.0)),
        ({"namespace": "shop", "pod": "checkout-7d9f8b6c5-x2x4z"}, (4.0, 4.0)),
        ({"namespace": "shop", "pod": "stranger-7d9f8b6c5-x2x4z"}, (9.0, 9.0)),
    )
    found = error_shares(load, load, HTTP, KNOWN, WINDOW)

    assert found.keys() == {CHECKOUT}
    assert requests(found[CHECKOUT]) == [4.0 * 300, 6.0 * 300]


def test_a_query_of_ones_own_must_give_one_series() -> None:
    assert own_share(paths(({}, (0.1,))), CHECKOUT).health.healthy
    assert own_share(paths(({"a": "1"}, (0.1,)), ({"a": "2"}, (0.2,))), CHECKOUT).health.problems == {Problem.DUPLICATE}
    assert own_share(paths(({}, (1.5,))), CHECKOUT).health.problems == {Problem.RESET}
    assert own_share(paths(problems=frozenset({Problem.MISSING})), CHECKOUT).health.problems == {Problem.MISSING}


@pytest.mark.parametrize(
    ("values", "late", "asked_by_nobody"),
    [
        ((NAN,), 0.0, True),
        ((math.inf,), 0.0, False),
        ((NAN, 0.1), 0.0, False),
        ((NAN, NAN), 0.0, False),
        ((NAN,), 300.0, False),
        ((0.1,), 0.0, False),
        ((), 0.0, False),
    ],
    ids=["0/0", "1/0", "one of two", "two", "long ago", "a share", "nothing"],
)
def test_only_a_lone_present_nan_says_that_nobody_asked(
    values: tuple[float, ...], late: float, asked_by_nobody: bool
) -> None:
    raw = [RawSample({"n": str(n)}, value, START - timedelta(seconds=late)) for n, value in enumerate(values)]

    assert nobody_asked(read_instant(raw, START, Trust(scrape_interval=STEP))) is asked_by_nobody
    warned = read_instant(raw, START, Trust(scrape_interval=STEP), Said(("remote read failed",)))
    assert not nobody_asked(warned)


@given(st.dictionaries(st.sampled_from(["namespace", "pod", "deployment", "exported_pod"]), st.text(max_size=30)))
def test_labels_of_any_text_name_a_known_workload_or_none(labels: dict[str, str]) -> None:
    found = error_shares(paths((labels, (1.0,))), paths((labels, (2.0,))), HTTP, KNOWN, WINDOW)

    assert found.keys() <= KNOWN.workloads


@pytest.mark.parametrize(
    "labels",
    [
        {"namespace": "shop", "deployment": "blue", "pod": "web-1"},
        {"namespace": "shop", "deployment": "blue", "exported_pod": "job-7", "pod": "web-1"},
        {"namespace": "shop", "deployment": "db", "pod": "web-1"},
    ],
    ids=["a label of the application", "an exported pod of the application", "a name of another kind"],
)
def test_a_label_that_names_nothing_known_hides_none_that_does(labels: dict[str, str]) -> None:
    found = error_shares(paths((labels, (1.0,))), paths((labels, (2.0,))), HTTP, KNOWN, WINDOW)

    assert found.keys() == {CHECKOUT}


def test_a_name_of_two_kinds_is_nobodys() -> None:
    known = Known(frozenset({CHECKOUT, Workload("shop", "DaemonSet", "checkout")}))
    naming = Naming(("namespace",), (("service", None),))
    labels = {"namespace": "shop", "service": "checkout"}

    assert error_shares(paths((labels, (1.0,))), paths((labels, (2.0,))), naming, known, WINDOW) == {}
