"""Readings to write on: who makes them end, and who does not."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from controller.runtime.readings import CONFLICTS, MOVES, Readings
from detectors.series import Workload
from remediations.cluster import Gone, World
from remediations.memory import MemoryCluster, deployment
from remediations.plan import PatchOp

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Change = Callable[[MemoryCluster, Workload, int], object]


def somebody(cluster: MemoryCluster, workload: Workload, time: int) -> None:
    cluster.change(workload, PatchOp("add", "/metadata/labels/touched", str(time)))


def status(cluster: MemoryCluster, workload: Workload, time: int) -> None:
    cluster.change(workload, PatchOp("add", "/status/readyReplicas", time))


def nobody(cluster: MemoryCluster, workload: Workload, time: int) -> None:
    pass


@pytest.mark.parametrize(
    ("between", "readings", "why"),
    [
        (somebody, CONFLICTS, "somebody else wrote each time, 3 times"),
        (status, MOVES, "its status moved each time"),
        (nobody, MOVES, "its status moved each time"),
    ],
    ids=["somebody writes", "a status moves", "nobody writes"],
)
async def test_readings_end_soon_where_somebody_writes_each_time(between: Change, readings: int, why: str) -> None:
    cluster = MemoryCluster(lambda: NOW)
    workload = cluster.create(deployment("shop", "checkout", "registry.test/shop:v1", 1))
    found = Readings(cluster, workload)
    count = 0
    while isinstance(await found.next(), World):
        between(cluster, workload, count)
        count += 1

    assert count == readings
    assert found.why == why


async def test_each_reading_is_of_the_target_as_it_is_now() -> None:
    cluster = MemoryCluster(lambda: NOW)
    workload = cluster.create(deployment("shop", "checkout", "registry.test/shop:v1", 1))
    found = Readings(cluster, workload)
    assert isinstance(await found.next(), World)
    cluster.delete(workload)

    assert isinstance(await found.next(), Gone)
