"""Bad data by the thousand: no case moves a floor, makes a load or a forecast of its own, or leaves a trace in history.

Each case spoils what Prometheus says, over a socket, through the real adapter; the truth is a load of 200 all the time.
Cases that leave the load alone may be answered with the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest

from controller.adapters.prometheus.connection import Connection
from controller.core.reading import Trust
from controller.core.sizing import ENOUGH, Wanted
from controller.kinds import AUTOSCALERS
from controller.observe.demand import Demand, Demanded
from controller.ports import Listed
from detectors.results import Forecast
from remediations.memory import autoscaler
from tests.baddata import FAMILIES, LOOK_BACK, SCRAPE, Case, Truth, cases
from tests.loops.stage import Stage
from tests.loops.test_bad_data import Forgetful, Spoilt

LOAD = 200.0
SLOW = 3
"""Cases of a slow server that are waited for: each costs its pause."""


def told(family: str) -> list[Case]:
    mine = [case for case in cases() if case.family == family]
    return mine[:SLOW] if family == "slow" else mine


@pytest.fixture
def server() -> Iterator[Spoilt]:
    labels = {"destination_workload_namespace": "shop", "destination_workload": "checkout"}
    server = Spoilt(Truth((labels,), 0.0, load=LOAD))
    yield server
    server.close()


async def look(stage: Stage, demand: Demand, server: Spoilt, load: float = LOAD) -> Demanded:
    """Five minutes later: the newest value and a new point of history."""
    await stage.clock.advance(timedelta(minutes=5))
    stage.watch()
    server.truth = Truth(server.truth.labels, stage.clock.now().timestamp(), load=load)
    hpa = autoscaler("shop", "checkout", 2, 20)
    hpa["metadata"] |= {"uid": "hpa", "resourceVersion": "1"}
    reading = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 60}}}
    hpa["status"] = {"currentReplicas": 4, "currentMetrics": [reading]}
    stage.program.cache.take(AUTOSCALERS, None, Listed((hpa,)))
    await demand.round(stage.clock.now())
    found = demand.of(stage.checkout)
    assert found is not None
    return found


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_bad_data_never_move_a_floor(family: str, server: Spoilt) -> None:
    patience = timedelta(seconds=0.25 if family == "slow" else 5)
    trust = Trust(scrape_interval=SCRAPE, look_back=LOOK_BACK)
    connection = Connection(server.url, trust=trust, read_timeout=patience, deadline=4 * patience, threads=1)
    async with Stage() as stage:
        program = stage.program
        metrics = Forgetful(connection, stage.clock.now)
        demand = Demand(stage.settings, program.cache, program.consents, program.sight.known, metrics, program.workers)
        try:
            good = [await look(stage, demand, server) for _ in range(ENOUGH)][-1]
            assert isinstance(good.floor, Wanted)
            assert good.floor.replicas == 4
            doubted = 0
            for case in told(family):
                server.case = case
                await metrics.forget()
                found = await look(stage, demand, server)
                assert isinstance(found.floor, Wanted), case
                assert found.floor.replicas == 4, case
                assert found.load is None or found.load == pytest.approx(LOAD, rel=1e-6), case
                if isinstance(found.forecast, Forecast):
                    assert found.forecast.peak.value == pytest.approx(LOAD, rel=1e-6), case
                doubted += not found.health.healthy
            assert doubted, "not a single case reached the load"
            server.case = None
            await metrics.forget()
            after = await look(stage, demand, server)
            assert after.health.healthy
            assert isinstance(after.forecast, Forecast)
            series = demand.series(stage.checkout)
            assert series is not None
            assert np.allclose(series.values[np.isfinite(series.values)], LOAD)
            true = await look(stage, demand, server, load=1.5 * LOAD)
            assert isinstance(true.floor, Wanted)
            assert true.floor.replicas > 4
        finally:
            await metrics.close()
