"""Readings of the world for tests: small, by hand, one line each."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from detectors.series import Workload
from remediations import samples
from remediations.cluster import Object, World
from remediations.memory import MemoryCluster, deployment
from remediations.plan import PatchOp
from remediations.pointer import applied

NOW = datetime(2026, 3, 1, 14, 0, tzinfo=UTC)
CHECKOUT = Workload("shop", "Deployment", "checkout")
CRASH = "registry.test/shop:v42-crash"
WELL = "registry.test/shop:v41"
STRATEGY = "/spec/strategy"


def pod(name: str, *, ready: bool = True, owner: str = "rs", **extra: Any) -> dict[str, Any]:
    reference = {"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}
    return {
        "metadata": {"name": name, "uid": name, "ownerReferences": [reference]},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}], **extra},
    }


def of(
    kind: str = "Deployment", *, replicas: int = 3, ready: int | None = None, spec: Mapping[str, Any] | None = None
) -> World:
    """A workload of any kind with `replicas` pods, `ready` of them ready (all by default)."""
    made = deployment("shop", "checkout", WELL, replicas)
    made["kind"] = kind
    made["metadata"] |= {"uid": "the-uid", "resourceVersion": "7", "generation": 3}
    made["spec"] |= dict(spec or {})
    made["status"] = {"observedGeneration": 3, "desiredNumberScheduled": replicas}
    count = replicas if ready is None else ready
    pods = tuple(pod(f"p{i}", ready=i < count) for i in range(replicas))
    return World(Workload("shop", kind, "checkout"), made, NOW, pods=pods)


def crashed(image: str = CRASH, replicas: int = 3, *patch: PatchOp) -> World:
    """v41 was healthy for days; now `image` is rolled out, with further changes of the same rollout."""
    cluster = MemoryCluster(lambda: NOW)
    workload = cluster.create(deployment("shop", "checkout", WELL, replicas))
    cluster.seen_healthy(workload, NOW - timedelta(days=6), NOW - timedelta(minutes=3))
    cluster.change(workload, PatchOp("replace", samples.IMAGE, image), *patch)
    return samples.reading(cluster, workload)


def changed(world: World, *patch: PatchOp) -> World:
    """The same reading with another object."""
    return replace(world, object=applied(world.object, patch))


def marked(world: World, *, labels: Mapping[str, str] = {}, annotations: Mapping[str, str] = {}) -> World:
    """The same reading with labels and annotations on the object."""
    made: dict[str, Any] = copy.deepcopy(dict(world.object))
    made["metadata"]["labels"] = {**(made["metadata"].get("labels") or {}), **labels}
    made["metadata"]["annotations"] = {**(made["metadata"].get("annotations") or {}), **annotations}
    return replace(world, object=made)


def budget(spec: Mapping[str, Any], *, generation: int = 1, status: Mapping[str, Any] | None = None) -> Object:
    """A disruption budget over the workload."""
    metadata = {"name": "pdb", "namespace": "shop", "generation": generation}
    selector = {"matchLabels": {"app": "checkout"}}
    return {"metadata": metadata, "spec": {"selector": selector, **spec}, "status": dict(status or {})}


def with_pods(world: World, pods: Iterable[Object]) -> World:
    """The same reading with other pods."""
    return replace(world, pods=tuple(pods))
