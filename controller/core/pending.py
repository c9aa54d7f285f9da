"""What is to be done next about an incident: commands, read from the fold alone.

Promises that the same incident at the same time gives the same commands, so that a restart continues where the log
ends. A write that is not settled comes before everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from controller.core.events import Verdict
from controller.core.incident import Incident, Intent, Question
from controller.core.phrases import unfit
from controller.core.routes import Route
from remediations.plan import Outcome


@dataclass(frozen=True, slots=True)
class Settle:
    """Finish or settle a write that was committed to."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Ask:
    """Put the question to people."""

    digest: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Nobody answered in time."""

    digest: str


@dataclass(frozen=True, slots=True)
class Escalate:
    """Ask the next on the path as well."""

    digest: str
    to: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Carry out the current plan."""

    digest: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Look whether the service is well again."""

    digest: str


@dataclass(frozen=True, slots=True)
class Revert:
    """Take the action back; `by` is a person, or empty after harm."""

    digest: str
    by: str


@dataclass(frozen=True, slots=True)
class Page:
    """A person has to take it."""

    reasons: tuple[str, ...]


Command: TypeAlias = Settle | Ask | Expire | Escalate | Apply | Verify | Revert | Page


PATIENCE = timedelta(minutes=1)
"""How long an incident that no runbook fits may develop before a person is paged."""


def pending(incident: Incident, now: datetime) -> tuple[Command, ...]:
    """The commands that stand, most urgent first."""
    if incident.intent is not None:
        return (Settle(incident.intent),)
    undo = _revert(incident)
    if undo is not None:
        return (undo,)
    if incident.closed is not None:
        return ()
    if incident.verifying and incident.action is not None:
        return (Verify(incident.action.plan.digest),)
    return (*_question(incident.question, now), *_harm(incident), *_nothing(incident, now), *_decided(incident, now))


def _revert(incident: Incident) -> Revert | None:
    action = incident.action
    return Revert(action.plan.digest, action.undo_asked_by) if action is not None and incident.to_undo else None


def _question(question: Question | None, now: datetime) -> Iterator[Command]:
    if question is None or not question.open:
        return
    if now >= question.expires:
        yield Expire(question.digest)
        return
    for at, to in question.escalations[question.escalated :]:
        if now >= at:
            yield Escalate(question.digest, to)


def _harm(incident: Incident) -> Iterator[Command]:
    """Harm goes to a person, taken back or not (S25)."""
    action = incident.action
    if action is None or action.outcome is not Outcome.HARMFUL or incident.handed_over:
        return
    told = [f"it is worse than before: {action.detail}"]
    if action.undone is not None:
        back = "it was taken back" if action.undone.restored else "it could not be taken back"
        told.append(f"{back}: {action.undone.detail}")
    yield Page(tuple(told))


def _nothing(incident: Incident, now: datetime) -> Iterator[Command]:
    developed = now - incident.opened_at >= PATIENCE or bool(incident.tried)
    if (
        incident.nothing_fits
        and not incident.handed_over
        and developed
        and incident.symptoms
        and not incident.observe_only
    ):
        yield Page((unfit(incident.nothing_fits),))


def _decided(incident: Incident, now: datetime) -> Iterator[Command]:
    decision, question = incident.decision, incident.question
    if decision is None:
        return
    match decision.route:
        case Route.AUTO:
            yield Apply(decision.digest)
        case Route.ASK:
            other = question is None or question.digest != decision.digest
            if question is None or other or question.over not in ("", "expired") or _too_late(question, now):
                yield Ask(decision.digest)
            elif question.over == "expired" and not incident.handed_over:
                yield Page(("nobody answered in time",))
        case Route.HAND_OVER:
            if not incident.handed_over:
                yield Page(tuple(reason.message for reason in decision.reasons if reason.route is Route.HAND_OVER))
        case Route.WAIT | Route.REFUSE:
            pass


def _too_late(question: Question, now: datetime) -> bool:
    """Approved, held back meanwhile, and too old to be carried out: asked again."""
    answer = question.answer
    return answer is not None and answer.verdict is Verdict.APPROVE and now >= question.good_until
