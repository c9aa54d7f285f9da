"""The floor's manners: what is to be done about a workload's floor, as the world stands.

First it is settled whose the minimum of an autoscaler is (`whose`), then what follows from that (`course`). Promises
that the field is asked for once per generation of the policy, that the first foreign change ends it for that
generation, that it is given back whenever nobody asks for it any longer, however many autoscalers there are, and that
policies which could not be read neither hold nor release anything. Pure: the log's floor, the policy, the autoscalers
and the numbers are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from controller.core.floor import Floor
from controller.core.policy import Policy, ScalingMode
from controller.core.sizing import CannotSize, Wanted, unfit
from detectors.series import Workload
from remediations.cluster import Object
from remediations.floor import SHARE, Mark, address, cap_of, foreign_owners, least_of, mark_of, traces
from remediations.owners import controller_of

# Whose the minimum is


@dataclass(frozen=True, slots=True)
class Theirs:
    """Its people's, and nothing of ours is on the autoscaler."""


@dataclass(frozen=True, slots=True)
class Ours:
    """The floor that the log knows of stands."""

    mark: Mark


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A floor of ours stands and the log does not know of it: another store."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Somebody else has it, and the log does not know that yet."""

    code: str
    by: str


@dataclass(frozen=True, slots=True)
class Left:
    """Its people's by now, with something that a floor of ours left behind."""


Whose: TypeAlias = Theirs | Ours | Forgotten | Lost | Left


def whose(floor: Floor, policy: Policy, obj: Object) -> Whose:
    """Whose the minimum of this autoscaler is, for this generation of the policy."""
    mark, held = mark_of(obj), floor.held
    if held is not None and held.uid != obj["metadata"]["uid"]:
        return Lost("Recreated", "its deletion")
    if held is not None and mark is not None and mark.ours:
        return Ours(mark)
    if mark is not None and mark.ours and floor.ended is None:
        return Forgotten()
    told = floor.ended is not None and floor.ended.policy == policy.name
    # What was taken back while nobody led is known by its annotations alone.
    if held is not None or (mark is not None and not mark.ours and mark.for_whom == policy.name and not told):
        return Lost("TakenBack", ", ".join(foreign_owners(obj)) or "somebody")
    return Left() if traces(obj) else Theirs()


# What is to be done


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to write. `reason` is a constant word for the condition `FloorHeld`; `holds` its status."""

    reason: str
    message: str
    holds: bool = False


@dataclass(frozen=True, slots=True)
class Would:
    """Only say what would be held, on `target`."""

    target: Workload
    replicas: int
    was: int


@dataclass(frozen=True, slots=True)
class Move:
    """Hold this number on `target`. `takes`: the field is its owner's yet."""

    target: Workload
    replicas: int
    was: int
    takes: bool


@dataclass(frozen=True, slots=True)
class Adopt:
    """A floor of ours stands there and the log does not know of it (another store): go on with it."""

    target: Workload


@dataclass(frozen=True, slots=True)
class End:
    """Somebody else has the field."""

    target: Workload
    code: str
    by: str


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Restore what is still ours and leave no trace."""

    target: Workload
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing of ours is left on `target`, the autoscaler last spoken of; only the log has to learn it."""

    target: Workload | None
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

    def cannot(self) -> Rest:
        """Why there is no number."""
        if isinstance(self.floor, CannotSize):
            return Rest(self.floor.code, self.floor.reason)
        return Rest("NoForecast", "nothing is known of its load yet")


def course(floor: Floor, policy: Policy, autoscalers: Sequence[Object], asked: Asked) -> Course:
    """What the world asks for now. `autoscalers` are those that scale the workload."""
    if not policy.known:
        told = "policies could not be read: nothing is held anew, nothing released"
        return Rest("PolicyUnknown", told, floor.held is not None)
    if policy.scaling is ScalingMode.FLOOR:
        return _wanted(floor, policy, autoscalers, asked)
    return _not_wanted(floor, policy, autoscalers, asked)


def _not_wanted(floor: Floor, policy: Policy, autoscalers: Sequence[Object], asked: Asked) -> Course:
    """Nobody asks for a floor: whatever is left of one goes, wherever it is."""
    why = f"mode {policy.scaling.value}" if policy.name != "default" else "no policy asks for a floor"
    for obj in autoscalers:
        if controller_of(obj) is None and traces(obj):
            return GiveBack(address(obj), "NotAsked", why)
    if floor.held is not None or floor.ended is not None or floor.taken_for:
        return Forget(floor.autoscaler, "NotAsked", why)
    if policy.scaling is ScalingMode.OFF:
        return Rest("Off", "the scaling loop is off here")
    fit = unfit(autoscalers)
    if isinstance(fit, CannotSize):
        return Rest(fit.code, fit.reason)
    least = least_of(fit)
    replicas = asked.within(fit, least)
    return asked.cannot() if replicas is None else Would(address(fit), replicas, least)


def _wanted(floor: Floor, policy: Policy, autoscalers: Sequence[Object], asked: Asked) -> Course:
    """The policy asks for a floor. Where none can be begun or moved, one that stands stays as it is."""
    fit = unfit(autoscalers)
    obj = _ours(floor, autoscalers) or fit
    if isinstance(obj, CannotSize) and floor.held is not None:
        return Forget(floor.autoscaler, "Gone", f"the autoscaler {floor.held.autoscaler.name} is gone")
    if isinstance(obj, CannotSize):
        return Rest(obj.code, obj.reason)
    match whose(floor, policy, obj):
        case Lost(code, by):
            return End(address(obj), code, by)
        case Ours(mark):
            return _stays(mark, fit) if isinstance(fit, CannotSize) else _moved(mark, obj, asked)
        case Left() if controller_of(obj) is None:
            return GiveBack(address(obj), "TakenBack", "what a floor of ours left behind")
        case Left() | Forgotten() | Theirs() if isinstance(fit, CannotSize):
            return Rest(fit.code, fit.reason)
        case Forgotten():
            return Adopt(address(obj))
        case Left() | Theirs():
            return _begun(floor, policy, obj, asked)
        case _ as other:
            assert_never(other)


def _ours(floor: Floor, autoscalers: Sequence[Object]) -> Object | None:
    """The autoscaler that is held, else one with a trace of ours."""
    held = [obj for obj in autoscalers if floor.held is not None and obj["metadata"]["uid"] == floor.held.uid]
    return next(iter((*held, *(obj for obj in autoscalers if traces(obj)))), None)


def _stays(mark: Mark, why: CannotSize) -> Rest:
    return Rest(why.code, f"{mark.floor} held, and stays as it is: {why.reason}", holds=True)


def _begun(floor: Floor, policy: Policy, obj: Object, asked: Asked) -> Course:
    """Take the field, once per generation of the policy, where more is needed than its people wrote."""
    if floor.taken_for == policy.name:
        by = floor.ended.by if floor.ended is not None else "its deletion"
        code = floor.ended.code if floor.ended is not None else "Recreated"
        return Rest(code, f"taken back by {by}: left alone until the policy changes")
    least = least_of(obj)
    replicas = asked.within(obj, least)
    if replicas is None:
        return asked.cannot()
    if replicas <= least:
        return Rest("NotNeeded", f"its own minimum of {least} is enough")
    return Move(address(obj), replicas, least, takes=True)


def _moved(mark: Mark, obj: Object, asked: Asked) -> Course:
    """Go where the numbers are, never down on data in doubt."""
    replicas = asked.within(obj, mark.was)
    if replicas is None:
        return Rest("Held", f"{mark.floor} held; {asked.cannot().message}", holds=True)
    if replicas == mark.floor:
        return Rest("Held", f"{mark.floor} held", holds=True)
    if replicas < mark.floor and asked.unhealthy:
        return Rest("Held", f"{mark.floor} held; never lowered while {asked.unhealthy}", holds=True)
    return Move(address(obj), replicas, mark.was, takes=False)
