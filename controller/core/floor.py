"""A floor as a fold of its events, and what is to be done about it next.

Promises that the field is taken over once per generation of the policy, that the first foreign change ends it for that
generation, that it is given back whenever nobody asks for it any longer, and that policies which could not be read
neither hold nor release anything. `accept` refuses what makes no sense, `evolve` never raises on stored events. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from controller.core.events import (
    Applied,
    Claimed,
    Decided,
    Event,
    FloorEnded,
    FloorHeld,
    FloorProposed,
    FloorReleased,
    Intended,
    NotApplied,
    Superseded,
)
from controller.core.incident import Intent
from controller.core.policy import Policy, ScalingMode
from controller.core.routes import Route
from controller.core.sizing import CannotSize, Wanted
from detectors.series import Workload
from remediations.cluster import Object
from remediations.floor import SHARE, cap_of, foreign_owners, least_of, mark_of, traces
from remediations.owners import controller_of

STREAM = "floor:"
"""Streams of floors begin so; the workload's key follows."""


def stream_of(workload: Workload) -> str:
    """The stream of one workload's floor."""
    return f"{STREAM}{workload.key}"


FIRST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)
"""Pauses after writes that failed, each twice the one before."""


@dataclass(frozen=True, slots=True)
class Floor:
    """One workload's floor as it stands. `autoscaler` is the one last spoken of, `taken_for` the policy for which the
    field was taken last, `ended` who has it now instead of us.
    """

    workload: Workload
    number: int = 0
    autoscaler: Workload | None = None
    proposal: FloorProposed | None = None
    decision: Decided | None = None
    held: FloorHeld | None = None
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
        return self.failed_at + min(LONGEST_REST, FIRST_REST * 2 ** (self.failed - 1))

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
            return _stands(replace(floor, proposal=None, decision=None, failed=0, failed_at=None), event)
        case Intended():
            return replace(floor, intent=_begun(event))
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


def _begun(event: Intended) -> Intent:
    return Intent(
        event.key, event.digest, event.step, event.attempt, event.epoch, event.undo, event.by, event.at, event.before
    )


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


# What to do next, and what to say


@dataclass(frozen=True, slots=True)
class Said:
    """What is to be said of one workload's floor: the condition `FloorHeld`, and what is or would be held."""

    holds: bool
    reason: str
    message: str
    replicas: int | None = None
    would: int | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to write. `reason` is a constant word for the condition `FloorHeld`; `holds` its status."""

    reason: str
    message: str
    holds: bool = False


@dataclass(frozen=True, slots=True)
class Would:
    """Only say what would be held."""

    replicas: int
    was: int


@dataclass(frozen=True, slots=True)
class Move:
    """Hold this number. `takes`: the field is its owner's yet."""

    replicas: int
    was: int
    takes: bool


@dataclass(frozen=True, slots=True)
class Adopt:
    """A floor of ours stands there and the log does not know of it (another store): go on with it."""


@dataclass(frozen=True, slots=True)
class End:
    """Somebody else has the field."""

    code: str
    by: str


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Restore what is still ours and leave no trace."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing of ours is left there; only the log has to learn it."""

    code: str
    reason: str


Course: TypeAlias = Rest | Would | Move | Adopt | End | GiveBack | Forget


@dataclass(frozen=True, slots=True)
class Asked:
    """What the numbers ask for. `unhealthy` is why the data cannot be trusted (empty: they can), `share` the cap."""

    floor: Wanted | CannotSize | None = None
    unhealthy: str = ""
    share: float = SHARE

    def within(self, obj: Object, was: int) -> int | None:
        """The number between the minimum that its people wrote and the cap of this autoscaler; None: there is none."""
        return max(was, min(self.floor.replicas, cap_of(obj, self.share))) if isinstance(self.floor, Wanted) else None

    def cannot(self, *, holds: bool = False) -> Rest:
        """Why there is no number."""
        if isinstance(self.floor, CannotSize):
            return Rest(self.floor.code, self.floor.reason, holds)
        return Rest("NoForecast", "nothing is known of its load yet", holds)


def course(floor: Floor, policy: Policy, autoscalers: Sequence[Object], asked: Asked) -> Course:
    """What the world asks for now. `autoscalers` are those that scale the workload."""
    if unread(policy):
        return Rest(
            "PolicyUnknown", "policies could not be read: nothing is held anew, nothing released", _holds(floor)
        )
    if len(autoscalers) != 1:
        return _without(floor, autoscalers)
    (obj,) = autoscalers
    if policy.scaling is not ScalingMode.FLOOR:
        return _not_asked(floor, policy, obj, asked)
    owner = controller_of(obj)
    if owner is not None and floor.held is None:
        told = f"the autoscaler belongs to {owner.kind}/{owner.name}, which would take a floor back"
        hint = "; raise minReplicaCount there" if owner.kind == "ScaledObject" else ""
        return Rest("AutoscalerControlled", told + hint)
    return _held(floor, obj, asked) if floor.held is not None else _free(floor, policy, obj, asked)


def unread(policy: Policy) -> bool:
    """Whether nobody can say what is allowed: policies not seen yet, or one that may be meant is not readable."""
    return policy.name == "unknown" or policy.name.endswith("@invalid")


def _holds(floor: Floor) -> bool:
    return floor.held is not None


def _without(floor: Floor, autoscalers: Sequence[Object]) -> Course:
    if autoscalers:
        names = ", ".join(str(one["metadata"]["name"]) for one in autoscalers)
        return Rest("SeveralAutoscalers", f"several autoscalers scale it: {names}", _holds(floor))
    if floor.held is not None:
        return Forget("Gone", f"the autoscaler {floor.held.autoscaler.name} is gone")
    return Rest("NoAutoscaler", "no HorizontalPodAutoscaler scales it")


def _not_asked(floor: Floor, policy: Policy, obj: Object, asked: Asked) -> Course:
    why = f"mode {policy.scaling.value}" if policy.name != "default" else "no policy asks for a floor"
    if controller_of(obj) is None and traces(obj):
        return GiveBack("NotAsked", why)
    if floor.held is not None or floor.ended is not None or floor.taken_for:
        return Forget("NotAsked", why)
    if policy.scaling is ScalingMode.OFF:
        return Rest("Off", "the scaling loop is off here")
    least = least_of(obj)
    replicas = asked.within(obj, least)
    return asked.cannot() if replicas is None else Would(replicas, least)


def _free(floor: Floor, policy: Policy, obj: Object, asked: Asked) -> Course:
    """Nothing is held."""
    mark, least = mark_of(obj), least_of(obj)
    if mark is not None and mark.ours and floor.ended is None:
        return Adopt()
    if traces(obj):
        return GiveBack("TakenBack", "what a floor of ours left behind")
    if floor.taken_for == policy.name:
        by = floor.ended.by if floor.ended is not None else "its deletion"
        code = floor.ended.code if floor.ended is not None else "Recreated"
        return Rest(code, f"taken back by {by}: left alone until the policy changes")
    replicas = asked.within(obj, least)
    if replicas is None:
        return asked.cannot()
    if replicas <= least:
        return Rest("NotNeeded", f"its own minimum of {least} is enough")
    return Move(replicas, least, takes=True)


def _held(floor: Floor, obj: Object, asked: Asked) -> Course:
    """A floor stands, as far as the log knows."""
    held, mark = floor.held, mark_of(obj)
    if held is None:
        raise ValueError(f"{floor.stream} holds nothing")
    if held.uid != obj["metadata"]["uid"]:
        return End("Recreated", "its deletion")
    if mark is None or not mark.ours:
        return End("TakenBack", ", ".join(foreign_owners(obj)) or "somebody")
    if controller_of(obj) is not None:
        return Rest(
            "AutoscalerControlled", "something else controls the autoscaler now; the floor stays as it is", True
        )
    replicas = asked.within(obj, mark.was)
    if replicas is None:
        return Rest("Held", f"{mark.floor} held; {asked.cannot().message}", True)
    if replicas == mark.floor:
        return Rest("Held", f"{mark.floor} held", True)
    if replicas < mark.floor and asked.unhealthy:
        return Rest("Held", f"{mark.floor} held; never lowered while {asked.unhealthy}", True)
    return Move(replicas, mark.was, takes=False)
