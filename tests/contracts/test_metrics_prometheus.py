"""The metrics contract on a real Prometheus, behind a proxy that tampers."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.adapters.prometheus import Connection, PrometheusMetrics
from controller.core.reading import Trust
from tests.adapters.prometheus.stage import (
    Body,
    Proxy,
    RealPrometheus,
    Reply,
    Tamper,
    edited,
    every_sample,
    prometheus,
    results,
)
from tests.contracts.metrics_contract import MetricsContract, Trouble

pytestmark = pytest.mark.controlplane

SECOND = timedelta(seconds=1)
TRUST = Trust(scrape_interval=SECOND, look_back=5 * SECOND, skew=5 * SECOND)


def numbered(value: str) -> Tamper:
    return every_sample(lambda pair: pair.__setitem__(1, value))


def aged(seconds: float) -> Tamper:
    return every_sample(lambda pair: pair.__setitem__(0, pair[0] - seconds))


def pulse_changed(name: str, value: str | None) -> Tamper:
    def change(body: Body) -> None:
        kept = [item for item in results(body) if value is not None or item["metric"].get("pulse") != name]
        for item in kept:
            if item["metric"].get("pulse") == name:
                item["value"][1] = value
        body["data"]["result"] = kept

    return edited(change)


def clock_off(seconds: float) -> Tamper:
    def shift(pair: list[Any]) -> None:
        pair[0] += seconds

    def change(body: Body) -> None:
        for item in results(body):
            shift(item["value"])

    return edited(change)


def twice(body: Body) -> None:
    body["data"]["result"] = [*results(body), *json.loads(json.dumps(results(body)))]


TAMPERS: dict[Trouble, Tamper] = {
    Trouble.SLOW: lambda reply: Reply(reply.status, reply.body, pause=30),
    Trouble.ERROR_500: lambda reply: Reply(500, b"oops"),
    Trouble.BUSY_503: lambda reply: Reply(503, b'{"status":"error","errorType":"timeout","error":"query timed out"}'),
    Trouble.NOT_JSON: lambda reply: Reply(200, b"<html>a login page</html>"),
    Trouble.CUT_OFF: lambda reply: Reply(200, reply.body[: len(reply.body) // 2], announced=len(reply.body)),
    Trouble.NAN: numbered("NaN"),
    Trouble.INFINITE: numbered("+Inf"),
    Trouble.STALE: aged(600),
    Trouble.WARNED: edited(lambda body: body.update(warnings=["fetching series from one store failed"])),
    Trouble.TWICE: edited(twice),
    Trouble.CLOCK_OFF: clock_off(600),
    Trouble.SCRAPES_STOPPED: pulse_changed("age", "9"),
    Trouble.RESTARTED: pulse_changed("oldest", None),
}


class PrometheusStage:
    def __init__(self, server: RealPrometheus) -> None:
        self.step = SECOND
        self.proxy = Proxy(server.url)
        connection = Connection(self.proxy.url, trust=TRUST, read_timeout=SECOND, deadline=4 * SECOND)
        self.metrics = PrometheusMetrics(connection, self.now)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def trouble(self, kind: Trouble) -> None:
        if kind is Trouble.DOWN:
            self.proxy.server.shutdown()
            self.proxy.server.server_close()
        else:
            self.proxy.tamper = TAMPERS[kind]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPrometheus]:
    with prometheus(tmp_path_factory.mktemp("prometheus")) as running:
        running.wait_until_scraped(6)
        yield running


class TestPrometheusMetrics(MetricsContract):
    @pytest.fixture
    async def stage(self, server: RealPrometheus) -> AsyncIterator[PrometheusStage]:
        stage = PrometheusStage(server)
        yield stage
        stage.proxy.close()
        await stage.metrics.close()


async def test_the_loop_goes_on_while_the_server_is_slow(server: RealPrometheus) -> None:
    stage = PrometheusStage(server)
    stage.trouble(Trouble.SLOW)
    ticks = 0

    asked = asyncio.create_task(stage.metrics.instant("up", stage.now()))
    while not asked.done():
        await asyncio.sleep(0.01)
        ticks += 1

    assert ticks > 10
    stage.proxy.close()
    await stage.metrics.close()
