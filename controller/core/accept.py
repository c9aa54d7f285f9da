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


def accept(incident: Incident | None, event: Event) -> str | None:
    """Why this event makes no sense now, or None when it may be appended."""
    if incident is None:
        return None if isinstance(event, Opened) else "there is no such incident"
    if isinstance(event, Opened):
        return "the incident is already open"
    if incident.closed is not None and not isinstance(event, AFTER_CLOSING):
        return f"the incident is over ({incident.closed.reason})"
    match event:
        case Proposed() | Decided() | Asked() | Answered() | Expired() | Escalated():
            return _asking(incident, event)
        case Intended() | Claimed() | Applied() | NotApplied() | Superseded():
            return _writing(incident, event)
        case Checked() | Verified() | UndoAsked() | Undone():
            return _judging(incident, event)
        case HandedOver() if incident.handed_over:
            return "it is already with a person"
        case Closed() if incident.intent is not None:
            return "a write is not settled yet"
        case _:
            return None


def _asking(incident: Incident, event: Proposed | Decided | Asked | Answered | Expired | Escalated) -> str | None:
    proposal, question = incident.proposal, incident.question
    match event:
        case Proposed():
            return "a write is not settled yet" if incident.intent is not None else None
        case Decided() | Asked():
            if proposal is None or proposal.plan.digest != event.digest:
                return "the plan is not the current one"
            if isinstance(event, Asked) and question is not None and question.digest == event.digest and question.open:
                return "the question is already open"
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
            return None


def _writing(incident: Incident, event: Intended | Claimed | Applied | NotApplied | Superseded) -> str | None:
    intent, proposal = incident.intent, incident.proposal
    match event:
        case Intended():
            if intent is not None:
                return "another write is not settled yet"
            if event.undo:
                return None if incident.action is not None else "nothing was done that could be undone"
            if proposal is None or incident.decision is None or proposal.plan.digest != event.digest:
                return "the plan is not the current one"
            return None if incident.decision.route is Route.AUTO else "the gate did not open"
        case Claimed() | Applied() | NotApplied():
            if intent is None or intent.key != event.key:
                return "that write is not open"
            if isinstance(event, Claimed) and event.epoch < intent.epoch:
                return "a newer leader has it"
            return None
        case Superseded():
            known = {proposal.plan.digest if proposal else "", incident.question.digest if incident.question else ""}
            known |= {intent.digest if intent else ""}
            return None if event.digest in known else "that plan is not open"


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
        case _:
            return None
