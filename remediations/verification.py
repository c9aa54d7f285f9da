"""What the objects say of a plan: is it in force, does the ground it stood on still hold, did its pods become ready.

Only health counts: a write that went through proves nothing, and a workload scaled to zero never passes.
"""

from __future__ import annotations

from datetime import datetime

from remediations.cluster import World
from remediations.ground import ground_of
from remediations.plan import Outcome, Plan, Step, rests_on
from remediations.pods import failing, oom_killed, ready_count, unschedulable
from remediations.pointer import held, same_held
from remediations.rollouts import updated_pods, wanted


def in_force(step: Step, world: World) -> bool:
    """True when the object is the one meant and holds what the step leaves behind (settles class A after a crash)."""
    return step.uid == world.uid and all(same_held(hold, held(world.object, hold.pointer)) for hold in step.holds)


def changes_since(plan: Plan, world: World) -> tuple[str, ...]:
    """Why the plan no longer stands: what changed of uid, generation and the values it reads; empty when it stands.

    A new generation on the same ground is our own fence or an autoscaler's step, and voids nothing.
    """
    if plan.uid != world.uid:
        return (f"{plan.workload} is another object now (uid {world.uid}, planned for {plan.uid})",)
    found = []
    if plan.generation != world.generation and plan.ground != ground_of(world.object):
        found.append(f"generation {world.generation}, planned for {plan.generation}")
    found += [
        f"{read.pointer} has changed"
        for read in rests_on(plan)
        if not same_held(read, held(world.object, read.pointer))
    ]
    return tuple(found)


def still_holds(plan: Plan, world: World) -> bool:
    """True when nothing the plan rests on has changed; only then may its steps be sent (S5)."""
    return not changes_since(plan, world)


def rollout_outcome(plan: Plan, world: World) -> Outcome:
    """The outcome of a plan that replaces pods.

    Effective: in force, seen by the controller, every wanted replica updated and ready, no older pod left.
    Ineffective: not in force (never written, or taken back), scaled to zero, or its pods fail. Harmful: they fail and
    fewer are ready than the plan promised. Inconclusive: still under way.
    """
    if not plan.steps or not all(in_force(step, world) for step in plan.steps):
        return Outcome.INEFFECTIVE
    count, updated = wanted(world.object), updated_pods(world)
    if count == 0:
        return Outcome.INEFFECTIVE
    if any(map(failing, updated)) or _stuck(world):
        promised = plan.touches.ready_at_least
        return Outcome.HARMFUL if promised is not None and ready_count(world.pods) < promised else Outcome.INEFFECTIVE
    if _rolled_out(world) and ready_count(updated) >= count and len(updated) == len(world.pods):
        return Outcome.EFFECTIVE
    return Outcome.INCONCLUSIVE


def troubled(world: World, since: datetime) -> bool:
    """Whether a pod of the present template crashes, cannot pull its image, was killed for memory after `since`, or is
    taken by no node.
    """
    return any(
        failing(pod, world.read_at) or oom_killed(pod, since) or unschedulable(pod) for pod in updated_pods(world)
    )


def _stuck(world: World) -> bool:
    conditions = (world.object.get("status") or {}).get("conditions") or ()
    return _observed(world) and any(
        c.get("type") == "Progressing" and c.get("reason") == "ProgressDeadlineExceeded" for c in conditions
    )


def _observed(world: World) -> bool:
    seen = (world.object.get("status") or {}).get("observedGeneration")
    return world.generation is not None and seen is not None and int(seen) >= world.generation


def _rolled_out(world: World) -> bool:
    """The controller's own count: everything updated and ready, nothing left over."""
    status, count = world.object.get("status") or {}, wanted(world.object)
    if world.object["kind"] == "DaemonSet":
        return _observed(world) and all(
            int(status.get(field) or 0) >= count for field in ("updatedNumberScheduled", "numberReady")
        )
    return _observed(world) and all(
        int(status.get(field) or 0) >= count for field in ("updatedReplicas", "readyReplicas")
    )
