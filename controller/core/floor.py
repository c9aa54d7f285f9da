"""One workload's floor: a fold of the stream `floor:<workload>`.

Promises that the field is taken over once per generation of the policy, that nothing is written which the gate did not
open for, and that a write is settled once: `accept` refuses what makes no sense, `evolve` never raises on what is
stored. What is to be done about a floor is in `manners.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.core.events import (
    Applied,
    Claimed,
    Decided,
    Event,
    FloorEnded,
    FloorHeld,
    FloorJudged,
    FloorProposed,
    FloorReleased,
    Intended,
    NotApplied,
    Superseded,
)
from controller.core.incident import Intent
from controller.core.routes import Route
from detectors.series import Workload
from remediations.floor import API_VERSION, KIND

STREAM = "floor:"
"""Streams of floors begin so; the workload's key follows."""


def stream_of(workload: Workload) -> str:
    """The stream of one workload's floor."""
    return f"{STREAM}{workload.key}"


def workload_of(stream: str) -> Workload:
    """Whose floor a stream is about, where none of the events at hand names it. Raises ValueError for no such name."""
    namespace, kind, name = stream.removeprefix(STREAM).split("/")
    return Workload(namespace, kind, name)


FIRST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)
"""Pauses after writes that failed, each twice the one before."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A floor that was raised for a load up to `bound` until `until`, and is not judged yet. `per_pod` is what it was
    sized by, `was` what its people wrote; raises within that time are one.
    """

    since: datetime
    until: datetime
    replicas: int
    was: int
    bound: float
    per_pod: float


@dataclass(frozen=True, slots=True)
class Floor:
    """One workload's floor as it stands. `autoscaler` is the one last spoken of, `taken_for` the policy for which the
    field was taken last, `ended` who has it now instead of us, `judged` the last verdict.
    """

    workload: Workload
    number: int = 0
    autoscaler: Workload | None = None
    proposal: FloorProposed | None = None
    decision: Decided | None = None
    held: FloorHeld | None = None
    raised: Raised | None = None
    judged: FloorJudged | None = None
    taken_for: str = ""
    ended: FloorEnded | None = None
    intent: Intent | None = None
    failed: int = 0
    failed_at: datetime | None = None

    @property
    def resting_until(self) -> datetime | None:
        """When the next write may be tried after some failed; None when none did."""
        if self.failed_at is None:
            return None
        return self.failed_at + min(LONGEST_REST, FIRST_REST * (1 << min(self.failed, 16) >> 1))

    @property
    def stream(self) -> str:
        """Where its events are."""
        return stream_of(self.workload)


def evolve(floor: Floor, event: Event) -> Floor:
    """The floor after one more stored event."""
    match event:
        case FloorProposed():
            return replace(floor, autoscaler=event.autoscaler, proposal=event, decision=None)
        case Decided():
            return replace(floor, decision=event)
        case FloorHeld() | FloorEnded() | FloorReleased():
            stands = _stands(replace(floor, raised=_raised(floor, event)), event)
            stands = replace(stands, proposal=None, decision=None)
            # An autoscaler that is gone is no success of a write.
            gone = isinstance(event, FloorReleased) and event.code == "Gone"
            return stands if gone else replace(stands, failed=0, failed_at=None)
        case FloorJudged():
            return replace(floor, raised=None, judged=event)
        case Intended(undo=True, before={"autoscaler": str(name)}):
            where = Workload(floor.workload.namespace, KIND, name, API_VERSION)
            return replace(floor, intent=Intent.of(event), autoscaler=where)
        case Intended():
            return replace(floor, intent=Intent.of(event))
        case Claimed() | Applied() | NotApplied() | Superseded() if _about(floor, event):
            return _settled(floor, event)
        case _:
            return floor


def _stands(floor: Floor, event: FloorHeld | FloorEnded | FloorReleased) -> Floor:
    match event:
        case FloorHeld():
            return replace(floor, autoscaler=event.autoscaler, held=event, taken_for=event.policy, ended=None)
        case FloorEnded():
            return replace(floor, held=None, ended=event, taken_for=event.policy)
        case FloorReleased(code="NotAsked"):
            return replace(floor, held=None, ended=None, taken_for="")
        case FloorReleased():
            return replace(floor, held=None)


def _raised(floor: Floor, event: FloorHeld | FloorEnded | FloorReleased) -> Raised | None:
    """What is to be judged after this: a floor that was raised, also while it is lowered again; none that is over."""
    if not isinstance(event, FloorHeld) or event.found:
        return None
    before, pending, proposed = floor.held, floor.raised, floor.proposal
    higher = event.replicas > (before.replicas if before is not None else event.was)
    if not higher or proposed is None or proposed.until is None:
        return pending
    new = Raised(event.at, proposed.until, event.replicas, event.was, proposed.peak, proposed.per_pod)
    if pending is None or pending.until <= event.at:
        return new
    return replace(
        new, since=pending.since, until=max(pending.until, new.until), bound=max(pending.bound, new.bound),
        replicas=max(pending.replicas, new.replicas),
    )  # fmt: skip


def _about(floor: Floor, event: Claimed | Applied | NotApplied | Superseded) -> bool:
    return floor.intent is not None and floor.intent.key == event.key


def _settled(floor: Floor, event: Claimed | Applied | NotApplied | Superseded) -> Floor:
    match event:
        case Claimed():
            claimed = replace(floor.intent, epoch=event.epoch, claimed=True) if floor.intent is not None else None
            return replace(floor, intent=claimed)
        case NotApplied():
            return replace(floor, intent=None, decision=None, failed=floor.failed + 1, failed_at=event.at)
        case Superseded():
            return replace(floor, intent=None, proposal=None, decision=None)
        case Applied():
            return replace(floor, intent=None, decision=None)


def accept(floor: Floor, event: Event) -> str | None:
    """Why this event makes no sense now, or None when it may be appended."""
    match event:
        case Intended() if floor.intent is not None:
            return "another write is not settled yet"
        case Intended() if event.undo:
            return None
        case Intended():
            return _opened(floor, event)
        case Claimed() | Applied() | NotApplied() | Superseded() if (
            floor.intent is None or floor.intent.key != event.key
        ):
            return "that write is not open"
        case Claimed() if floor.intent is not None and event.epoch < floor.intent.epoch:
            return "a newer leader has it"
        case FloorProposed() if floor.intent is not None:
            return "a write is not settled yet"
        case FloorJudged() if floor.raised is None:
            return "no raised floor waits for a verdict"
        case _:
            return None


def _opened(floor: Floor, event: Intended) -> str | None:
    """Nothing is written that the gate did not open for."""
    proposal, decision = floor.proposal, floor.decision
    if proposal is None or proposal.plan is None or proposal.plan.digest != event.digest:
        return "the plan is not the current one"
    if decision is None or decision.digest != event.digest or decision.route is not Route.AUTO:
        return "the gate did not open"
    if proposal.takes and floor.taken_for == proposal.policy:
        return "the field was taken for this generation of the policy already"
    return None
