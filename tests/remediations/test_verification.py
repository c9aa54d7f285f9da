"""What plans rest on, and what counts as success (S5, S23, S24)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediations import samples
from remediations.cluster import Applied, World
from remediations.memory import MemoryCluster, deployment
from remediations.plan import REPLICAS, Held, Outcome, PatchOp, Plan, sense_of
from remediations.pointer import applied, held
from remediations.restart import Restart, RestartParameters
from remediations.rollback import Rollback, RollbackParameters
from remediations.simulation import stamp
from remediations.verification import changes_since, in_force, rollout_outcome, still_holds, troubled
from tests.remediations.worlds import NOW, WELL, changed, crashed


def planned(world: World) -> Plan:
    made = Rollback().plan(world.workload, world, RollbackParameters(), NOW)
    assert isinstance(made, Plan)
    return made


WORLD = crashed()
PLAN = planned(WORLD)
UID = PatchOp("replace", "/metadata/uid", "another")


@pytest.mark.parametrize(
    ("op", "said"),
    [
        (UID, "another object"),
        (PatchOp("add", "/spec/paused", True), "/spec/paused has changed"),
        (PatchOp("replace", "/spec/template/spec/containers/0/image", "x"), "/spec/template has changed"),
    ],
    ids=["uid", "paused", "template"],
)
def test_a_plan_stands_no_longer_when_what_it_rests_on_has_changed(op: PatchOp, said: str) -> None:
    """S5."""
    (reason,) = changes_since(PLAN, changed(WORLD, op))

    assert said in reason
    assert not still_holds(PLAN, changed(WORLD, op))


@pytest.mark.parametrize(
    "op",
    [
        PatchOp("replace", "/metadata/resourceVersion", "999999"),
        PatchOp("add", "/metadata/annotations/trimtab.dev~1epoch", "8"),
        PatchOp("add", "/status/readyReplicas", 0),
        PatchOp("add", "/spec/template/metadata/creationTimestamp", None),
    ],
    ids=["resourceVersion", "fence", "status", "null member"],
)
def test_what_a_plan_does_not_rest_on_does_not_void_it(op: PatchOp) -> None:
    assert still_holds(PLAN, changed(WORLD, op))


NEWER = PatchOp("replace", "/metadata/generation", 9)


@pytest.mark.parametrize(
    ("op", "stands"),
    [
        (PatchOp("add", "/metadata/annotations/trimtab.dev~1epoch", "8"), True),
        (PatchOp("add", "/metadata/annotations/deployment.kubernetes.io~1revision", "8"), True),
        (PatchOp("add", "/metadata/annotations/team", "shop"), False),
        (PatchOp("replace", "/spec/replicas", 4), True),
        (PatchOp("add", "/spec/minReadySeconds", 4), False),
    ],
    ids=["our fence", "the controller's revision", "another annotation", "an autoscaler's step", "another field"],
)
def test_a_new_generation_voids_a_plan_unless_it_is_only_our_fence(op: PatchOp, stands: bool) -> None:
    """A new leader fences before it decides on what the old one left: that must not void the approval. Nor does a step
    of the autoscaler, which is nobody's change of mind.
    """
    world = changed(WORLD, op, NEWER)

    assert still_holds(PLAN, world) is stands
    assert not still_holds(replace(PLAN, ground=""), world)


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "writes"])
def test_a_plan_that_reads_or_writes_the_number_of_replicas_does_not_outlive_an_autoscaler(reads: bool) -> None:
    """What most plans do not ask about is what this one is about."""
    number, (step,) = held(WORLD.object, REPLICAS), PLAN.steps
    scaling = replace(step, patch=(PatchOp("replace", REPLICAS, 9),), prior=(number,), holds=(Held(REPLICAS, 9),))
    plan = replace(PLAN, reads=(number,)) if reads else replace(PLAN, steps=(scaling,))

    assert still_holds(plan, WORLD)
    assert not still_holds(plan, changed(WORLD, PatchOp("replace", REPLICAS, 4), NEWER))


def test_two_restarts_are_one_change_and_two_limits_are_not() -> None:
    """A restart carries the moment it was planned at; a person who said no to it meant restarting."""
    later = NOW + timedelta(minutes=5)
    one, other = (
        made
        for when in (NOW, later)
        if isinstance(made := Restart().plan(WORLD.workload, WORLD, RestartParameters(), when), Plan)
    )

    assert one.digest != other.digest
    assert sense_of(one) == sense_of(other) != sense_of(PLAN)
    (step,) = PLAN.steps
    assert sense_of(replace(PLAN, generation=99, reads=())) == sense_of(PLAN)
    assert sense_of(replace(PLAN, steps=(replace(step, patch=(replace(step.patch[0], value={}),)),))) != sense_of(PLAN)


async def test_a_plan_survives_the_fence_of_a_new_leader() -> None:
    cluster = MemoryCluster(lambda: NOW)
    workload = cluster.create(deployment("shop", "checkout", WELL))
    before = samples.reading(cluster, workload)
    made = Restart().plan(workload, before, RestartParameters(), NOW)
    assert isinstance(made, Plan)
    await cluster.fence(workload, before.uid, 8)
    fenced = samples.reading(cluster, workload)

    assert fenced.generation != before.generation
    assert still_holds(made, fenced)
    assert await cluster.apply(made.steps[0], fenced.resource_version) == Applied(cluster.effects[0].resource_version)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(value=json_values)
def test_a_plan_stands_exactly_while_the_value_it_read_stands(value: Any) -> None:
    """S5, for any value at a pointer that the plan reads."""
    now = changed(WORLD, PatchOp("add", "/spec/paused", value))

    assert not still_holds(PLAN, now)
    bound = replace(PLAN, reads=(replace(PLAN.reads[1], value=value, present=True),))
    assert still_holds(bound, now)


def test_a_step_is_in_force_only_on_its_own_object() -> None:
    (step,) = PLAN.steps
    done = changed(WORLD, *step.patch)

    assert not in_force(step, WORLD)
    assert in_force(step, done)
    assert not in_force(step, changed(done, UID))
    assert not in_force(step, changed(done, PatchOp("replace", "/spec/template/spec/containers/0/image", "x")))


def finished(world: World, **status: Any) -> World:
    """The plan in force with every pod of the restored version ready, but for what `status` says."""
    made = changed(world, *planned(world).steps[0].patch)
    keep = world.replica_sets[0]["metadata"]["uid"]
    pods = tuple(pod for pod in world.pods if pod["metadata"]["ownerReferences"][0]["uid"] == keep)
    full = {"observedGeneration": world.generation, "updatedReplicas": 3, "readyReplicas": 3, **status}
    return replace(made, object={**made.object, "status": full}, pods=pods)


def test_a_finished_rollout_is_effective() -> None:
    assert rollout_outcome(PLAN, finished(WORLD)) is Outcome.EFFECTIVE


@pytest.mark.parametrize(
    "status",
    [{"observedGeneration": 1}, {"updatedReplicas": 2}, {"readyReplicas": 2}, {"observedGeneration": None}],
    ids=["not yet seen by the controller", "not all updated", "not all ready", "no status"],
)
def test_a_rollout_under_way_is_inconclusive(status: dict[str, Any]) -> None:
    assert rollout_outcome(PLAN, finished(WORLD, **status)) is Outcome.INCONCLUSIVE


def test_pods_of_an_older_template_mean_that_it_is_not_over() -> None:
    world = finished(WORLD)

    assert rollout_outcome(PLAN, replace(world, pods=WORLD.pods)) is Outcome.INCONCLUSIVE


def test_scaling_to_zero_never_passes() -> None:
    """S24."""
    world = changed(finished(WORLD), PatchOp("replace", "/spec/replicas", 0))

    assert rollout_outcome(PLAN, replace(world, pods=())) is Outcome.INEFFECTIVE


def test_a_suppressed_write_never_verifies() -> None:
    """S24: however well the pods are."""
    world = finished(WORLD)
    undone = replace(world, object={**WORLD.object, "status": world.object["status"]})

    assert rollout_outcome(PLAN, undone) is Outcome.INEFFECTIVE


def test_pods_that_fail_are_ineffective_and_harmful_once_fewer_are_ready_than_promised() -> None:
    world = crashed()
    made = Restart().plan(world.workload, world, RestartParameters(), NOW)
    assert isinstance(made, Plan)
    assert made.touches.ready_at_least == 3
    restarted = changed(world, *made.steps[0].patch)
    newest = {**world.replica_sets[-1], "spec": {"template": applied(restarted.object["spec"]["template"], ())}}
    restarted = replace(restarted, replica_sets=(world.replica_sets[0], newest))

    assert rollout_outcome(made, restarted) is Outcome.INEFFECTIVE
    assert rollout_outcome(made, replace(restarted, pods=restarted.pods[1:])) is Outcome.HARMFUL


def test_an_exceeded_progress_deadline_is_ineffective() -> None:
    late = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]

    assert rollout_outcome(PLAN, finished(WORLD, conditions=late, readyReplicas=2)) is Outcome.INEFFECTIVE
    unseen = finished(WORLD, conditions=late, readyReplicas=2, observedGeneration=1)
    assert rollout_outcome(PLAN, unseen) is Outcome.INCONCLUSIVE


OOM = {"name": "app", "restartCount": 1, "lastState": {"terminated": {"reason": "OOMKilled", "finishedAt": stamp(NOW)}}}
NOWHERE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, False),
        ({"conditions": [{**NOWHERE, "status": "True", "reason": ""}]}, False),
        ({"conditions": [NOWHERE]}, True),
        ({"containerStatuses": [OOM]}, True),
        ({"containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ErrImagePull"}}}]}, True),
    ],
    ids=["starting", "bound", "no room", "killed for memory", "no image"],
)
@pytest.mark.parametrize("updated", [True, False], ids=["new", "old"])
def test_trouble_is_that_of_the_new_pods(status: dict[str, Any], expected: bool, updated: bool) -> None:
    """What the pods do that are being replaced says nothing about the change."""
    world = samples.first_version("registry.test/shop:v1")
    pods = tuple({**pod, "status": status} for pod in world.pods)
    if not updated:
        pods = tuple({**pod, "metadata": {**pod["metadata"], "ownerReferences": []}} for pod in pods)

    assert troubled(replace(world, pods=pods), NOW - timedelta(minutes=1)) is (expected and updated)
    if "containerStatuses" in status and status["containerStatuses"][0] is OOM:
        assert not troubled(replace(world, pods=pods), NOW + timedelta(minutes=1)), "a kill of before it was written"
