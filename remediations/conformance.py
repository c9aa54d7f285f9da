"""Does a remediation keep its promises? One public check, run on every built-in, and meant for yours.

check_remediation(DrainQueue(), [Case("a long queue", world, DrainQueueParameters(), now)])

It looks at plans only and touches no cluster, so it runs in a unit test. It answers with every broken promise at
once. Without cases it takes those of `samples`, which show Deployments that crash-loop, run out of memory, or are
well.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from remediations.base import Remediation
from remediations.cluster import World
from remediations.ground import ground_of
from remediations.guards import outside_allow_list
from remediations.plan import Outcome, Plan, Refusal, Step, StepClass, digest_of, sense_of
from remediations.pointer import BadPatch, applied, held, same, same_held
from remediations.samples import sample_worlds
from remediations.verification import in_force

_NAME = re.compile(r"[a-z][a-zA-Z0-9]{0,62}")


class BrokenPromises(AssertionError):
    """What a remediation promises and does not keep, one line each."""

    def __init__(self, name: str, broken: Iterable[str]) -> None:
        self.broken = tuple(broken)
        super().__init__(f"{name} breaks {len(self.broken)} promises:\n  " + "\n  ".join(self.broken))


@dataclass(frozen=True, slots=True)
class Case:
    """A reading of the world in which to plan; `parameters` None takes the defaults."""

    name: str
    world: World
    parameters: BaseModel | None
    now: datetime


def check_remediation(remediation: Remediation, cases: Iterable[Case] = ()) -> None:
    """Raise `BrokenPromises` with everything `remediation` does not keep in these cases (at least one must yield a
    plan).
    """
    broken = list(declaration(remediation))
    planned = 0
    for case in tuple(cases) or samples():
        found = _planned(remediation, case)
        if isinstance(found, str):
            broken.append(f"{case.name}: {found}")
        if isinstance(found, Plan):
            planned += 1
            broken += [f"{case.name}: {line}" for check in CHECKS for line in check(remediation, case, found)]
    if not planned:
        broken.append("it planned in no case: give a case in which it acts")
    if broken:
        raise BrokenPromises(remediation.name, broken)


def samples() -> tuple[Case, ...]:
    """The sample worlds as cases with default parameters."""
    return tuple(Case(name, world, None, world.read_at) for name, world in sample_worlds())


def declaration(remediation: Remediation) -> Iterator[str]:
    """Name, targets, writes, rights and parameters are declared and fit each other."""
    if not _NAME.fullmatch(remediation.name):
        yield f"its name {remediation.name!r} is no name of a runbook step"
    if not remediation.targets:
        yield "it names no target kind"
    written = {writes.kind for writes in remediation.writes}
    if written - set(remediation.targets):
        yield f"it declares writes to {', '.join(sorted(written - remediation.targets))}, which it does not target"
    if any(pointer.pointer in ("", "/", "/metadata", "/status") for pointer in remediation.writes):
        yield "it declares a pointer as wide as an object"
    for right in remediation.needs:
        if "*" in (right.group, right.resource, *right.verbs) or not right.verbs:
            yield f"it needs a wildcard or no verb at all on {right.resource}"
    if remediation.parameters.model_config.get("extra") != "forbid":
        yield "its parameters let unknown fields through (extra is not 'forbid')"


def _planned(remediation: Remediation, case: Case) -> Plan | Refusal | str:
    """The plan of this case; a text when planning is not pure."""
    world, untouched = case.world, copy.deepcopy(case.world)
    first = _made(remediation, case, case.now)
    second = _made(remediation, replace(case, world=copy.deepcopy(untouched)), case.now)
    if world != untouched:
        return "planning changes the world it was given"
    if first != second:
        return "planning twice in the same world gives two answers"
    return first


def _made(remediation: Remediation, case: Case, now: datetime) -> Plan | Refusal:
    parameters = case.parameters if case.parameters is not None else remediation.parameters()
    return remediation.plan(case.world.workload, case.world, parameters, now)


def bound(remediation: Remediation, case: Case, plan: Plan) -> Iterator[str]:
    """The plan names what it is about, is not empty, and survives being written down."""
    world = case.world
    if plan.remediation != remediation.name or any(step.remediation != remediation.name for step in plan.steps):
        yield "the plan or a step carries another remediation's name"
    steps_elsewhere = [
        step for step in (*plan.steps, *plan.undo) if (step.workload, step.uid) != (world.workload, world.uid)
    ]
    if steps_elsewhere or (plan.workload, plan.uid, plan.generation) != (world.workload, world.uid, world.generation):
        yield "the plan is bound to another workload, uid or generation than it was given"
    if plan.ground not in ("", ground_of(world.object)):
        yield "the plan stands on other ground than the world it was given"
    if not plan.steps or not all(step.patch for step in plan.steps):
        yield "the plan changes nothing: refuse instead"
    if not plan.change or not plan.diff:
        yield "the plan does not say in words and as a diff what it changes"
    if any(not same_held(read, held(world.object, read.pointer)) for read in plan.reads):
        yield "the plan claims to have read what does not stand there"
    try:
        json.dumps(asdict(plan))
    except TypeError:
        yield "the plan holds values that are not JSON"
    if plan.digest != digest_of(plan):
        yield "the digest is not that of the plan"
    later = _made(remediation, case, case.now + timedelta(minutes=1))
    if isinstance(later, Plan) and sense_of(later) != sense_of(plan):
        yield "a minute later the same change is another one: name it (`sense`), or nobody's no to it lasts"


def within_writes(remediation: Remediation, case: Case, plan: Plan) -> Iterator[str]:
    """Only declared pointers are written, on the way back too."""
    yield from (finding.message for finding in outside_allow_list(plan, remediation))


def dry_run(remediation: Remediation, case: Case, plan: Plan) -> Iterator[str]:
    """Applying the plan gives what its steps say they hold, starting from what they say stood there."""
    document: Any = case.world.object
    for step in plan.steps:
        if step.step_class != remediation.step_class:
            yield f"a step is of class {step.step_class.value}, declared is {remediation.step_class.value}"
        written = {op.path for op in step.patch}
        if {hold.pointer for hold in step.holds} != written or {before.pointer for before in step.prior} != written:
            yield "holds and prior do not name exactly the pointers the step writes"
        if not all(same_held(before, held(document, before.pointer)) for before in step.prior):
            yield "prior is not what stood at the pointers"
        try:
            document = applied(document, step.patch)
        except BadPatch as error:
            yield f"the patch does not fit the object: {error}"
            return
        if not all(same_held(hold, held(document, hold.pointer)) for hold in step.holds):
            yield "what stands there afterwards is not what the step says it holds"


def way_back(remediation: Remediation, case: Case, plan: Plan) -> Iterator[str]:
    """undo(apply(x)) == x, unless it is declared irreversible; then there is no undo."""
    if plan.irreversible != remediation.irreversible:
        yield "the plan is irreversible, or not, other than declared"
    if remediation.irreversible:
        if plan.undo:
            yield "it is irreversible and has an undo all the same"
        return
    if not plan.undo:
        yield "it is not irreversible and has no undo"
    before = case.world.object
    try:
        after = _all(_all(before, plan.steps), plan.undo)
    except BadPatch as error:
        yield f"the undo does not fit what the plan leaves: {error}"
        return
    if not same(before, after):
        yield "undo does not restore what was there before"


def repeatable(remediation: Remediation, case: Case, plan: Plan) -> Iterator[str]:
    """A class A step done twice is as if done once, and is recognised as being in force."""
    if remediation.step_class is not StepClass.VALUE_IDEMPOTENT or any(dry_run(remediation, case, plan)):
        return
    once = _all(case.world.object, plan.steps)
    try:
        twice = _all(once, [_repeated(step) for step in plan.steps])
    except BadPatch as error:
        yield f"it cannot be repeated: {error}"
        return
    if not same(once, twice):
        yield "repeating it changes something again, so it is not of class A"
    if all(in_force(step, case.world) for step in plan.steps):
        yield "the plan sets what stands there already: refuse instead"


def verified_late(remediation: Remediation, case: Case, plan: Plan) -> Iterator[str]:
    """A plan that is not in force is never effective, however well the pods are."""
    untouched = copy.deepcopy(case.world)
    if remediation.verify(plan, case.world) is Outcome.EFFECTIVE:
        yield "verify calls a plan effective that was never applied"
    if case.world != untouched:
        yield "verify changes the world it was given"


CHECKS: tuple[Callable[[Remediation, Case, Plan], Iterator[str]], ...] = (
    bound,
    within_writes,
    dry_run,
    way_back,
    repeatable,
    verified_late,
)


def _all(document: Any, steps: Iterable[Step]) -> Any:
    for step in steps:
        document = applied(document, step.patch)
    return document


def _repeated(step: Step) -> Step:
    """The same write once more; a removal of what is already gone is left out, as the executor would by `in_force`."""
    gone = {hold.pointer for hold in step.holds if not hold.present}
    patch = tuple(op for op in step.patch if not (op.op == "remove" and op.path in gone))
    return Step(step.remediation, step.workload, step.uid, step.step_class, patch, step.holds, step.prior)
