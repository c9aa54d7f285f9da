"""The shipped runbooks on facts counted from live readings: what they ask for is what is measured."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from controller.core.alerts import Alert
from controller.core.culprits import Culprits, of_pods
from controller.core.diagnose import PRIORS, UNKNOWN
from controller.core.observe import observe
from detectors.results import Band, Detection
from detectors.series import Workload
from remediations.cluster import World
from remediations.memory import MemoryCluster, deployment
from remediations.plan import PatchOp
from runbooks.causes import CAUSES
from runbooks.load import library
from runbooks.match import match
from tests.remediations.worlds import NOW

IMAGE = "/spec/template/spec/containers/0/image"
WELL = Detection(value=0.002, band=Band(0.001, 0.003), p=0.6, abnormal=False)
FAILING = Detection(value=0.2, band=Band(0.001, 0.003), p=1e-9, abnormal=True)


async def matched(
    image: str | None,
    after: timedelta,
    *,
    first: str = "registry.test/shop:v41",
    age: timedelta = timedelta(days=6),
    replicas: int = 4,
    errors: Detection = WELL,
    alerts: Sequence[Alert] = (),
    blamed: Culprits | None = None,
) -> list[str]:
    """The shipped runbooks that match some time after a rollout (None: no rollout)."""
    now = NOW - age
    cluster = MemoryCluster(lambda: now)
    workload: Workload = cluster.create(deployment("shop", "checkout", first, replicas))
    cluster.settle()
    cluster.seen_healthy(workload, now, NOW - timedelta(minutes=1))
    now = NOW
    if image is not None:
        cluster.change(workload, PatchOp("replace", IMAGE, image))
    cluster.settle()
    now += after
    cluster.settle()
    world = await cluster.read(workload)
    assert isinstance(world, World)
    evidence = {**observe(world, alerts, errors, now), **(of_pods(blamed) if blamed is not None else {})}
    return [found.runbook.name for found in match(evidence, library(), workload).matches]


@pytest.mark.parametrize("replicas", [1, 3, 4, 12])
@pytest.mark.parametrize(
    ("tag", "after", "name"),
    [
        ("v42-crash", timedelta(minutes=2), "crash-loop-after-rollout"),
        ("v42-nopull", timedelta(minutes=2), "image-pull-failure-after-rollout"),
        ("v42-unready", timedelta(minutes=11), "stuck-rollout"),
    ],
)
async def test_a_bad_rollout_is_matched_by_exactly_one_runbook(
    tag: str, after: timedelta, name: str, replicas: int
) -> None:
    """Also where the default strategy stops at the first bad pod and the service goes on."""
    assert await matched(f"registry.test/shop:{tag}", after, replicas=replicas) == [name]


def test_runbooks_and_diagnosis_know_the_same_causes() -> None:
    assert set(CAUSES) == set(PRIORS) - {UNKNOWN}


async def test_a_good_rollout_is_left_alone() -> None:
    assert await matched("registry.test/shop:v42", timedelta(minutes=2)) == []


async def test_a_healthy_workload_is_left_alone() -> None:
    assert await matched(None, timedelta(minutes=2)) == []


async def test_errors_of_a_few_pods_without_a_change_are_for_the_restart_only_while_an_alert_fires() -> None:
    alerts = (Alert("HighErrors", {"severity": "critical"}),)
    one, all_alike = Culprits(1, 4, 0.97, 0.001), Culprits(4, 4, 1.0, 0.1)
    now = timedelta(minutes=2)

    assert await matched(None, now, errors=FAILING, alerts=alerts, blamed=one) == ["restart-errors-without-change"]
    assert await matched(None, now, errors=FAILING, blamed=one) == []
    assert await matched(None, now, errors=FAILING, alerts=alerts, blamed=all_alike) == []
    assert await matched(None, now, errors=FAILING, alerts=alerts) == []


async def test_pods_killed_for_memory_again_and_again_get_more_of_it_unless_their_version_is_new() -> None:
    hungry = "registry.test/shop:v41-oom-256Mi"

    assert await matched(None, timedelta(0), first=hungry, age=timedelta(minutes=8)) == ["oom-raise-memory-limit"]
    assert await matched(hungry, timedelta(minutes=8)) == ["crash-loop-after-rollout"]
