"""Steps out of operations: what they will hold, what stood there before, and the way back.

Promises that the way back of a step restores its pointers exactly, absence included, when it is sent to what the step
left.
"""

from __future__ import annotations

from remediations.cluster import World
from remediations.plan import Held, Holding, PatchOp, Step, StepClass
from remediations.pointer import applied, held, with_parents


def step_of(
    remediation: str,
    step_class: StepClass,
    world: World,
    patch: tuple[PatchOp, ...],
    source_uid: str | None = None,
    holding: Holding | None = None,
) -> Step:
    """A step on the object of this reading, its `holds` and `prior` read off the document before and after."""
    after = applied(world.object, with_parents(world.object, patch))
    return Step(
        remediation=remediation,
        workload=world.workload,
        uid=world.uid,
        step_class=step_class,
        patch=patch,
        holds=tuple(held(after, op.path) for op in patch),
        prior=tuple(held(world.object, op.path) for op in patch),
        source_uid=source_uid,
        holding=holding,
    )


def reverse_of(step: Step) -> Step:
    """The step that restores what stood at the pointers of `step`; send it only while `in_force(step)`. Of a step
    that holds, it is what `Cluster.release` takes.
    """
    back = tuple(_restoring(before) for before in reversed(step.prior))
    return Step(
        remediation=step.remediation,
        workload=step.workload,
        uid=step.uid,
        step_class=step.step_class,
        patch=back,
        holds=tuple(reversed(step.prior)),
        prior=tuple(reversed(step.holds)),
        timeout_seconds=step.timeout_seconds,
        holding=step.holding,
    )


def setting(before: Held, value: object) -> PatchOp:
    """The operation that makes `value` stand where `before` was read."""
    return PatchOp("replace" if before.present else "add", before.pointer, value)  # type: ignore[arg-type]  # JSON by contract


def _restoring(before: Held) -> PatchOp:
    if before.present:
        return PatchOp("replace", before.pointer, before.value)
    return PatchOp("remove", before.pointer)
