"""An incident: the fold of its events.

`evolve` never raises on stored events: what it cannot place changes nothing. What may be appended is `accept`'s
business (`accept.py`), what is to be done next is `pending`'s (`pending.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import JsonValue

from controller.core.events import (
    Answered,
    Applied,
    Asked,
    Cause,
    Checked,
    Claimed,
    Closed,
    Decided,
    Diagnosed,
    Escalated,
    Event,
    Expired,
    HandedOver,
    Intended,
    NotApplied,
    NothingFits,
    Observed,
    Opened,
    Proposed,
    Superseded,
    Symptom,
    UndoAsked,
    Undone,
    Verdict,
    Verified,
)
from controller.core.routes import Route
from detectors.series import Workload
from remediations.plan import Outcome, Plan, sense_of

GRACE = timedelta(minutes=1)
"""How long after a question's end an answer given in time may still be carried out."""


@dataclass(frozen=True, slots=True)
class Question:
    """An open or answered question about one plan."""

    digest: str
    asked_at: datetime
    expires: datetime
    approvers: tuple[str, ...]
    escalations: tuple[tuple[datetime, str], ...] = ()
    escalated: int = 0
    answer: Answered | None = None
    over: str = ""

    @property
    def open(self) -> bool:
        """True while an answer would still count."""
        return self.answer is None and not self.over

    @property
    def good_until(self) -> datetime:
        """When an approval ends: with the question, but what was approved at its very end gets a moment."""
        return self.expires if self.answer is None else max(self.expires, self.answer.at + GRACE)


@dataclass(frozen=True, slots=True)
class Intent:
    """A write committed to and not yet settled; `told` once a person was paged that it stays so."""

    key: str
    digest: str
    step: int
    attempt: int
    epoch: int
    undo: bool
    by: str
    since: datetime
    before: Mapping[str, JsonValue] = field(default_factory=dict)
    claimed: bool = False
    told: bool = False

    @classmethod
    def of(cls, event: Intended) -> Intent:
        """What an event committed to."""
        return cls(
            key=event.key,
            digest=event.digest,
            step=event.step,
            attempt=event.attempt,
            epoch=event.epoch,
            undo=event.undo,
            by=event.by,
            since=event.at,
            before=event.before,
        )


@dataclass(frozen=True, slots=True)
class Action:
    """A plan whose write is in."""

    runbook: str
    step: int
    plan: Plan
    applied_at: datetime
    before: Mapping[str, JsonValue]
    held: bool | None = None
    held_since: datetime | None = None
    worse_since: datetime | None = None
    rolled_out_at: datetime | None = None
    detail: str = ""
    outcome: Outcome | None = None
    undo_asked_by: str = ""
    undone: Undone | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as it stands. `number` is that of its last event; `proposal` and `decision` are the current ones.

    `rejections` says who rejected which change, by its sense (`sense_of`): a no outlives the plan it was said to;
    `asked` how often each plan was asked about, by its digest.
    """

    id: str
    workload: Workload
    opened_at: datetime
    observe_only: bool = False
    number: int = 0
    symptoms: tuple[Symptom, ...] = ()
    symptoms_since: datetime | None = None
    evidence: Mapping[str, JsonValue] = field(default_factory=dict)
    data: str = "healthy"
    causes: tuple[Cause, ...] = ()
    proposal: Proposed | None = None
    decision: Decided | None = None
    nothing_fits: tuple[str, ...] = ()
    nothing_fits_since: datetime | None = None
    rejections: Mapping[str, str] = field(default_factory=dict)
    question: Question | None = None
    asked: Mapping[str, int] = field(default_factory=dict)
    intent: Intent | None = None
    action: Action | None = None
    tried: tuple[str, ...] = ()
    handed_over: tuple[str, ...] = ()
    paged: bool = False
    closed: Closed | None = None

    @property
    def approved(self) -> Answered | None:
        """The approval of the current proposal, if there is one."""
        question, proposal = self.question, self.proposal
        if question is None or proposal is None or question.answer is None or question.over:
            return None
        fits = question.digest == proposal.plan.digest and question.answer.verdict is Verdict.APPROVE
        return question.answer if fits else None

    @property
    def rejected(self) -> Answered | None:
        """The rejection of the current proposal, if there is one."""
        question, proposal = self.question, self.proposal
        if question is None or proposal is None or question.answer is None:
            return None
        fits = question.digest == proposal.plan.digest and question.answer.verdict is Verdict.REJECT
        return question.answer if fits else None

    def rejected_by(self, plan: Plan) -> str | None:
        """Who rejected this very change in this incident, whatever plan of it was asked about; None when nobody did."""
        return self.rejections.get(sense_of(plan)) if self.rejections else None

    @property
    def verifying(self) -> bool:
        """A write is in and its effect is not yet judged."""
        return self.action is not None and self.action.outcome is None and self.action.undone is None

    @property
    def to_undo(self) -> bool:
        """An action has still to be taken back: after harm, or because a person asked for it."""
        action = self.action
        if action is None or action.undone is not None or not action.plan.undo:
            return False
        return bool(action.undo_asked_by) or action.outcome is Outcome.HARMFUL


def fold(events: Iterable[tuple[int, Event]]) -> Incident | None:
    """The incident that these (number, event) make; None when they do not begin with `Opened`."""
    incident: Incident | None = None
    for number, event in events:
        if incident is None:
            incident = begin(event)
            if incident is None:
                continue
        else:
            incident = evolve(incident, event)
        incident = replace(incident, number=number)
    return incident


def begin(event: Event) -> Incident | None:
    """The incident that an `Opened` starts."""
    match event:
        case Opened():
            return Incident(
                id=event.incident,
                workload=event.workload,
                opened_at=event.at,
                observe_only=event.observe_only,
                symptoms=event.symptoms,
                symptoms_since=event.at,
                evidence=event.evidence,
                data=event.data,
            )
        case _:
            return None


def evolve(incident: Incident, event: Event) -> Incident:  # noqa: PLR0911 - one arm per kind of event
    """The incident after one more stored event. Never raises: what does not fit changes nothing."""
    match event:
        case Observed():
            return replace(
                incident, symptoms=event.symptoms, symptoms_since=event.at, evidence=event.evidence, data=event.data
            )
        case Diagnosed():
            return replace(incident, causes=event.causes)
        case Proposed():
            return replace(incident, proposal=event, nothing_fits=(), handed_over=(), decision=None)
        case NothingFits():
            return replace(
                incident, proposal=None, decision=None, nothing_fits=event.reasons, nothing_fits_since=event.at
            )
        case Decided():
            return replace(incident, decision=event)
        case HandedOver():
            intent = replace(incident.intent, told=True) if incident.intent is not None else None
            return replace(incident, handed_over=event.reasons, paged=True, intent=intent)
        case Closed():
            return replace(incident, closed=event, question=_over(incident.question, "closed"))
        case Asked() | Answered() | Expired() | Escalated():
            paged = incident.paged or isinstance(event, Escalated)
            noes = _rejections(incident, event)
            question, asked = _question(incident.question, event), _asked(incident, event)
            return replace(incident, question=question, asked=asked, paged=paged, rejections=noes)
        case Superseded():
            return _superseded(incident, event)
        case Intended() | Claimed() | Applied() | NotApplied():
            return _intent(incident, event)
        case Checked() | Verified() | UndoAsked() | Undone():
            return _action(incident, event)
        case _:
            return incident


def _question(question: Question | None, event: Asked | Answered | Expired | Escalated) -> Question | None:
    if isinstance(event, Asked):
        return Question(event.digest, event.at, event.expires, event.approvers, event.escalations)
    if question is None or question.digest != event.digest:
        return question
    match event:
        case Answered():
            return replace(question, answer=event) if question.open else question
        case Expired():
            return _over(question, "expired")
        case Escalated():
            return replace(question, escalated=question.escalated + 1)


def _asked(incident: Incident, event: Asked | Answered | Expired | Escalated) -> Mapping[str, int]:
    """How often each plan was asked about, with this event."""
    if not isinstance(event, Asked):
        return incident.asked
    return {**incident.asked, event.digest: incident.asked.get(event.digest, 0) + 1}


def _rejections(incident: Incident, event: Asked | Answered | Expired | Escalated) -> Mapping[str, str]:
    """The noes so far, with this one."""
    question, proposal = incident.question, incident.proposal
    if not isinstance(event, Answered) or event.verdict is not Verdict.REJECT:
        return incident.rejections
    if question is None or not question.open or proposal is None or proposal.plan.digest != event.digest:
        return incident.rejections
    return {**incident.rejections, sense_of(proposal.plan): event.by}


def _over(question: Question | None, why: str) -> Question | None:
    return question if question is None or question.over else replace(question, over=why)


def _superseded(incident: Incident, event: Superseded) -> Incident:
    question, proposal = incident.question, incident.proposal
    if question is not None and question.digest == event.digest:
        question = _over(question, event.reason)
    if incident.intent is not None and incident.intent.key == event.key:
        incident = _settled(incident, incident.intent)
    current = proposal is not None and proposal.plan.digest == event.digest
    return replace(
        incident,
        question=question,
        proposal=None if current else proposal,
        decision=None if current else incident.decision,
    )


def _intent(incident: Incident, event: Intended | Claimed | Applied | NotApplied) -> Incident:
    if isinstance(event, Intended):
        return replace(incident, intent=Intent.of(event))
    intent = incident.intent
    if intent is None or intent.key != event.key:
        return incident
    match event:
        case Claimed():
            return replace(incident, intent=replace(intent, epoch=event.epoch, claimed=True))
        case NotApplied():
            return _given_up(_settled(incident, intent), intent)
        case Applied() if intent.undo:
            return _settled(incident, intent)
        case Applied():
            return replace(incident, intent=None, action=_applied(incident, intent, event), handed_over=())


def _settled(incident: Incident, intent: Intent) -> Incident:
    """The write has come to its end: that it was not settled is no longer what a person has to take."""
    return replace(incident, intent=None, handed_over=() if intent.told else incident.handed_over)


def _given_up(incident: Incident, intent: Intent) -> Incident:
    """A step that could not be written is not tried again."""
    proposal = incident.proposal
    if intent.undo or proposal is None:
        return incident
    tried = (*incident.tried, step_name(proposal.runbook, proposal.step))
    return replace(incident, tried=tried, proposal=None, decision=None, question=_used(incident, intent.digest))


def _used(incident: Incident, digest: str) -> Question | None:
    """A question whose plan has come to its end: its approval is used up (S20)."""
    question = incident.question
    return _over(question, "carried out") if question is not None and question.digest == digest else question


def step_name(runbook: str, step: int) -> str:
    """One step of a runbook, whatever its version: `crash-loop-after-rollout#0`."""
    return f"{runbook.partition('@')[0]}#{step}"


def _applied(incident: Incident, intent: Intent, event: Applied) -> Action | None:
    action, proposal = incident.action, incident.proposal
    if proposal is None:
        return action
    return Action(proposal.runbook, proposal.step, proposal.plan, event.at, intent.before or incident.evidence)


def _action(incident: Incident, event: Checked | Verified | UndoAsked | Undone) -> Incident:
    action = incident.action
    if action is None or action.plan.digest != event.digest:
        return incident
    match event:
        case Checked():
            return replace(incident, action=_checked(action, event))
        case Verified():
            worked = event.outcome is Outcome.EFFECTIVE
            tried = incident.tried if worked else (*incident.tried, step_name(action.runbook, action.step))
            judged = replace(action, outcome=event.outcome, detail=event.detail)
            used = _used(incident, event.digest)
            return replace(incident, action=judged, tried=tried, proposal=None, decision=None, question=used)
        case UndoAsked():
            return replace(incident, action=replace(action, undo_asked_by=event.by))
        case Undone():
            tried = (*incident.tried, step_name(action.runbook, action.step))
            back, used = replace(action, undone=event), _used(incident, event.digest)
            return replace(incident, action=back, tried=tried, proposal=None, decision=None, question=used)


def _checked(action: Action, event: Checked) -> Action:
    """A state that goes on keeps its beginning."""
    held = (action.held_since or event.at) if event.held else None
    worse = (action.worse_since or event.at) if event.worse else None
    done = action.rolled_out_at or (event.at if event.rolled_out else None)
    return replace(action, held=event.held, held_since=held, worse_since=worse, rolled_out_at=done, detail=event.detail)


def route(incident: Incident) -> Route | None:
    """The route of the current proposal, None before it is decided."""
    return incident.decision.route if incident.decision is not None else None
