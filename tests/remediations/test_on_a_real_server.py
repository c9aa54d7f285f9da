"""The plans against a real API server and its controllers: what they write stands there as they say, and it helps."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from detectors.series import Workload
from remediations.base import Remediation
from remediations.cluster import HealthyRevision, World
from remediations.limits import Limits
from remediations.owners import controlled_by
from remediations.plan import Outcome, PatchOp, Plan, Step
from remediations.pods import crash_looping, oom_killed
from remediations.restart import Restart
from remediations.rollback import Rollback
from remediations.templates import current_replica_set
from remediations.verification import in_force, rollout_outcome, still_holds
from tests.controlplane.api import JSON_PATCH, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import APPS, Workloads

NAME = "checkout"


class Place:
    """One Deployment on the real server, read and written as a plan would be."""

    def __init__(self, control_plane: ControlPlane, workloads: Workloads) -> None:
        self.api = control_plane.api
        self.workloads = workloads
        self.workload = Workload(workloads.namespace, "Deployment", NAME)
        self.healthy: tuple[HealthyRevision, ...] = ()

    def read(self) -> World:
        found: Json = {"apiVersion": APPS, "kind": "Deployment", **self.workloads.deployment(NAME)}
        uid = found["metadata"]["uid"]
        replica_sets = [rs for rs in self.workloads.replica_sets(NAME) if controlled_by(rs, uid)]
        pods = tuple(self.workloads.pods(NAME))
        return World(self.workload, found, datetime.now(UTC), tuple(replica_sets), pods, healthy=self.healthy)

    def seen_healthy(self) -> None:
        replica_set = current_replica_set(self.read())
        assert replica_set is not None
        now = datetime.now(UTC)
        metadata = replica_set["metadata"]
        self.healthy = (HealthyRevision(metadata["uid"], metadata["name"], now - timedelta(days=6), now),)

    def until(self, what: str, condition: Callable[[World], bool]) -> World:
        return wait_for(what, self.read, until=condition)

    def planned(self, remediation: Remediation) -> Plan:
        world = self.read()
        plan = remediation.plan(self.workload, world, remediation.parameters(), datetime.now(UTC))
        assert isinstance(plan, Plan), plan
        return plan

    def write(self, patch: tuple[PatchOp, ...]) -> None:
        body = [
            {key: value for key, value in asdict(op).items() if key != "value" or op.op != "remove"} for op in patch
        ]
        self.api.patch(APPS, "deployments", NAME, body, self.workloads.namespace, kind=JSON_PATCH)

    def applied(self, step: Step) -> World:
        assert not in_force(step, self.read())
        self.write(step.patch)
        world = self.read()
        assert in_force(step, world)
        return world


def test_a_rollback_takes_up_the_healthy_replica_set_again(control_plane: ControlPlane, workloads: Workloads) -> None:
    place = Place(control_plane, workloads)
    workloads.deploy(NAME, "registry.test/checkout:v41", env={"LOG_LEVEL": "info"}, wait=True)
    place.seen_healthy()
    workloads.rollout(NAME, "registry.test/checkout:v42-crash", env={"LOG_LEVEL": "debug"})
    place.until("a pod crash-loops", lambda world: any(map(crash_looping, world.pods)))

    plan = place.planned(Rollback())
    assert plan.change[0] == "template of v42-crash → that of v41 (env LOG_LEVEL, image)"
    assert (plan.touches.pods, plan.touches.ready_at_least) == (1, None)
    assert rollout_outcome(plan, place.read()) is Outcome.INEFFECTIVE
    after = place.applied(plan.steps[0])
    assert not still_holds(plan, after)

    done = place.until("it is effective", lambda world: rollout_outcome(plan, world) is Outcome.EFFECTIVE)
    current = current_replica_set(done)
    assert current is not None
    assert current["metadata"]["uid"] == plan.steps[0].source_uid
    assert len(done.replica_sets) == 2


def test_raised_limits_help_and_come_back_exactly(control_plane: ControlPlane, workloads: Workloads) -> None:
    place = Place(control_plane, workloads)
    workloads.deploy(NAME, "registry.test/checkout:v42-oom-150Mi", memory="128Mi")
    before = place.until("a container is killed for memory", lambda world: any(map(oom_killed, world.pods)))

    plan = place.planned(Limits())
    assert plan.change == ("memory limit of container main: 128Mi → 192Mi (and its request, which equals it)",)
    place.applied(plan.steps[0])
    place.until("it is effective", lambda world: Limits().verify(plan, world) is Outcome.EFFECTIVE)

    back = place.applied(plan.undo[0])
    assert back.object["spec"] == before.object["spec"]


def test_a_restart_replaces_every_pod_once_and_never_drops_what_it_promises(
    control_plane: ControlPlane, workloads: Workloads
) -> None:
    place = Place(control_plane, workloads)
    workloads.deploy(NAME, "registry.test/checkout:v41", replicas=4, wait=True)
    old = {pod["metadata"]["uid"] for pod in place.read().pods}

    plan = place.planned(Restart())
    assert plan.touches.ready_at_least == 3
    lowest = [4]

    def over(world: World) -> bool:
        lowest.append(int(world.object["status"].get("availableReplicas") or 0))
        return rollout_outcome(plan, world) is Outcome.EFFECTIVE

    place.applied(plan.steps[0])
    done = place.until("it is effective", over)
    place.write(plan.steps[0].patch)

    assert not old & {pod["metadata"]["uid"] for pod in done.pods}
    assert min(lowest) >= 3
    assert place.read().generation == done.generation


def test_a_fence_is_a_new_generation_and_voids_no_plan(control_plane: ControlPlane, workloads: Workloads) -> None:
    place = Place(control_plane, workloads)
    workloads.deploy(NAME, "registry.test/checkout:v41", replicas=1, wait=True)
    plan = place.planned(Restart())

    place.write((PatchOp("add", "/metadata/annotations/trimtab.dev~1epoch", "8"),))

    fenced = place.read()
    assert fenced.generation != plan.generation
    assert still_holds(plan, fenced)
    place.write((PatchOp("add", "/metadata/annotations/team", "shop"),))
    assert not still_holds(plan, place.read())
