"""Start-up times read off pods."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from controller.observe.cache import Cache
from controller.observe.starts import Starts, start_of
from controller.ports import Changed, Deleted, Listed
from detectors.series import Workload
from remediations.cluster import World
from remediations.memory import MemoryCluster, deployment

BORN = datetime.fromisoformat("2026-11-20T12:00:00+00:00")


def pod(ready_after: float | None, *, restarts: int = 0, status: str = "True") -> dict[str, Any]:
    conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": BORN.isoformat()}]
    if ready_after is not None:
        since = (BORN + timedelta(seconds=ready_after)).isoformat()
        conditions.append({"type": "Ready", "status": status, "lastTransitionTime": since})
    containers = [{"name": "app", "restartCount": restarts}]
    return {
        "metadata": {"uid": "1", "name": "p", "namespace": "shop", "creationTimestamp": BORN.isoformat()},
        "status": {"conditions": conditions, "containerStatuses": containers},
    }


@pytest.mark.parametrize(
    ("seen", "took"),
    [
        (pod(42), 42.0),
        (pod(0), 0.5),
        (pod(None), None),
        (pod(42, status="False"), None),
        (pod(42, restarts=1), 0.0),
        ({"metadata": {}}, None),
    ],
    ids=["ready", "within a second", "not yet", "no longer", "restarted", "nothing known"],
)
def test_a_start_lasts_from_creation_to_ready(seen: dict[str, Any], took: float | None) -> None:
    assert start_of(seen) == took


def stage(ready_after: float) -> tuple[Cache, Workload, dict[str, Any]]:
    """A cache with one Deployment and one of its pods."""
    cluster = MemoryCluster(lambda: BORN)
    workload = cluster.create(deployment("shop", "checkout", "registry.test/shop:v1", 1))
    cluster.settle()
    world = cluster.look(workload)
    assert isinstance(world, World)
    cache = Cache(lambda kind, item: None)
    cache.take(DEPLOYMENTS, None, Listed((world.object,)))
    cache.take(REPLICA_SETS, None, Listed(world.replica_sets))
    mine = dict(world.pods[0])
    mine["metadata"] = {**mine["metadata"], "creationTimestamp": BORN.isoformat()}
    mine["status"] = pod(ready_after)["status"]
    cache.take(PODS, None, Listed((mine,)))
    return cache, workload, mine


def test_a_pod_is_read_once_so_that_a_later_flap_is_no_slow_start() -> None:
    cache, workload, mine = stage(30)
    starts = Starts()
    starts.look(cache)
    cache.take(PODS, None, Changed({**mine, "status": pod(1800)["status"]}))
    starts.look(cache)

    assert starts.of(workload) == (30.0,)


def test_a_flap_before_anybody_looked_is_no_slow_start() -> None:
    """After a start of trimtab every living pod is new to it."""
    cache, workload, _ = stage(1800)
    starts = Starts()
    starts.look(cache)

    assert starts.of(workload) == ()


def test_a_slow_start_that_was_watched_counts() -> None:
    cache, workload, mine = stage(1800)
    starts = Starts()
    cache.take(PODS, None, Changed({**mine, "status": pod(1, status="False")["status"]}))
    starts.look(cache)
    cache.take(PODS, None, Changed(mine))
    starts.look(cache)

    assert starts.of(workload) == (1800.0,)
    assert not starts.starting


def test_a_pod_first_seen_in_the_middle_of_a_flap_is_no_slow_start() -> None:
    """Its containers had been running before it was said not to be ready."""
    cache, workload, mine = stage(1800)
    flapped = pod(1700, status="False")["status"]
    flapped["containerStatuses"][0]["state"] = {"running": {"startedAt": (BORN + timedelta(seconds=5)).isoformat()}}
    starts = Starts()
    cache.take(PODS, None, Changed({**mine, "status": flapped}))
    starts.look(cache)
    cache.take(PODS, None, Changed(mine))
    starts.look(cache)

    assert starts.of(workload) == ()


def test_what_was_learnt_stays_when_the_pod_goes() -> None:
    cache, workload, mine = stage(30)
    starts = Starts()
    starts.look(cache)
    cache.take(PODS, None, Deleted(mine))
    starts.look(cache)

    assert starts.of(workload) == (30.0,)
    assert not starts.seen


def test_what_was_learnt_goes_with_the_workload() -> None:
    cache, workload, mine = stage(30)
    starts = Starts()
    starts.look(cache)
    world = cache.world(workload, BORN)
    assert world is not None
    cache.take(PODS, None, Deleted(mine))
    cache.take(DEPLOYMENTS, None, Deleted(world.object))
    starts.look(cache)

    assert not starts.seconds


def test_hours_of_waiting_are_no_start() -> None:
    cache, workload, _ = stage(7200)
    starts = Starts()
    starts.look(cache)

    assert starts.of(workload) == ()
