"""A rolling restart, once."""

from datetime import timedelta, timezone
from typing import Any

import pytest

from remediations import samples
from remediations.cluster import World
from remediations.memory import MemoryCluster, deployment
from remediations.plan import Outcome, PatchOp, Plan, Refusal
from remediations.pointer import applied, value_at
from remediations.restart import ANNOTATION, ANNOTATIONS, Restart, RestartParameters
from tests.remediations.worlds import NOW, WELL, changed, of

EXACT = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt"


def plan(world: World, now: Any = NOW) -> Plan | Refusal:
    return Restart().plan(world.workload, world, RestartParameters(), now)


def planned(world: World, now: Any = NOW) -> Plan:
    made = plan(world, now)
    assert isinstance(made, Plan)
    return made


@pytest.mark.parametrize(
    "annotations",
    [None, {}, {"team": "shop"}, {ANNOTATION: "2026-01-01T00:00:00Z", "team": "shop"}],
    ids=["none", "empty", "others", "restarted before"],
)
def test_it_writes_one_annotation_and_keeps_the_others(annotations: dict[str, str] | None) -> None:
    world = of()
    if annotations is not None:
        world = changed(world, PatchOp("add", ANNOTATIONS, {**annotations}))
    after = applied(world.object, planned(world).steps[0].patch)

    assert value_at(after, ANNOTATIONS) == {**(annotations or {}), ANNOTATION: "2026-03-01T14:00:00Z"}


def test_the_moment_is_that_of_the_plan_in_utc() -> None:
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))

    assert planned(of(), berlin) == planned(of())
    assert planned(of(), NOW + timedelta(seconds=1)).digest != planned(of()).digest


def test_it_is_irreversible_for_automation() -> None:
    assert planned(of()).irreversible
    assert not planned(of()).undo


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_it_acts_on_every_kind_that_rolls(kind: str) -> None:
    made = planned(of(kind, replicas=4))

    assert made.touches.pods == 4
    assert made.touches.ready_at_least == 3


@pytest.mark.parametrize(
    ("world", "code"),
    [
        (of(spec={"paused": True}), "paused"),
        (of("StatefulSet", spec={"updateStrategy": {"type": "OnDelete"}}), "on-delete"),
        (of(replicas=0), "no-replicas"),
        (of("CronJob"), "kind"),
    ],
    ids=["paused", "on delete", "scaled to zero", "kind"],
)
def test_it_refuses(world: World, code: str) -> None:
    made = plan(world)

    assert isinstance(made, Refusal)
    assert made.code == code


def test_every_pod_is_replaced_once_and_then_it_is_effective() -> None:
    cluster = MemoryCluster(lambda: NOW)
    workload = cluster.create(deployment("shop", "checkout", WELL))
    before = samples.reading(cluster, workload)
    made = planned(before)
    assert Restart().verify(made, before) is Outcome.INEFFECTIVE

    cluster.change(workload, *made.steps[0].patch)
    after = samples.reading(cluster, workload)
    cluster.change(workload, *made.steps[0].patch)

    assert Restart().verify(made, after) is Outcome.EFFECTIVE
    assert samples.reading(cluster, workload) == after
    uids = [{pod["metadata"]["uid"] for pod in world.pods} for world in (before, after)]
    assert not uids[0] & uids[1]
