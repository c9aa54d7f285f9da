"""check_remediation: every built-in passes, and every broken promise is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from detectors.series import Workload
from remediations import samples
from remediations.base import Remediation, Right
from remediations.cluster import World
from remediations.conformance import BrokenPromises, Case, check_remediation
from remediations.floor import Floor, FloorParameters
from remediations.limits import Limits
from remediations.memory import MemoryCluster, autoscaler
from remediations.plan import Outcome, PatchOp, Plan, Refusal, StepClass, Writes
from remediations.pointer import applied
from remediations.registry import shipped
from remediations.restart import Restart
from tests.remediations.worlds import NOW, changed, crashed, of


@pytest.mark.parametrize("remediation", shipped(), ids=lambda remediation: remediation.name)
def test_every_built_in_keeps_its_promises(remediation: Remediation) -> None:
    check_remediation(remediation)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_restart_keeps_them_for_every_kind(kind: str) -> None:
    annotated = changed(of(kind), PatchOp("add", "/spec/template/metadata/annotations", {"team": "shop"}))

    check_remediation(Restart(), [Case("plain", of(kind), None, NOW), Case("annotated", annotated, None, NOW)])


def test_a_floor_keeps_its_promises() -> None:
    """It is no step of a runbook: the scaling loop plans it."""
    cluster = MemoryCluster(lambda: NOW)
    hpa = cluster.create(autoscaler("shop", "checkout", 2, 10))
    untouched = samples.reading(cluster, hpa)
    plain = {**untouched.object, "metadata": {**untouched.object["metadata"], "annotations": {"team": "shop"}}}
    taken = FloorParameters(min_replicas=6, for_whom="shop/checkout@3", force=True)

    check_remediation(Floor(), [Case("annotated", replace(untouched, object=plain), taken, NOW)])


Change = Callable[[Plan], Plan]


class Altered(Limits):
    """Limits with one promise broken."""

    def __init__(self, change: Change = lambda plan: plan, **declared: Any) -> None:
        self.change = change
        for name, value in declared.items():
            setattr(self, name, value)

    def plan(self, workload: Workload, world: World, parameters: BaseModel, now: datetime) -> Plan | Refusal:
        made = super().plan(workload, world, parameters, now)
        return self.change(made) if isinstance(made, Plan) else made


def in_step(**changes: Any) -> Change:
    return lambda plan: replace(plan, steps=(replace(plan.steps[0], **changes),))


def also(op: PatchOp) -> Change:
    """One operation more, honestly written down and undone."""

    def change(plan: Plan) -> Plan:
        (step,) = plan.steps
        return replace(plan, steps=(replace(step, patch=(*step.patch, op)),))

    return change


class Lax(BaseModel):
    model_config = ConfigDict(extra="ignore")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Altered(also(PatchOp("replace", "/spec/replicas", 9))), "does not declare /spec/replicas"),
        (Altered(writes=()), "does not declare"),
        (Altered(lambda plan: replace(plan, undo=())), "has no undo"),
        (Altered(lambda plan: replace(plan, undo=plan.steps)), "undo does not restore"),
        (Altered(irreversible=True), "irreversible and has an undo"),
        (Altered(lambda plan: replace(plan, irreversible=True)), "other than declared"),
        (Altered(in_step(holds=())), "exactly the pointers"),
        (Altered(lambda plan: in_step(prior=plan.steps[0].holds)(plan)), "prior is not what stood"),
        (Altered(lambda plan: in_step(holds=plan.steps[0].prior)(plan)), "not what the step says it holds"),
        (Altered(in_step(step_class=StepClass.OPAQUE)), "class D, declared is A"),
        (Altered(in_step(uid="another")), "bound to another"),
        (Altered(lambda plan: replace(plan, generation=99)), "bound to another"),
        (Altered(lambda plan: replace(plan, steps=())), "changes nothing"),
        (Altered(lambda plan: replace(plan, ground="x")), "other ground"),
        (Altered(lambda plan: replace(plan, diff="")), "in words and as a diff"),
        (Altered(lambda plan: replace(plan, reads=(replace(plan.reads[0], value="1Ti"),))), "claims to have read"),
        (Altered(lambda plan: replace(plan, remediation="other")), "another remediation's name"),
        (Altered(in_step(patch=(PatchOp("remove", "/spec/nothing"),))), "does not fit"),
        (Altered(name="raise memory"), "no name of a runbook step"),
        (Altered(targets=frozenset()), "names no target kind"),
        (Altered(targets=frozenset({"Deployment"})), "which it does not target"),
        (Altered(writes=(Writes("apps/v1", "Deployment", ""),)), "as wide as an object"),
        (Altered(needs=(Right("apps", "*", ("patch",)),)), "wildcard"),
        (Altered(parameters=Lax), "unknown fields"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_promise_is_found(broken: Remediation, said: str) -> None:
    if broken.parameters is Lax:
        broken.plan = lambda *_: Refusal("no", "no")  # type: ignore[method-assign]  # its own parameters do not fit Limits
    with pytest.raises(BrokenPromises, match=said):
        check_remediation(broken)


class Impure(Restart):
    """Counts its plans."""

    count = 0

    def plan(self, workload: Workload, world: World, parameters: BaseModel, now: datetime) -> Plan | Refusal:
        self.count += 1
        made = super().plan(workload, world, parameters, now)
        return replace(made, change=(f"plan number {self.count}",)) if isinstance(made, Plan) else made


class Meddling(Restart):
    """Writes into the world it was given to read."""

    def plan(self, workload: Workload, world: World, parameters: BaseModel, now: datetime) -> Plan | Refusal:
        world.object["spec"]["paused"] = False
        return super().plan(workload, world, parameters, now)


class Optimist(Restart):
    """Calls everything a success."""

    def verify(self, plan: Plan, world: World) -> Outcome:
        return Outcome.EFFECTIVE


class Growing(Restart):
    """Adds one more each time it is repeated, under the name of class A."""

    writes = (Writes("apps/v1", "Deployment", "/spec/template/spec/tolerations"),)
    targets = frozenset({"Deployment"})

    def plan(self, workload: Workload, world: World, parameters: BaseModel, now: datetime) -> Plan | Refusal:
        made = super().plan(workload, world, parameters, now)
        assert isinstance(made, Plan)
        (step,) = made.steps
        op = PatchOp("add", "/spec/template/spec/tolerations/0", {"operator": "Exists"})
        from remediations.pointer import held

        holds = (held(applied(world.object, (op,)), op.path),)
        prior = (held(world.object, op.path),)
        return replace(made, steps=(replace(step, patch=(op,), holds=holds, prior=prior),))


class Nothing(Restart):
    """Sets what stands there already."""

    def plan(self, workload: Workload, world: World, parameters: BaseModel, now: datetime) -> Plan | Refusal:
        made = super().plan(workload, world, parameters, now)
        assert isinstance(made, Plan)
        after = changed(world, *made.steps[0].patch)
        return super().plan(workload, after, parameters, now)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Impure(), "gives two answers"),
        (Meddling(), "changes the world"),
        (Optimist(), "never applied"),
        (Growing(), "not of class A"),
        (Nothing(), "prior is not what stood"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_broken_behaviour_is_found(broken: Remediation, said: str) -> None:
    tolerant = changed(of(), PatchOp("add", "/spec/template/spec/tolerations", []))
    with pytest.raises(BrokenPromises, match=said):
        check_remediation(broken, [Case("orderly", tolerant, None, NOW)])


def test_a_remediation_that_never_acts_proves_nothing() -> None:
    with pytest.raises(BrokenPromises, match="planned in no case"):
        check_remediation(Limits(), [Case("crash loop", crashed(), None, NOW)])


def test_everything_broken_is_told_at_once() -> None:
    with pytest.raises(BrokenPromises) as raised:
        check_remediation(Altered(lambda plan: replace(plan, undo=(), diff=""), name="no name"))

    assert len(raised.value.broken) >= 3
