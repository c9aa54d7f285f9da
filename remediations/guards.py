"""The guards: what speaks against a plan, found in one live reading of the world.

Each guard is a pure function that answers findings; none decides. `controller.core.decide` turns them into blockers:
a finding that nobody lifts refuses, one that a person has to look at is handed over, one that time lifts waits, one
that an approval lifts asks. What cannot be read counts against the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from remediations.base import Remediation
from remediations.budgets import demand
from remediations.cluster import World
from remediations.owners import controller_of, gitops_of
from remediations.plan import Plan
from remediations.pods import ready_count
from remediations.pointer import BadPatch, covers
from remediations.rollback import OPT_OUT as ROLLBACK_OPT_OUT
from remediations.rollback import TEMPLATE
from remediations.rollouts import BadIntOrPercent, touched, wanted

IGNORE = "trimtab.dev/ignore"
FLOOR_SHARE = 0.51
_PERMILLE = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that speaks against a plan: a constant code, a sentence for people, and what lifts it."""

    code: str
    message: str
    lifts: Literal["nobody", "person", "time", "approval"] = "nobody"


@dataclass(frozen=True, slots=True)
class Selected:
    """Pods that a Service in `namespace` selects, and what it is for people. No labels select nothing (S6)."""

    namespace: str
    labels: frozenset[tuple[str, str]]
    what: str


@dataclass(frozen=True, slots=True)
class Protected:
    """What is never a target: namespaces, workloads by key, and what serves webhooks, metrics or the database (by its
    Service).
    """

    namespaces: frozenset[str] = frozenset({"kube-system"})
    workloads: frozenset[str] = frozenset()
    services: tuple[Selected, ...] = ()


KUBE_SYSTEM = Protected()


def inspect(
    plan: Plan,
    world: World,
    remediation: Remediation,
    floor_share: float = FLOOR_SHARE,
    protected: Protected = KUBE_SYSTEM,
) -> tuple[Finding, ...]:
    """Everything that speaks against carrying out `plan` in this world.

    `floor_share` is the share of replicas that stay ready.
    """
    return (
        *foreign_object(plan, world),
        *outside_allow_list(plan, remediation),
        *undone_wrongly(plan, remediation),
        *several_writes(plan),
        *owned(world),
        *going_away(world),
        *protected_target(world, protected),
        *opted_out(plan, world),
        *managed_in_git(plan, world),
        *under_floor(plan, world, floor_share),
        *under_budgets(plan, world),
    )


def foreign_object(plan: Plan, world: World) -> Iterator[Finding]:
    """A plan writes the one object it was made for and nothing else."""
    for step in plan.steps:
        if step.workload != world.workload or step.uid != world.uid or plan.workload != world.workload:
            yield Finding("other-object", f"the plan writes {step.workload.key}, but {world.workload.key} was read")


def outside_allow_list(plan: Plan, remediation: Remediation) -> Iterator[Finding]:
    """Every operation, of the undo too, lies at or under a pointer that the remediation declares for exactly this
    kind (S4).
    """
    for step in (*plan.steps, *plan.undo):
        declared = [
            writes.pointer
            for writes in remediation.writes
            if (writes.api_version, writes.kind) == (step.workload.api_version, step.workload.kind)
        ]
        for op in step.patch:
            if not any(_covers(pointer, op.path) for pointer in declared):
                yield Finding("not-declared", f"{remediation.name} does not declare {op.path} of {step.workload.kind}")


def _covers(declared: str, pointer: str) -> bool:
    try:
        return covers(declared, pointer)
    except BadPatch:
        return False


def undone_wrongly(plan: Plan, remediation: Remediation) -> Iterator[Finding]:
    """What is irreversible for automation has no undo; everything else has one."""
    if plan.irreversible != remediation.irreversible or bool(plan.undo) == plan.irreversible:
        yield Finding("undo-undeclared", f"the plan's undo does not fit what {remediation.name} declares")


def several_writes(plan: Plan) -> Iterator[Finding]:
    """A plan is one write to one object (of as many pointers as it needs), and so is its undo: what is settled after a
    crash is one write. A runbook has several steps, each with a plan of its own.
    """
    if len(plan.steps) != 1 or len(plan.undo) > 1:
        yield Finding("several-writes", "the plan is not one write: make each a step of the runbook")


def owned(world: World) -> Iterator[Finding]:
    """An object with a controller owner is not written; its owner is the one to change (S4)."""
    owner = controller_of(world.object)
    if owner is not None:
        yield Finding(
            "owned", f"{world.workload} is controlled by {owner.kind}/{owner.name}, which would take the change back"
        )


def going_away(world: World) -> Iterator[Finding]:
    """An object that is being deleted is left alone."""
    if world.object["metadata"].get("deletionTimestamp"):
        yield Finding("deleting", f"{world.workload} is being deleted")


def protected_target(world: World, protected: Protected) -> Iterator[Finding]:
    """The ground trimtab and the cluster stand on is never a target (S18)."""
    namespace = world.workload.namespace
    if namespace in protected.namespaces:
        yield Finding("protected", f"namespace {namespace} is never touched")
    if world.workload.key in protected.workloads:
        yield Finding("protected", f"{world.workload.key} is never touched: trimtab depends on it")
    template = world.object["spec"].get("template") or {}
    labels = set(((template.get("metadata") or {}).get("labels") or {}).items())
    for service in protected.services:
        if service.namespace == namespace and service.labels and service.labels <= labels:
            yield Finding("protected", f"{world.workload} serves {service.what}, which is never touched")


def opted_out(plan: Plan, world: World) -> Iterator[Finding]:
    """The owner said no, by annotation."""
    ignore = world.annotations.get(IGNORE)
    if ignore is not None and ignore.lower() != "false":
        yield Finding("ignored", f"{world.workload} carries the annotation {IGNORE}")
    if plan.remediation == "rollback" and world.annotations.get(ROLLBACK_OPT_OUT) == "never":
        yield Finding("opted-out", f"{world.workload} carries the annotation {ROLLBACK_OPT_OUT}: never")


def managed_in_git(plan: Plan, world: World) -> Iterator[Finding]:
    """A template that Argo CD or Flux holds to Git is not patched: it would be reverted, so the diff is proposed for
    Git (S16).
    """
    manager = gitops_of(world.object)
    if manager is not None and any(covers("/spec", op.path) for step in plan.steps for op in step.patch):
        yield Finding(
            "managed-in-git",
            f"{manager.tool} holds {world.workload} to Git (application {manager.application}): change it there",
            "person",
        )


def floor_of(replicas: int, share: float) -> int:
    """Replicas that must stay ready: `share` of them, rounded up (exact to a thousandth)."""
    return -(-replicas * round(share * _PERMILLE) // _PERMILLE)


def ready_at_least(plan: Plan, world: World) -> int | None:
    """The least that stays ready if it is carried out now: an autoscaler may have changed the number of replicas since
    it was planned. What it said of itself counts only for what replaces no pods by their template.
    """
    for step in plan.steps:
        if any(covers(TEMPLATE, op.path) for op in step.patch):
            return touched(world, step.source_uid).ready_at_least
    return plan.touches.ready_at_least


def under_floor(plan: Plan, world: World, floor_share: float) -> Iterator[Finding]:
    """No plan takes ready pods under min(floor, ready now); one that replaces no ready pod is never blocked (S9)."""
    left = ready_at_least(plan, world)
    if left is None:
        return
    ready, replicas = ready_count(world.pods), wanted(world.object)
    floor = floor_of(replicas, floor_share)
    if left < min(floor, ready):
        yield Finding(
            "healthy-floor",
            f"only {left} of {replicas} replicas would be sure to stay ready; the floor is {floor} ({ready} now)",
        )


def under_budgets(plan: Plan, world: World) -> Iterator[Finding]:
    """No plan takes ready pods under what a disruption budget demands, though a rollout could (S9)."""
    left = ready_at_least(plan, world)
    if left is None:
        return
    ready = ready_count(world.pods)
    for budget in world.budgets:
        name = budget["metadata"]["name"]
        try:
            wants = demand(budget, wanted(world.object), ready)
        except (BadIntOrPercent, TypeError, KeyError) as broken:
            yield Finding("disruption-budget", f"disruption budget {name} cannot be read ({broken}): taken as full")
            continue
        if left < min(wants.now, ready):
            yield Finding(
                "disruption-budget",
                f"disruption budget {name} wants {wants.now} of these pods healthy; only {left} would be sure to stay",
                "time" if left >= wants.ever else "nobody",
            )
