"""What the demo says while it plays: one line for each turn of the stories.

Promises that a line is told once, in the order of the log, and only from the log and from the scenario's own faults.
Pure: what to print, never where.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.core.events import (
    Applied,
    Bearing,
    Event,
    FloorHeld,
    FloorJudged,
    Intended,
    Judged,
    Opened,
    Proposed,
)
from controller.core.phrases import act
from controller.core.timeline import Tone, row_of
from controller.demo.stories import story_of
from controller.lab.faults import Fault
from controller.ports import Stored

TOLD = frozenset(
    {
        "opened",
        "asked",
        "answered",
        "applied",
        "not-applied",
        "verified",
        "handed-over",
        "no-plan",
        "floor-held",
        "floor-judged",
        "floor-ended",
        "judged",
        "expired",
    }
)
"""Kinds of events that are a turn of a story; the page has all of them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: when, about which service, what in a word, and the sentence. `incident` can be looked up."""

    at: datetime
    service: str
    what: str
    text: str
    tone: Tone = Tone.PLAIN
    incident: str = ""


@dataclass(slots=True)
class Narrator:
    """Turns what is new into lines."""

    streams: dict[str, list[Event]] = field(default_factory=dict)
    faults: list[tuple[datetime, Fault]] = field(default_factory=list)

    def lines(self, fresh: Sequence[Stored], now: datetime) -> Iterator[Line]:
        """The lines of new events and of faults that have begun."""
        told = [*self._begun(now), *self._events(fresh)]
        yield from sorted(told, key=lambda line: line.at)

    def _begun(self, now: datetime) -> Iterator[Line]:
        while self.faults and self.faults[0][0] <= now:
            at, fault = self.faults.pop(0)
            yield Line(at, str(getattr(fault, "service", "") or getattr(fault, "node", "")), "happens", happens(fault))

    def _events(self, fresh: Sequence[Stored]) -> Iterator[Line]:
        for stored in fresh:
            events = self.streams.setdefault(stored.stream, [])
            events.append(stored.event)
            line = line_of(stored.stream, events)
            if line is not None:
                yield line


def line_of(stream: str, events: Sequence[Event]) -> Line | None:
    """The line of the newest event of a stream, None where the demo leaves it to the page."""
    event = events[-1]
    if event.kind not in TOLD or passed_over(stream, events):
        return None
    row = row_of(event, events, len(events) - 1)
    service = story_of(stream, events[0])
    if row is None or not service:
        return None
    incident = stream.removeprefix("incident:") if stream.startswith("incident:") else ""
    text = done(events) if isinstance(event, Applied) else row.text
    return Line(event.at, service, row.word, text, row.tone, incident)


def passed_over(stream: str, events: Sequence[Event]) -> bool:
    """Whether the newest event adds nothing to what was told: a verdict that asks for nothing, the incident that a
    verdict opens, one more raise of a floor that is not judged yet, the write behind it, a floor that was not needed.
    """
    match events[-1]:
        case Judged() as judged:
            return judged.verdict != "roll-back"
        case Opened() as opened:
            return any(symptom.code == "regression" for symptom in opened.symptoms)
        case FloorHeld():
            before = next((e for e in reversed(events[:-1]) if isinstance(e, FloorHeld | FloorJudged)), None)
            return isinstance(before, FloorHeld)
        case FloorJudged() as judged:
            return judged.bearing is Bearing.NOT_NEEDED
        case Applied():
            return stream.startswith("floor:")
        case _:
            return False


def done(events: Sequence[Event]) -> str:
    """What the newest write of an incident did: `rolled back to v41`."""
    intended = next((e for e in reversed(events) if isinstance(e, Intended)), None)
    proposed = next((e for e in reversed(events) if isinstance(e, Proposed)), None)
    if proposed is None or (intended is not None and intended.undo):
        return "taken back"
    return act(proposed.plan).past


def happens(fault: Fault) -> str:
    """What the lab does, in a clause."""
    lasting = f" for {minutes(timedelta(seconds=fault.lasting))}" if fault.lasting is not None else ""
    match fault.kind:
        case "bad-canary" | "crash-loop" | "rollout":
            return f"{fault.by} rolls out {fault.to}"
        case "burst":
            return f"{fault.factor:g} times the load{lasting}"
        case "leak":
            return f"every container keeps {fault.per_minute / 2**20:.0f} MiB more a minute"
        case "dependency-outage":
            return f"what it depends on outside fails {100 * fault.failing:.0f} of 100 requests{lasting}"
        case _:
            return f"{fault.kind}{lasting}"


def minutes(duration: timedelta) -> str:
    """Whole minutes."""
    return f"{duration.total_seconds() / 60:.0f} min"
