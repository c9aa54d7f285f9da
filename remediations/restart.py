"""Restart: replace every pod by its like, at the pace of the workload's own rollout strategy.

Promises one rollout per plan: the moment is chosen when planning, so repeating the step changes nothing. The
annotation is kubectl's, which other tools know and leave alone. Never left out again once written: taking it back
would be another restart, hence irreversible. A rolling restart ignores disruption budgets by itself; `guards` holds
its arithmetic against them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from detectors.series import Workload
from remediations.base import Right
from remediations.cluster import World
from remediations.diff import unified
from remediations.ground import ground_of
from remediations.plan import Outcome, PatchOp, Plan, Refusal, StepClass, Writes
from remediations.pointer import applied, held, pointer_to
from remediations.rollouts import touched, wanted
from remediations.steps import setting, step_of
from remediations.verification import rollout_outcome

KINDS = ("Deployment", "StatefulSet", "DaemonSet")
ANNOTATION = "kubectl.kubernetes.io/restartedAt"
ANNOTATIONS = "/spec/template/metadata/annotations"


class RestartParameters(BaseModel):
    """`restart: {}`; there is nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Restart:
    """A rolling restart."""

    name = "restart"
    targets = frozenset(KINDS)
    step_class = StepClass.VALUE_IDEMPOTENT
    writes = tuple(Writes("apps/v1", kind, ANNOTATIONS) for kind in KINDS)
    needs = tuple(Right("apps", f"{kind.lower()}s", ("patch",)) for kind in KINDS)
    irreversible = True
    parameters = RestartParameters

    def plan(self, workload: Workload, world: World, parameters: BaseModel, now: datetime) -> Plan | Refusal:
        """One annotation with the time `now`, or why not."""
        refusal = _unwilling(workload, world)
        if refusal is not None:
            return refusal
        moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        exact = held(world.object, pointer_to("spec", "template", "metadata", "annotations", ANNOTATION))
        annotations = held(world.object, ANNOTATIONS)
        if annotations.present and annotations.value is not None:
            patch = (setting(exact, moment),)
        else:
            patch = (PatchOp("add", ANNOTATIONS, {ANNOTATION: moment}),)
        step = step_of(self.name, self.step_class, world, patch)
        return Plan(
            remediation=self.name,
            workload=workload,
            uid=world.uid,
            generation=world.generation,
            reads=(exact, held(world.object, "/spec/paused")),
            steps=(step,),
            touches=touched(world),
            change=(f"all {len(world.pods)} pods are replaced, by the workload's own strategy",),
            diff=unified({"spec": world.object["spec"]}, {"spec": applied(world.object, patch)["spec"]}, workload.key),
            irreversible=True,
            ground=ground_of(world.object),
            sense="every pod is replaced",
            not_restored=("what the pods held in memory or on their own disks",),
        )

    def verify(self, plan: Plan, world: World) -> Outcome:
        """Effective once every pod is newer than the restart and ready."""
        return rollout_outcome(plan, world)


def _unwilling(workload: Workload, world: World) -> Refusal | None:
    kind, spec = world.object["kind"], world.object["spec"]
    if kind not in KINDS:
        return Refusal("kind", f"{workload} is a {kind}; a restart needs one of {', '.join(KINDS)}")
    if spec.get("paused"):
        return Refusal("paused", f"{workload} is paused (spec.paused): a restart would not begin")
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return Refusal("on-delete", f"{workload} replaces pods only when they are deleted (updateStrategy OnDelete)")
    if wanted(world.object) == 0:
        return Refusal("no-replicas", f"{workload} wants no replicas: there is nothing to restart")
    return None
