"""What the chat says about an incident: six facts and one decision, and afterwards what became of it.

Promises one message per incident, updated in place; that buttons stand only while the question is open (S22), since
the outcome line takes their place; and that a button carries the plan's digest, so that a click can only ever mean
the plan that was read. Text of others is one clean line each; escaping for a vendor is its adapter's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from controller.core.budget import Spent, charges
from controller.core.events import (
    Answered,
    Changed,
    Closed,
    Decided,
    Escalated,
    Event,
    Expired,
    NotApplied,
    Superseded,
    Symptom,
    Verified,
)
from controller.core.headline import actor, decided, first_symptoms
from controller.core.history import History
from controller.core.incident import Action, Incident, fold
from controller.core.labels import name_of
from controller.core.phrases import act, noun, symptom_verb, unfit
from controller.core.policy import Policy
from controller.core.routes import Route
from controller.core.words import clean, clock, count, fraction, lasting, sentence, short
from controller.ports import Button, Message
from remediations.plan import Outcome, Plan

OPEN, DONE, FAILED, WAITING, OBSERVED = "●", "✔", "✖", "◐", "○"
"""Shapes, so that no state is told by colour alone."""


class Press(StrEnum):
    """What a button asks for."""

    APPROVE = "approve"
    REJECT = "reject"
    PLAN = "plan"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Background:
    """What a question rests on besides the incident. `link` is the incident on the page, empty when there is none."""

    history: History | None = None
    policy: Policy | None = None
    spent: Spent | None = None
    link: str = ""


_VALUE = re.compile(r"(?P<incident>[A-Za-z0-9][A-Za-z0-9._-]{0,60}) (?P<digest>[0-9a-f]{16})")


def value_of(incident: str, digest: str) -> str:
    """What a button carries."""
    return f"{incident} {digest}"


def parse_value(value: str) -> tuple[str, str] | None:
    """(incident, digest) of a button's value, None when it is not one of ours."""
    found = _VALUE.fullmatch(value)
    return (found["incident"], found["digest"]) if found else None


def message(numbered: Iterable[tuple[int, Event]], background: Background = Background()) -> Message | None:
    """The chat message of an incident as it stands; None for a stream that is no incident."""
    pairs = tuple(numbered)
    incident = fold(pairs)
    if incident is None:
        return None
    events = tuple(event for _, event in pairs)
    asked = incident.question is not None and incident.question.open and incident.proposal is not None
    outcome = "" if asked else outcome_line(incident, events)
    return Message(
        key=incident.id,
        headline=f"{_shape(incident, asked)} {_headline(incident, events)}",
        facts=facts(incident, background) if asked else summary(incident, events, background),
        footer=_expiry(incident, background) if asked else outcome,
        buttons=buttons(incident) if asked else (),
        mention=_mentioned(incident, events) if asked else (),
    )


def _headline(incident: Incident, events: Sequence[Event]) -> str:
    verb = symptom_verb(incident.symptoms or first_symptoms(events))
    if not incident.symptoms:
        return f"{clean(str(incident.workload))} {verb.past} at {clock(incident.opened_at)} UTC, no symptom left"
    return f"{clean(str(incident.workload))} {verb.now} since {clock(incident.opened_at)} UTC"


def _shape(incident: Incident, asked: bool) -> str:
    if asked:
        return OPEN
    outcome = incident.action.outcome if incident.action is not None else None
    if incident.decision is not None and incident.decision.would is not None and incident.closed is None:
        return OBSERVED
    if outcome is Outcome.EFFECTIVE or (incident.closed is not None and outcome is None):
        return DONE
    failed = outcome in {Outcome.HARMFUL, Outcome.INEFFECTIVE} or incident.handed_over or incident.rejected
    return FAILED if failed else WAITING


def _expiry(incident: Incident, background: Background) -> str:
    expires = f"expires {clock(incident.question.expires)} UTC" if incident.question is not None else ""
    return " · ".join(part for part in (expires, incident.id, background.link) if part)


def _mentioned(incident: Incident, events: Sequence[Event]) -> tuple[str, ...]:
    digest = incident.question.digest if incident.question is not None else ""
    reached = (event.to for event in events if isinstance(event, Escalated) and event.digest == digest)
    return tuple(dict.fromkeys(reached))


def facts(incident: Incident, background: Background) -> tuple[tuple[str, str], ...]:
    """The six facts of an open question: What, Cause, Change, Touches, Undo, Confidence."""
    proposal = incident.proposal
    if proposal is None:
        return ()
    plan = proposal.plan
    return (
        ("What", what(incident)),
        ("Cause", cause(incident)),
        ("Change", change(plan)),
        ("Touches", touches(plan, background)),
        ("Undo", undo(plan)),
        ("Confidence", confidence(incident, background)),
    )


def summary(incident: Incident, events: Sequence[Event], background: Background) -> tuple[tuple[str, str], ...]:
    """What is left to say once no question is open: what was wrong, why, and what was or will be done."""
    plan = incident.action.plan if incident.action is not None else incident.proposal and incident.proposal.plan
    was = what(incident) if incident.symptoms else f"{_listed(first_symptoms(events))}; no symptom left"
    found = [("What", was), ("Cause", cause(incident))]
    found += [("Before", clean(event.text)) for event in events if isinstance(event, Changed)][-1:]
    if plan:
        found.append(("Change", change(plan)))
    if background.link:
        found.append(("More", background.link))
    return tuple(found)


def what(incident: Incident) -> str:
    """The symptoms in one line, with the data's health where it is in doubt."""
    symptoms = _listed(incident.symptoms) or "no symptom left"
    return symptoms if incident.data == "healthy" else f"{symptoms}; the data is in doubt: {clean(incident.data)}"


def _listed(symptoms: Iterable[Symptom]) -> str:
    return ", ".join(clean(symptom.text) for symptom in symptoms)


def cause(incident: Incident) -> str:
    """The likeliest cause with its score and what speaks for it."""
    if not incident.causes:
        return "not known"
    best = incident.causes[0]
    why = f"; {clean(best.reason)}" if best.reason else ""
    return f"{clean(best.name)} ({fraction(best.score)}){why}"


def change(plan: Plan) -> str:
    """What is written, and the names of what it does not bring back; `plan_text` says all of it."""
    target = f"{plan.workload.kind.lower()}/{clean(plan.workload.name)}"
    kept = ", ".join(clean(line.partition(": ")[0]) for line in plan.not_restored)
    first = clean(plan.change[0]) if plan.change else "see the full plan"
    return f"{target}: {first}{f'; not restored: {kept}' if kept else ''}"


def touches(plan: Plan, background: Background) -> str:
    """Who feels it, and what it takes of the budget."""
    radius = plan.touches
    text = f"{count(radius.pods, 'pod')} of {count(radius.workloads, 'workload')}"
    if radius.ready_at_least is not None:
        text += f", at least {radius.ready_at_least} stay ready"
    budget = _budget(plan, background)
    return f"{text}; {budget}" if budget else text


def _budget(plan: Plan, background: Background) -> str:
    if background.policy is None or background.spent is None:
        return ""
    for charge in charges(plan.workload, background.policy.budgets):
        used = background.spent.by_scope.get(charge.scope)
        if charge.scope.startswith("actions:namespace:") and used is not None:
            return f"{used + 1:g} of {charge.limit} {charge.text}"
    return ""


def undo(plan: Plan) -> str:
    """How it is taken back."""
    if plan.undo:
        return "taken back at once if it gets worse, or by a person at any time, while the value is still ours"
    return "cannot be taken back automatically; if it gets worse, you are told"


def confidence(incident: Incident, background: Background) -> str:
    """The measured confidence, from where it would act alone, and the record it comes from."""
    proposal = incident.proposal
    if proposal is None:
        return "not known"
    measured, policy = proposal.confidence, background.policy
    text = f"{fraction(measured.estimate)} (at least {fraction(measured.lower)})"
    if policy is not None:
        text += f"; {_alone(measured.n, policy)}"
    if measured.n == 0:
        return f"{text}: nothing like this has been tried yet"
    similar = background.history.similar(name_of(proposal.runbook)) if background.history is not None else ()
    examples = f" ({', '.join(clean(name) for name in similar)})" if similar else ""
    return f"{text}: {measured.good} of {measured.n} like this worked{examples}"


def _alone(n: int, policy: Policy) -> str:
    if policy.automatic_above == float("inf"):
        return "never acts alone"
    bar = f"acts alone from {fraction(policy.automatic_above)}"
    return bar if n >= policy.min_verified else f"{bar} and {policy.min_verified} verified outcomes"


def buttons(incident: Incident) -> tuple[Button, ...]:
    """The decision."""
    proposal = incident.proposal
    if proposal is None:
        return ()
    value = value_of(incident.id, proposal.plan.digest)
    return (
        Button(Press.APPROVE, f"Approve {noun(proposal.plan)}", value, style="primary"),
        Button(Press.REJECT, "Reject…", value, style="danger", asks_reason=True),
        Button(Press.PLAN, "Full plan", value),
        Button(Press.PAUSE, "Pause automation", value, asks_reason=True),
    )


def outcome_line(incident: Incident, events: Sequence[Event]) -> str:
    """What stands where the buttons were: `✔ Rolled back by @mara at 14:05 · verified 14:13: errors 0.2 %, …`."""
    if incident.action is not None:
        further = decided(incident) if incident.action.outcome is not None else ""
        return f"{_acted(incident.action, incident, events)}{f' · now {further}' if further else ''}"
    if incident.handed_over:
        return f"{FAILED} Handed over to a person: {'; '.join(clean(reason) for reason in incident.handed_over)}"
    last = next((event for event in reversed(events) if isinstance(event, _ENDS)), None)
    if last is not None:
        line = _ended(last)
        if line:
            return line
    if incident.approved is not None:
        return f"{WAITING} Approved by {_at(incident.approved)}; {decided(incident) or 'about to be carried out'}"
    if incident.decision is not None:
        return f"{_decision_shape(incident.decision)} {sentence(decided(incident))}"
    if incident.nothing_fits:
        return f"{FAILED} {sentence(unfit(incident.nothing_fits))}"
    return f"{WAITING} Looking for the cause"


def _decision_shape(decision: Decided) -> str:
    if decision.would is not None:
        return OBSERVED
    return WAITING if decision.route in {Route.AUTO, Route.ASK, Route.WAIT} else FAILED


_ENDS = (Answered, Expired, Superseded, NotApplied, Closed)


def _ended(event: Event) -> str:
    match event:
        case Closed():
            return f"{DONE} Over at {clock(event.at)}: {clean(event.reason)}"
        case Expired():
            return f"{FAILED} Nobody answered until {clock(event.at)}; plan {short(event.digest)} is void"
        case Superseded():
            return f"{WAITING} Plan {short(event.digest)} is void since {clock(event.at)}: {clean(event.reason)}"
        case NotApplied():
            return f"{FAILED} Not carried out at {clock(event.at)}: {clean(event.message)}"
        case Answered() if event.verdict == "Reject":
            reason = f": {clean(event.reason)}" if event.reason else ""
            return f"{FAILED} Rejected by {_at(event)}{reason}"
        case _:
            return ""


def _at(answer: Answered) -> str:
    return f"@{clean(answer.by)} at {clock(answer.at)}"


def _acted(action: Action, incident: Incident, events: Sequence[Event]) -> str:
    who = actor(action.plan.digest, events)
    by = who if who.startswith("trimtab") else f"@{who}"
    done = f"{sentence(act(action.plan).past)} by {by} at {clock(action.applied_at)}"
    if action.undone is not None:
        whose = f" by @{clean(action.undone.by)}" if action.undone.by else " after it got worse"
        word = "taken back" if action.undone.restored else "could not be taken back"
        return f"{FAILED} {done} · {word}{whose}: {clean(action.undone.detail)}"
    verified = next((e for e in reversed(events) if isinstance(e, Verified) and e.digest == action.plan.digest), None)
    if verified is None:
        return f"{WAITING} {done} · verifying"
    if verified.outcome is Outcome.EFFECTIVE:
        return f"{DONE} {done} · verified {clock(verified.at)}: {clean(verified.detail)}"
    handed = " · a person has to take it" if incident.handed_over else ""
    return f"{FAILED} {done} · {verified.outcome.lower()} at {clock(verified.at)}: {clean(verified.detail)}{handed}"


def plan_text(incident: Incident) -> str:
    """The full plan of the incident as plain text: exact diff, what it rests on, what it does not bring back."""
    proposal = incident.proposal
    plan = proposal.plan if proposal is not None else (incident.action.plan if incident.action is not None else None)
    if plan is None:
        return f"{incident.id} has no plan."
    lines = [f"{incident.id}: {act(plan).now} ({clean(str(plan.workload))}), plan {plan.digest}"]
    if proposal is not None:
        lines.append(f"runbook {clean(proposal.runbook)}: {clean(proposal.summary)}")
    lines += ["", "Change", *(f"  {clean(line)}" for line in plan.change)]
    lines += ["", "Exact diff", plan.diff.rstrip() or "  (none)"]
    if plan.not_restored:
        lines += ["", "Not restored", *(f"  {clean(line)}" for line in plan.not_restored)]
    lines += ["", "Rests on (a change of any of these voids the plan)", f"  uid {plan.uid}"]
    ground = "spec (but for the number of replicas) and annotations, as of generation"
    lines += [f"  {ground} {plan.generation}"] if plan.ground and plan.generation is not None else []
    lines += [f"  {clean(held.pointer)}{'' if held.present else ' (absent)'}" for held in plan.reads]
    lines += ["", "Touches", f"  {touches(plan, Background())}", "", "Undo", f"  {undo(plan)}", "", _writes(plan)]
    return "\n".join(lines)


def _writes(plan: Plan) -> str:
    classes = ", ".join(sorted({step.step_class.value for step in plan.steps}))
    timeout = sum((timedelta(seconds=step.timeout_seconds) for step in plan.steps), timedelta())
    return f"{count(len(plan.steps), 'write')}, class {classes}, given up after {lasting(timeout)}"
