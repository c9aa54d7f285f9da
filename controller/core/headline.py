"""The answer line: what became of one incident, in one sentence, whatever state it is in.

Promises that no state is silent (S33): open, asked, waiting, refused, paused, expired, failed and handed over each
read differently, with the reason that decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from controller.core.events import (
    Answered,
    Event,
    NotApplied,
    NothingFits,
    Opened,
    Proposed,
    Superseded,
    Symptom,
    Verdict,
    Verified,
)
from controller.core.incident import Action, Incident
from controller.core.phrases import act, after_rollout, noun, symptom_verb, unfit
from controller.core.routes import Route
from controller.core.words import clean, clock, lasting
from remediations.plan import Outcome

ALONE = "trimtab alone"
"""Who acted when nobody was asked."""


def headline(incident: Incident, events: Sequence[Event]) -> str:
    """One sentence: what was wrong, what was done about it by whom, how it stands."""
    parts = [trouble(incident, events)]
    if incident.action is not None:
        parts.append(deed(incident.action, incident, events))
    standing = state(incident, events)
    if standing:
        parts.append(standing)
    return "; ".join(parts) + "."


def trouble(incident: Incident, events: Sequence[Event]) -> str:
    """`checkout crash-looped after v42`."""
    verb = symptom_verb(first_symptoms(events))
    over = incident.closed is not None or _effective(incident)
    return f"{clean(incident.workload.name)} {verb.past if over else verb.now}{after_rollout(events)}"


def first_symptoms(events: Sequence[Event]) -> tuple[Symptom, ...]:
    """What was wrong when it was noticed."""
    return next((event.symptoms for event in events if isinstance(event, Opened)), ())


def _effective(incident: Incident) -> bool:
    return incident.action is not None and incident.action.outcome is Outcome.EFFECTIVE


def deed(action: Action, incident: Incident, events: Sequence[Event]) -> str:
    """`rolled back to v41 by mara; verified after 8 min`."""
    done = f"{act(action.plan).past} by {actor(action.plan.digest, events)}"
    if action.undone is not None:
        undone = action.undone
        worse = ", which made it worse" if action.outcome is Outcome.HARMFUL else ""
        whom = f" by {clean(undone.by)}" if undone.by else ""
        taken = f"taken back{whom}" if undone.restored else f"not taken back: {clean(undone.detail)}"
        return f"{done}{worse}; {taken}"
    wanted_back = f"; {clean(action.undo_asked_by)} wants it taken back" if action.undo_asked_by else ""
    return f"{_judged(action, done, events)}{wanted_back}"


def _judged(action: Action, done: str, events: Sequence[Event]) -> str:
    match action.outcome:
        case None:
            return f"{done} at {clock(action.applied_at)}; verifying"
        case Outcome.EFFECTIVE:
            return f"{done}; verified after {time_to_verify(action, events)}"
        case Outcome.INEFFECTIVE:
            return f"{done} without effect"
        case Outcome.HARMFUL:
            return f"{done}, which made it worse"
        case Outcome.INCONCLUSIVE:
            return f"{done}; whether it helped cannot be said"
        case _:
            assert_never(action.outcome)


def actor(digest: str, events: Sequence[Event]) -> str:
    """Who stood behind carrying out this plan: the person that approved it, or trimtab alone."""
    for event in events:
        if isinstance(event, Answered) and event.digest == digest and event.verdict is Verdict.APPROVE:
            return clean(event.by)
    return ALONE


def time_to_verify(action: Action, events: Sequence[Event]) -> str:
    """How long it took from the last write to the judgement."""
    verified = [event.at for event in events if isinstance(event, Verified) and event.digest == action.plan.digest]
    return lasting(verified[-1] - action.applied_at) if verified else "a while"


def state(incident: Incident, events: Sequence[Event]) -> str:
    """How it stands now, as one clause; empty when the deed says it all."""
    if incident.closed is not None:
        return "" if incident.action is not None else _closed(incident)
    if incident.intent is not None:
        return "a write is on its way and not settled yet"
    if incident.handed_over:
        return f"a person has to take it: {clean(incident.handed_over[0])}"
    if incident.question is not None and incident.proposal is not None:
        asked = _asked(incident)
        if asked:
            return asked
    if incident.proposal is not None and incident.decision is not None and not incident.verifying:
        return decided(incident)
    if incident.proposal is None and (void := _void(events)):
        return void
    if incident.nothing_fits:
        return unfit(incident.nothing_fits)
    if incident.action is None:
        return "looking for the cause" if not incident.causes else f"likely cause: {clean(incident.causes[0].name)}"
    return ""


def _void(events: Sequence[Event]) -> str:
    """What became of the last plan, while there is no newer one."""
    last = next((e for e in reversed(events) if isinstance(e, NotApplied | Superseded | Proposed | NothingFits)), None)
    match last:
        case NotApplied():
            return f"not carried out: {clean(last.message)}"
        case Superseded():
            return f"the plan is void: {clean(last.reason)}"
        case _:
            return ""


def _closed(incident: Incident) -> str:
    if incident.closed is None:
        return ""
    took = lasting(incident.closed.at - incident.opened_at)
    would = ""
    if incident.decision is not None and incident.decision.would is not None and incident.proposal is not None:
        would = f"; {would_have(incident.decision.would, act(incident.proposal.plan).now)}"
    return f"over after {took}: {clean(incident.closed.reason)}{would}"


def _asked(incident: Incident) -> str:
    question, proposal = incident.question, incident.proposal
    if question is None or proposal is None or question.digest != proposal.plan.digest:
        return ""
    plan = proposal.plan
    if question.open:
        return f"a person is asked whether to {act(plan).now}, until {clock(question.expires)} UTC"
    if incident.rejected is not None:
        reason = clean(incident.rejected.reason)
        return f"{clean(incident.rejected.by)} rejected {noun(plan)}{f': {reason}' if reason else ''}"
    if incident.approved is not None and not incident.verifying:
        held = incident.decision is not None and incident.decision.route not in {Route.AUTO, Route.ASK}
        return f"{clean(incident.approved.by)} approved {noun(plan)}; {decided(incident) if held else 'about to do it'}"
    if question.over == "expired":
        return f"nobody answered until {clock(question.expires)} UTC; the plan to {act(plan).now} is void"
    return ""


def decided(incident: Incident) -> str:
    """The gate's answer as one clause."""
    decision, proposal = incident.decision, incident.proposal
    if decision is None or proposal is None:
        return ""
    what = act(proposal.plan).now
    if decision.would is not None:
        return f"observed only; {would_have(decision.would, what)}"
    why = next((clean(reason.message) for reason in decision.reasons if reason.route is decision.route), "")
    match decision.route:
        case Route.AUTO:
            return f"about to {what}"
        case Route.ASK:
            return f"about to ask whether to {what}"
        case Route.WAIT:
            return f"waits to {what}: {why}"
        case Route.HAND_OVER:
            return f"about to hand it over: {why}"
        case Route.REFUSE:
            return f"nothing is done: {why}"
        case _:
            assert_never(decision.route)


def would_have(route: Route, what: str) -> str:
    """What the gate would have answered, had it been allowed to act."""
    match route:
        case Route.AUTO:
            return f"would have acted alone: {what}"
        case Route.ASK:
            return f"would have asked whether to {what}"
        case Route.WAIT:
            return f"would have waited to {what}"
        case Route.HAND_OVER:
            return "would have handed it to a person"
        case Route.REFUSE:
            return "would have done nothing even so"
        case _:
            assert_never(route)
