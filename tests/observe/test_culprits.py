"""Suspects: what is asked about single pods, and of which workloads."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.adapters.memory.metrics import MemoryMetrics
from controller.core.presets import of_twins
from controller.observe.culprits import Suspects
from controller.ports import Paths, Unavailable
from remediations.samples import first_version

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCRAPE = timedelta(seconds=30)


class Heard(MemoryMetrics):
    """A server that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(lambda: NOW)
        self.queries: list[str] = []

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Paths | Unavailable:
        self.queries.append(query)
        return await super().range(query, start, end, step)


async def test_twins_are_taken_out_before_the_pods_are_counted() -> None:
    metrics = Heard()
    await Suspects(metrics, SCRAPE, of_twins(["replica"])).ask([(first_version("web:1"), "http")], NOW)

    assert len(metrics.queries) == 2
    assert all("max without (replica)" in query for query in metrics.queries)


@pytest.mark.parametrize("preset", ["ingress-nginx", None])
async def test_nothing_is_asked_where_nobody_counts_by_pod(preset: str | None) -> None:
    metrics = Heard()
    suspects = Suspects(metrics, SCRAPE, of_twins([]))
    await suspects.ask([(first_version("web:1"), preset)], NOW)

    assert (metrics.queries, suspects.latest) == ([], {})
