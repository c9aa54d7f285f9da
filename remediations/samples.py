"""Sample worlds: small clusters in the states that repairs are for, as starting points for checks of your own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from detectors.series import Workload
from remediations.cluster import Gone, Unreadable, World
from remediations.memory import MemoryCluster, deployment
from remediations.plan import PatchOp

NOW = datetime(2026, 3, 1, 14, 0, tzinfo=UTC)
IMAGE = "/spec/template/spec/containers/0/image"


def sample_worlds() -> Iterator[tuple[str, World]]:
    """Name and reading of each."""
    yield "crash loop after a rollout", rolled_out("registry.test/shop:v42-crash")
    yield "image cannot be pulled after a rollout", rolled_out("registry.test/shop:v42-nopull")
    yield "killed for memory", first_version("registry.test/shop:v41-oom-256Mi")
    yield "well", first_version("registry.test/shop:v41")


def first_version(image: str, replicas: int = 3) -> World:
    """A Deployment of one version."""
    cluster = MemoryCluster(lambda: NOW)
    return reading(cluster, cluster.create(deployment("shop", "checkout", image, replicas)))


def rolled_out(image: str, replicas: int = 3) -> World:
    """A Deployment whose v41 was healthy for days and which then got `image`."""
    cluster = MemoryCluster(lambda: NOW)
    workload = cluster.create(deployment("shop", "checkout", "registry.test/shop:v41", replicas))
    cluster.seen_healthy(workload, NOW - timedelta(days=6), NOW - timedelta(minutes=3))
    cluster.change(workload, PatchOp("replace", IMAGE, image))
    return reading(cluster, workload)


def reading(cluster: MemoryCluster, workload: Workload) -> World:
    """A reading that must succeed, without an event loop."""
    match cluster.look(workload):
        case Gone(message) | Unreadable(message):
            raise ValueError(message)
        case world:
            return world
