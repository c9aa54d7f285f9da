"""The gate: the only way from a proposal to an action.

Promises that confidence alone never overrides policy, that a lower confidence never gets a freer route, that a fact
which could not be read never frees one, and that the answer carries every reason. Reads no clock and touches no
network: facts, policy, spent budgets, approval and `now` are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isnan
from typing import TypeAlias, assert_never

from controller.core.blockers import blocking
from controller.core.budget import Spent
from controller.core.confidence import Confidence
from controller.core.facts import Facts
from controller.core.policy import CanaryMode, Mode, Policy, ScalingMode
from controller.core.proposal import Proposal
from controller.core.routes import Licence, Lifts, Reason, Route
from controller.core.words import fraction, percent


@dataclass(frozen=True, slots=True)
class Approval:
    """One allowed person's yes to one plan, until it expires."""

    digest: str
    by: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Auto:
    """Act now."""

    reasons: tuple[Reason, ...]
    route: Route = Route.AUTO


@dataclass(frozen=True, slots=True)
class Ask:
    """A person has to say yes first."""

    reasons: tuple[Reason, ...]
    route: Route = Route.ASK


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before `until`; then decide again."""

    reasons: tuple[Reason, ...]
    until: datetime
    route: Route = Route.WAIT


@dataclass(frozen=True, slots=True)
class HandOver:
    """A person has to do it."""

    reasons: tuple[Reason, ...]
    route: Route = Route.HAND_OVER


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not allowed, whoever asks."""

    reasons: tuple[Reason, ...]
    route: Route = Route.REFUSE


Decision: TypeAlias = Auto | Ask | Wait | HandOver | Refuse


def decide(
    proposal: Proposal, facts: Facts, policy: Policy, spent: Spent, approval: Approval | None, now: datetime
) -> Decision:
    """Route one proposal: the strictest route that any reason demands, with every reason.

    Blockers outrank confidence, and confidence can only restrict further; an approval lifts only what asks for one. See
    docs/explanation/gate.md.
    """
    reasons = (licence(proposal, policy), *modes(proposal, policy), *blocking(proposal, facts, policy, spent, now))
    return strictest(lifted(reasons, proposal, policy, approval, now), now)


def licence(proposal: Proposal, policy: Policy) -> Reason:
    """What the proposal's licence deserves by itself (S28)."""
    match proposal.licence:
        case Licence.EARNED:
            return earned(proposal.confidence, policy)
        case Licence.GUARANTEED:
            share = policy.false_rollback
            bound = "" if share is None else f": at most {percent(share)} of good versions go back by mistake"
            return Reason(Route.AUTO, proposal.licence, f"guaranteed by the test of both versions{bound}")
        case Licence.BOUNDED:
            return Reason(Route.AUTO, proposal.licence, "bounded: between the recorded minimum and the cap")
        case _:
            assert_never(proposal.licence)


def earned(confidence: Confidence, policy: Policy) -> Reason:
    """What this confidence deserves: the lower bound opens Auto, the estimate opens Ask, a cold start asks."""
    auto, review = policy.automatic_above, policy.review_above
    if any(map(isnan, (confidence.estimate, confidence.lower, confidence.abnormal, confidence.cause))):
        return Reason(Route.HAND_OVER, "unclear", "its confidence is not a number", Lifts.PERSON)
    if min(confidence.abnormal, confidence.cause) < review:
        both = f"abnormal {fraction(confidence.abnormal)}, cause {fraction(confidence.cause)}"
        unsure = f"not sure enough to ask: {both}; both must reach {threshold(review)}"
        return Reason(Route.HAND_OVER, "unclear", unsure, Lifts.PERSON)
    if confidence.n < policy.min_verified:
        cold = f"{confidence.n} verified outcomes so far; acts alone from {policy.min_verified}"
        return Reason(Route.ASK, "cold-start", cold, Lifts.APPROVAL)
    if confidence.lower >= auto:
        return Reason(Route.AUTO, "earned", f"at least {confidence.lower:.2f}, acts alone from {auto:.2f}")
    if confidence.estimate >= review:
        why = f"{confidence.estimate:.2f}, at least {confidence.lower:.2f}; acts alone from {threshold(auto)}"
        return Reason(Route.ASK, "not-yet-earned", why, Lifts.APPROVAL)
    low = f"{confidence.estimate:.2f} is below {review:.2f}, from which it asks"
    return Reason(Route.HAND_OVER, "too-uncertain", low, Lifts.PERSON)


def threshold(value: float) -> str:
    """A threshold in words: `0.90`, or `never`."""
    return "never" if value == float("inf") else f"{value:.2f}"


def modes(proposal: Proposal, policy: Policy) -> Iterator[Reason]:
    """What the mode that belongs to the licence allows at most: consent to one loop is none to another."""
    match proposal.licence:
        case Licence.EARNED:
            yield from _remediation(policy.mode)
        case Licence.GUARANTEED:
            yield from _canary(policy)
        case Licence.BOUNDED:
            yield from _scaling(policy.scaling)
        case _:
            assert_never(proposal.licence)


def _remediation(mode: Mode) -> Iterator[Reason]:
    match mode:
        case Mode.OBSERVE:
            yield Reason(Route.REFUSE, "observe", "the policy observes only", Lifts.NOBODY)
        case Mode.APPROVE:
            yield Reason(Route.ASK, "approve", "the policy asks before every action", Lifts.APPROVAL)
        case Mode.AUTO:
            pass
        case _:
            assert_never(mode)


def _canary(policy: Policy) -> Iterator[Reason]:
    match policy.canary:
        case CanaryMode.OFF | CanaryMode.OBSERVE:
            yield Reason(Route.REFUSE, "observe", "the policy only observes rollouts", Lifts.NOBODY)
        case CanaryMode.ROLLBACK | CanaryMode.RAMP if policy.false_rollback is None:
            yield Reason(Route.REFUSE, "no-bound", "the policy names no falseRollback to be kept", Lifts.NOBODY)
        case CanaryMode.ROLLBACK | CanaryMode.RAMP:
            pass
        case _:
            assert_never(policy.canary)


def _scaling(mode: ScalingMode) -> Iterator[Reason]:
    match mode:
        case ScalingMode.OFF | ScalingMode.OBSERVE:
            yield Reason(Route.REFUSE, "observe", "the policy only observes scaling", Lifts.NOBODY)
        case ScalingMode.FLOOR:
            pass
        case _:
            assert_never(mode)


def lifted(
    reasons: Iterable[Reason], proposal: Proposal, policy: Policy, approval: Approval | None, now: datetime
) -> tuple[Reason, ...]:
    """The reasons left after an approval: it must name this plan, be in time and come from somebody whom the policy
    still names (S19); it lifts only what asks for one.
    """
    if approval is None or approval.digest != proposal.plan.digest or now >= approval.expires:
        return tuple(reasons)
    if approval.by not in policy.approvers:
        return tuple(reasons)
    kept = tuple(reason for reason in reasons if reason.lifts is not Lifts.APPROVAL)
    return (*kept, Reason(Route.AUTO, "approved", f"approved by {approval.by}"))


AGAIN = timedelta(seconds=30)
"""When to look again at a wait whose end nobody knows."""


def strictest(reasons: tuple[Reason, ...], now: datetime) -> Decision:
    """The decision that the strictest of the reasons demands; a wait lasts as long as its longest reason."""
    match max((reason.route for reason in reasons), default=Route.REFUSE):
        case Route.AUTO:
            return Auto(reasons)
        case Route.ASK:
            return Ask(reasons)
        case Route.WAIT:
            ends = [reason.until or now + AGAIN for reason in reasons if reason.route is Route.WAIT]
            return Wait(reasons, max(ends))
        case Route.HAND_OVER:
            return HandOver(reasons)
        case Route.REFUSE:
            return Refuse(reasons)
        case _ as never:
            assert_never(never)
