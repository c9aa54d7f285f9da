"""What a template shows of an incident: made once from its events, without a question to anybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controller.core.events import Opened, Undone
from controller.core.message import Background, facts
from controller.core.phrases import act, noun
from controller.core.timeline import Story, story
from controller.core.words import sentence
from controller.ports import Person, Stored
from controller.web.badges import may_answer
from controller.web.strip import Gauge, gauges
from remediations.plan import Plan


@dataclass(frozen=True, slots=True)
class Question:
    """An open question as a card: its facts, and why this person cannot answer it (empty when they can)."""

    story: Story
    facts: tuple[tuple[str, str], ...]
    plan: Plan
    asks: str
    button: str
    cannot: str

    @property
    def id(self) -> str:
        """The incident."""
        return self.story.id


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything the incident's page shows."""

    story: Story
    gauges: tuple[Gauge, ...]
    question: Question | None
    undo: str
    plan: Plan | None


def story_of(stored: Iterable[Stored]) -> Story | None:
    """The story of one stream."""
    return story((row.number, row.event) for row in stored)


def question(told: Story, background: Background, person: Person, approves: bool) -> Question | None:
    """The open question of a story, None when there is none."""
    incident = told.incident
    if incident.question is None or not incident.question.open or incident.proposal is None:
        return None
    plan = incident.proposal.plan
    cannot = may_answer(incident, person, approves)
    asks = f"{sentence(act(plan).now)}?"
    return Question(told, facts(incident, background), plan, asks, f"Approve {noun(plan)}", cannot)


def whole(stored: Sequence[Stored], told: Story, background: Background, person: Person, approves: bool) -> Whole:
    """The incident's page."""
    noticed = next((row.event.evidence for row in stored if isinstance(row.event, Opened)), {})
    return Whole(
        story=told,
        gauges=gauges(noticed, told.incident.evidence),
        question=question(told, background, person, approves),
        undo=undo_of(told) if approves else "",
        plan=told.plan,
    )


def undo_of(told: Story) -> str:
    """What the undo button says; empty where nothing can be taken back (any more)."""
    action = told.incident.action
    if action is None or not action.plan.undo or action.undo_asked_by or isinstance(action.undone, Undone):
        return ""
    return f"Take back {noun(action.plan)}"
