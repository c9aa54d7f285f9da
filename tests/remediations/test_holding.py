"""Held fields on the cluster in memory."""

from datetime import UTC, datetime

import pytest

from detectors.series import Workload
from remediations.memory import MemoryCluster, autoscaler
from remediations.plan import PatchOp
from tests.contracts.holding_contract import LEAST, HoldingArena, HoldingContract

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class MemoryArena:
    def __init__(self) -> None:
        self.cluster = MemoryCluster(lambda: NOW)

    async def autoscale(self, name: str, least: int, most: int) -> Workload:
        return self.cluster.create(autoscaler("shop", name, least, most))

    async def claim(self, workload: Workload, least: int, *, force: bool = False) -> tuple[str, ...]:
        taken = self.cluster.claim(workload, PatchOp("replace", LEAST, least), force=force)
        return taken.owners if taken is not None else ()

    async def change(self, workload: Workload, *patch: PatchOp) -> None:
        self.cluster.change(workload, *patch)

    async def delete(self, workload: Workload) -> None:
        self.cluster.delete(workload)


class TestMemoryHolding(HoldingContract):
    @pytest.fixture
    def arena(self) -> HoldingArena:
        return MemoryArena()
