"""The judge of floors is held to what it promises: what is planted is found, and a repetition is not taken for more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.controlplane.audit import Effect, Gvr
from tests.crash.ledger import Claim, Row
from tests.crash.minimums import HPAS, judge_floor
from tests.crash.verdict import Verdict

BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OLD, NEW, OWNER = "checkout-a", "checkout-b", "mara"
STREAM = "floor:shop/Deployment/checkout"
TAKE, BACK = f"{STREAM}/7f3a/2", f"{STREAM}/release/6"
SCOPES = ("actions:namespace:shop", "actions:cluster", "pod-hours:namespace:shop", "pod-hours:cluster")
CHARGED = tuple(Claim(TAKE, scope, 1) for scope in SCOPES)


def row(second: float, kind: str, **body: Any) -> Row:
    return Row(int(10 * second), STREAM, kind, BEGIN + timedelta(seconds=second), body)


def write(version: int, least: int, *, by: str = OLD, mark: str = "", entries: Sequence[str] = ()) -> Effect:
    """One write by its answer, each a second after the version before."""
    marks = {"trimtab.dev/floor": mark} if mark else {}
    managers = [{"manager": name} for name in ("owner", *entries)]
    metadata = {"resourceVersion": str(version), "annotations": marks, "managedFields": managers}
    answer = {"metadata": metadata, "spec": {"minReplicas": least}}
    at = BEGIN + timedelta(seconds=version)
    gvr = Gvr("autoscaling", "v2", HPAS)
    return Effect(by, "patch", gvr, "shop", "checkout", "", at, {}, answer, 200, "", str(version))


OURS = ("trimtab-floor",)
MADE, TAKEN = write(0, 2, by=OWNER), write(3, 4, mark="4", entries=OURS)
GIVEN, LEFT = write(6, 2, entries=OURS), write(7, 2)
LED = row(0, "noted", code="leading", by=OLD)
HELD = (LED, row(1, "floor-proposed", takes=True), row(2, "intended", key=TAKE), row(4, "applied", key=TAKE))
STORY = (*HELD, row(5, "intended", key=BACK), row(8, "applied", key=BACK))
WHOLE = (MADE, TAKEN, GIVEN, LEFT)


def judged(
    effects: Sequence[Effect] = WHOLE, rows: Sequence[Row] = STORY, claims: Sequence[Claim] = CHARGED
) -> Verdict:
    return judge_floor({OLD, NEW}, effects, [], rows, claims)


def test_a_floor_that_is_taken_and_given_back_is_two_moves_in_three_writes() -> None:
    verdict = judged()

    assert verdict.spotless
    assert verdict.effects == 2


def test_a_second_apply_that_changes_nothing_is_no_effect() -> None:
    again = write(4, 4, mark="4", entries=OURS)

    assert judged((MADE, TAKEN, again, GIVEN, LEFT)).spotless


def test_writes_that_changed_nothing_stand_after_what_they_found() -> None:
    """Told first or last: their answers carry the version that they found."""
    nothing = replace(write(7, 2, by=OWNER), time=BEGIN + timedelta(seconds=7.5))

    assert judged((MADE, TAKEN, nothing, GIVEN, LEFT)).spotless


@pytest.mark.parametrize(
    "effects",
    [
        (*WHOLE, write(8, 4, mark="4", entries=OURS)),
        (MADE, TAKEN, write(4, 5, mark="5", entries=OURS), GIVEN, LEFT),
        (*WHOLE, write(8, 2)),
    ],
    ids=["written-again", "moved-twice", "given-back-again"],
)
def test_what_no_intent_asked_for_is_a_double(effects: Sequence[Effect]) -> None:
    assert judged(effects).double_effects == 1


@pytest.mark.parametrize(
    ("effects", "rows"), [(WHOLE[:2], STORY), (WHOLE, STORY[:-1])], ids=["never-written", "never-settled"]
)
def test_an_intent_that_is_not_accounted_for_is_lost(effects: Sequence[Effect], rows: Sequence[Row]) -> None:
    assert judged(effects, rows).lost_intents == 1


def test_a_write_after_another_began_to_lead_is_stale() -> None:
    rows = (*STORY, row(6.5, "noted", code="leading", by=NEW))

    assert judged(rows=rows).stale_writes == 1


def test_what_people_write_is_theirs() -> None:
    assert judged((*WHOLE, write(8, 5, by=OWNER))).spotless


@pytest.mark.parametrize(
    "claims",
    [CHARGED[1:], (*CHARGED, CHARGED[0]), (*CHARGED, Claim(BACK, "actions:cluster", 1))],
    ids=["not-charged", "charged-twice", "a-release-is-charged"],
)
def test_a_budget_that_does_not_fit_is_a_leak(claims: Sequence[Claim]) -> None:
    assert judged(claims=claims).leaks != ()


def test_a_raise_costs_its_pod_hours_and_no_action() -> None:
    rows = (LED, row(1, "floor-proposed", takes=False), *HELD[2:])

    assert judged((MADE, TAKEN), rows, CHARGED[2:]).spotless
    assert judged((MADE, TAKEN), rows, CHARGED).leaks != ()
