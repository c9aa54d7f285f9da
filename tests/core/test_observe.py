"""What one reading of the world says, and what it leaves out."""

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from controller.core.alerts import Alert
from controller.core.observe import healthy_now, observe, plain
from controller.core.symptoms import symptoms
from detectors.results import Abstention, Band, Detection
from detectors.series import Problem, Workload
from remediations.cluster import HealthyRevision, World
from remediations.memory import MemoryCluster, deployment
from remediations.plan import PatchOp
from runbooks.evidence import FACTS
from tests.remediations.worlds import NOW

IMAGE = "/spec/template/spec/containers/0/image"
MINUTE = timedelta(minutes=1)


class Story:
    """A Deployment with a clock: `roll` changes the image, `wait` lets time pass."""

    def __init__(self, image: str = "registry.test/shop:v41", replicas: int = 4) -> None:
        self.now = NOW - timedelta(days=6)
        self.cluster = MemoryCluster(lambda: self.now)
        self.workload: Workload = self.cluster.create(deployment("shop", "checkout", image, replicas))
        self.cluster.settle()
        self.cluster.seen_healthy(self.workload, self.now, NOW - MINUTE)
        self.now = NOW

    def roll(self, image: str) -> None:
        self.cluster.change(self.workload, PatchOp("replace", IMAGE, image))
        self.cluster.settle()

    def wait(self, time: timedelta) -> None:
        self.now += time
        self.cluster.settle()

    async def world(self) -> World:
        world = await self.cluster.read(self.workload)
        assert isinstance(world, World)
        return world


async def facts(story: Story, **given: Any) -> dict[str, Any]:
    world = await story.world()
    return dict(observe(world, given.get("alerts", ()), given.get("errors"), story.now))


def codes(evidence: dict[str, Any]) -> list[str]:
    return [symptom.code for symptom in symptoms(evidence)]


async def test_a_healthy_workload_has_no_symptom() -> None:
    evidence = await facts(Story())

    assert codes(evidence) == []
    assert evidence["replicas.ready"] == evidence["replicas.desired"] == 4
    assert evidence["changes.rollout.recent"] is False
    assert "changes.rollout.age" not in evidence


async def test_a_rollout_that_crash_loops_is_told_with_its_age_and_its_pods() -> None:
    story = Story()
    story.roll("registry.test/shop:v42-crash")
    story.wait(2 * MINUTE)

    evidence = await facts(story)

    assert evidence["objects.crashLooping.count"] >= 1
    assert evidence["changes.rollout.age"] == 2 * MINUTE
    assert evidence["changes.rollout.recent"] is True
    assert evidence["changes.rollout.onlyNewFails"] is True
    assert evidence["changes.rollout.previousAlsoFailed"] is False
    assert codes(evidence)[0] == "crash-loop"
    count, everyone = evidence["objects.crashLooping.count"], len((await story.world()).pods)
    assert symptoms(evidence)[0].text == f"{count} of {everyone} pods restart"


@pytest.mark.parametrize(
    ("image", "code"),
    [("v42-nopull", "image-pull"), ("v42-oom-256Mi", "oom-killed"), ("v42-unready", "not-ready")],
)
async def test_each_way_to_fail_has_its_code(image: str, code: str) -> None:
    story = Story()
    story.cluster.change(story.workload, PatchOp("add", "/spec/strategy", {"type": "Recreate"}))
    story.roll(f"registry.test/shop:{image}")
    story.wait(6 * MINUTE)

    assert code in codes(await facts(story))


async def test_pods_not_ready_for_a_moment_are_no_symptom() -> None:
    story = Story()
    story.cluster.change(story.workload, PatchOp("add", "/spec/strategy", {"type": "Recreate"}))
    story.roll("registry.test/shop:v42-unready")
    story.wait(MINUTE)

    evidence = await facts(story)

    assert evidence["objects.notReady.count"] == 4
    assert codes(evidence) == []


async def test_a_rollout_past_its_deadline_is_stuck() -> None:
    story = Story()
    story.roll("registry.test/shop:v42-unready")
    story.wait(11 * MINUTE)

    evidence = await facts(story)

    assert evidence["objects.stuckRollout"] is True
    assert "stuck-rollout" in codes(evidence)


async def test_a_status_of_an_older_generation_says_nothing_of_the_rollout() -> None:
    story = Story()
    world = await story.world()
    behind = copy.deepcopy(dict(world.object))
    behind["metadata"]["generation"] += 1

    assert "objects.stuckRollout" not in observe(replace(world, object=behind), (), None, story.now)


async def test_a_template_whose_replica_set_is_not_there_yet_says_nothing_of_changes() -> None:
    story = Story()
    story.roll("registry.test/shop:v42")
    world = await story.world()
    ahead = copy.deepcopy(dict(world.object))
    ahead["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.test/shop:v43"

    evidence = observe(replace(world, object=ahead), (), None, story.now)

    assert not [name for name in evidence if name.startswith("changes.")]


async def test_a_version_before_that_was_never_seen_healthy_counts_as_failed() -> None:
    story = Story()
    story.roll("registry.test/shop:v42-crash")
    world = await story.world()

    evidence = observe(replace(world, healthy=()), (), None, story.now)

    assert evidence["changes.rollout.previousAlsoFailed"] is True


async def test_after_a_rollback_the_old_pods_are_not_the_new_version() -> None:
    story = Story()
    story.roll("registry.test/shop:v42")
    story.wait(MINUTE)
    story.roll("registry.test/shop:v41")
    world = await story.world()
    crashing = [copy.deepcopy(dict(pod)) for pod in world.pods]
    for pod in crashing:
        pod["status"]["containerStatuses"] = [{"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]

    evidence = observe(replace(world, pods=tuple(crashing)), (), None, story.now)

    assert evidence["changes.rollout.onlyNewFails"] is False


async def test_pods_on_their_way_out_do_not_count() -> None:
    story = Story()
    story.roll("registry.test/shop:v42-crash")
    world = await story.world()
    leaving = [copy.deepcopy(dict(pod)) for pod in world.pods]
    for pod in leaving:
        pod["metadata"]["deletionTimestamp"] = "2026-03-01T14:00:00Z"

    evidence = observe(replace(world, pods=tuple(leaving)), (), None, story.now)

    assert evidence["objects.crashLooping.count"] == 0
    assert "objects.crashLooping.share" not in evidence


def killed(at: datetime, restarts: int, began: datetime | None = None, reason: str = "OOMKilled") -> dict[str, Any]:
    ended = {"reason": reason, "finishedAt": at.isoformat()} | ({"startedAt": began.isoformat()} if began else {})
    return {"name": "app", "restartCount": restarts, "state": {"running": {}}, "lastState": {"terminated": ended}}


@pytest.mark.parametrize(
    ("age", "status", "count"),
    [
        (timedelta(days=1), killed(NOW - MINUTE, 7), 1),
        (timedelta(days=1), killed(NOW - MINUTE, 7, NOW - 5 * MINUTE), 2),
        (timedelta(days=1), killed(NOW - MINUTE, 1, NOW - 5 * MINUTE), 1),
        (10 * MINUTE, killed(NOW - MINUTE, 4), 4),
        (timedelta(days=1), killed(NOW - timedelta(hours=2), 4), 0),
        (10 * MINUTE, killed(NOW - MINUTE, 4, reason="Error"), 0),
    ],
    ids=["old pod", "killed again", "killed once", "young pod", "long ago", "another end"],
)
async def test_kills_for_memory_are_counted_as_far_as_the_status_shows(
    age: timedelta, status: dict[str, Any], count: int
) -> None:
    world = await Story().world()
    pod = copy.deepcopy(dict(world.pods[0]))
    pod["metadata"]["creationTimestamp"] = (NOW - age).isoformat()
    pod["status"]["containerStatuses"] = [status]

    assert observe(replace(world, pods=(pod,)), (), None, NOW)["objects.oomKilled.count"] == count


DETECTION = Detection(0.041, Band(0.001, 0.003), 3e-9, abnormal=True)


async def test_errors_are_told_with_value_band_and_chance() -> None:
    found = symptoms(await facts(Story(), errors=DETECTION))

    assert [s.text for s in found] == ["errors 4.1 % (expected 0.1–0.3 %, p = 3·10⁻⁹)"]


@pytest.mark.parametrize(
    "errors", [None, Abstention("data stale", frozenset({Problem.STALE}))], ids=["none", "abstention"]
)
async def test_what_was_not_judged_is_neither_normal_nor_abnormal(errors: Abstention | None) -> None:
    evidence = await facts(Story(), errors=errors)

    assert not [name for name in evidence if name.startswith("signals.")]


async def test_unread_alerts_are_not_no_alerts() -> None:
    assert not [name for name in await facts(Story(), alerts=None) if name.startswith("alerts.")]
    assert (await facts(Story(), alerts=()))["alerts.firing"] is False


async def test_a_critical_alert_is_a_symptom_and_a_warning_is_not() -> None:
    warning = Alert("Slow", {"severity": "warning"})
    critical = Alert("Burning", {"severity": "critical"})

    assert codes(await facts(Story(), alerts=(warning,))) == []
    assert codes(await facts(Story(), alerts=(warning, critical))) == ["alert"]


async def test_every_fact_is_one_that_runbooks_know_and_of_its_type() -> None:
    story = Story()
    story.roll("registry.test/shop:v42-oom-256Mi")
    story.cluster.change(
        story.workload,
        PatchOp("add", "/spec/template/spec/containers/0/resources", {"limits": {"memory": "128Mi"}}),
    )
    story.wait(6 * MINUTE)
    evidence = await facts(story, errors=DETECTION, alerts=(Alert("A", {}),))

    types: dict[str, type | tuple[type, ...]] = {
        "bool": bool, "int": int, "double": (float, int), "string": str, "duration": timedelta, "list": tuple,
    }  # fmt: skip
    # What a rollout and what single pods give is in tests of their own; autoscalers are looked at elsewhere.
    others = ("canary.", "signals.errors.pods", "signals.errors.elsewhere", "replicas.autoscaled")
    known = {fact.name: types[fact.type] for fact in FACTS if not fact.name.startswith(others)}
    assert evidence.keys() == known.keys()
    assert [name for name, value in evidence.items() if not isinstance(value, known[name])] == []
    assert plain(evidence)["objects.notReady.lasting"] == 360.0


async def test_a_version_ready_for_ten_minutes_is_healthy() -> None:
    story = Story()

    assert healthy_now(await story.world(), story.now) is not None
    assert healthy_now(await story.world(), NOW - timedelta(days=6) + 9 * MINUTE) is None


def change_pods(change: Callable[[list[dict[str, Any]]], None]) -> Callable[[World], World]:
    def changed(world: World) -> World:
        pods = [copy.deepcopy(dict(pod)) for pod in world.pods]
        change(pods)
        return replace(world, pods=tuple(pods))

    return changed


def just_ready(pods: list[dict[str, Any]]) -> None:
    pods[0]["status"]["conditions"] = [
        {"type": "Ready", "status": "True", "lastTransitionTime": (NOW - MINUTE).isoformat()}
    ]


def one_less(pods: list[dict[str, Any]]) -> None:
    pods.pop()


def unready(pods: list[dict[str, Any]]) -> None:
    pods[0]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]


@pytest.mark.parametrize(
    "change", [change_pods(just_ready), change_pods(unready), change_pods(one_less)],
    ids=["one ready since a minute", "one not ready", "one missing"],
)  # fmt: skip
async def test_one_pod_short_is_not_healthy(change: Callable[[World], World]) -> None:
    assert healthy_now(change(await Story().world()), NOW) is None


async def test_pods_of_another_version_make_none_healthy() -> None:
    story = Story()
    story.roll("registry.test/shop:v42-unready")
    story.wait(timedelta(hours=1))

    assert healthy_now(await story.world(), story.now) is None


async def test_what_is_healthy_now_is_what_a_later_rollout_finds_in_its_history() -> None:
    story = Story()
    seen = cast("HealthyRevision", healthy_now(await story.world(), story.now))
    story.roll("registry.test/shop:v42-crash")

    evidence = observe(replace(await story.world(), healthy=(seen,)), (), None, story.now)

    assert evidence["changes.rollout.previousAlsoFailed"] is False
