"""What speaks against acting, whatever the confidence: one small function per rule, each with its reasons.

Promises that every fact is asked about, that an unread fact blocks, and that each blocker names what lifts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from controller.core.budget import Spent
from controller.core.facts import UNKNOWN, Facts, Freeze, Pause
from controller.core.policy import Policy
from controller.core.proposal import Proposal
from controller.core.routes import Lifts, Reason, blocker
from controller.core.words import when

FRUITLESS_AT_MOST = 3
"""The same action without effect this often in four hours goes to a person (S26)."""


def blocking(proposal: Proposal, facts: Facts, policy: Policy, spent: Spent, now: datetime) -> Iterator[Reason]:
    """Every blocker that stands."""
    yield from unread(facts)
    yield from switches(facts, now)
    yield from data(facts)
    yield from target(facts)
    yield from doubts(facts)
    yield from repetition(proposal, facts, now)
    yield from budgets(proposal, policy, spent)


def unread(facts: Facts) -> Iterator[Reason]:
    """A fact that could not be read refuses: unknown is not fine (S1, S2)."""
    for name in facts.__dataclass_fields__:
        if getattr(facts, name) is UNKNOWN:
            yield blocker(
                f"unread-{name.replace('_', '-')}", f"{name.replace('_', ' ')} could not be read", Lifts.NOBODY
            )


def switches(facts: Facts, now: datetime) -> Iterator[Reason]:
    """Kill switch, freeze, rights and the store's standing (S12, S13, S17, S37)."""
    if isinstance(facts.pause, Pause):
        yield blocker("paused", f"automation is paused: {facts.pause.reason}", Lifts.NOBODY)
    if isinstance(facts.freeze, Freeze):
        ends = when(facts.freeze.until, now)
        yield blocker(
            "frozen",
            f"freeze {facts.freeze.name} until {ends} UTC",
            Lifts.TIME,
            facts.freeze.until,
        )
    if facts.permitted is False:
        yield blocker("not-permitted", "trimtab has no right to do this here (see `trimtab doctor`)", Lifts.PERSON)
    if facts.store_trusted is False:
        yield blocker(
            "store-not-adopted",
            "trimtab does not trust its database: it is not the one used before, or it is older. See `trimtab doctor`; "
            "if it is the right one, run `trimtab store adopt`",
            Lifts.NOBODY,
        )


def data(facts: Facts) -> Iterator[Reason]:
    """Bad data has no effect (S1)."""
    if facts.data is not UNKNOWN and not facts.data.healthy:
        yield blocker("data-unhealthy", f"the data cannot be trusted: {facts.data}", Lifts.TIME)


def target(facts: Facts) -> Iterator[Reason]:
    """What guards found at the object, and whether the plan still fits it (S4, S5, S7, S9, S16, S18)."""
    if facts.findings is not UNKNOWN:
        for finding in facts.findings:
            yield blocker(finding.code, finding.message, Lifts(finding.lifts))
    if isinstance(facts.drift, str):
        yield blocker("drifted", f"the plan no longer fits: {facts.drift}", Lifts.NOBODY)
    if facts.cleared is True:
        yield blocker("cleared", "the symptoms are gone", Lifts.NOBODY)
    if isinstance(facts.touched, str):
        yield blocker("touched", f"changed by {facts.touched} since the proposal", Lifts.NOBODY)


def doubts(facts: Facts) -> Iterator[Reason]:
    """What makes it wiser to ask (S12, S14, S29)."""
    if isinstance(facts.other_critical, str):
        yield blocker(
            "other-critical", f"another incident is open in this namespace: {facts.other_critical}", Lifts.APPROVAL
        )
    if isinstance(facts.observer_suspect, str):
        yield blocker("observer-suspect", facts.observer_suspect, Lifts.APPROVAL)
    if isinstance(facts.harmed_before, str):
        yield blocker("harmed-before", f"this runbook made things worse in {facts.harmed_before}", Lifts.APPROVAL)


def repetition(proposal: Proposal, facts: Facts, now: datetime) -> Iterator[Reason]:
    """Trying again without effect backs off, then goes to a person; a no stays a no (S23, S26)."""
    name = proposal.plan.remediation
    if facts.fruitless is not UNKNOWN and facts.fruitless >= FRUITLESS_AT_MOST:
        yield blocker("loop", f"{name} had no effect {facts.fruitless} times in 4 h", Lifts.PERSON)
    if isinstance(facts.backoff_until, datetime) and now < facts.backoff_until:
        yield blocker(
            "backoff",
            f"{name} had no effect; not again before {when(facts.backoff_until, now)} UTC",
            Lifts.TIME,
            facts.backoff_until,
        )
    if isinstance(facts.rejected_before, str):
        yield blocker("rejected", f"{facts.rejected_before} rejected this plan", Lifts.PERSON)


def budgets(proposal: Proposal, policy: Policy, spent: Spent) -> Iterator[Reason]:
    """Budgets left, as far as can be seen before the reservation that enforces them (S8)."""
    for charge in proposal.charges(policy.budgets):
        used = spent.by_scope.get(charge.scope)
        if used is None:
            yield blocker("unread-budget", f"{charge.text} could not be read", Lifts.NOBODY)
        elif charge.beyond(used):
            more = "" if charge.units == 1 else f", and this takes {charge.units:g}"
            yield blocker("budget", f"{used:g} of {charge.limit:g} {charge.text}{more}", Lifts.TIME)
