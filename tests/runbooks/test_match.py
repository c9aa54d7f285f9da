"""Matching: which runbooks apply, in which order, and why the others do not."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.series import Workload
from runbooks.evidence import FACTS, Evidence, Value
from runbooks.expression import Known, uses
from runbooks.load import from_object, library
from runbooks.match import (
    Failed,
    Match,
    Missing,
    NoMatch,
    NotMet,
    OtherKind,
    Reason,
    Vetoed,
    consider,
    match,
    speaking_for,
)
from runbooks.schema import Runbook
from tests.runbooks.examples import CRASHING, runbook, with_, without
from tests.runbooks.test_expression import EVERY_FACT

CHECKOUT = Workload("shop", "Deployment", "checkout")


def named(name: str, **metadata: Any) -> Runbook:
    """The example under another name: a ClusterRunbook, or a Runbook when it has a namespace."""
    changed = runbook().to_object()
    changed["kind"] = "Runbook" if "namespace" in metadata else "ClusterRunbook"
    changed["spec"] |= metadata.pop("spec", {})
    changed["metadata"] = {"name": name, **metadata}
    found = from_object(changed)
    assert isinstance(found, Runbook), found
    return found


def reason(evidence: Evidence, example: Runbook | None = None, kind: str = "Deployment") -> Reason:
    answer = consider(evidence, example or runbook(), kind)
    assert isinstance(answer, NoMatch)
    return answer.reason


def test_a_match_tells_the_facts_it_rests_on_and_the_cause() -> None:
    answer = consider(CRASHING, runbook(), "Deployment")

    assert isinstance(answer, Match)
    assert answer.cause == "bad rollout"
    assert answer.why == (
        Known("objects.crashLooping.share", 0.6),
        Known("changes.rollout.age", timedelta(minutes=2)),
        Known("changes.rollout.previousAlsoFailed", False),
    )


def test_when_is_false() -> None:
    answer = reason(with_(CRASHING, {"objects.crashLooping.share": 0.1}))

    assert isinstance(answer, NotMet)
    assert str(answer) == "when is false (objects.crashLooping.share 0.1, changes.rollout.age 2m)"


def test_when_not_is_true() -> None:
    answer = reason(with_(CRASHING, {"changes.rollout.previousAlsoFailed": True}))

    assert isinstance(answer, Vetoed)
    assert str(answer) == "whenNot is true (changes.rollout.previousAlsoFailed yes)"


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("objects.crashLooping.share", "when"),
        ("changes.rollout.age", "when"),
        ("changes.rollout.previousAlsoFailed", "whenNot"),
    ],
)
def test_s1_a_missing_fact_neither_matches_nor_permits(name: str, field: str) -> None:
    assert reason(without(CRASHING, name)) == Missing(field, (name,))


@pytest.mark.parametrize("field", ["when", "whenNot"])
def test_s1_a_condition_that_cannot_be_evaluated_forbids(field: str) -> None:
    conditions = {"when": "replicas.ready > 0", field: "1 / replicas.desired == 5"}

    answer = reason({"replicas.desired": 0, "replicas.ready": 3}, named("x", spec=conditions | {"tests": []}))

    assert isinstance(answer, Failed)
    assert answer.field == field


def test_another_kind_of_workload_does_not_match() -> None:
    assert reason(CRASHING, kind="StatefulSet") == OtherKind("StatefulSet")


def test_a_runbook_of_the_namespace_overrides_the_cluster_which_overrides_the_shipped_one() -> None:
    shipped, cluster = named("x"), named("x", generation=4)
    own, foreign = named("x", namespace="shop", generation=1), named("x", namespace="bank", generation=9)

    for order in permutations((shipped, cluster, own, foreign)):
        assert speaking_for(CHECKOUT, order) == (own,)
    for order in permutations((shipped, cluster, foreign)):
        assert speaking_for(CHECKOUT, order) == (cluster,)
    assert speaking_for(CHECKOUT, (foreign,)) == ()


def test_s6_a_runbook_without_a_namespace_speaks_for_nobody() -> None:
    assert runbook().kind == "Runbook"
    assert speaking_for(CHECKOUT, (runbook(),)) == ()


def test_an_override_that_does_not_match_still_hides_what_it_overrides() -> None:
    own = named("x", namespace="shop", spec={"when": "alerts.firing"})

    assert match(CRASHING, (named("x"), own), CHECKOUT).matches == ()


def test_s27_the_cheapest_reversible_repair_comes_first_then_the_one_that_asks_more_then_the_name() -> None:
    limits = named("z-limits", spec={"steps": [{"limits": {}}], "tests": []})
    asks_less = named("a-rollback", spec={"when": "objects.crashLooping.share > 0.1"})
    first, second = named("b-rollback"), named("c-rollback")

    for order in permutations((second, asks_less, limits, first)):
        found = match(CRASHING, order, CHECKOUT)

        assert [m.runbook.name for m in found.matches] == ["z-limits", "b-rollback", "c-rollback", "a-rollback"]


def test_what_does_not_match_is_kept_with_its_reason() -> None:
    found = match({}, library(), CHECKOUT)

    assert found.matches == ()
    assert [rejected.runbook.name for rejected in found.rejected] == [shipped.name for shipped in library()]
    assert all(isinstance(rejected.reason, Missing) for rejected in found.rejected)


@given(EVERY_FACT, st.sampled_from(library()), st.data())
def test_s1_no_shipped_runbook_matches_when_it_lacks_a_fact_it_names(
    evidence: dict[str, Value], shipped: Runbook, data: st.DataObject
) -> None:
    names = (*uses(shipped.spec.when), *uses(shipped.spec.when_not or ""))
    del evidence[data.draw(st.sampled_from(names))]

    assert isinstance(consider(evidence, shipped, shipped.spec.targets[0]), NoMatch)


@given(EVERY_FACT, st.sets(st.sampled_from([fact.name for fact in FACTS])))
def test_losing_facts_never_adds_a_match(evidence: dict[str, Value], lost: set[str]) -> None:
    def names(known: Evidence) -> Sequence[str]:
        return [found.runbook.name for found in match(known, library(), CHECKOUT).matches]

    assert set(names({name: value for name, value in evidence.items() if name not in lost})) <= set(names(evidence))
