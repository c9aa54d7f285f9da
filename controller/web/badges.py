"""How an incident stands, in a word and a shape: never by colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.incident import Incident
from controller.core.routes import Route
from controller.core.timeline import Tone
from controller.ports import Person
from detectors.series import DataHealth
from remediations.plan import Outcome


@dataclass(frozen=True, slots=True)
class Badge:
    """A word, the shape before it, and the tone that colours both."""

    word: str
    shape: str
    tone: Tone


ASKS = Badge("asks", "●", Tone.WAITING)
WORKING = Badge("acting", "◐", Tone.WAITING)
WAITS = Badge("waits", "◔", Tone.WAITING)
OBSERVED = Badge("observed", "○", Tone.PLAIN)
BLOCKED = Badge("blocked", "■", Tone.BAD)
PERSON = Badge("with a person", "▲", Tone.BAD)
REJECTED = Badge("rejected", "✖", Tone.BAD)
FAILED = Badge("did not help", "✖", Tone.BAD)
REPAIRED = Badge("repaired", "✔", Tone.GOOD)
OVER = Badge("over", "✔", Tone.GOOD)
NEW = Badge("open", "●", Tone.BAD)


def badge(incident: Incident) -> Badge:
    """The word for how it stands, most urgent first."""
    outcome = incident.action.outcome if incident.action is not None else None
    if outcome is Outcome.EFFECTIVE:
        return REPAIRED
    if incident.closed is not None:
        return OVER
    if incident.question is not None and incident.question.open and incident.proposal is not None:
        return ASKS
    if incident.intent is not None or incident.verifying:
        return WORKING
    if incident.handed_over:
        return PERSON
    if incident.rejected is not None:
        return REJECTED
    if outcome is not None:
        return FAILED
    return _decided(incident)


def _decided(incident: Incident) -> Badge:
    if incident.decision is None:
        return NEW
    if incident.decision.would is not None:
        return OBSERVED
    return {
        Route.AUTO: WORKING,
        Route.ASK: NEW,
        Route.WAIT: WAITS,
        Route.HAND_OVER: PERSON,
        Route.REFUSE: BLOCKED,
    }[incident.decision.route]


def health_badge(health: DataHealth | None) -> Badge:
    """How far a service's data can be trusted."""
    if health is None:
        return Badge("not looked at yet", "○", Tone.PLAIN)
    return Badge("healthy", "✔", Tone.GOOD) if health.healthy else Badge(str(health), "▲", Tone.WAITING)


SHAPES = {Tone.PLAIN: "·", Tone.GOOD: "✔", Tone.BAD: "✖", Tone.WAITING: "●"}
"""The shape before a row of the story."""


def may_answer(incident: Incident, person: Person, approves: bool) -> str:
    """Why this person cannot answer the open question; empty when they can."""
    question = incident.question
    if question is None or not question.open:
        return "No question is open."
    if person.name not in question.approvers:
        named = ", ".join(question.approvers) or "nobody (no approvers are set)"
        return f"You are {person.name}; who may answer: {named}."
    if not approves:
        return f"You need the verb approve on remediations.trimtab.dev in {incident.workload.namespace}."
    return ""
