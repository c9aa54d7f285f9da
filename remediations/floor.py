"""Floor: hold `minReplicas` of a HorizontalPodAutoscaler ahead of the load, and give it back as it was.

Promises: the number lies between the minimum that its owner wrote and a share of the maximum, so that a manifest which
lowers the maximum a little is not refused because of us; what the owner wrote, and who, stands as annotations in the
same write; nothing else of the object is held. Taking the field over by force is asked for by the caller, once per
consent. Undo is `Cluster.release`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from detectors.series import Workload
from remediations.base import Right
from remediations.cluster import Object, World
from remediations.diff import unified
from remediations.fields import entries_without_ours, is_ours, only_ours, owners_of
from remediations.ground import ground_of
from remediations.owners import controller_of
from remediations.plan import BlastRadius, Held, Holding, Outcome, PatchOp, Plan, Refusal, Step, StepClass, Writes
from remediations.pointer import applied, held, pointer_to
from remediations.steps import reverse_of, setting, step_of
from remediations.verification import in_force

KIND, API_VERSION = "HorizontalPodAutoscaler", "autoscaling/v2"
MANAGER = "trimtab-floor"
"""The field manager of every floor."""
LEAST, MOST = "/spec/minReplicas", "/spec/maxReplicas"
FLOOR, WAS, OWNER, FOR = (f"trimtab.dev/floor{part}" for part in ("", "-was", "-owner", "-for"))
ANNOTATIONS = (FLOOR, WAS, OWNER, FOR)
SHARE = 0.8
"""Of `maxReplicas`, the most that a floor takes by default. The rest is room for a manifest with a lower maximum: the
API server refuses one whose maximum is under the minimum that we hold."""


def marked(name: str) -> str:
    """The pointer to one of our annotations."""
    return pointer_to("metadata", "annotations", name)


@dataclass(frozen=True, slots=True)
class Mark:
    """The floor that an autoscaler's annotations tell of. `ours`: the field still holds it and is ours alone; one
    that somebody else owns too, at whatever number, is theirs.
    """

    floor: int
    was: int
    owner: str
    for_whom: str
    ours: bool


def mark_of(obj: Object) -> Mark | None:
    """The floor of ours on this autoscaler, None when its annotations tell of none (or of nothing that makes sense)."""
    marks: Mapping[str, str] = obj["metadata"].get("annotations") or {}
    if not (marks.get(FLOOR, "").isdecimal() and marks.get(WAS, "").isdecimal()):
        return None
    floor = int(marks[FLOOR])
    ours = least_of(obj) == floor and only_ours(obj, LEAST)
    return Mark(floor, int(marks[WAS]), marks.get(OWNER, ""), marks.get(FOR, ""), ours)


def least_of(obj: Object) -> int:
    """The autoscaler's minimum; the API server's default is one."""
    return int(obj["spec"].get("minReplicas", 1))


def most_of(obj: Object) -> int:
    """The autoscaler's maximum."""
    return int(obj["spec"]["maxReplicas"])


def cap_of(obj: Object, share: float = SHARE) -> int:
    """The highest floor on this autoscaler."""
    return highest(most_of(obj), share)


def highest(maximum: int, share: float = SHARE) -> int:
    """The highest floor under this maximum: `share` of it, rounded down, at least one."""
    return max(1, int(Fraction(str(share)) * maximum))


def traces(obj: Object) -> bool:
    """Whether a floor of ours has left anything on it: an annotation, an entry of our manager, or, after a release that
    broke off in the middle, the minimum as a field of ours.
    """
    marks = obj["metadata"].get("annotations") or {}
    entries = obj["metadata"].get("managedFields") or ()
    left = any(name in marks for name in ANNOTATIONS) or any(entry.get("manager") == MANAGER for entry in entries)
    return left or any(is_ours(owner) for owner in owners_of(obj, LEAST))


def foreign_owners(obj: Object) -> tuple[str, ...]:
    """Who owns the minimum besides us."""
    return tuple(owner for owner in owners_of(obj, LEAST) if not is_ours(owner))


def scaled_by(autoscaler: Object, workload: Workload) -> bool:
    """Whether the autoscaler's target is this workload, in any version of its group."""
    target: Mapping[str, Any] = autoscaler["spec"]["scaleTargetRef"]
    group = workload.api_version.partition("/")[0]
    named = (target.get("kind"), target.get("name")) == (workload.kind, workload.name)
    same_place = autoscaler["metadata"].get("namespace") == workload.namespace
    return named and same_place and str(target.get("apiVersion", workload.api_version)).partition("/")[0] == group


def address(autoscaler: Object) -> Workload:
    """How the Cluster port is asked for an autoscaler."""
    metadata = autoscaler["metadata"]
    return Workload(metadata["namespace"], KIND, metadata["name"], API_VERSION)


def release_of(world: World) -> Step | None:
    """The way back from whatever floor of ours stands here, read off the object alone; None when nothing is left of it.

    Needs no log: it serves after a lost store and when trimtab goes. Where the annotations make no sense the minimum is
    left as it stands.
    """
    obj = world.object
    if not traces(obj) and entries_without_ours(obj) is None:
        return None
    told = mark_of(obj)
    marks = obj["metadata"].get("annotations") or {}
    patch = [PatchOp("remove", marked(name)) for name in ANNOTATIONS if name in marks]
    ours = [Held(marked(name), marks[name]) for name in ANNOTATIONS if name in marks]
    if told is not None and told.ours:
        patch.append(PatchOp("replace", LEAST, told.was))
        ours.append(Held(LEAST, told.floor))
    after = applied(obj, patch)
    return Step(
        remediation="floor",
        workload=world.workload,
        uid=world.uid,
        step_class=StepClass.VALUE_IDEMPOTENT,
        patch=tuple(patch),
        holds=tuple(held(after, op.path) for op in patch),
        prior=tuple(ours),
        holding=Holding(MANAGER),
    )


class FloorParameters(BaseModel):
    """`floor: {minReplicas: 6, forWhom: shop/checkout@3}`; `force` takes the field from its owner."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    min_replicas: int = Field(default=2, ge=1, le=100_000, alias="minReplicas")
    for_whom: str = Field(default="", max_length=253, alias="forWhom")
    force: bool = False
    share: float = Field(default=SHARE, gt=0, le=1)


class Floor:
    """A minimum ahead of the load."""

    name = "floor"
    targets = frozenset({KIND})
    step_class = StepClass.VALUE_IDEMPOTENT
    writes = (
        Writes(API_VERSION, KIND, LEAST),
        *(Writes(API_VERSION, KIND, marked(name)) for name in ANNOTATIONS),
    )
    needs = (Right("autoscaling", "horizontalpodautoscalers", ("get", "patch")),)
    irreversible = False
    parameters = FloorParameters

    def plan(self, workload: Workload, world: World, parameters: BaseModel, now: datetime) -> Plan | Refusal:
        """The minimum held at this number, or why not."""
        if not isinstance(parameters, FloorParameters):
            raise TypeError(f"floor takes FloorParameters, not {type(parameters).__name__}")
        refusal = _refused(workload, world, parameters)
        if refusal is not None:
            return refusal
        before = held(world.object, LEAST)
        told = mark_of(world.object)
        was = told.was if told is not None and told.ours else least_of(world.object)
        owner = told.owner if told is not None and told.ours else ", ".join(foreign_owners(world.object))
        marks = {FLOOR: str(parameters.min_replicas), WAS: str(was), OWNER: owner, FOR: parameters.for_whom}
        patch = (
            setting(before, parameters.min_replicas),
            *(setting(held(world.object, marked(name)), text) for name, text in marks.items()),
        )
        step = step_of(self.name, self.step_class, world, patch, holding=Holding(MANAGER, parameters.force))
        most = held(world.object, MOST)
        return Plan(
            remediation=self.name,
            workload=workload,
            uid=world.uid,
            generation=world.generation,
            reads=(before, most),
            steps=(step,),
            touches=BlastRadius(pods=0),
            change=(f"minReplicas of {workload.name}: {least_of(world.object)} → {parameters.min_replicas}",),
            diff=unified(
                {"spec": _shown(world.object)}, {"spec": _shown(applied(world.object, patch[:1]))}, workload.key
            ),
            undo=(reverse_of(step),),
            not_restored=("pods that were started stay until the autoscaler takes them away",),
            ground=ground_of(world.object),
        )

    def verify(self, plan: Plan, world: World) -> Outcome:
        """Effective once the autoscaler asks for as many replicas as the floor; its own status says so."""
        if not plan.steps or not all(in_force(step, world) for step in plan.steps):
            return Outcome.INEFFECTIVE
        status: Mapping[str, Any] = world.object.get("status") or {}
        asked = int(status.get("desiredReplicas") or 0)
        return Outcome.EFFECTIVE if asked >= least_of(world.object) else Outcome.INCONCLUSIVE


def _refused(workload: Workload, world: World, parameters: FloorParameters) -> Refusal | None:
    obj, number = world.object, parameters.min_replicas
    if obj["kind"] != KIND:
        return Refusal("kind", f"{workload} is a {obj['kind']}; a floor needs a {KIND}")
    owner = controller_of(obj)
    if owner is not None:
        told = f"{workload} belongs to {owner.kind}/{owner.name}, which would take the change back"
        return Refusal("owned", told)
    now = mark_of(obj)
    least = now.was if now is not None and now.ours else least_of(obj)
    if number < least:
        return Refusal("below", f"{number} is under the minimum that its owner wrote ({least})")
    cap = cap_of(obj, parameters.share)
    if number > max(cap, least):
        return Refusal("cap", f"{number} is above {cap}, {parameters.share:.0%} of its maximum of {most_of(obj)}")
    if now is not None and now.ours and now.floor == number and now.for_whom == parameters.for_whom:
        return Refusal("held", f"{number} is held already")
    if number == least_of(obj) and (now is None or not now.ours):
        return Refusal("needless", f"its own minimum is {number} already")
    return None


def _shown(obj: Object) -> dict[str, Any]:
    return {key: obj["spec"].get(key) for key in ("minReplicas", "maxReplicas")}
