"""Writes to the lab have the API server's manners: locks, owners, generations, budgets."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.observe import observe
from controller.kinds import BUDGETS, DEPLOYMENTS
from controller.lab.disruption import BudgetExhausted, Evicted, NoSuchPod, TwoBudgets
from controller.lab.lab import Lab
from controller.lab.scenario import Scenario
from controller.lab.state import State
from detectors.series import Workload
from remediations.cluster import Applied, Conflict, Gone, Refused
from remediations.fields import owners_of
from remediations.plan import Held, Holding, PatchOp, Step, StepClass
from remediations.pods import ready_count
from tests.lab.playing import go, lab, scaler, scenario, web, workload, world

LEAST = "/spec/minReplicas"
FLOOR = "trimtab-floor"
IMAGE = "/spec/template/spec/containers/0/image"


def step(stage: Lab, about: Workload, patch: PatchOp, *, held: bool = False, force: bool = False) -> Step:
    seen = world(stage, about)
    before = seen.object["spec"].get("minReplicas")
    return Step(
        "test",
        about,
        seen.uid,
        StepClass.VALUE_IDEMPOTENT,
        (patch,),
        (Held(patch.path, patch.value),),
        (Held(patch.path, before, before is not None),),
        holding=Holding(FLOOR, force) if held else None,
    )


def floored() -> Lab:
    return lab(scenario(web(autoscaler={"min": 2, "max": 12, "cpu": 60}, load={"rate": 60})))


def test_a_write_is_locked_by_uid_and_resource_version() -> None:
    stage = lab()
    seen = world(stage)
    wanted = step(stage, workload(), PatchOp("replace", IMAGE, "registry.test/web:v9"))

    assert isinstance(stage.apply(wanted, "0"), Conflict)
    other = Step("test", workload(), "another", wanted.step_class, wanted.patch, wanted.holds, wanted.prior)
    assert isinstance(stage.apply(other, seen.resource_version), Gone)
    assert isinstance(stage.apply(wanted, seen.resource_version, dry_run=True), Applied)
    assert world(stage).object == seen.object
    done = stage.apply(wanted, seen.resource_version)
    assert isinstance(done, Applied)
    assert done.resource_version == world(stage).resource_version != seen.resource_version
    assert world(stage).generation == (seen.generation or 0) + 1
    assert [one.kind for one in stage.writes] == ["step"]


def test_a_patch_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    stage = lab()
    before = world(stage).object
    wrong = step(stage, workload(), PatchOp("replace", "/spec/nowhere/at", 1))
    label = step(stage, workload(), PatchOp("replace", "/spec/template/metadata/labels/app", "other"))

    assert isinstance(stage.apply(wrong, world(stage).resource_version), Refused)
    assert isinstance(stage.apply(label, world(stage).resource_version), Refused)
    assert world(stage).object == before


def test_an_unforced_apply_is_told_who_owns_the_field_and_a_forced_one_takes_it() -> None:
    stage = floored()
    floor = PatchOp("replace", LEAST, 6)

    polite = stage.apply(step(stage, scaler(), floor, held=True), world(stage, scaler()).resource_version)
    assert isinstance(polite, Conflict)
    assert polite.owners == ("helm",)

    taken = stage.apply(step(stage, scaler(), floor, held=True, force=True), world(stage, scaler()).resource_version)
    assert isinstance(taken, Applied)
    assert owners_of(world(stage, scaler()).object, LEAST) == (FLOOR,)
    go(stage, 3)
    assert ready_count(world(stage).pods) == 6, "the autoscaler obeys the raised minimum"


def test_a_user_takes_the_field_back_and_the_autoscaler_goes_by_it() -> None:
    stage = floored()
    stage.apply(
        step(stage, scaler(), PatchOp("replace", LEAST, 6), held=True, force=True),
        world(stage, scaler()).resource_version,
    )
    go(stage, 2)
    conflict = stage.claim("helm", scaler(), PatchOp("replace", LEAST, 3))
    assert isinstance(conflict, Conflict)
    assert conflict.owners == (FLOOR,)

    assert isinstance(stage.act_as("kubectl-edit", scaler(), PatchOp("replace", LEAST, 3)), Applied)
    assert owners_of(world(stage, scaler()).object, LEAST) == ("kubectl-edit",)
    go(stage, 8)
    assert ready_count(world(stage).pods) == 3


def test_a_release_restores_what_is_still_ours_and_leaves_no_trace() -> None:
    stage = floored()
    held = step(stage, scaler(), PatchOp("replace", LEAST, 6), held=True, force=True)
    stage.apply(held, world(stage, scaler()).resource_version)
    undo = Step(
        "test",
        scaler(),
        held.uid,
        held.step_class,
        (PatchOp("replace", LEAST, 2),),
        held.prior,
        held.holds,
        holding=held.holding,
    )

    assert isinstance(stage.release(undo, world(stage, scaler()).resource_version), Applied)
    after = world(stage, scaler()).object
    assert after["spec"]["minReplicas"] == 2
    assert not [one for one in after["metadata"]["managedFields"] if one["manager"].startswith("trimtab")]
    assert isinstance(stage.claim("helm", scaler(), PatchOp("replace", LEAST, 3)), Applied)


def test_a_minimum_above_the_maximum_is_refused() -> None:
    stage = floored()
    answer = stage.act_as("kubectl", scaler(), PatchOp("replace", LEAST, 13))

    assert isinstance(answer, Refused)


def test_a_fence_stands_over_an_older_one_and_voids_what_was_read() -> None:
    stage = lab()
    seen = world(stage)

    assert isinstance(stage.fence(workload(), seen.uid, 7), Applied)
    assert isinstance(stage.fence(workload(), seen.uid, 6), Refused)
    wanted = step(stage, workload(), PatchOp("replace", IMAGE, "registry.test/web:v9"))
    assert isinstance(stage.apply(wanted, seen.resource_version), Conflict)
    go(stage, 1)
    assert len(world(stage).replica_sets) == 1, "a fence rolls nothing out"


def test_foreign_writes_are_named_and_machines_are_too() -> None:
    stage = floored()
    go(stage, 1)
    stage.act_as("kubectl-edit", workload(), PatchOp("add", "/metadata/annotations/team", "shop"))
    stage.act_as("kubectl", scaler(), PatchOp("replace", LEAST, 8))
    go(stage, 1)

    found = world(stage).object
    assert owners_of(found, "/metadata/annotations/team") == ("kubectl-edit",)
    assert owners_of(found, "/spec/replicas") == ("kube-controller-manager",)
    assert owners_of(found, "/spec/template/spec/containers") == ("helm",)


def test_nothing_is_written_where_there_is_nothing() -> None:
    stage = lab()

    assert isinstance(stage.act_as("kubectl", workload("none"), PatchOp("replace", IMAGE, "x")), Gone)
    assert isinstance(stage.look(workload("none")), Gone)
    assert isinstance(stage.fence(workload("none"), "x", 1), Gone)
    assert isinstance(stage.look(Workload("shop", "StatefulSet", "web", "apps/v1")), Gone)


# ── evictions


def test_an_eviction_is_answered_by_value() -> None:
    stage = lab(scenario(web(minAvailable=3)))
    names = [pod["metadata"]["name"] for pod in world(stage).pods]

    assert isinstance(stage.evict("shop", "nobody"), NoSuchPod)
    assert stage.evict("shop", names[0]) == Evicted(names[0])
    gone = next(pod for pod in world(stage).pods if pod["metadata"]["name"] == names[0])
    assert gone["metadata"]["deletionTimestamp"]
    refused = stage.evict("shop", names[1])
    assert isinstance(refused, BudgetExhausted)
    assert refused.budget == "web"
    assert stage.score.evictions == 1
    go(stage, 2)
    assert ready_count(world(stage).pods) == 4, "the ReplicaSet made another"
    (budget,) = world(stage).budgets
    assert (budget["status"]["currentHealthy"], budget["status"]["disruptionsAllowed"]) == (4, 1)


def test_two_budgets_over_one_pod_cannot_be_answered() -> None:
    stage = lab(scenario(web(minAvailable=1)))
    stage._budgets.append(stage._budgets[0])  # no scenario writes a second one

    assert isinstance(stage.evict("shop", world(stage).pods[0]["metadata"]["name"]), TwoBudgets)


def test_a_pod_that_is_not_ready_may_go_while_the_others_satisfy_the_budget() -> None:
    stage = lab(scenario(web(minAvailable=3, versions={"v1": {}, "bad": {"ready": False}}, maxSurge=0)))
    stage.roll_out(workload(), "bad")
    go(stage, 1)
    seen = world(stage)
    unready = next(pod for pod in seen.pods if pod["spec"]["containers"][0]["image"].endswith("bad"))
    ready = next(pod for pod in seen.pods if pod["spec"]["containers"][0]["image"].endswith("v1"))

    assert isinstance(stage.evict("shop", ready["metadata"]["name"]), BudgetExhausted)
    assert isinstance(stage.evict("shop", unready["metadata"]["name"]), Evicted)


@settings(max_examples=20, deadline=None)
@given(
    replicas=st.integers(1, 8),
    budget=st.one_of(st.integers(0, 8), st.sampled_from(["25%", "50%", "90%", "100%"])),
    order=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 6)), max_size=12),
)
def test_evictions_never_violate_a_budget(replicas: int, budget: int | str, order: list[tuple[int, int]]) -> None:
    stage = lab(scenario(web(replicas=replicas, minAvailable=budget)))
    (shown,) = stage.objects.all(BUDGETS)
    desired = shown["status"]["desiredHealthy"]
    for which, pause in order:
        pods = world(stage).pods
        before = ready_count(pods)
        if pods:
            chosen = pods[which % len(pods)]
            answer = stage.evict("shop", chosen["metadata"]["name"])
            stage.advance(stage.now + timedelta(seconds=5))
            if isinstance(answer, Evicted):
                assert ready_count(world(stage).pods) >= min(desired, before)
        stage.advance(stage.now + timedelta(seconds=10 * pause))
        assert ready_count(world(stage).pods) >= min(desired, replicas)


def test_a_rolling_restart_ignores_budgets() -> None:
    stage = lab(scenario(web(replicas=8, minAvailable="100%")))
    fewest = 8
    stage.act_as("kubectl", workload(), PatchOp("add", "/spec/template/metadata/annotations/restartedAt", "now"))
    for _ in range(30):
        stage.advance(stage.now + timedelta(seconds=5))
        fewest = min(fewest, ready_count(world(stage).pods))

    assert fewest == 6


def test_every_fact_that_runbooks_ask_of_objects_can_be_read_off_the_lab() -> None:
    stage = lab(Scenario.shipped("shop"))
    go(stage, 5)
    for one in stage.objects.all(DEPLOYMENTS):
        about = workload(one["metadata"]["name"])
        facts: dict[str, Any] = dict(observe(world(stage, about), None, None, stage.now))
        assert facts["replicas.ready"] == facts["replicas.desired"] == facts["replicas.updated"]
        assert facts["objects.notReady.count"] == 0
        assert facts["changes.rollout.recent"] is False
        assert facts["memory.limit"] > 0


def test_columns_of_a_pod_that_is_gone_are_empty_for_the_next() -> None:
    stage = lab(scenario(web(memory={"base": "100Mi"})))
    state: State = stage._state  # the columns are not to be seen from outside
    pod = next(iter(state.pods.values()))
    stage.evict("shop", pod.name)
    go(stage, 3)

    place = next(one.place for one in state.pods.values() if one.created > 0)
    assert state.fleet.identity[place] != pod.identity
    assert state.fleet.requests[place] < 60 * 3 * 50
    assert not stage.objects.get(DEPLOYMENTS, "shop", "none")
