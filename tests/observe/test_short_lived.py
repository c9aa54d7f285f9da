"""Preview namespaces, nightly jobs, tests of others: workloads that come and go leave nothing behind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from controller.adapters.memory.metrics import MemoryMetrics
from controller.api.v1alpha1.kinds import CLUSTER_RUNBOOK, RUNBOOK, SERVICE_POLICY
from controller.core.alerts import Alert
from controller.core.history import History
from controller.core.presets import PRESETS
from controller.core.reading import Trust
from controller.kinds import AUTOSCALERS, DEPLOYMENTS, PODS, REPLICA_SETS, WORKLOADS
from controller.observe.cache import Cache
from controller.observe.consent import Consents
from controller.observe.fleet import Fleet, Grid
from controller.observe.sight import WEBHOOK_HOLDS, Sight
from controller.ports import Listed, ResourceKind
from controller.settings import Settings
from detectors.series import Workload
from remediations.cluster import World
from remediations.memory import MemoryCluster, autoscaler, deployment
from remediations.registry import installed

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AT_ONCE, ROUNDS = 50, 40
SCRAPE = timedelta(seconds=15)
SETTINGS = Settings(baseline_seconds=7200, policy_defaults={"preset": "istio"})
GRID = Grid.over(timedelta(seconds=7200), SCRAPE)


class Here:
    """Workers that work at once."""

    async def run(self, work: Callable[[Any], Any], argument: Any) -> Any:
        return work(argument)


class Stand:
    """What is kept of a cluster in which everything is another each round."""

    def __init__(self) -> None:
        self.now = NOW
        self.cache = Cache(lambda kind, item: None)
        for kind in (*WORKLOADS, REPLICA_SETS, PODS, AUTOSCALERS, SERVICE_POLICY, RUNBOOK, CLUSTER_RUNBOOK):
            self.cache.take(kind, None, Listed(()))
        self.consents = Consents(SETTINGS, self.objects, installed(), within=self.cache.shelf(SERVICE_POLICY).within)
        metrics = MemoryMetrics(lambda: self.now, Trust(scrape_interval=SCRAPE, look_back=GRID.window))
        preset, here = PRESETS["istio"], self.cache.workloads
        metrics.program(preset.load(GRID.window), lambda at: [(named(w), 9.0) for w in here()])
        metrics.program(preset.failures(GRID.window), lambda at: [(named(w), 0.1) for w in here()])
        fleet = Fleet(metrics, Here(), GRID)
        self.sight = Sight(SETTINGS, self.cache, History(), self.consents, fleet)

    def objects(self, kind: ResourceKind) -> tuple[Mapping[str, Any], ...]:
        return tuple(self.cache.shelf(kind).objects.values())

    async def round(self, number: int) -> None:
        """All workloads, policies, runbooks and autoscalers of the round before are gone; so are their namespaces."""
        seen: dict[ResourceKind, list[Mapping[str, Any]]] = {
            kind: [] for kind in (DEPLOYMENTS, REPLICA_SETS, PODS, AUTOSCALERS, SERVICE_POLICY, RUNBOOK)
        }
        workloads = []
        for place in range(AT_ONCE):
            namespace = f"preview-{number}-{place}"
            workloads.append(Workload(namespace, "Deployment", "app"))
            for kind, item in zip((DEPLOYMENTS, REPLICA_SETS, PODS), json.loads(like(namespace)), strict=True):
                seen[kind].append(item)
            seen[AUTOSCALERS].append(made(autoscaler(namespace, "app", 1, 5)))
            target = {"target": {"kind": "Deployment", "name": "app"}}
            seen[SERVICE_POLICY].append(made({"metadata": {"name": "app", "namespace": namespace}, "spec": target}))
            seen[RUNBOOK].append(made({"metadata": {"name": "app", "namespace": namespace}, "spec": {}}))
        for kind, objects in seen.items():
            self.cache.take(kind, None, Listed(tuple(objects)))
        self.sight.told(
            [Alert("Burning", {"namespace": w.namespace, "deployment": w.name}) for w in workloads], self.now
        )
        self.now += WEBHOOK_HOLDS if number % 10 == 0 else SCRAPE
        await self.sight.round(self.now)
        for workload in workloads:
            self.sight.look(workload, self.now)
            self.consents.runbooks(workload)
            assert self.cache.autoscalers(workload)


@cache
def crashing() -> str:
    """One crashing workload with its ReplicaSet and its pod."""
    cluster = MemoryCluster(lambda: NOW)
    world = cluster.look(cluster.create(deployment("NAMESPACE", "app", "registry.test/app:v1-crash", 1)))
    assert isinstance(world, World)
    return json.dumps([world.object, *world.replica_sets, *world.pods])


def like(namespace: str) -> str:
    """Another one with uids of its own."""
    return re.sub(r'"uid": "', f'"uid": "{namespace}-', crashing().replace("NAMESPACE", namespace))


def made(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = item["metadata"]
    uid = f"{metadata['namespace']}/{metadata['name']}"
    return {**item, "metadata": {**metadata, "uid": uid, "resourceVersion": "1"}}


def named(workload: Workload) -> dict[str, str]:
    return {"destination_workload_namespace": workload.namespace, "destination_workload": workload.name}


def sizes(thing: object, name: str, seen: set[int]) -> Iterator[tuple[str, int]]:
    """Entries of every container that an object of ours reaches, by the attributes that lead to it."""
    if id(thing) in seen or isinstance(thing, str | bytes | np.ndarray | type) or callable(thing):
        return
    seen.add(id(thing))
    if isinstance(thing, Mapping | list | tuple | set | frozenset):
        yield name, len(thing)
        for entry in thing.values() if isinstance(thing, Mapping) else thing:
            yield from sizes(entry, f"{name}[]", seen)
    elif type(thing).__module__.startswith(("controller.", "detectors.")):
        slots = [slot for base in type(thing).__mro__ for slot in getattr(base, "__slots__", ())]
        for attribute in {*slots, *getattr(thing, "__dict__", {})}:
            yield from sizes(getattr(thing, attribute, None), f"{name}.{attribute}", seen)


def totals(stand: Stand) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, size in sizes(stand.sight, "sight", set()):
        found[name] = found.get(name, 0) + size
    return found


async def test_thousands_of_short_lived_workloads_leave_nothing_behind() -> None:
    stand = Stand()
    for number in range(1, 11):
        await stand.round(number)
    few = totals(stand)
    for number in range(11, ROUNDS + 1):
        await stand.round(number)
    many = totals(stand)

    assert few["sight._cache.shelves[].objects"] > 4 * AT_ONCE
    grown = {name: (few.get(name, 0), size) for name, size in many.items() if size > few.get(name, 0)}
    assert grown == {}
