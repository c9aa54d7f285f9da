"""Every fault of the proxy before a real Prometheus is no answer or a named problem, and ends when the fault ends."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.adapters.prometheus import Connection, PrometheusMetrics
from controller.core.reading import Trust
from controller.ports import Paths, Samples, Unavailable
from detectors.series import Problem
from tests.controlplane import proxy as faults
from tests.controlplane.proxy import PrometheusProxy

SECOND = timedelta(seconds=1)
QUERY = "up"

FAULTS: dict[str, tuple[Any, set[Problem]]] = {
    "refuse": (faults.Refuse(), set()),
    "hang": (faults.Hang(), set()),
    "delay": (faults.Delay(3), set()),
    "500": (faults.Status(500), set()),
    "503": (faults.Status(503), set()),
    "429": (faults.Status(429, retry_after=1), set()),
    "truncated": (faults.Truncated(), set()),
    "garbage": (faults.Garbage(), set()),
    "empty": (faults.Empty(), {Problem.MISSING}),
    "not a number": (faults.NotANumber(), {Problem.NOT_FINITE, Problem.MISSING}),
    "plus infinite": (faults.Infinite(), {Problem.NOT_FINITE, Problem.MISSING}),
    "minus infinite": (faults.Infinite(negative=True), {Problem.NOT_FINITE, Problem.MISSING}),
    "stale": (faults.Stale(60), {Problem.STALE, Problem.MISSING}),
    "warned": (faults.Warned("one store did not answer"), {Problem.WARNED, Problem.PARTIAL}),
    "clock ahead": (faults.ClockOff(600), {Problem.CLOCK_SKEW}),
    "clock behind": (faults.ClockOff(-600), {Problem.CLOCK_SKEW}),
}


async def test_every_fault_is_no_answer_or_named_and_ends_with_it(prometheus_proxy: PrometheusProxy) -> None:
    trust = Trust(SECOND, 4 * SECOND, 5 * SECOND)
    connection = Connection(prometheus_proxy.url, trust=trust, read_timeout=SECOND, deadline=4 * SECOND)
    wrong = []
    first = PrometheusMetrics(connection, lambda: datetime.now(UTC))
    assert await eventually_healthy(first)
    await first.close()
    for name, (fault, problems) in FAULTS.items():
        prometheus_proxy.mode = fault
        metrics = PrometheusMetrics(connection, lambda: datetime.now(UTC))
        end = datetime.now(UTC)
        answers = [
            await metrics.instant(QUERY, end),
            await metrics.range(QUERY, end - 10 * SECOND, end, SECOND),
        ]
        await metrics.close()
        for answer in answers:
            named = isinstance(answer, Samples | Paths) and bool(answer.health.problems & problems)
            # A fault that the parser already refuses is no answer, which is the stricter of the two.
            if not named and not isinstance(answer, Unavailable):
                wrong.append((name, answer))

    prometheus_proxy.mode = faults.Pass()
    metrics = PrometheusMetrics(connection, lambda: datetime.now(UTC))
    healthy = await eventually_healthy(metrics)
    await metrics.close()
    assert not wrong, wrong
    assert healthy


async def eventually_healthy(metrics: PrometheusMetrics) -> bool:
    answer: Samples | Unavailable = Unavailable("not asked")
    for _ in range(100):
        answer = await metrics.instant(QUERY, datetime.now(UTC))
        if isinstance(answer, Samples) and answer.health.healthy:
            return True
        await asyncio.sleep(0.2)
    pytest.fail(f"never healthy again: {answer}")


async def test_declared_twins_are_one_series(prometheus_proxy: PrometheusProxy) -> None:
    trust = Trust(SECOND, 4 * SECOND, 5 * SECOND, replica_labels=("prometheus_replica",))
    metrics = PrometheusMetrics(Connection(prometheus_proxy.url, trust=trust), lambda: datetime.now(UTC))
    assert await eventually_healthy(metrics)

    prometheus_proxy.mode = faults.Duplicated()
    answer = await metrics.instant("prometheus_proxy_absent or vector(7)", datetime.now(UTC))
    await metrics.close()

    assert isinstance(answer, Samples)
    assert [(sample.value, dict(sample.labels)) for sample in answer.samples] == [(7.0, {})]
    assert answer.health.healthy, answer.health
