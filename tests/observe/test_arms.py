"""Arms: what a doubtful server says is never a verdict, and what is asked of a sound one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from controller.adapters.memory.metrics import MemoryMetrics
from controller.adapters.prometheus.connection import Connection
from controller.adapters.prometheus.metrics import PrometheusMetrics
from controller.core.presets import PRESETS
from controller.core.reading import Trust
from controller.core.rollout import Rollout, Version
from controller.errors import BadQuery
from controller.observe.arms import BEFORE, MOST_LOOKS, Arms, step_of
from controller.ports import Paths, Unavailable
from controller.runtime.workers import Workers
from detectors.results import CannotKnow, RollBack, Unknowable, Verdict
from detectors.series import Workload
from tests.baddata import FAMILIES, LOOK_BACK, SCRAPE, BadPrometheus, Body, Truth, cases

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LASTING = timedelta(minutes=10)
CHECKOUT = Workload("shop", "Deployment", "checkout")
NEW, OLD = Version("rs-42", "checkout-7b6f5c4d8", "v42"), Version("rs-41", "checkout-5d8f7c9b6", "v41")
ROLLOUT = Rollout(CHECKOUT, NOW - LASTING, NEW, OLD)
PODS = tuple(
    {"namespace": "shop", "pod": f"{version.replica_set}-{end * 5}"} for version in (NEW, OLD) for end in ("a", "b")
)
SLOW = 12
"""Cases of a slow server that are waited for: each costs its pause."""


class Counters(BadPrometheus):
    """Four pods that count fifty requests a second each; those of the new version fail a fifth of them."""

    def __init__(self, truth: Truth) -> None:
        self.queries: list[str] = []
        super().__init__(truth)

    def _truth(self, about: str, asked: Mapping[str, str]) -> Body:
        self.queries.append(asked["query"])
        return super()._truth(about, asked)

    def _value(self, about: str, at: float, number: int) -> float:
        asked = 50.0 * (at - (NOW - LASTING).timestamp() + 7200.0)
        return asked * (0.2 if number < 2 else 0.002) if about == "failures" else asked


@pytest.fixture
def server() -> Iterator[Counters]:
    server = Counters(Truth(PODS, NOW.timestamp()))
    yield server
    server.close()


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(0)
    yield workers
    workers.close()


def connected(server: Counters, patience: float) -> Connection:
    seconds = timedelta(seconds=patience)
    trust = Trust(scrape_interval=SCRAPE, look_back=LOOK_BACK)
    return Connection(server.url, trust=trust, read_timeout=seconds, deadline=4 * seconds, threads=1)


async def judged(connection: Connection, workers: Workers) -> Verdict:
    metrics = PrometheusMetrics(connection, lambda: NOW)
    try:
        return await Arms(metrics, workers, SCRAPE).verdict(CHECKOUT, ROLLOUT, "http", {}, 0.01, NOW)
    finally:
        await metrics.close()


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_bad_data_are_never_a_verdict_and_the_truth_is(family: str, server: Counters, workers: Workers) -> None:
    """By the thousand, through the real adapter: however bad the version is, the data do not say so."""
    connection = connected(server, 0.25 if family == "slow" else 5)
    mine = [case for case in cases() if case.family == family]
    wrong = []
    for case in mine[:SLOW] if family == "slow" else mine:
        server.case = case
        verdict = await judged(connection, workers)
        if not isinstance(verdict, CannotKnow):
            wrong.append(f"{case}: {verdict}")

    server.case = None
    assert isinstance(await judged(connection, workers), RollBack)
    assert wrong == []


async def test_the_time_before_the_rollout_is_asked_for_once_and_tells_how_the_old_version_varies(
    server: Counters, workers: Workers
) -> None:
    metrics = PrometheusMetrics(connected(server, 5), lambda: NOW)
    arms = Arms(metrics, workers, SCRAPE)
    for _ in range(2):
        assert isinstance(await arms.verdict(CHECKOUT, ROLLOUT, "http", {}, 0.01, NOW), RollBack)
    await metrics.close()

    assert list(arms.before) == [CHECKOUT]
    assert arms.before[CHECKOUT].arm.requests.shape == (2, BEFORE)
    assert len([query for query in server.queries if "pod=~" in query]) == 6
    arms.forget(CHECKOUT)
    assert (arms.before, arms.latest) == ({}, {})


class Bounded(PrometheusMetrics):
    """A store that refuses to look back before the rollout."""

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Paths | Unavailable:
        if start < ROLLOUT.since:
            raise BadQuery("the query looks back too far", "a later start")
        return await super().range(query, start, end, step)


async def test_a_server_that_refuses_the_time_before_leaves_the_noise_unknown(
    server: Counters, workers: Workers
) -> None:
    metrics = Bounded(connected(server, 5), lambda: NOW)
    arms = Arms(metrics, workers, SCRAPE)
    assert isinstance(await arms.verdict(CHECKOUT, ROLLOUT, "http", {}, 0.01, NOW), RollBack)
    assert arms.before == {}
    await metrics.close()


@pytest.mark.parametrize(
    ("preset", "told"),
    [("kubernetes", "preset kubernetes"), ("ingress-nginx", "preset ingress-nginx"), (None, "no preset is named")],
)
async def test_where_nobody_counts_by_pod_it_says_what_is_needed(
    preset: str | None, told: str, workers: Workers
) -> None:
    arms = Arms(MemoryMetrics(lambda: NOW), workers, SCRAPE)
    verdict = await arms.verdict(CHECKOUT, ROLLOUT, preset, {}, 0.01, NOW)

    assert isinstance(verdict, CannotKnow)
    assert (verdict.reason, told in verdict.detail) == (Unknowable.NO_COUNTERS, True)
    assert "http, istio, linkerd, opentelemetry" in verdict.needed


async def test_without_prometheus_it_says_so(workers: Workers) -> None:
    verdict = await Arms(None, workers, SCRAPE).verdict(CHECKOUT, ROLLOUT, "http", {}, 0.01, NOW)

    assert isinstance(verdict, CannotKnow)
    assert "no Prometheus" in verdict.detail


async def test_a_query_that_the_server_calls_wrong_is_not_known(workers: Workers) -> None:
    metrics = MemoryMetrics(lambda: NOW)
    metrics.refuse(PRESETS["http"].pod_requests("shop", (NEW.replica_set, OLD.replica_set)))
    verdict = await Arms(metrics, workers, SCRAPE).verdict(CHECKOUT, ROLLOUT, "http", {}, 0.01, NOW)

    assert isinstance(verdict, CannotKnow)
    assert verdict.reason is Unknowable.BAD_DATA


@pytest.mark.parametrize(
    ("lasting", "step"),
    [
        (timedelta(), SCRAPE),
        (MOST_LOOKS * SCRAPE, SCRAPE),
        (MOST_LOOKS * SCRAPE + timedelta(seconds=1), 2 * SCRAPE),
        (timedelta(days=2), 32 * SCRAPE),
    ],
    ids=["begins", "just enough", "one too many", "two days"],
)
def test_a_long_rollout_is_looked_at_less_often(lasting: timedelta, step: timedelta) -> None:
    assert step_of(lasting, SCRAPE) == step
    assert lasting / step_of(lasting, SCRAPE) <= MOST_LOOKS
