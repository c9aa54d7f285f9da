"""The gate: S1–S3 as properties, every blocker and route in a table."""

from dataclasses import fields, replace
from datetime import datetime, timedelta
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.budget import Spent, charges
from controller.core.confidence import Confidence, Tally, measured
from controller.core.decide import AGAIN, Approval, Auto, Decision, HandOver, Refuse, Wait, decide
from controller.core.facts import UNKNOWN, Facts, Freeze
from controller.core.policy import NEVER, CanaryMode, Mode, Policy, ScalingMode
from controller.core.proposal import Proposal
from controller.core.routes import Licence, Lifts, Route
from remediations.guards import Finding
from tests.core.strategies import (
    AGAINST,
    APPROVERS,
    CLEAR,
    EARLIER,
    LATER,
    NOW,
    PLANS,
    approvals,
    confidences,
    facts,
    policies,
    proposals,
    spendings,
    unspent,
)

PLAN = PLANS[0]
SURE = Confidence(estimate=0.96, lower=0.92, n=40, good=39, abnormal=0.99, cause=0.95)
SO_SO = Confidence(estimate=0.87, lower=0.78, n=21, good=19, abnormal=0.99, cause=0.93)
AUTO = Policy(
    name="shop/checkout@1",
    mode=Mode.AUTO,
    scaling=ScalingMode.FLOOR,
    canary=CanaryMode.ROLLBACK,
    false_rollback=0.01,
    approvers=APPROVERS,
)
YES = Approval(PLAN.digest, "mara", LATER)
ALL_CLEAR = Facts(**CLEAR)


def proposal(confidence: Confidence = SURE, licence: Licence = Licence.EARNED) -> Proposal:
    return Proposal("crash-loop-after-rollout@3", "go back", 0, licence, PLAN, confidence)


def routed(
    offered: Proposal | None = None,
    known: Facts = ALL_CLEAR,
    policy: Policy = AUTO,
    spent: Spent | None = None,
    approval: Approval | None = None,
) -> Decision:
    return decide(offered or proposal(), known, policy, spent or unspent(policy), approval, NOW)


def codes(decision: Decision) -> set[str]:
    return {reason.code for reason in decision.reasons}


# S1


@given(facts(), proposals(), policies(), approvals(), st.sampled_from(sorted(CLEAR)))
def test_s1_an_unread_fact_never_lets_anything_through(
    known: Facts, offered: Proposal, policy: Policy, approval: Approval | None, missing: str
) -> None:
    """Whatever else is said and whoever agrees: a fact that could not be read refuses."""
    decision = routed(offered, replace(known, **{missing: UNKNOWN}), policy, unspent(policy), approval)

    assert isinstance(decision, Refuse)
    assert f"unread-{missing.replace('_', '-')}" in codes(decision)


def test_s1_facts_that_nobody_filled_in_are_unread() -> None:
    assert all(getattr(Facts(), field.name) is UNKNOWN for field in fields(Facts))
    assert isinstance(routed(known=Facts()), Refuse)


def test_s1_an_unread_fact_cannot_be_taken_for_false() -> None:
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(UNKNOWN)


@given(facts(), proposals(), policies(), approvals(), st.data())
def test_s1_an_unread_budget_never_lets_anything_through(
    known: Facts, offered: Proposal, policy: Policy, approval: Approval | None, data: st.DataObject
) -> None:
    scopes = [charge.scope for charge in charges(offered.plan.workload, policy.budgets)]
    missing = data.draw(st.sampled_from(scopes))
    spent = Spent({scope: 0.0 for scope in scopes if scope != missing})

    assert isinstance(decide(offered, known, policy, spent, approval, NOW), Refuse)


@given(facts(), proposals((Licence.EARNED,)), policies())
def test_s1_without_approvers_nobody_can_lift_a_question(known: Facts, offered: Proposal, policy: Policy) -> None:
    """An approval by somebody the policy does not name (any more) is none."""
    alone, nobody = decide(offered, known, policy, unspent(policy), None, NOW), replace(policy, approvers=frozenset())
    approval = Approval(offered.plan.digest, "mara", LATER)

    assert decide(offered, known, nobody, unspent(policy), approval, NOW).route is alone.route


@pytest.mark.parametrize(
    "confidence",
    [
        replace(SURE, abnormal=nan),
        replace(SURE, cause=nan),
        replace(SURE, estimate=nan),
        replace(SURE, lower=nan),
        measured(Tally(), Tally(21, 21), nan, 1.0),
        measured(Tally(), Tally(21, 21), 1.0, nan),
    ],
    ids=["abnormal", "cause", "estimate", "lower", "measured abnormal", "measured cause"],
)
def test_s1_a_confidence_that_is_not_a_number_never_acts(confidence: Confidence) -> None:
    assert not isinstance(routed(proposal(confidence)), Auto)


# S2


@given(facts(), proposals((Licence.EARNED,)), policies(), spendings(), approvals(), confidences())
def test_s2_the_route_is_monotone_in_confidence(
    known: Facts, offered: Proposal, policy: Policy, spent: Spent, approval: Approval | None, other: Confidence
) -> None:
    """Less of anything that confidence is made of never frees the route."""
    one = offered.confidence
    less = Confidence(
        min(one.estimate, other.estimate),
        min(one.lower, other.lower),
        one.n,
        one.good,
        min(one.abnormal, other.abnormal),
        min(one.cause, other.cause),
    )
    freer = decide(offered, known, policy, spent, approval, NOW)
    stricter = decide(replace(offered, confidence=less), known, policy, spent, approval, NOW)

    assert stricter.route >= freer.route


@given(facts(), proposals((Licence.EARNED,)), policies(), spendings(), approvals(), st.floats(0, 0.5), st.booleans())
def test_s2_the_route_is_antitone_in_the_thresholds(
    known: Facts,
    offered: Proposal,
    policy: Policy,
    spent: Spent,
    approval: Approval | None,
    more: float,
    never: bool,
) -> None:
    higher = replace(
        policy,
        automatic_above=NEVER if never else policy.automatic_above + more,
        review_above=policy.review_above + more,
    )
    assert (
        decide(offered, known, higher, spent, approval, NOW).route
        >= decide(offered, known, policy, spent, approval, NOW).route
    )


@given(st.floats(0.5, 1.0))
def test_s2_equality_is_auto(threshold: float) -> None:
    exact = Confidence(threshold, threshold, 40, 40, 1.0, 1.0)

    assert isinstance(routed(proposal(exact), policy=replace(AUTO, automatic_above=threshold, review_above=0.5)), Auto)


@given(facts(), proposals((Licence.EARNED,)), policies(), spendings())
def test_s2_the_threshold_never_never_acts_alone(known: Facts, offered: Proposal, policy: Policy, spent: Spent) -> None:
    certain = Confidence(1.0, 1.0, 10_000, 10_000, 1.0, 1.0)
    never = replace(policy, automatic_above=NEVER)

    assert decide(replace(offered, confidence=certain), known, never, spent, None, NOW).route > Route.AUTO


@given(facts(), proposals(), policies(), spendings(), approvals(), st.sampled_from(sorted(CLEAR)), st.data())
def test_s2_adding_a_blocker_or_losing_a_fact_never_frees_the_route(
    known: Facts,
    offered: Proposal,
    policy: Policy,
    spent: Spent,
    approval: Approval | None,
    name: str,
    data: st.DataObject,
) -> None:
    clear = replace(known, **{name: CLEAR[name]})
    against = replace(known, **{name: data.draw(st.sampled_from((*AGAINST[name], UNKNOWN)))})

    freer = decide(offered, clear, policy, spent, approval, NOW)
    assert decide(offered, against, policy, spent, approval, NOW).route >= freer.route


@given(facts(), proposals(), policies(), spendings(), approvals(), st.data())
def test_s2_losing_sight_of_a_budget_or_spending_it_never_frees_the_route(
    known: Facts, offered: Proposal, policy: Policy, spent: Spent, approval: Approval | None, data: st.DataObject
) -> None:
    before = decide(offered, known, policy, spent, approval, NOW).route
    if spent.by_scope:
        scope = data.draw(st.sampled_from(sorted(spent.by_scope)))
        lost = Spent({name: units for name, units in spent.by_scope.items() if name != scope})
        more = Spent({**spent.by_scope, scope: spent.by_scope[scope] + 1})
        assert decide(offered, known, policy, lost, approval, NOW).route >= before
        assert decide(offered, known, policy, more, approval, NOW).route >= before


@given(facts(), proposals(), policies(), spendings())
def test_s2_an_approval_lifts_only_what_asks_for_one(
    known: Facts, offered: Proposal, policy: Policy, spent: Spent
) -> None:
    """Every reason that nobody, time or a person lifts stands after it, and it never makes the route stricter."""
    approval = Approval(offered.plan.digest, "mara", LATER)
    asked = decide(offered, known, policy, spent, None, NOW)
    approved = decide(offered, known, replace(policy, approvers=APPROVERS), spent, approval, NOW)

    stay = {reason for reason in asked.reasons if reason.lifts in (Lifts.NOBODY, Lifts.PERSON, Lifts.TIME)}
    assert stay <= set(approved.reasons)
    assert approved.route <= asked.route
    assert not any(reason.lifts is Lifts.APPROVAL for reason in approved.reasons)


@given(facts(), proposals(), policies(), spendings(), approvals())
def test_s2_the_route_is_the_strictest_of_all_reasons_and_all_are_told(
    known: Facts, offered: Proposal, policy: Policy, spent: Spent, approval: Approval | None
) -> None:
    decision = decide(offered, known, policy, spent, approval, NOW)

    assert decision.reasons
    assert decision.route is max(reason.route for reason in decision.reasons)
    assert all(reason.code and reason.message for reason in decision.reasons)


# S3


def consent(right: Licence, policy: Policy) -> object:
    """The mode that speaks for a licence, None where it consents to nothing."""
    match right:
        case Licence.EARNED:
            return policy.mode if policy.mode is not Mode.OBSERVE else None
        case Licence.GUARANTEED:
            consents = policy.canary in {CanaryMode.ROLLBACK, CanaryMode.RAMP} and policy.false_rollback
            return policy.canary if consents else None
        case Licence.BOUNDED:
            return policy.scaling if policy.scaling is ScalingMode.FLOOR else None


@given(facts(), proposals(), policies(), spendings(), approvals(), st.sampled_from(Licence))
def test_s3_confidence_of_one_overrides_no_policy(
    known: Facts, offered: Proposal, policy: Policy, spent: Spent, approval: Approval | None, right: Licence
) -> None:
    """What blocks with any confidence blocks with full confidence, under every licence."""
    certain = replace(offered, licence=right, confidence=Confidence(1.0, 1.0, 10_000, 10_000, 1.0, 1.0))
    decision = decide(certain, known, policy, spent, approval, NOW)

    blocked = any(known_value != CLEAR[name] for name, known_value in ((n, getattr(known, n)) for n in CLEAR))
    if consent(right, policy) is None:
        assert isinstance(decision, Refuse)
    if consent(right, policy) is Mode.APPROVE and approval is None:
        assert decision.route >= Route.ASK
    if blocked and approval is None:
        assert decision.route >= Route.ASK


# The table

BLOCKERS: list[Any] = [
    ("data", AGAINST["data"][0], "data-unhealthy", Route.WAIT),
    ("findings", (Finding("protected", "never"),), "protected", Route.REFUSE),
    ("findings", (Finding("managed-in-git", "in Git", "person"),), "managed-in-git", Route.HAND_OVER),
    ("findings", (Finding("disruption-budget", "full", "time"),), "disruption-budget", Route.WAIT),
    ("findings", (Finding("odd", "look", "approval"),), "odd", Route.ASK),
    ("drift", "the template has changed", "drifted", Route.REFUSE),
    ("cleared", True, "cleared", Route.REFUSE),
    ("touched", "mara", "touched", Route.REFUSE),
    ("pause", AGAINST["pause"][0], "paused", Route.REFUSE),
    ("freeze", AGAINST["freeze"][0], "frozen", Route.WAIT),
    ("permitted", False, "not-permitted", Route.HAND_OVER),
    ("other_critical", "INC-7", "other-critical", Route.ASK),
    ("observer_suspect", "half is broken", "observer-suspect", Route.ASK),
    ("fruitless", 3, "loop", Route.HAND_OVER),
    ("backoff_until", LATER, "backoff", Route.WAIT),
    ("harmed_before", "INC-8", "harmed-before", Route.ASK),
    ("rejected_before", "noor", "rejected", Route.HAND_OVER),
    ("store_trusted", False, "store-not-adopted", Route.REFUSE),
]


@pytest.mark.parametrize(("name", "value", "code", "route"), BLOCKERS, ids=[f"{b[2]}-{b[3]!s}" for b in BLOCKERS])
def test_every_blocker_has_its_code_and_its_route(name: str, value: Any, code: str, route: Route) -> None:
    """S12 (freeze, other critical), S13 (pause), S14 (observer), S16 (Git), S26 (loop), S37 (store) as the gate has
    them.
    """
    decision = routed(known=replace(ALL_CLEAR, **{name: value}))

    assert decision.route is route
    assert code in codes(decision)


@pytest.mark.parametrize(("name", "value", "code", "route"), BLOCKERS, ids=[f"{b[2]}-{b[3]!s}" for b in BLOCKERS])
def test_an_approval_frees_exactly_the_blockers_that_ask(name: str, value: Any, code: str, route: Route) -> None:
    decision = routed(known=replace(ALL_CLEAR, **{name: value}), approval=YES)

    assert decision.route is (Route.AUTO if route is Route.ASK else route)
    assert (code in codes(decision)) is (route is not Route.ASK)


def test_the_table_names_every_fact() -> None:
    assert {blocker[0] for blocker in BLOCKERS} == set(CLEAR) == {field.name for field in fields(Facts)}


ROUTES: list[Any] = [
    ("earned", {}, Route.AUTO, "earned"),
    ("approved", {"offered": proposal(SO_SO), "approval": YES}, Route.AUTO, "approved"),
    ("guaranteed by the mode", {"offered": proposal(SO_SO, Licence.GUARANTEED)}, Route.AUTO, "guaranteed"),
    ("bounded by the mode", {"offered": proposal(SO_SO, Licence.BOUNDED)}, Route.AUTO, "bounded"),
    ("not yet earned", {"offered": proposal(SO_SO)}, Route.ASK, "not-yet-earned"),
    ("cold start", {"offered": proposal(replace(SURE, n=19))}, Route.ASK, "cold-start"),
    ("mode Approve", {"policy": replace(AUTO, mode=Mode.APPROVE)}, Route.ASK, "approve"),
    ("threshold Never", {"policy": replace(AUTO, automatic_above=NEVER)}, Route.ASK, "not-yet-earned"),
    (
        "too uncertain",
        {"offered": proposal(replace(SO_SO, estimate=0.69, lower=0.5))},
        Route.HAND_OVER,
        "too-uncertain",
    ),
    ("unclear cause", {"offered": proposal(replace(SURE, cause=0.4))}, Route.HAND_OVER, "unclear"),
    ("perhaps nothing is wrong", {"offered": proposal(replace(SURE, abnormal=0.4))}, Route.HAND_OVER, "unclear"),
    ("mode Observe", {"policy": replace(AUTO, mode=Mode.OBSERVE)}, Route.REFUSE, "observe"),
    (
        "guaranteed, whatever the mode of incidents",
        {"offered": proposal(SO_SO, Licence.GUARANTEED), "policy": replace(AUTO, mode=Mode.OBSERVE)},
        Route.AUTO,
        "guaranteed",
    ),
    (
        "canary mode Observe",
        {"offered": proposal(SURE, Licence.GUARANTEED), "policy": replace(AUTO, canary=CanaryMode.OBSERVE)},
        Route.REFUSE,
        "observe",
    ),
    (
        "canary without a bound",
        {"offered": proposal(SURE, Licence.GUARANTEED), "policy": replace(AUTO, false_rollback=None)},
        Route.REFUSE,
        "no-bound",
    ),
    (
        "scaling mode Observe",
        {"offered": proposal(SURE, Licence.BOUNDED), "policy": replace(AUTO, scaling=ScalingMode.OBSERVE)},
        Route.REFUSE,
        "observe",
    ),
    ("no policy", {"policy": Policy()}, Route.REFUSE, "observe"),
]


@pytest.mark.parametrize(("name", "given_", "route", "code"), ROUTES, ids=[route[0] for route in ROUTES])
def test_every_route_has_its_reason(name: str, given_: dict[str, Any], route: Route, code: str) -> None:
    decision = routed(**given_)

    assert decision.route is route
    assert code in codes(decision)


@pytest.mark.parametrize(
    "approval",
    [
        replace(YES, digest=PLANS[1].digest),
        replace(YES, expires=NOW),
        replace(YES, expires=EARLIER),
        replace(YES, by="eve"),
    ],
    ids=["another plan", "at its very end", "expired", "of somebody the policy does not name"],
)
def test_s22_an_approval_that_is_late_or_of_another_plan_is_none(approval: Approval) -> None:
    assert routed(proposal(SO_SO), approval=approval).route is Route.ASK


@pytest.mark.parametrize("scope", ["open:", "actions:namespace:", "actions:cluster"])
def test_s8_a_spent_budget_waits(scope: str) -> None:
    spent = {
        charge.scope: float(charge.limit if charge.scope.startswith(scope) else 0)
        for charge in charges(PLAN.workload, AUTO.budgets)
    }
    decision = routed(spent=Spent(spent))

    assert isinstance(decision, Wait)
    assert decision.until == NOW + AGAIN
    assert "budget" in codes(decision)


def test_a_wait_lasts_as_long_as_its_longest_reason() -> None:
    much_later = LATER + timedelta(hours=5)
    decision = routed(known=replace(ALL_CLEAR, freeze=AGAINST["freeze"][0], backoff_until=much_later))

    assert isinstance(decision, Wait)
    assert decision.until == much_later


def test_a_backoff_that_is_over_holds_nothing_back() -> None:
    assert routed(known=replace(ALL_CLEAR, backoff_until=NOW)).route is Route.AUTO


def test_s26_39_times_without_effect_stays_with_a_person() -> None:
    assert isinstance(routed(known=replace(ALL_CLEAR, fruitless=39), approval=YES), HandOver)


def test_the_strictest_of_several_reasons_decides_and_the_others_are_told() -> None:
    decision = routed(proposal(SO_SO), replace(ALL_CLEAR, freeze=AGAINST["freeze"][0], rejected_before="noor"))

    assert decision.route is Route.HAND_OVER
    assert {"not-yet-earned", "frozen", "rejected"} <= codes(decision)


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (NOW.replace(hour=22, minute=0), "22:00 UTC"),
        (NOW.replace(day=3, month=12, hour=8, minute=0), "3 Dec 08:00 UTC"),
    ],
    ids=["today", "another day"],
)
def test_a_freeze_that_ends_on_another_day_says_which(until: datetime, said: str) -> None:
    known = replace(ALL_CLEAR, freeze=Freeze("holidays", until))
    decided = decide(proposal(), known, AUTO, unspent(AUTO), None, NOW)

    assert f"freeze holidays until {said}" in [reason.message for reason in decided.reasons]
