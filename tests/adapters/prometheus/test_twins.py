"""Two servers scrape the same pods, and one store answers with both: what the presets make of that, on a real one."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from controller.adapters.prometheus import Connection, PrometheusMetrics
from controller.checkup.finding import Mark
from controller.checkup.metrics import metrics as checked
from controller.core.presets import PRESETS, of_twins
from controller.core.reading import Trust
from controller.ports import Samples
from tests.adapters.prometheus.stage import RealPrometheus, Reply, require_prometheus

pytestmark = pytest.mark.controlplane

SECOND = timedelta(seconds=1)
WINDOW = 4 * SECOND
TRUST = Trust(scrape_interval=SECOND, look_back=WINDOW, skew=5 * SECOND)
TWINS = of_twins(["prometheus_replica"])["http"]
PLAIN = PRESETS["http"]
ASKED = ("own", ("api-5d8f7c9b6", "api-7b6f5c4d8"))
LABELS = 'namespace="own",pod="api-5d8f7c9b6-abcde"'


class Twins(RealPrometheus):
    """One pod that serves a hundred requests a second and fails a quarter of them; `deaf` are the twins that cannot
    scrape it.
    """

    deaf = ""

    def page(self, path: str) -> Reply:
        if self.deaf and path.endswith(f"twin={self.deaf}"):
            return Reply(503, b"")
        asked = 100.0 * time.monotonic()
        lines = [
            f'http_requests_total{{{LABELS},code="200"}} {0.75 * asked}',
            f'http_requests_total{{{LABELS},code="500"}} {0.25 * asked}',
            *(
                f'http_request_duration_seconds_bucket{{{LABELS},le="{le}"}} {part * asked}'
                for le, part in (("0.1", 0.5), ("1", 1.0), ("+Inf", 1.0))
            ),
        ]
        return Reply(200, "\n".join((*lines, "")).encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    require_prometheus()
    running = Twins(tmp_path_factory.mktemp("twins"), twins=("one", "two"))
    try:
        running.wait_until_scraped(5)
        yield running
    finally:
        running.close()


@pytest.fixture
async def metrics(server: Twins) -> AsyncIterator[PrometheusMetrics]:
    metrics = PrometheusMetrics(Connection(server.url, trust=TRUST), lambda: datetime.now(UTC))
    yield metrics
    await metrics.close()


async def value(metrics: PrometheusMetrics, query: str, at: datetime) -> float:
    answer = await metrics.instant(query, at)
    assert isinstance(answer, Samples), answer
    (one,) = answer.samples
    return one.value


async def test_each_series_counts_once_in_every_query_where_the_label_is_named_and_one_twin_is_enough(
    server: Twins, metrics: PrometheusMetrics
) -> None:
    """Added up, the load halves when a twin goes, with nothing wrong about the data."""
    at = datetime.now(UTC) - SECOND

    async def both(query: str, twice: str) -> tuple[float, float]:
        return await value(metrics, query, at), await value(metrics, twice, at)

    load, doubled = await both(TWINS.load(WINDOW), PLAIN.load(WINDOW))
    assert doubled == pytest.approx(2 * load, rel=0.1)
    assert load == pytest.approx(100.0, rel=0.1)
    failures, doubled = await both(TWINS.failures(WINDOW), PLAIN.failures(WINDOW))
    assert doubled == pytest.approx(2 * failures, rel=0.1)
    assert failures == pytest.approx(0.25 * load)
    assert await value(metrics, TWINS.latency(WINDOW, 0.5), at) == pytest.approx(0.1)

    requests, doubled = await both(TWINS.pod_requests(*ASKED), PLAIN.pod_requests(*ASKED))
    assert doubled == pytest.approx(2 * requests, rel=0.1)
    assert await value(metrics, TWINS.pod_failures(*ASKED), at) == pytest.approx(0.25 * requests)

    server.deaf = "two"
    added = doubled
    for _ in range(100):
        if added < 1.2 * load:
            break
        await asyncio.sleep(0.2)
        at = datetime.now(UTC)
        load, added = await both(TWINS.load(WINDOW), PLAIN.load(WINDOW))
    assert added == pytest.approx(load)
    assert load == pytest.approx(100.0, rel=0.1)


async def test_doctor_tells_of_twins_that_nobody_declared(server: Twins, metrics: PrometheusMetrics) -> None:
    async def told(trust: Trust) -> tuple[Mark, bool]:
        finding = await checked(metrics, trust, SECOND, lambda: datetime.now(UTC))
        return finding.mark, "prometheus_replica" in str(finding)

    declared = Trust(SECOND, WINDOW, 5 * SECOND, replica_labels=("prometheus_replica",))
    assert await told(TRUST) == (Mark.WRONG, True)
    assert await told(declared) != (Mark.WRONG, True)
