"""The judge of the crash tests is held to what it promises: everything planted is found."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.controlplane.audit import Effect, Gvr
from tests.crash.ledger import Claim, Row
from tests.crash.verdict import Verdict, judge

BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KEY = "INC-1/7f3a/0"
OLD, NEW = "checkout-a", "checkout-b"
CHARGED = (Claim(KEY, "actions:namespace:shop", 1), Claim(KEY, "actions:cluster", 1))
HELD = Claim("INC-1/open", "open:shop/Deployment/checkout", 1)


def row(second: float, kind: str, **body: Any) -> Row:
    return Row(int(10 * second), "incident:INC-1", kind, BEGIN + timedelta(seconds=second), body)


def leads(second: float, who: str) -> Row:
    return row(second, "noted", code="leading", by=who)


def effect(second: float, user: str = OLD) -> Effect:
    at = BEGIN + timedelta(seconds=second)
    gvr = Gvr("apps", "v1", "deployments")
    return Effect(user, "patch", gvr, "shop", "checkout", "", at, [], None, 200, "", f"{second}")


LED, INTENDED, APPLIED, VERIFIED = (
    leads(0, OLD),
    row(1, "intended", key=KEY),
    row(3, "applied", key=KEY),
    row(9, "verified", digest="7f3a"),
)
STORY = (LED, INTENDED, APPLIED, VERIFIED)


def judged(effects: Sequence[Effect], rows: Sequence[Row] = STORY, claims: Sequence[Claim] = CHARGED) -> Verdict:
    return judge(effects, [], rows, claims)


def test_one_intent_one_effect_and_its_budget_is_spotless() -> None:
    verdict = judged([effect(2)])

    assert verdict.spotless
    assert verdict.outcomes == ("applied",)


def test_a_second_effect_is_a_double() -> None:
    assert judged([effect(2), effect(4)]).double_effects == 1


def test_an_effect_of_what_was_superseded_is_a_double() -> None:
    rows = (LED, INTENDED, row(3, "superseded", key=KEY))

    assert judged([effect(4)], rows, ()).double_effects == 1


@pytest.mark.parametrize(
    ("effects", "rows"),
    [
        ([], (LED, INTENDED)),
        ([], STORY),
        ([effect(2)], (*STORY, row(10, "not-applied", key=KEY))),
    ],
    ids=["never-settled", "applied-without-an-effect", "settled-twice"],
)
def test_an_intent_that_is_not_accounted_for_is_lost(effects: Sequence[Effect], rows: Sequence[Row]) -> None:
    assert judged(effects, rows).lost_intents == 1


@pytest.mark.parametrize("user", [OLD, f"system:serviceaccount:trimtab:{OLD}"])
def test_an_effect_after_another_began_to_lead_is_stale(user: str) -> None:
    rows = (LED, INTENDED, leads(2, NEW), APPLIED, VERIFIED)

    assert judged([effect(2.5, user)], rows).stale_writes == 1
    assert judged([effect(1.5, user)], rows).stale_writes == 0
    assert judged([effect(2.5, NEW)], rows).stale_writes == 0


@pytest.mark.parametrize(
    ("rows", "claims"),
    [
        (STORY, (*CHARGED, HELD)),
        (STORY, ()),
        (STORY, CHARGED[:1] * 2),
        ((LED, INTENDED, row(3, "superseded", key=KEY)), CHARGED),
        ((LED, INTENDED, row(3, "superseded", key=KEY)), (HELD,)),
    ],
    ids=["held-after-judging", "not-charged", "charged-twice", "charged-for-nothing", "held-for-nothing"],
)
def test_a_budget_that_does_not_fit_is_a_leak(rows: Sequence[Row], claims: Sequence[Claim]) -> None:
    assert judged([], rows, claims).leaks != ()


def test_a_workload_is_held_until_its_action_is_judged() -> None:
    assert judged([effect(2)], STORY[:3], (*CHARGED, HELD)).leaks == ()
