"""The metrics contract over the lab, and that what the presets are answered is what the physics counted."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

import numpy as np
import pytest

from controller.adapters.lab.metrics import Floats, LabMetrics
from controller.core.alerts import ALERTS_QUERY, Known
from controller.core.presets import PRESETS, Preset
from controller.core.signals import by_workload, error_shares
from controller.lab.lab import Lab
from controller.observe.fleet import as_paths
from controller.ports import Paths, Samples, Unavailable
from detectors.series import Problem
from tests.contracts.metrics_contract import CONSTANT, MetricsContract, Trouble
from tests.contracts.test_metrics_memory import faults
from tests.lab.playing import BEGIN, MINUTE, go, lab, scenario, web, workload, world

WINDOW = 2 * MINUTE
WITH_FAILURES = [preset for preset in PRESETS.values() if preset.failed]


def constant(times: Floats) -> Iterable[tuple[Mapping[str, str], Floats]]:
    return [({"name": "a"}, np.ones(len(times))), ({"name": "b"}, np.full(len(times), 2.0))]


class LabStage:
    def __init__(self) -> None:
        self.lab = lab()
        self.step = MINUTE
        self.metrics = LabMetrics(self.lab, further={CONSTANT: constant})
        self.now = lambda: self.lab.now

    def trouble(self, kind: Trouble) -> None:
        self.metrics.fault = faults(self.lab.now)[kind]


class TestLabMetrics(MetricsContract):
    @pytest.fixture
    def stage(self) -> LabStage:
        return LabStage()


@pytest.fixture
def fleet() -> Lab:
    bad = {"kind": "dependency-outage", "at": "5m", "service": "web", "failing": "25%"}
    stage = lab(scenario(web(), faults=[bad]))
    go(stage, 10)
    return stage


async def now(fleet: Lab, query: str) -> Samples:
    answer = await LabMetrics(fleet).instant(query, fleet.now)
    assert isinstance(answer, Samples)
    return answer


def known(fleet: Lab) -> Known:
    return Known(frozenset(fleet.counters.services), {})


@pytest.mark.parametrize("preset", WITH_FAILURES, ids=lambda preset: preset.name)
async def test_every_preset_finds_its_workload_and_the_share_that_fails(fleet: Lab, preset: Preset) -> None:
    load, failures = await now(fleet, preset.load(WINDOW)), await now(fleet, preset.failures(WINDOW))

    asked = as_paths(failures, fleet.now, MINUTE), as_paths(load, fleet.now, MINUTE)
    shares = error_shares(*asked, preset.naming, known(fleet), WINDOW)

    assert shares[workload()].values[-1] == pytest.approx(0.25, abs=0.02)
    assert load.samples[0].value == pytest.approx(100.0, rel=0.1)


async def test_a_rate_is_over_its_window_and_a_range_is_many_instants(fleet: Lab) -> None:
    preset, metrics = PRESETS["istio"], LabMetrics(fleet)
    begin = BEGIN + 3 * MINUTE
    paths = await metrics.range(preset.failures(MINUTE), begin, begin + 6 * MINUTE, MINUTE)
    assert isinstance(paths, Paths)

    for number, value in enumerate(paths.paths[0].values):
        one = await metrics.instant(preset.failures(MINUTE), begin + number * MINUTE)
        assert isinstance(one, Samples)
        assert value == pytest.approx(one.samples[0].value)
    values = paths.paths[0].values
    assert max(values[:3]) < 2.0
    assert min(values[3:]) > 20.0


async def test_two_weeks_before_the_beginning_are_there_and_nothing_before(fleet: Lab) -> None:
    preset, metrics = PRESETS["istio"], LabMetrics(fleet)
    day = timedelta(days=1)
    paths = await metrics.range(preset.load(5 * MINUTE), BEGIN - 2 * day, fleet.now, 5 * MINUTE)
    assert isinstance(paths, Paths)

    values = np.array(paths.paths[0].values)
    assert np.isnan(values[:280]).all()
    assert np.isfinite(values[300:]).all()


async def test_latency_is_a_quantile_in_seconds(fleet: Lab) -> None:
    preset = PRESETS["istio"]
    half, most = await now(fleet, preset.latency(WINDOW, 0.5)), await now(fleet, preset.latency(WINDOW, 0.99))

    assert 0.01 < half.samples[0].value < 0.1 < most.samples[0].value < 2.0


async def test_the_pods_of_a_replica_set_are_counted_each(fleet: Lab) -> None:
    preset, metrics, seen = PRESETS["istio"], LabMetrics(fleet), world(fleet)
    sets = [one["metadata"]["name"] for one in seen.replica_sets]
    since = BEGIN + 5 * MINUTE
    requests = await metrics.range(preset.pod_requests("shop", sets), since, fleet.now, MINUTE)
    failures = await metrics.range(preset.pod_failures("shop", sets), since, fleet.now, MINUTE)
    assert isinstance(requests, Paths)
    assert isinstance(failures, Paths)

    pods = {preset.pod_of(path.labels) for path in requests.paths}
    assert pods == {("shop", pod["metadata"]["name"]) for pod in seen.pods}
    for all_of, bad in zip(requests.paths, failures.paths, strict=True):
        assert all(np.diff(all_of.values) > 0)
        grown = (bad.values[-1] - bad.values[1]) / (all_of.values[-1] - all_of.values[1])
        assert grown == pytest.approx(0.25, abs=0.05)


async def test_nobody_is_asked_about_other_replica_sets(fleet: Lab) -> None:
    answer = await LabMetrics(fleet).range(
        PRESETS["istio"].pod_requests("shop", ["web-other"]), BEGIN, fleet.now, MINUTE
    )

    assert isinstance(answer, Paths)
    assert Problem.MISSING in answer.health.problems


async def test_while_prometheus_is_out_there_is_no_answer_and_afterwards_there_is() -> None:
    out = {"kind": "prometheus-outage", "at": "2m", "for": "3m", "reason": "connection refused"}
    stage = lab(scenario(web(), faults=[out]))
    metrics = LabMetrics(stage)
    go(stage, 3)
    answer = await metrics.instant(ALERTS_QUERY, stage.now)
    assert isinstance(answer, Unavailable)
    assert "refused" in answer.reason

    go(stage, 3)
    assert isinstance(await metrics.instant(ALERTS_QUERY, stage.now), Samples)


async def test_no_alert_is_not_the_same_as_no_answer(fleet: Lab) -> None:
    answer = await LabMetrics(fleet).instant(ALERTS_QUERY, fleet.now)

    assert isinstance(answer, Samples)
    assert [(dict(one.labels), one.value) for one in answer.samples] == [({"trimtab": "asked"}, 0.0)]


async def test_a_preset_that_only_knows_pods_still_finds_the_workload(fleet: Lab) -> None:
    preset = PRESETS["kubernetes"]
    answer = await LabMetrics(fleet).instant(preset.load(WINDOW), fleet.now)
    assert isinstance(answer, Samples)

    found = by_workload(as_paths(answer, fleet.now, MINUTE).paths, preset.naming, known(fleet))
    assert found[workload()][-1] > 0.1
