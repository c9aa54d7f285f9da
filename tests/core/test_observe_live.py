"""From a real API server and a real Prometheus to symptoms and causes: what the live pods do is what is said."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from controller.adapters.prometheus import Connection, PrometheusMetrics
from controller.core.alerts import ALERTS_QUERY, Known, alerts_of, assign
from controller.core.diagnose import BAD_ROLLOUT, diagnose
from controller.core.observe import healthy_now, observe
from controller.core.presets import PRESETS
from controller.core.reading import Trust
from controller.core.signals import error_shares
from controller.core.symptoms import symptoms
from controller.ports import Paths, Samples
from detectors.anomaly.baseline import Baseline
from detectors.results import Abstention, Detection
from detectors.series import Workload
from remediations.cluster import HealthyRevision, World
from runbooks.evidence import Evidence
from tests.controlplane.fixtures import PrometheusWith
from tests.controlplane.prometheus import History, Prometheus
from tests.controlplane.workloads import Workloads

SECOND = timedelta(seconds=1)
STEP, WINDOW = 10 * SECOND, 20 * SECOND
PRESET = PRESETS["http"]


class Live:
    """One Deployment `checkout` with an hour of history, read as the loop would."""

    def __init__(self, workloads: Workloads, prometheus: Prometheus) -> None:
        self.workloads = workloads
        self.workload = Workload(workloads.namespace, "Deployment", "checkout")
        connection = Connection(prometheus.url, trust=Trust(SECOND, 5 * SECOND, 10 * SECOND))
        self.metrics = PrometheusMetrics(connection, lambda: datetime.now(UTC))
        self.healthy: tuple[HealthyRevision, ...] = ()

    def world(self) -> World:
        return World(
            self.workload,
            self.workloads.deployment("checkout"),
            datetime.now(UTC),
            tuple(self.workloads.replica_sets("checkout")),
            tuple(self.workloads.pods("checkout")),
            healthy=self.healthy,
        )

    async def errors(self) -> Detection | Abstention | None:
        end = datetime.now(UTC)
        start = end - timedelta(hours=1)
        failures = await self.metrics.range(PRESET.failures(WINDOW), start, end, STEP)
        load = await self.metrics.range(PRESET.load(WINDOW), start, end, STEP)
        assert isinstance(failures, Paths), failures
        assert isinstance(load, Paths), load
        known = Known(frozenset({self.workload}))
        series = error_shares(failures, load, PRESET.naming, known, WINDOW).get(self.workload)
        return None if series is None else Baseline().detect(series, {})[0]

    async def facts(self) -> Evidence:
        world, now = self.world(), datetime.now(UTC)
        answer = await self.metrics.instant(ALERTS_QUERY, now)
        assert isinstance(answer, Samples), answer
        alerts = alerts_of(answer)
        pods = {(self.workload.namespace, str(pod["metadata"]["name"])): self.workload for pod in world.pods}
        mine = None
        if alerts is not None:
            mine = assign(alerts, Known(frozenset({self.workload}), pods)).by_workload.get(self.workload, ())
        return observe(world, mine, await self.errors(), datetime.now(UTC))

    async def until(self, *codes: str) -> Evidence:
        """The facts once these symptoms, and no others, are there."""
        evidence: Evidence = {}
        for _ in range(90):
            evidence = await self.facts()
            calm = codes or evidence.get("signals.errors.normal")
            if calm and "signals.errors.value" in evidence and {s.code for s in symptoms(evidence)} == set(codes):
                return evidence
            await asyncio.sleep(0.7)
        raise AssertionError(f"waited for {codes}; last {symptoms(evidence)}, {dict(evidence)}")


@pytest.fixture
def live(workloads: Workloads, prometheus_with: PrometheusWith) -> Live:
    workloads.deploy("checkout", "registry.test/shop:v41", replicas=4)
    workloads.wait_ready("checkout")
    return Live(workloads, prometheus_with(history=[History(workloads.namespace, "checkout", days=0.05, step=5.0)]))


async def test_errors_of_a_new_version_are_seen_and_its_repair_too(live: Live) -> None:
    calm = await live.until()
    assert calm["signals.errors.normal"] is True

    live.workloads.rollout("checkout", "registry.test/shop:v42-errors")
    burning = await live.until("errors", "alert")
    assert burning["changes.rollout.recent"] is True
    assert "HighErrorRate" in burning["alerts.names"]  # type: ignore[operator]  # a tuple by its Fact

    live.workloads.rollout("checkout", "registry.test/shop:v41")
    repaired = await live.until()
    assert repaired["signals.errors.normal"] is True
    await live.metrics.close()


async def test_a_crash_looping_rollout_is_the_first_cause_on_a_real_cluster(live: Live) -> None:
    world = live.world()
    seen = healthy_now(world, datetime.now(UTC), for_at_least=timedelta())
    assert seen is not None
    live.healthy = (seen,)

    live.workloads.rollout("checkout", "registry.test/shop:v42-crash")
    live.workloads.wait_waiting("checkout", "CrashLoopBackOff")
    evidence, burning = await live.facts(), live.world()
    causes = diagnose(evidence, burning)

    assert "crash-loop" in {symptom.code for symptom in symptoms(evidence)}
    assert evidence["changes.rollout.onlyNewFails"] is True
    assert evidence["changes.rollout.previousAlsoFailed"] is False
    assert (causes[0].name, causes[0].reason) == (BAD_ROLLOUT, "all failing pods are v42-crash, none of v41")
    assert healthy_now(burning, datetime.now(UTC), for_at_least=timedelta()) is None
    await live.metrics.close()
