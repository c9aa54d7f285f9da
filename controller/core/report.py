"""The report on a stretch of time: what was done, what would have been done, what was asked, how it ended.

A reading of the log and nothing else: the same events give the same report, whoever asks and however late, since only
what happened before its end counts. Promises that an incident in Observe is never counted as done, that one plan is
counted once however often it was decided, and that what nobody judged is not called a success.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TypeAlias

from controller.core.events import (
    Answered,
    Applied,
    Asked,
    Closed,
    Decided,
    Event,
    Expired,
    FloorEnded,
    FloorHeld,
    FloorProposed,
    FloorReleased,
    HandedOver,
    Intended,
    Judged,
    Opened,
    Proposed,
    RolloutBegan,
    Superseded,
    Undone,
    Verdict,
    Verified,
)
from controller.core.headline import ALONE as NOBODY_ASKED
from controller.core.headline import actor, headline
from controller.core.incident import Incident, fold
from controller.core.phrases import act, noun
from controller.core.routes import Reason, Route
from controller.core.words import clean, count
from detectors.series import Workload
from remediations.plan import Outcome, Plan


class Way(StrEnum):
    """How a deed came about."""

    ALONE = "alone"
    APPROVED = "approved"
    WOULD_ACT = "would have acted"
    WOULD_ASK = "would have asked"

    @property
    def done(self) -> bool:
        """Whether anything was changed."""
        return self in (Way.ALONE, Way.APPROVED)


class Loop(StrEnum):
    """Which loop a deed is of. Only what the incidents loop does is judged afterwards."""

    INCIDENTS = "incidents"
    SCALING = "scaling"


class Fate(StrEnum):
    """What became of a question."""

    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"
    OPEN = "open"


class Mark(StrEnum):
    """How a line ended, most urgent first."""

    PERSON = "person"
    BAD = "bad"
    ASKS = "asks"
    VERIFYING = "verifying"
    ACTED = "acted"
    WOULD = "would"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Deed:
    """One action, done or not. `outcome` None: not judged (yet), or never done. `text` says what, in a clause."""

    at: datetime
    workload: Workload
    way: Way
    noun: str
    text: str
    by: str = ""
    outcome: Outcome | None = None
    undone: bool = False
    incident: str = ""
    loop: Loop = Loop.INCIDENTS


@dataclass(frozen=True, slots=True)
class Question:
    """One question to people, and who answered."""

    at: datetime
    incident: str
    fate: Fate
    by: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one thing, in one sentence."""

    at: datetime
    workload: Workload
    mark: Mark
    text: str
    incident: str = ""
    left: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """One new version, and how it compared with the old one in the end: `verdict` as in `Judged`, empty: never."""

    at: datetime
    workload: Workload
    version: str
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything in [begin, end). `since` is set when the log begins within it; `watched` counts workloads, None when
    nobody knows.
    """

    begin: datetime
    end: datetime
    since: datetime | None = None
    deeds: tuple[Deed, ...] = ()
    questions: tuple[Question, ...] = ()
    lines: tuple[Line, ...] = ()
    rollouts: tuple[Compared, ...] = ()
    watched: int | None = None

    @property
    def incidents(self) -> int:
        """How many incidents the lines are about."""
        return sum(bool(line.incident) for line in self.lines)

    @property
    def left(self) -> int:
        """How many were handed to a person, whether or not they are over by now."""
        return sum(line.left for line in self.lines)

    @property
    def quiet(self) -> bool:
        """Nothing happened that anybody needs to read."""
        return not self.lines

    def of(self, *ways: Way) -> tuple[Deed, ...]:
        """The deeds that came about in these ways."""
        return tuple(deed for deed in self.deeds if deed.way in ways)

    def only(self, namespaces: Iterable[str]) -> Report:
        """The same for somebody who may read these namespaces only."""
        may = frozenset(namespaces)
        lines = tuple(line for line in self.lines if line.workload.namespace in may)
        kept = {line.incident for line in lines}
        return replace(
            self,
            deeds=tuple(deed for deed in self.deeds if deed.workload.namespace in may),
            questions=tuple(question for question in self.questions if question.incident in kept),
            lines=lines,
            rollouts=tuple(one for one in self.rollouts if one.workload.namespace in may),
            watched=None,
        )


def report(
    streams: Mapping[str, Sequence[Event]], begin: datetime, end: datetime, watched: int | None = None
) -> Report:
    """The report over the streams of a log, by name."""
    past = {name: tuple(event for event in events if event.at < end) for name, events in streams.items()}
    found = [one for name, events in sorted(past.items()) if events and (one := _told(name, events, begin)) is not None]
    first = min((event.at for events in past.values() for event in events), default=None)
    lines = tuple(line for line, _, _ in found)
    rollouts = (one for name, events in past.items() if name.startswith("rollout:") for one in compared(events))
    return Report(
        begin=begin,
        end=end,
        since=first if first is not None and first > begin else None,
        deeds=_in_order(deed for _, deeds, _ in found for deed in deeds),
        questions=tuple(question for _, _, questions in found for question in questions),
        lines=tuple(sorted(lines, key=lambda line: (line.at, line.workload, line.incident))),
        rollouts=tuple(sorted((one for one in rollouts if one.at >= begin), key=lambda one: (one.at, one.workload))),
        watched=watched,
    )


def _told(name: str, events: Sequence[Event], begin: datetime) -> Told | None:
    """What one stream tells of the stretch, None when nothing."""
    if name.startswith("incident:"):
        return _incident(events, begin)
    return _floor(events, begin) if name.startswith("floor:") else None


def _in_order(deeds: Iterable[Deed]) -> tuple[Deed, ...]:
    return tuple(sorted(deeds, key=lambda deed: (deed.at, deed.incident, deed.text)))


Told: TypeAlias = tuple[Line, tuple[Deed, ...], tuple[Question, ...]]

COUNTS = (Opened, Decided, Asked, Answered, Expired, Applied, Verified, Undone, HandedOver)
"""What makes an incident worth a line in the stretch it happened in: its end alone is no news."""


def _incident(events: Sequence[Event], begin: datetime) -> Told | None:
    """One incident's line, deeds and questions; None when nothing of it falls into the stretch."""
    incident = fold(enumerate(events, start=1))
    if incident is None or not any(isinstance(event, COUNTS) and event.at >= begin for event in events):
        return None
    deeds = tuple(deed for deed in deeds_of(events) if deed.at >= begin)
    questions = tuple(question for question in questions_of(incident.id, events) if question.at >= begin)
    left = any(isinstance(event, HandedOver) and event.at >= begin for event in events)
    mark = _mark(incident, deeds, questions)
    text = headline(incident, events)
    return Line(incident.opened_at, incident.workload, mark, text, incident.id, left), deeds, questions


def deeds_of(events: Sequence[Event]) -> tuple[Deed, ...]:
    """What was done in an incident, and what would have been: each plan once, each kind of remediation once where
    nothing was done.
    """
    opened = next((event for event in events if isinstance(event, Opened)), None)
    if opened is None:
        return ()
    plans = {event.plan.digest: event.plan for event in events if isinstance(event, Proposed)}
    done = tuple(_done(opened, plan, events) for plan in plans.values())
    return _in_order((*(deed for deed in done if deed is not None), *_would(opened, plans, events)))


def _done(opened: Opened, plan: Plan, events: Sequence[Event]) -> Deed | None:
    keys = {
        event.key for event in events if isinstance(event, Intended) and event.digest == plan.digest and not event.undo
    }
    applied = next((event for event in events if isinstance(event, Applied) and event.key in keys), None)
    if applied is None:
        return None
    who = actor(plan.digest, events)
    verified = [event for event in events if isinstance(event, Verified) and event.digest == plan.digest]
    undone = any(isinstance(event, Undone) and event.digest == plan.digest and event.restored for event in events)
    alone = who == NOBODY_ASKED
    return Deed(
        at=applied.at,
        workload=opened.workload,
        way=Way.ALONE if alone else Way.APPROVED,
        noun=_noun(plan),
        text=act(plan).past,
        by="" if alone else who,
        outcome=verified[-1].outcome if verified else None,
        undone=undone,
        incident=opened.incident,
    )


WOULD = {Route.AUTO: Way.WOULD_ACT, Route.ASK: Way.WOULD_ASK}


def _would(opened: Opened, plans: Mapping[str, Plan], events: Sequence[Event]) -> tuple[Deed, ...]:
    """The freest answer that Observe withheld, once for each kind of remediation."""
    found: dict[str, Deed] = {}
    for event in events:
        if not isinstance(event, Decided) or event.would not in WOULD or event.digest not in plans:
            continue
        plan, way = plans[event.digest], WOULD[event.would]
        before = found.get(plan.remediation)
        if before is None or (before.way, way) == (Way.WOULD_ASK, Way.WOULD_ACT):
            at = event.at if before is None else before.at
            found[plan.remediation] = Deed(
                at, opened.workload, way, _noun(plan), act(plan).now, incident=opened.incident
            )
    return tuple(found.values())


def _noun(plan: Plan) -> str:
    return clean(noun(plan).removeprefix("the "), 40)


def questions_of(incident: str, events: Sequence[Event]) -> tuple[Question, ...]:
    """Every question of an incident with what became of it."""
    return tuple(
        _fate(incident, event, events[index + 1 :]) for index, event in enumerate(events) if isinstance(event, Asked)
    )


def _fate(incident: str, asked: Asked, later: Sequence[Event]) -> Question:
    for event in later:
        match event:
            case Asked():
                return Question(asked.at, incident, Fate.VOID)
            case Answered() if event.digest == asked.digest:
                fate = Fate.APPROVED if event.verdict is Verdict.APPROVE else Fate.REJECTED
                return Question(asked.at, incident, fate, clean(event.by))
            case Expired() if event.digest == asked.digest:
                return Question(asked.at, incident, Fate.EXPIRED)
            case Superseded() if event.digest == asked.digest:
                return Question(asked.at, incident, Fate.VOID)
            case Closed():
                return Question(asked.at, incident, Fate.VOID)
            case _:
                pass
    return Question(asked.at, incident, Fate.OPEN)


def _mark(incident: Incident, deeds: Sequence[Deed], questions: Sequence[Question]) -> Mark:
    done = [deed for deed in deeds if deed.way.done]
    if incident.closed is None and incident.handed_over:
        return Mark.PERSON
    if any(deed.outcome in (Outcome.HARMFUL, Outcome.INEFFECTIVE) for deed in done):
        return Mark.BAD
    if any(question.fate is Fate.OPEN for question in questions):
        return Mark.ASKS
    if incident.verifying:
        return Mark.VERIFYING
    if done:
        return Mark.ACTED
    return Mark.WOULD if deeds else Mark.OVER


# Floors


def _floor(events: Sequence[Event], begin: datetime) -> Told | None:
    """One workload's floor: one line for the whole stretch."""
    deeds = tuple(deed for deed in floors_of(events) if deed.at >= begin)
    news = [event for event in events if isinstance(event, FloorEnded | FloorReleased) and event.at >= begin]
    held_back = [event for event in events if _held_back(event) and event.at >= begin]
    told = [*_raised(deeds, events), *(_over(event) for event in news)]
    if held_back:
        why = next((clean(reason.message) for event in held_back for reason in _reasons(event)), "")
        told.append(f"held back {len(held_back)} × by the gate: {why}")
    if not told:
        return None
    first = deeds[0] if deeds else (news or held_back)[0]
    workload = next(event.workload for event in events if isinstance(event, FLOORS))
    ended = any(isinstance(event, FloorEnded) for event in news)
    done = any(deed.way.done for deed in deeds)
    mark = Mark.BAD if ended else Mark.ACTED if done else Mark.WOULD if deeds else Mark.OVER
    return Line(first.at, workload, mark, f"{'; '.join(told)}."), deeds, ()


FLOORS = (FloorProposed, FloorHeld, FloorEnded, FloorReleased)


def floors_of(events: Sequence[Event]) -> tuple[Deed, ...]:
    """A floor raised, or one that would have been held: one deed for each day (UTC), the highest of it."""
    best: Best = {}
    stands: int | None = None
    for event in events:
        match event:
            case FloorHeld():
                raised = not event.found and event.replicas > (stands if stands is not None else event.was)
                stands = event.replicas
                if raised:
                    _keep(best, event, done=True)
            case FloorProposed() if event.plan is None and event.replicas > event.was:
                _keep(best, event, done=False)
            case FloorEnded() | FloorReleased():
                stands = None
            case _:
                pass
    return tuple(_floor_deed(at, most, done) for (_, done), (at, _, most) in best.items())


Best: TypeAlias = dict[tuple[date, bool], tuple[datetime, int, FloorHeld | FloorProposed]]


def _keep(best: Best, event: FloorHeld | FloorProposed, *, done: bool) -> None:
    """Remember the highest of a day, at the moment it began."""
    key = (event.at.astimezone(UTC).date(), done)
    at, most, _ = best.get(key, (event.at, -1, event))
    if event.replicas > most:
        best[key] = at, event.replicas, event


def _floor_deed(at: datetime, event: FloorHeld | FloorProposed, done: bool) -> Deed:
    own = f"(its own minimum is {event.was})"
    text = f"floor raised to {event.replicas} {own}" if done else f"hold a floor of {event.replicas} {own}"
    way = Way.ALONE if done else Way.WOULD_ACT
    return Deed(at, event.workload, way, "floor", text, loop=Loop.SCALING)


def _raised(deeds: Sequence[Deed], events: Sequence[Event]) -> Iterator[str]:
    """`floor raised on 3 days, up to 9 (its own minimum is 3)`."""
    stood = [event for event in events if isinstance(event, FloorHeld)]
    would = [event for event in events if isinstance(event, FloorProposed) and event.plan is None]
    for done, of, begin in ((True, stood, "floor raised"), (False, would, "would have held a floor")):
        days = {deed.at.astimezone(UTC).date() for deed in deeds if deed.way.done is done}
        told = [event for event in of if event.at.astimezone(UTC).date() in days]
        if told:
            top = max(told, key=_replicas)
            yield f"{begin} on {count(len(days), 'day')}, up to {top.replicas} (its own minimum is {top.was})"


def _replicas(event: FloorHeld | FloorProposed) -> int:
    return event.replicas


def _over(event: FloorEnded | FloorReleased) -> str:
    if isinstance(event, FloorEnded):
        return f"taken back by {clean(event.by, 80)}, and left alone since"
    return f"given back: {clean(event.reason)}"


def _held_back(event: Event) -> bool:
    return isinstance(event, Decided) and event.would is None and event.route in (Route.WAIT, Route.REFUSE)


def _reasons(event: Event) -> Sequence[Reason]:
    if not isinstance(event, Decided):
        return ()
    return [reason for reason in event.reasons if reason.route is event.route]


# Rollouts


def compared(events: Sequence[Event]) -> tuple[Compared, ...]:
    """Every new version that stood beside an old one, with the last verdict on it."""
    found: dict[str, Compared] = {}
    for event in events:
        if isinstance(event, RolloutBegan):
            found[event.uid] = Compared(event.at, event.workload, clean(event.version_name, 60))
        elif isinstance(event, Judged) and event.uid in found:
            found[event.uid] = replace(found[event.uid], verdict=event.verdict)
    return tuple(found.values())
