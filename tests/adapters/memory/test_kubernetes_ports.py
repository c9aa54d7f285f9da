"""Watch, Leases, Resources and Access in memory keep the same promises as on a real API server."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from controller.adapters.memory.access import Grant, MemoryAccess
from controller.adapters.memory.leases import MemoryLease, MemoryLeases
from controller.adapters.memory.resources import MemoryResources
from controller.adapters.memory.watch import MemoryWatch
from controller.lab.apiserver import MemoryObjects
from controller.ports import Person
from tests.contracts import access_contract, leases_contract, resources_contract, watch_contract

ANA = Person("ana@example.test", ("sre",))


@dataclass
class WatchStage:
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    namespace: str = "shop"
    neighbour: str = "bank"

    @property
    def watch(self) -> MemoryWatch:
        return MemoryWatch(self.objects)

    async def put(self, namespace: str, name: str, value: str) -> None:
        kind, data = watch_contract.CONFIG_MAPS, {"data": {"value": value}}
        if self.objects.merge(kind, namespace, name, data) is None:
            self.objects.add(kind, {"metadata": {"name": name, "namespace": namespace}, **data})

    async def remove(self, namespace: str, name: str) -> None:
        self.objects.remove(watch_contract.CONFIG_MAPS, namespace, name)

    async def cut_off(self) -> None:
        self.objects.fail("switched off")

    async def mend(self) -> None:
        self.objects.recover()


@dataclass
class LeasesStage:
    lease: MemoryLease = field(default_factory=MemoryLease)

    @property
    def one(self) -> MemoryLeases:
        return MemoryLeases(self.lease)

    @property
    def other(self) -> MemoryLeases:
        return MemoryLeases(self.lease)

    async def remove(self) -> None:
        self.lease.remove()

    async def cut_off(self) -> None:
        self.lease.trouble = "switched off"


@dataclass
class ResourcesStage:
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    namespace: str = "shop"
    neighbour: str = "bank"

    def __post_init__(self) -> None:
        self.objects.unserved.add(resources_contract.UNSERVED)
        self.resources = MemoryResources(self.objects, lambda: datetime(2026, 3, 1, tzinfo=UTC))

    async def cut_off(self) -> None:
        self.objects.fail("switched off")


@dataclass
class AccessStage:
    access: MemoryAccess = field(default_factory=MemoryAccess)
    token: str = "a-token-of-ana"
    person: Person = ANA
    group: str = "approvers"
    namespace: str = "shop"
    neighbour: str = "bank"

    def __post_init__(self) -> None:
        self.access.know(self.token, self.person)
        for subject in (self.person.name, self.group):
            self.access.grant(Grant(subject, "approve", "trimtab.dev", "remediations", self.namespace))
        for subresource in ("", "status"):
            self.access.grant(Grant("", "patch", "apps", "deployments", self.namespace, subresource=subresource))

    async def cut_off(self) -> None:
        self.access.trouble = "switched off"


class TestWatch(watch_contract.WatchContract):
    @pytest.fixture
    def stage(self) -> WatchStage:
        return WatchStage()


class TestLeases(leases_contract.LeasesContract):
    @pytest.fixture
    def stage(self) -> LeasesStage:
        return LeasesStage()


class TestResources(resources_contract.ResourcesContract):
    @pytest.fixture
    def stage(self) -> ResourcesStage:
        return ResourcesStage()


class TestAccess(access_contract.AccessContract):
    @pytest.fixture
    def stage(self) -> AccessStage:
        return AccessStage()
