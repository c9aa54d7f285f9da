"""Rollback: give a Deployment the pod template of the newest version that was seen healthy.

Promises to name its target by ReplicaSet uid and full template, never by "previous" or a revision number, which move
under one's feet. What it cannot bring back (contents of ConfigMaps and Secrets, mutable tags, migrations) is said in
the plan. It grants pods no rights they do not have now: such a rollback goes to a person. Irreversible for
automation: worse afterwards is for a person.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from detectors.series import Workload
from remediations import templates
from remediations.base import Right
from remediations.cluster import HealthyRevision, Object, World
from remediations.diff import unified
from remediations.ground import ground_of
from remediations.owners import controlled_by
from remediations.plan import Outcome, PatchOp, Plan, Refusal, StepClass, Writes
from remediations.pointer import applied, held
from remediations.rollouts import touched
from remediations.steps import step_of
from remediations.verification import rollout_outcome

OPT_OUT = "trimtab.dev/rollback"
TEMPLATE = "/spec/template"


class RollbackParameters(BaseModel):
    """`rollback: {to: lastHealthy}`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    to: Literal["lastHealthy"] = "lastHealthy"


class Rollback:
    """Back to the newest version seen healthy."""

    name = "rollback"
    targets = frozenset({"Deployment"})
    step_class = StepClass.VALUE_IDEMPOTENT
    writes = (Writes("apps/v1", "Deployment", TEMPLATE),)
    needs = (Right("apps", "deployments", ("patch",)), Right("apps", "replicasets", ("list",)))
    irreversible = True
    parameters = RollbackParameters

    def plan(self, workload: Workload, world: World, parameters: BaseModel, now: datetime) -> Plan | Refusal:
        """The template of the newest healthy ReplicaSet that still exists and is not the present one, or why not."""
        refusal = _unwilling(workload, world)
        if refusal is not None:
            return refusal
        target = _target(world)
        if isinstance(target, Refusal):
            return target
        revision, replica_set = target
        before, after = world.object["spec"]["template"], templates.without_hash(replica_set["spec"]["template"])
        privileged = templates.privileged_changes(before, after)
        if privileged:
            return Refusal(
                "privileged-fields",
                f"{revision.name} differs in {', '.join(privileged)}, which may give pods other rights: for a person",
            )
        step = step_of(
            self.name, self.step_class, world, (PatchOp("replace", TEMPLATE, after),), source_uid=revision.uid
        )
        return Plan(
            remediation=self.name,
            workload=workload,
            uid=world.uid,
            generation=world.generation,
            reads=(held(world.object, TEMPLATE), held(world.object, "/spec/paused")),
            steps=(step,),
            touches=touched(world, kept_uid=revision.uid),
            change=_change(before, after, revision),
            diff=unified(
                {"spec": world.object["spec"]}, {"spec": applied(world.object, step.patch)["spec"]}, workload.key
            ),
            irreversible=True,
            ground=ground_of(world.object),
            not_restored=_not_restored(before, after),
        )

    def verify(self, plan: Plan, world: World) -> Outcome:
        """Effective once every pod is of the restored template and ready."""
        return rollout_outcome(plan, world)


def _unwilling(workload: Workload, world: World) -> Refusal | None:
    if world.object["kind"] != "Deployment":
        return Refusal("kind", f"{workload} is a {world.object['kind']}; a rollback needs a Deployment")
    if world.annotations.get(OPT_OUT) == "never":
        return Refusal("opted-out", f"{workload} carries the annotation {OPT_OUT}: never")
    if world.object["spec"].get("paused"):
        return Refusal("paused", f"{workload} is paused (spec.paused): a new template would not roll out")
    return None


def _target(world: World) -> tuple[HealthyRevision, Object] | Refusal:
    present = templates.digest(world.object["spec"]["template"])
    existing = {str(rs["metadata"]["uid"]): rs for rs in world.replica_sets if controlled_by(rs, world.uid)}
    only_present = False
    for revision in reversed(world.healthy):
        replica_set = existing.get(revision.uid)
        if replica_set is None:
            continue
        if templates.digest(replica_set["spec"]["template"]) != present:
            return revision, replica_set
        only_present = True
    if only_present:
        return Refusal("already-there", f"{world.workload} already runs the only version that was seen healthy")
    return Refusal(
        "no-healthy-revision", f"no version of {world.workload} that still exists was seen healthy for long enough"
    )


def _change(before: Object, after: Object, revision: HealthyRevision) -> tuple[str, ...]:
    old, new = templates.version_names(before, after)
    fields = ", ".join(templates.changed_fields(before, after))
    return (
        f"template of {old} → that of {new} ({fields})",
        f"as {revision.name} ran it, healthy until {revision.until:%Y-%m-%d %H:%M} UTC ({templates.digest(after)})",
    )


def _not_restored(before: Object, after: Object) -> tuple[str, ...]:
    lines = []
    kept = [name for name in templates.configuration(after) if name in templates.configuration(before)]
    if kept:
        lines.append(f"{', '.join(kept)}: same name in both versions, contents stay as they are now")
    mutable = sorted({image for image in templates.images(after).values() if "@" not in image})
    if mutable:
        lines.append(f"the image behind {', '.join(mutable)}: tags are mutable, it may have changed since")
    lines.append("migrations: what the newer version did to data stays done")
    return tuple(lines)
