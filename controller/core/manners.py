"""The floor's manners: what is to be done about a workload's floor, as the world stands.

Promises that the field is asked for once per generation of the policy, that the first foreign change ends it for that
generation, that it is given back whenever nobody asks for it any longer, and that policies which could not be read
neither hold nor release anything. Pure: the log's floor, the policy, the autoscalers and the numbers are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from controller.core.floor import Floor
from controller.core.policy import Policy, ScalingMode
from controller.core.sizing import CannotSize, Wanted
from remediations.cluster import Object
from remediations.floor import SHARE, cap_of, foreign_owners, least_of, mark_of, traces
from remediations.owners import controller_of


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
    if not policy.known:
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
    if mark is not None and not mark.ours and mark.for_whom == policy.name and not _known_ended(floor, policy):
        return End("TakenBack", ", ".join(foreign_owners(obj)) or "somebody")
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


def _known_ended(floor: Floor, policy: Policy) -> bool:
    """Whether the log knows that somebody ended this generation's floor; one taken back while nobody led tells it only
    by its annotations.
    """
    return floor.ended is not None and floor.ended.policy == policy.name


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
