"""Bad data by the thousand through the whole loop: zero effects, and the truth afterwards is acted on.

A service crash-loops after a rollout and the record has earned Auto: everything but the data speaks for acting. Each
case spoils what Prometheus says, over a socket, through the real adapter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.adapters.prometheus.connection import Connection
from controller.adapters.prometheus.metrics import PrometheusMetrics
from controller.core.events import Decided
from controller.core.reading import Trust
from controller.core.routes import Route
from controller.ports import Paths, Samples, Unavailable
from tests.adapters.prometheus.stage import Reply
from tests.baddata import FAMILIES, LOOK_BACK, SCRAPE, BadPrometheus, Case, Truth, cases
from tests.loops.stage import Stage

SLOW = 12
"""Cases of a slow server that are waited for: each costs its pause."""


def told(family: str) -> list[Case]:
    mine = [case for case in cases() if case.family == family]
    return mine[:SLOW] if family == "slow" else mine


class Spoilt(BadPrometheus):
    """Instant answers are spoilt as ranges of one point are, so that every case reaches the newest value too."""

    def _respond(self, path: str, headers: Mapping[str, str]) -> Reply:
        case = self.case
        if case is not None and "/query?" in path:
            self.case = None
            try:
                plain = super()._respond(path, headers)
            finally:
                self.case = case
            about = (
                "pulse"
                if "pulse" in path
                else "alerts"
                if "ALERTS" in path
                else "failures"
                if "5.." in path
                else "load"
            )
            return plain if about == "alerts" else self._point(about, plain)
        return super()._respond(path, headers)

    def _point(self, about: str, plain: Reply) -> Reply:
        assert self.case is not None
        body = json.loads(plain.body)
        if about != "pulse":
            shaped(body, "value", "values", "matrix")
        reply = self.case.spoil(about, Reply(200, json.dumps(body).encode()))
        try:
            spoilt = json.loads(reply.body)
            shaped(spoilt, "values", "value", "vector")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return reply
        return replace(reply, body=json.dumps(spoilt).encode())


def shaped(body: Any, before: str, after: str, kind: str) -> None:
    """One point as a range of one, or back; a range without points is no sample."""
    kept = []
    for item in body["data"]["result"]:
        if before in item:
            point = item.pop(before)
            if after == "value" and not point:
                continue
            item[after] = point[-1] if after == "value" else [point]
        kept.append(item)
    body["data"]["result"] = kept
    body["data"]["resultType"] = kind


class Forgetful:
    """The real adapter, made anew when told: it remembers a server's pulse for a while."""

    def __init__(self, connection: Connection, now: Callable[[], datetime]) -> None:
        self._connection, self._now = connection, now
        self.inner = PrometheusMetrics(connection, now)

    async def forget(self) -> None:
        await self.inner.close()
        self.inner = PrometheusMetrics(self._connection, self._now)

    async def instant(self, query: str, at: datetime) -> Samples | Unavailable:
        return await self.inner.instant(query, at)

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Paths | Unavailable:
        return await self.inner.range(query, start, end, step)

    async def close(self) -> None:
        await self.inner.close()


@pytest.fixture
def server() -> Iterator[Spoilt]:
    server = Spoilt(Truth(({"destination_workload_namespace": "shop", "destination_workload": "checkout"},), 0.0))
    yield server
    server.close()


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_s1_bad_data_has_no_effect_and_the_truth_has(family: str, server: Spoilt) -> None:
    mine = told(family)
    patience = timedelta(seconds=0.25 if family == "slow" else 5)
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    connection = Connection(
        server.url,
        trust=Trust(scrape_interval=SCRAPE, look_back=LOOK_BACK),
        read_timeout=patience,
        deadline=4 * patience,
        threads=1,
    )
    await story(connection, server, mine, now)


async def story(connection: Connection, server: Spoilt, mine: list[Case], now: list[datetime]) -> None:
    metrics = Forgetful(connection, lambda: now[0])
    async with Stage(other=metrics) as stage:
        await stage.learned(21)
        stage.cluster.seen_healthy(stage.checkout, stage.clock.now() - timedelta(days=1), stage.clock.now())
        await tell(stage, metrics, server, now)
        await stage.clock.advance(timedelta(minutes=45))
        await tell(stage, metrics, server, now)
        server.case = mine[0]
        stage.roll()
        for case in mine:
            server.case = case
            await tell(stage, metrics, server, now)
            assert stage.effects == (), f"{case}: {await stage.told()}"
        assert {decided.route for decided in await stage.events(Decided)} <= {Route.WAIT, Route.HAND_OVER}

        server.case = None
        await tell(stage, metrics, server, now)
        await tell(stage, metrics, server, now)
        assert len(stage.effects) == 1, [reason for event in await stage.events(Decided) for reason in event.reasons]
        await metrics.close()


async def tell(stage: Stage, metrics: Forgetful, server: Spoilt, now: list[datetime]) -> None:
    """One pass in which nothing is remembered of the answers before."""
    await stage.clock.advance(timedelta(seconds=1))
    now[0] = stage.clock.now()
    server.truth = Truth(server.truth.labels, now[0].timestamp())
    fleet = stage.program.sight.fleet
    assert fleet is not None
    fleet.histories.clear()
    await metrics.forget()
    await stage.tick(timedelta())


def test_there_are_a_thousand_cases() -> None:
    assert sum(len(told(family)) for family in FAMILIES) >= 1_000
