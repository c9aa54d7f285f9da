"""The report on a stretch of time: what was done, what would have been done, what was asked, how it ended.

A reading of the log and nothing else: the same events give the same report, whoever asks and however late, since only
what happened before its end counts. Promises that an incident in Observe is never counted as done, that one plan is
counted once however often it was decided, and that what nobody judged is not called a success.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.core.events import (
    Answered,
    Applied,
    Asked,
    Closed,
    Decided,
    Event,
    Expired,
    FloorJudged,
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
from controller.core.report_floors import floor_told
from controller.core.report_parts import Deed, Fate, Line, Mark, Question, Told, Way, in_order
from controller.core.rollout import NAMELESS
from controller.core.routes import Route
from controller.core.words import clean
from detectors.series import Workload
from remediations.plan import Outcome, Plan


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
    floors: tuple[FloorJudged, ...] = ()
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
    def namespaces(self) -> frozenset[str]:
        """Where everything in it happened."""
        told: Iterable[Line | Deed | Compared] = (*self.lines, *self.deeds, *self.rollouts)
        return frozenset(one.workload.namespace for one in told)

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
            floors=tuple(one for one in self.floors if one.workload.namespace in may),
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
    ours = frozenset(write for name, events in past.items() if name.startswith("incident:") for write in writes(events))
    begun = (one for name, events in past.items() if name.startswith("rollout:") for one in compared(events))
    rollouts = (one for one in begun if one.at >= begin and not own(one, ours))
    floors = (one for events in past.values() for one in events if isinstance(one, FloorJudged))
    return Report(
        begin=begin,
        end=end,
        since=first if first is not None and first > begin else None,
        deeds=in_order(deed for _, deeds, _ in found for deed in deeds),
        questions=tuple(question for _, _, questions in found for question in questions),
        lines=tuple(sorted(lines, key=lambda line: (line.at, line.workload, line.incident))),
        rollouts=tuple(sorted(rollouts, key=lambda one: (one.at, one.workload))),
        floors=tuple(sorted((one for one in floors if one.at >= begin), key=lambda one: (one.at, one.workload))),
        watched=watched,
    )


def _told(name: str, events: Sequence[Event], begin: datetime) -> Told | None:
    """What one stream tells of the stretch, None when nothing."""
    if name.startswith("incident:"):
        return _incident(events, begin)
    return floor_told(name, events, begin) if name.startswith("floor:") else None


COUNTS = (Opened, Decided, Asked, Answered, Expired, Applied, Verified, Undone, HandedOver)
"""What makes an incident worth a line in the stretch it happened in: its end alone is no news."""


def _incident(events: Sequence[Event], begin: datetime) -> Told | None:
    """One incident's line, deeds and questions; None when nothing of it falls into the stretch."""
    if not any(isinstance(event, COUNTS) and event.at >= begin for event in events):
        return None
    incident = fold(enumerate(events, start=1))
    if incident is None:
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
    return in_order((*(deed for deed in done if deed is not None), *_would(opened, plans, events)))


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


# Rollouts


OURS_WITHIN = timedelta(minutes=10)
"""How soon after a write of ours its pods stand beside the old ones."""


def writes(events: Sequence[Event]) -> Iterator[tuple[Workload, datetime]]:
    """When an incident's workload was written to."""
    opened = next((event for event in events if isinstance(event, Opened)), None)
    if opened is not None:
        yield from ((opened.workload, event.at) for event in events if isinstance(event, Applied))


def own(one: Compared, ours: Iterable[tuple[Workload, datetime]]) -> bool:
    """Whether it is what we wrote: a limit or a restart changes no image, so that nothing has a name of its own."""
    return one.version == NAMELESS[1] and any(
        one.workload == workload and timedelta() <= one.at - at <= OURS_WITHIN for workload, at in ours
    )


def compared(events: Sequence[Event]) -> tuple[Compared, ...]:
    """Every new version that stood beside an old one, with the last verdict on it."""
    found: dict[str, Compared] = {}
    for event in events:
        if isinstance(event, RolloutBegan):
            found[event.uid] = Compared(event.at, event.workload, clean(event.version_name, 60))
        elif isinstance(event, Judged) and event.uid in found:
            found[event.uid] = replace(found[event.uid], verdict=event.verdict)
    return tuple(found.values())
