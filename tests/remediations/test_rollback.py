"""Rollback's manners (DESIGN.md section 4)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from remediations import samples, templates
from remediations.cluster import HealthyRevision, World
from remediations.memory import MemoryCluster, deployment
from remediations.plan import Held, PatchOp, Plan, Refusal
from remediations.rollback import Rollback, RollbackParameters
from remediations.verification import in_force
from tests.remediations.worlds import CHECKOUT, CRASH, NOW, WELL, changed, crashed, marked, of

POD = "/spec/template/spec"
FIRST = f"{POD}/containers/0"


def plan(world: World) -> Plan | Refusal:
    return Rollback().plan(world.workload, world, RollbackParameters(), NOW)


def planned(world: World) -> Plan:
    made = plan(world)
    assert isinstance(made, Plan)
    return made


def refused(world: World) -> str:
    made = plan(world)
    assert isinstance(made, Refusal)
    return made.code


def test_it_returns_to_the_full_template_of_the_newest_healthy_replica_set() -> None:
    world = crashed()
    made = planned(world)
    healthy = world.replica_sets[0]

    (step,) = made.steps
    (op,) = step.patch
    assert (op.op, op.path) == ("replace", "/spec/template")
    assert op.value == templates.without_hash(healthy["spec"]["template"])
    assert step.source_uid == healthy["metadata"]["uid"] == world.healthy[-1].uid
    assert made.irreversible
    assert not made.undo


def test_the_template_goes_back_without_the_hash_label() -> None:
    world = crashed()
    assert templates.HASH_LABEL in world.replica_sets[0]["spec"]["template"]["metadata"]["labels"]

    assert templates.HASH_LABEL not in str(planned(world).steps)


def test_a_rolled_back_deployment_takes_up_the_old_replica_set() -> None:
    """The whole way in a cluster: healthy v41, crashing v42, rollback, healthy again."""
    cluster = MemoryCluster(lambda: NOW)
    workload = cluster.create(deployment("shop", "checkout", WELL))
    cluster.seen_healthy(workload, NOW - timedelta(days=6), NOW)
    cluster.change(workload, PatchOp("replace", samples.IMAGE, CRASH))
    (step,) = planned(samples.reading(cluster, workload)).steps
    cluster.change(workload, *step.patch)
    after = samples.reading(cluster, workload)

    assert in_force(step, after)
    assert len(after.replica_sets) == 2
    current = templates.current_replica_set(after)
    assert current is not None
    assert current["metadata"]["uid"] == step.source_uid


def test_it_says_in_words_what_changes() -> None:
    variable = PatchOp("add", f"{FIRST}/env", [{"name": "LOG_LEVEL", "value": "debug"}])
    first, second = planned(crashed(CRASH, 3, variable)).change

    assert first == "template of v42-crash → that of v41 (env LOG_LEVEL, image)"
    assert second.startswith("as checkout-")
    assert "healthy until 2026-03-01 13:57 UTC" in second


def test_the_diff_shows_exactly_the_change() -> None:
    lines = planned(crashed()).diff.splitlines()
    gone = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
    come = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]

    assert gone == [f"- image: {CRASH}"]
    assert come == [f"- image: {WELL}"]


def test_it_says_what_cannot_be_restored() -> None:
    cluster = MemoryCluster(lambda: NOW)
    manifest = deployment("shop", "checkout", WELL)
    manifest["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "app-config"}}]
    workload = cluster.create(manifest)
    cluster.seen_healthy(workload, NOW - timedelta(days=6), NOW)
    cluster.change(workload, PatchOp("replace", samples.IMAGE, CRASH))

    kept, mutable, migrations = planned(samples.reading(cluster, workload)).not_restored

    assert kept.startswith("ConfigMap app-config")
    assert mutable.startswith(f"the image behind {WELL}")
    assert migrations.startswith("migrations")


def test_an_image_by_digest_is_no_mutable_tag() -> None:
    pinned = "registry.test/shop@sha256:" + "a" * 64
    world = crashed()
    world.replica_sets[0]["spec"]["template"]["spec"]["containers"][0]["image"] = pinned

    made = planned(world)
    assert not any("mutable" in line for line in made.not_restored)
    assert made.change[0].startswith("template of v42-crash → that of sha256:aaaaaaaaaaaa")


def test_it_rests_on_the_present_template_and_on_not_being_paused() -> None:
    world = crashed()

    assert planned(world).reads == (
        Held("/spec/template", world.object["spec"]["template"]),
        Held("/spec/paused", None, present=False),
    )


def test_only_pods_of_other_templates_are_replaced() -> None:
    assert planned(crashed(replicas=12)).touches.pods == 6
    assert planned(crashed(replicas=12)).touches.ready_at_least is None


@pytest.mark.parametrize(
    ("world", "code"),
    [
        (changed(crashed(), PatchOp("add", "/spec/paused", True)), "paused"),
        (marked(crashed(), annotations={"trimtab.dev/rollback": "never"}), "opted-out"),
        (replace(crashed(), healthy=()), "no-healthy-revision"),
        (replace(crashed(), replica_sets=()), "no-healthy-revision"),
        (of("StatefulSet"), "kind"),
    ],
    ids=["paused", "opted out", "never seen healthy", "replica set gone", "another kind"],
)
def test_it_refuses(world: World, code: str) -> None:
    assert refused(world) == code


def test_the_present_version_is_never_its_own_target() -> None:
    world = crashed()
    present = templates.current_replica_set(world)
    assert present is not None
    seen = HealthyRevision(present["metadata"]["uid"], present["metadata"]["name"], NOW, NOW)

    assert planned(replace(world, healthy=(*world.healthy, seen))).digest == planned(world).digest
    assert refused(replace(world, healthy=(seen,))) == "already-there"


def test_a_replica_set_of_somebody_else_is_no_target() -> None:
    world = crashed()
    for replica_set in world.replica_sets:
        replica_set["metadata"]["ownerReferences"][0]["uid"] = "another"

    assert refused(world) == "no-healthy-revision"


def test_the_newest_healthy_version_is_chosen_whatever_its_revision_number() -> None:
    cluster = MemoryCluster(lambda: NOW)
    workload = cluster.create(deployment("shop", "checkout", "registry.test/shop:v40"))
    for image in ("registry.test/shop:v41", "registry.test/shop:v40"):
        cluster.seen_healthy(workload, NOW - timedelta(days=6), NOW)
        cluster.change(workload, PatchOp("replace", samples.IMAGE, image))
    cluster.seen_healthy(workload, NOW - timedelta(days=1), NOW)
    cluster.change(workload, PatchOp("replace", samples.IMAGE, CRASH))

    assert planned(samples.reading(cluster, workload)).change[0].startswith("template of v42-crash → that of v40")


@pytest.mark.parametrize(
    ("op", "named"),
    [
        (PatchOp("add", f"{POD}/serviceAccountName", "admin"), "serviceAccountName"),
        (PatchOp("add", f"{POD}/volumes", [{"name": "s", "secret": {"secretName": "s"}}]), "volumes"),
        (PatchOp("add", f"{POD}/hostNetwork", True), "hostNetwork"),
        (PatchOp("add", f"{POD}/hostPID", True), "hostPID"),
        (PatchOp("add", f"{POD}/hostIPC", True), "hostIPC"),
        (PatchOp("add", f"{POD}/securityContext", {"runAsUser": 0}), "securityContext"),
        (PatchOp("add", f"{FIRST}/securityContext", {"privileged": True}), "securityContext of app"),
        (PatchOp("add", f"{FIRST}/ports", [{"containerPort": 80, "hostPort": 80}]), "hostPort of app"),
        (
            PatchOp("add", f"{POD}/initContainers", [{"name": "i", "securityContext": {"runAsUser": 0}}]),
            "securityContext of i",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_of_what_pods_may_do_goes_to_a_person(op: PatchOp, named: str) -> None:
    """Either way: the version to return to may have had more rights, or fewer."""
    made = plan(crashed(CRASH, 3, op))

    assert isinstance(made, Refusal)
    assert made.code == "privileged-fields"
    assert named in made.message


@pytest.mark.parametrize(
    "op",
    [
        PatchOp("add", f"{POD}/securityContext", {}),
        PatchOp("add", f"{POD}/hostNetwork", False),
        PatchOp("add", f"{POD}/volumes", []),
        PatchOp("add", f"{FIRST}/resources/requests", {"memory": "1Mi"}),
        PatchOp("add", f"{POD}/terminationGracePeriodSeconds", 5),
    ],
    ids=["empty context", "false", "no volumes", "resources", "grace period"],
)
def test_an_empty_field_is_the_same_as_an_absent_one_and_the_rest_is_free(op: PatchOp) -> None:
    planned(crashed(CRASH, 3, op))


def test_the_plan_is_bound_to_uid_and_generation() -> None:
    world = crashed()
    made = planned(world)

    assert (made.workload, made.uid, made.generation) == (CHECKOUT, world.uid, world.generation)


@pytest.mark.parametrize("given", [{"to": "previous"}, {"to": 3}, {"too": "lastHealthy"}], ids=str)
def test_it_takes_no_other_target(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        RollbackParameters(**given)
