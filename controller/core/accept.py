"""What may be appended to an incident: every event is checked against the fold before it is committed.

Promises that one question gets one answer, that nothing is written without an open way to it, and that an intent is
settled once. Answers with a refusal in words, so that the caller can store it as `Ignored` or tell the person who
came second.
"""

from __future__ import annotations

from controller.core.events import (
    Answered,
    Applied,
    Asked,
    Checked,
    Claimed,
    Closed,
    Decided,
    Escalated,
    Event,
    Expired,
    HandedOver,
    Ignored,
    Intended,
    Learned,
    NotApplied,
    NothingFits,
    Opened,
    Proposed,
    Superseded,
    UndoAsked,
    Undone,
    Verified,
)
from controller.core.incident import Incident
from controller.core.routes import Route

AFTER_CLOSING = (Ignored, Learned, UndoAsked, Intended, Claimed, Applied, NotApplied, Superseded, Undone)
"""What an incident still takes once it is over: what was learned of it, and a person's undo."""


BETWEEN_WRITES = (Proposed, NothingFits, Checked, Verified, Closed)
"""What has to wait until an open write is settled, since it would take the plan from under it."""


def accept(incident: Incident | None, event: Event) -> str | None:
    """Why this event makes no sense now, or None when it may be appended."""
    if incident is None:
        return None if isinstance(event, Opened) else "there is no such incident"
    if isinstance(event, Opened):
        return "the incident is already open"
    half_done = isinstance(event, HandedOver) and incident.intent is not None
    if incident.closed is not None and not half_done and not isinstance(event, AFTER_CLOSING):
        return f"the incident is over ({incident.closed.reason})"
    if incident.intent is not None and isinstance(event, BETWEEN_WRITES):
        return "a write is not settled yet"
    match event:
        case Proposed() | Decided() | Asked() | Answered() | Expired() | Escalated():
            return _asking(incident, event)
        case Intended() | Claimed() | Applied() | NotApplied() | Superseded():
            return _writing(incident, event)
        case Checked() | Verified() | UndoAsked() | Undone():
            return _judging(incident, event)
        case HandedOver() if incident.handed_over and (not half_done or incident.handed_over == event.reasons):
            return "it is already with a person"
        case HandedOver() if not event.reasons:
            return "nobody is told why"
        case _:
            return None


def _asking(incident: Incident, event: Proposed | Decided | Asked | Answered | Expired | Escalated) -> str | None:
    proposal, question = incident.proposal, incident.question
    match event:
        case Proposed():
            return "an effect is not judged yet" if incident.verifying else None
        case Decided() | Asked():
            if proposal is None or proposal.plan.digest != event.digest:
                return "the plan is not the current one"
            if isinstance(event, Asked):
                return _question(incident, event)
            return None
        case Answered() | Expired() | Escalated():
            if question is None or question.digest != event.digest:
                return "that plan is not asked about (any more)"
            if question.answer is not None:
                return f"{question.answer.by} has already answered: {question.answer.verdict}"
            if question.over:
                return f"the question is over: {question.over}"
            if isinstance(event, Answered) and event.at >= question.expires:
                return "the question has expired"
            if isinstance(event, Expired) and event.at < question.expires:
                return "the question has not expired"
            return None


def _question(incident: Incident, event: Asked) -> str | None:
    question = incident.question
    if incident.decision is None or incident.decision.route is not Route.ASK:
        return "the gate does not ask"
    if question is not None and question.digest == event.digest and question.open:
        return "the question is already open"
    return None if event.expires > event.at else "it would expire before it is asked"


def _writing(incident: Incident, event: Intended | Claimed | Applied | NotApplied | Superseded) -> str | None:
    intent, proposal = incident.intent, incident.proposal
    match event:
        case Intended():
            if intent is not None:
                return "another write is not settled yet"
            return _undoing(incident, event) if event.undo else _acting(incident, event)
        case Claimed() | Applied() | NotApplied():
            if intent is None or intent.key != event.key:
                return "that write is not open"
            if isinstance(event, Claimed) and event.epoch < intent.epoch:
                return "a newer leader has it"
            return None
        case Superseded() if intent is not None and event.key != intent.key:
            return "a write is not settled yet"
        case Superseded():
            known = {proposal.plan.digest if proposal else "", incident.question.digest if incident.question else ""}
            known |= {intent.digest if intent else ""}
            return None if event.digest in known else "that plan is not open"


def _acting(incident: Incident, event: Intended) -> str | None:
    """A plan is written once, while the gate is open."""
    proposal, action = incident.proposal, incident.action
    if proposal is None or proposal.plan.digest != event.digest:
        return "the plan is not the current one"
    decision = incident.decision
    if decision is None or decision.digest != event.digest or decision.route is not Route.AUTO:
        return "the gate did not open"
    if action is not None and action.plan.digest == event.digest:
        return "that plan was carried out already"
    if incident.to_undo:
        return "the change before it has still to be taken back"
    return "a plan is one write" if event.step else None


def _undoing(incident: Incident, event: Intended) -> str | None:
    action = incident.action
    if action is None or action.plan.digest != event.digest or not action.plan.undo:
        return "nothing was done that could be undone"
    return None if action.undone is None else "it is already undone"


def _judging(incident: Incident, event: Checked | Verified | UndoAsked | Undone) -> str | None:
    action = incident.action
    if action is None or action.plan.digest != event.digest:
        return "that plan was not carried out"
    match event:
        case Verified() if action.outcome is not None:
            return f"it is already judged: {action.outcome}"
        case UndoAsked() if action.plan.irreversible:
            return f"{action.plan.remediation} cannot be undone by automation"
        case UndoAsked() | Undone() if action.undone is not None:
            return "it is already undone"
        case UndoAsked() if incident.intent is not None and incident.intent.digest != event.digest:
            return "another change is being written just now: look what comes of it"
        case UndoAsked() if action.undo_asked_by:
            return f"{action.undo_asked_by} has already asked for it"
        case _:
            return None
