import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from controller.api.read import BadObject, any_from_file, from_cluster, from_file
from controller.api.v1alpha1.automationpause import AutomationPause
from controller.api.v1alpha1.plannedevent import PlannedEvent
from controller.api.v1alpha1.remediation import Remediation
from controller.api.v1alpha1.servicepolicy import ServicePolicy
from controller.core.policy import CanaryMode, Mode, ScalingMode
from tests.api.examples import EVENT, IMPOSSIBLE, PAUSE, POLICY, REMEDIATION, Json, spoilt

KINDS: dict[str, type[BaseModel]] = {
    "ServicePolicy": ServicePolicy,
    "PlannedEvent": PlannedEvent,
    "AutomationPause": AutomationPause,
}


@pytest.mark.parametrize("good", [POLICY, EVENT, PAUSE, REMEDIATION], ids=lambda good: good["kind"])
def test_a_file_is_the_object_that_the_cluster_serves(good: Json) -> None:
    read = any_from_file(yaml.safe_dump(spoilt(good, "spec", _without_null(good["spec"]))), "a.yaml")

    assert read == from_cluster(type(read), good)


@pytest.mark.parametrize("case", IMPOSSIBLE, ids=str)
def test_a_file_that_says_something_impossible_is_refused_with_its_place(case: str) -> None:
    good, path, value = IMPOSSIBLE[case]

    with pytest.raises(BadObject) as refused:
        any_from_file(yaml.safe_dump(_plain(spoilt(good, path, value))), "a.yaml")

    assert all(problem.startswith("a.yaml:") for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("wrong", "place", "nearest"),
    [
        ("automaticAbov: 90", "a.yaml:7:5", "Did you mean automaticAbove?"),
        ("automatic_above: 90", "a.yaml:7:5", "Did you mean automaticAbove?"),
        ("mode: Automatic", "a.yaml:7:11", "Did you mean Auto?"),
        ("mode: Off", "a.yaml:7:11", 'quote it, "Off"'),
        ("automaticAbove: 20", "a.yaml:7:21", "an integer percent from 50 to 100, or Never"),
    ],
)
def test_a_mistake_in_a_file_names_line_column_and_the_nearest_word(wrong: str, place: str, nearest: str) -> None:
    text = f"""apiVersion: trimtab.dev/v1alpha1
kind: ServicePolicy
metadata: {{name: checkout}}
spec:
  target: {{kind: Deployment, name: checkout}}
  remediation:
    {wrong}
"""
    with pytest.raises(BadObject) as refused:
        from_file(ServicePolicy, text, "a.yaml")

    (problem,) = refused.value.problems
    assert problem.startswith(f"{place}: ")
    assert nearest in problem


def test_every_mistake_of_a_file_is_told_at_once() -> None:
    bad = spoilt(spoilt(POLICY, "spec.remediation.mode", "Sometimes"), "spec.target.kind", "deployment")

    with pytest.raises(BadObject) as refused:
        any_from_file(yaml.safe_dump(bad), "a.yaml")

    assert len(refused.value.problems) == 2


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(BadObject, match="Did you mean ServicePolicy"):
        any_from_file("kind: ServicePolcy\n", "a.yaml")


def test_absent_fields_are_the_inert_choice() -> None:
    policy = from_cluster(ServicePolicy, _policy({}))

    assert policy.spec.remediation.mode is Mode.OBSERVE
    assert policy.spec.remediation.automatic_above == "Never"
    assert policy.spec.scaling.mode is ScalingMode.OBSERVE
    assert policy.spec.canary.mode is CanaryMode.OBSERVE
    assert policy.spec.metrics.preset is None


def test_mode_auto_without_a_threshold_never_acts_alone() -> None:
    """The API server prunes a misspelt automaticAbove: what is left must not be freer than what was meant."""
    policy = from_cluster(ServicePolicy, _policy({"remediation": {"mode": "Auto", "automaticAbov": 99}}))

    assert policy.spec.remediation.automatic_above == "Never"


@pytest.mark.parametrize("part", ["scaling", "canary", "remediation", "metrics", "anomalies", "objectives"])
def test_null_is_absent_and_hence_inert(part: str) -> None:
    assert from_cluster(ServicePolicy, _policy({part: None})).spec == from_cluster(ServicePolicy, _policy({})).spec


def test_fields_of_a_later_version_are_passed_over_when_the_cluster_serves_them() -> None:
    later = spoilt(POLICY, "spec.remediation.patience", "5m")

    assert from_cluster(ServicePolicy, later) == from_cluster(ServicePolicy, POLICY)


@pytest.mark.parametrize("selector", [{}, {"matchLabels": None}, {"matchLabels": {}}, {"all": None}], ids=str)
def test_s6_a_selector_that_selects_nothing_is_no_event(selector: Json) -> None:
    with pytest.raises(BadObject):
        from_cluster(PlannedEvent, spoilt(EVENT, "spec.services", selector))


@pytest.mark.parametrize("spec", [..., None, {}, {"namespaces": []}, {"namespaces": None}], ids=str)
def test_s6_a_pause_that_names_no_namespace_covers_everything(spec: Any) -> None:
    """The one selector that differs: stopping is the safe side."""
    pause = from_cluster(AutomationPause, spoilt(PAUSE, "spec", spec))

    assert pause.covers("shop")
    assert pause.covers("anywhere")


def test_a_pause_that_names_namespaces_covers_those() -> None:
    pause = from_cluster(AutomationPause, PAUSE)

    assert (pause.covers("shop"), pause.covers("bank")) == (True, False)


def test_a_remediation_without_decision_and_one_with_null_are_undecided() -> None:
    assert from_cluster(Remediation, REMEDIATION).spec.decision is None
    assert from_cluster(Remediation, spoilt(REMEDIATION, "spec.decision", ...)).spec.decision is None


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(max_size=10), child, max_size=3),
    max_leaves=8,
)


@given(spec=JUNK, kind=st.sampled_from(sorted(KINDS)))
def test_whatever_the_cluster_serves_is_read_or_refused_and_never_anything_else(spec: Any, kind: str) -> None:
    try:
        read = from_cluster(KINDS[kind], {"kind": kind, "metadata": {"name": "a", "namespace": "b"}, "spec": spec})
    except BadObject:
        return
    assert isinstance(read, KINDS[kind])


@given(text=st.text(max_size=200) | JUNK.map(json.dumps))
def test_whatever_a_file_holds_is_read_or_refused_and_never_anything_else(text: str) -> None:
    with pytest.raises(BadObject):
        any_from_file(text, "a.yaml")


def _policy(parts: Json) -> Json:
    return spoilt(POLICY, "spec", {"target": POLICY["spec"]["target"], **parts})


def _without_null(spec: Json) -> Json:
    return {key: value for key, value in spec.items() if value is not None}


def _plain(value: Json) -> Any:
    """A file says nothing where the cluster says null."""
    return {**value, "spec": _without_null(value["spec"])} if "spec" in value else value
