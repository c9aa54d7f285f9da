"""The floors of a report: days on which one was raised, or would have been, what it was worth, and how it ended.

Promises that a floor found held is not told as raised, and that one day gives one deed, the highest. Days are UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TypeAlias

from controller.core.events import (
    Bearing,
    Decided,
    Event,
    FloorEnded,
    FloorHeld,
    FloorJudged,
    FloorProposed,
    FloorReleased,
)
from controller.core.floor import workload_of
from controller.core.report_parts import Deed, Line, Loop, Mark, Told, Way
from controller.core.routes import Reason, Route
from controller.core.words import clean, count


def floor_told(stream: str, events: Sequence[Event], begin: datetime) -> Told | None:
    """One workload's floor: one line for the whole stretch. The events may be the end of its stream only."""
    deeds = tuple(deed for deed in floors_of(events) if deed.at >= begin)
    news = [event for event in events if isinstance(event, FloorEnded | FloorReleased) and event.at >= begin]
    held_back = [event for event in events if _held_back(event) and event.at >= begin]
    worth = [event for event in events if isinstance(event, FloorJudged) and event.at >= begin]
    told = [*_raised(deeds, events), *([judged(worth)] if worth else []), *(_over(event) for event in news)]
    if held_back:
        why = next((clean(reason.message) for event in held_back for reason in _reasons(event)), "")
        told.append(f"held back {len(held_back)} × by the gate: {why}")
    if not told:
        return None
    first = deeds[0] if deeds else (news or held_back or worth)[0]
    named = (event.workload for event in events if isinstance(event, FLOORS))
    workload = next(named, None) or workload_of(stream)
    ended = any(isinstance(event, FloorEnded) for event in news)
    failed = any(event.bearing in (Bearing.LATE, Bearing.EXCEEDED) for event in worth)
    done = bool(worth) or any(deed.way.done for deed in deeds)
    mark = Mark.BAD if ended or failed else Mark.ACTED if done else Mark.WOULD if deeds else Mark.OVER
    return Line(first.at, workload, mark, f"{'; '.join(told)}."), deeds, ()


FLOORS = (FloorProposed, FloorHeld, FloorEnded, FloorReleased, FloorJudged)

WORTH = {
    Bearing.IN_TIME: "in time",
    Bearing.NOT_NEEDED: "not needed",
    Bearing.LATE: "late",
    Bearing.EXCEEDED: "exceeded by the load",
    Bearing.UNKNOWN: "not seen well enough to judge",
}


def judged(events: Iterable[FloorJudged]) -> str:
    """`held 5 floors: 4 in time, 1 not needed`."""
    found = Counter(event.bearing for event in events)
    told = ", ".join(f"{found[bearing]} {word}" for bearing, word in WORTH.items() if found[bearing])
    return f"held {count(found.total(), 'floor')}: {told}"


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
