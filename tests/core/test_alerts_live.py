"""Alerts of a real Prometheus rule reach the workload they name."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.adapters.prometheus import Connection, PrometheusMetrics
from controller.core.alerts import ALERTS_QUERY, Alert, Known, alerts_of, assign
from controller.core.reading import Trust
from controller.ports import Samples
from detectors.series import Workload
from tests.adapters.prometheus.stage import require_prometheus
from tests.controlplane.prometheus import Prometheus, Rule

pytestmark = pytest.mark.controlplane

CHECKOUT = Workload("shop", "Deployment", "checkout")
BURNING = Rule("Burning", "vector(1)", labels={"namespace": "shop", "deployment": "checkout", "severity": "critical"})


@pytest.mark.parametrize("rules", [(), (BURNING,)], ids=["none fires", "one fires"])
async def test_firing_alerts_are_read_and_none_is_not_unknown(tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    require_prometheus()
    server = Prometheus(tmp_path / "server", [], rules=rules).start()
    # Nothing is scraped here: the evaluated query itself stands for the pulse.
    second = timedelta(seconds=1)
    connection = Connection(server.url, trust=Trust(second, 2 * second, 10 * second), pulse="prometheus_absent")
    metrics = PrometheusMetrics(connection, lambda: datetime.now(UTC))
    found: tuple[Alert, ...] = ()
    try:
        for _ in range(100):
            answer = await metrics.instant(ALERTS_QUERY, datetime.now(UTC))
            assert isinstance(answer, Samples), answer
            assert alerts_of(answer) is None, "without a pulse, no list of alerts is trusted"
            found = alerts_of(Samples(answer.samples, type(answer.health)())) or ()
            if len(found) == len(rules):
                break
            await asyncio.sleep(0.1)
    finally:
        await metrics.close()
        server.stop()

    assigned = assign(found, Known(frozenset({CHECKOUT})))
    assert [alert.name for alert in assigned.by_workload.get(CHECKOUT, ())] == [rule.name for rule in rules]
    assert not assigned.unmatched
