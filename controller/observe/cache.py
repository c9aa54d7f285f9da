"""What the watches have seen: the cluster as last heard of, in memory.

Only ever used to *notice*: what a plan rests on and what an action needs is read live (S7). Knows how long each kind
has been quiet, so that an old picture is not taken for a calm one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, assert_never

import structlog

from controller.kinds import AUTOSCALERS, PODS, REPLICA_SETS, WORKLOADS
from controller.ports import Changed, Deleted, Listed, ResourceKind, Suspect, Watch, WatchEvent
from detectors.series import Workload
from remediations.cluster import World
from remediations.floor import scaled_by
from remediations.owners import controller_of

log = structlog.get_logger(__name__)

Object = Mapping[str, Any]
Target: TypeAlias = tuple[str, str]
"""Kind and name of what an autoscaler scales."""

RELIST_WITHIN = 15.0
"""Seconds that a suspect watch may take to list anew before what it showed counts as old."""


def workload_of(kind: ResourceKind, item: Object) -> Workload:
    """The workload an object of a workload kind is."""
    return Workload(item["metadata"]["namespace"], kind.kind, item["metadata"]["name"], kind.api_version)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why one watch's picture may be old (empty: it is current), since when, and whether it was ever whole."""

    reason: str = "not listed yet"
    since: float = 0.0
    synced: bool = False


@dataclass(slots=True)
class Drawer:
    """The places of one namespace's objects, in the order in which they came, and the number of its last change."""

    places: dict[tuple[str, str], None] = field(default_factory=dict)
    revision: int = 0


@dataclass(slots=True)
class Shelf:
    """All objects of one kind by (namespace, name), and what controls them. Keeps nothing of what is gone."""

    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    by_owner: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    by_namespace: dict[str, Drawer] = field(default_factory=dict)
    changes: int = 0
    doubts: dict[str | None, Doubt] = field(default_factory=lambda: {None: Doubt()})

    def expect(self, namespace: str | None) -> None:
        """A watch of this namespace will list; until then the shelf is not whole."""
        if namespace is not None:
            self.doubts.pop(None, None)
        self.doubts.setdefault(namespace, Doubt())

    @property
    def synced(self) -> bool:
        """True once every watch has listed."""
        return all(doubt.synced for doubt in self.doubts.values())

    @property
    def suspect(self) -> str:
        """Why it may be old, empty when it is current."""
        return "; ".join(doubt.reason for doubt in self.doubts.values() if doubt.reason)

    def put(self, item: Object) -> None:
        """Add or replace one object."""
        self.drop(item)
        place = _place(item)
        self.objects[place] = item
        self.by_namespace.setdefault(place[0], Drawer()).places[place] = None
        self._count(place[0])
        owner = controller_of(item)
        if owner is not None:
            self.by_owner.setdefault(owner.uid, set()).add(place)

    def drop(self, item: Object) -> None:
        """Forget one object."""
        place = _place(item)
        known = self.objects.pop(place, None)
        if known is not None:
            self.by_namespace[place[0]].places.pop(place)
            self._count(place[0])
        owner = controller_of(known) if known is not None else None
        if owner is not None:
            owned = self.by_owner.get(owner.uid, set())
            owned.discard(place)
            if not owned:
                self.by_owner.pop(owner.uid, None)

    def of(self, uid: str) -> tuple[Object, ...]:
        """The objects that the object with this uid controls."""
        return tuple(self.objects[place] for place in sorted(self.by_owner.get(uid, ())))

    def within(self, namespace: str) -> tuple[int, Iterable[Object]]:
        """The objects of one namespace, and a number that is another one whenever any of them has changed; 0 while
        there are none.
        """
        drawer = self.by_namespace.get(namespace, Drawer())
        return drawer.revision, (self.objects[place] for place in drawer.places)

    def _count(self, namespace: str) -> None:
        """One more change, by a number that no namespace has had; an empty drawer goes."""
        self.changes += 1
        drawer = self.by_namespace[namespace]
        drawer.revision = self.changes
        if not drawer.places:
            del self.by_namespace[namespace]


def lean(kind: ResourceKind, item: Object) -> Object:
    """What is kept of an object: pods and ReplicaSets are most of a cluster's weight, and of a pod only its state, its
    place and its owner are ever noticed. Other kinds are kept whole.
    """
    if kind not in (PODS, REPLICA_SETS):
        return item
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    if kind == PODS and "spec" in item:
        return {**item, "metadata": metadata, "spec": {"nodeName": item["spec"].get("nodeName", "")}}
    return {**item, "metadata": metadata}


def by_target(autoscalers: Iterable[Object]) -> Mapping[Target, Sequence[Object]]:
    """HorizontalPodAutoscalers of one namespace by what they say they scale, each target's by name."""
    found: dict[Target, list[Object]] = {}
    for item in sorted(autoscalers, key=_place):
        target = item["spec"]["scaleTargetRef"]
        found.setdefault((str(target.get("kind")), str(target.get("name"))), []).append(item)
    return found


def _place(item: Object) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Cache:
    """Shelves per kind, filled by watches; `changed` is told of every object that came, changed or went."""

    def __init__(
        self, changed: Callable[[ResourceKind, Object], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._changed, self._monotonic = changed, monotonic
        self.shelves: dict[ResourceKind, Shelf] = {}
        self._scalers: dict[str, tuple[int, Mapping[Target, Sequence[Object]]]] = {}

    def shelf(self, kind: ResourceKind) -> Shelf:
        """The objects of one kind."""
        known = self.shelves.get(kind)
        return known if known is not None else self.shelves.setdefault(kind, Shelf())

    async def follow(self, watch: Watch, kind: ResourceKind, namespace: str | None) -> None:
        """Take in one watch, for ever."""
        async for event in watch.stream(kind, namespace):
            self.take(kind, namespace, event)
            await asyncio.sleep(0)

    def take(self, kind: ResourceKind, namespace: str | None, event: WatchEvent) -> None:
        """One watch event."""
        shelf = self.shelf(kind)
        match event:
            case Listed(objects):
                self._relist(kind, shelf, namespace, (lean(kind, item) for item in objects))
            case Changed(full):
                item = lean(kind, full)
                shelf.put(item)
                self._changed(kind, item)
            case Deleted(item):
                shelf.drop(item)
                self._changed(kind, item)
            case Suspect(reason):
                before = shelf.doubts.get(namespace, Doubt())
                since = before.since if before.reason else self._monotonic()
                shelf.doubts[namespace] = Doubt(reason, since, before.synced)
                log.warning("watch suspect", kind=kind.plural, reason=reason)
            case _:
                assert_never(event)

    def _relist(self, kind: ResourceKind, shelf: Shelf, namespace: str | None, objects: Iterable[Object]) -> None:
        fresh = {_place(item): item for item in objects}
        for place, item in list(shelf.objects.items()):
            if place not in fresh and (namespace is None or place[0] == namespace):
                shelf.drop(item)
                self._changed(kind, item)
        for place, item in fresh.items():
            before = shelf.objects.get(place)
            shelf.put(item)
            if before is None or before["metadata"].get("resourceVersion") != item["metadata"].get("resourceVersion"):
                self._changed(kind, item)
        shelf.doubts[namespace] = Doubt("", synced=True)

    @property
    def trouble(self) -> str:
        """Why the picture of the workloads may be old, empty when it is current."""
        shelves = ((kind, self.shelf(kind)) for kind in (*WORKLOADS, REPLICA_SETS, PODS))
        return "; ".join(f"{kind.plural}: {shelf.suspect}" for kind, shelf in shelves if self._in_doubt(shelf))

    def _in_doubt(self, shelf: Shelf) -> bool:
        """A quiet watch is listed anew within seconds; only one that stays suspect spoils the picture."""
        return any(
            doubt.reason and (not doubt.synced or self._monotonic() - doubt.since > RELIST_WITHIN)
            for doubt in shelf.doubts.values()
        )

    def workloads(self) -> Iterator[Workload]:
        """Every workload seen that nothing else controls."""
        for kind in WORKLOADS:
            for item in self.shelf(kind).objects.values():
                if controller_of(item) is None:
                    yield workload_of(kind, item)

    def knows(self, workload: Workload) -> bool:
        """Whether it is there."""
        return any(
            kind.kind == workload.kind and (workload.namespace, workload.name) in self.shelf(kind).objects
            for kind in WORKLOADS
        )

    def labels(self, workload: Workload) -> Mapping[str, str]:
        """The workload's own labels, none when it is not known."""
        for kind in WORKLOADS:
            if kind.kind == workload.kind:
                item = self.shelf(kind).objects.get((workload.namespace, workload.name)) or {"metadata": {}}
                return item["metadata"].get("labels") or {}
        return {}

    def world(self, workload: Workload, now: datetime) -> World | None:
        """The workload as last heard of, None when it is not known. Budgets and autoscalers are left to the live
        reading.
        """
        kind = next((kind for kind in WORKLOADS if kind.kind == workload.kind), None)
        item = self.shelf(kind).objects.get((workload.namespace, workload.name)) if kind is not None else None
        if item is None:
            return None
        uid = item["metadata"]["uid"]
        sets = self.shelf(REPLICA_SETS).of(uid)
        owners = [replica_set["metadata"]["uid"] for replica_set in sets] if sets else [uid]
        pods = tuple(pod for owner in owners for pod in self.shelf(PODS).of(owner))
        return World(workload=workload, object=item, read_at=now, replica_sets=sets, pods=pods)

    def autoscalers(self, workload: Workload) -> tuple[Object, ...]:
        """The HorizontalPodAutoscalers that scale the workload, by name; more than one is a mistake of theirs."""
        shelf = self.shelf(AUTOSCALERS)
        revision, items = shelf.within(workload.namespace)
        if not revision:
            return ()
        known = self._scalers.get(workload.namespace)
        if known is None or known[0] != revision:
            known = (revision, by_target(items))
            self._scalers[workload.namespace] = known
            if len(self._scalers) > len(shelf.by_namespace):
                self._scalers = {place: kept for place, kept in self._scalers.items() if place in shelf.by_namespace}
        return tuple(item for item in known[1].get((workload.kind, workload.name), ()) if scaled_by(item, workload))

    def owner_of(self, kind: ResourceKind, item: Object) -> Workload | None:
        """The workload that an object belongs to, through its ReplicaSet if need be."""
        if kind in WORKLOADS:
            return workload_of(kind, item)
        owner = controller_of(item)
        if owner is None:
            return None
        namespace = item["metadata"]["namespace"]
        if owner.kind == REPLICA_SETS.kind:
            replica_set = self.shelf(REPLICA_SETS).objects.get((namespace, owner.name))
            return self.owner_of(REPLICA_SETS, replica_set) if replica_set is not None else None
        known = next((kind for kind in WORKLOADS if kind.kind == owner.kind), None)
        return None if known is None else Workload(namespace, owner.kind, owner.name, known.api_version)
