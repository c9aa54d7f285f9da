"""Demand: load, forecast and floor of each workload through good data and bad."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from controller.api.v1alpha1.kinds import SERVICE_POLICY
from controller.core.presets import PRESETS
from controller.core.reading import RawSample, Said
from controller.core.sizing import ENOUGH, CannotSize, Wanted
from controller.kinds import AUTOSCALERS, DEPLOYMENTS
from controller.lab.scraping import Fault
from controller.observe.demand import Demand, Demanded
from controller.observe.fleet import Grid
from controller.observe.past import POINTS, STEP
from controller.ports import Changed, Listed, Paths, Samples, Unavailable
from detectors.results import Abstention, Forecast
from detectors.series import Problem, Workload
from remediations.cluster import World
from remediations.memory import autoscaler
from tests.loops.stage import BEGIN, MINUTE, SCRAPE, Stage

OWN = "sum(rate(my_requests_total[2m]))"


@dataclass
class Asked:
    """A metrics server that remembers the questions."""

    inner: Any
    ranges: list[tuple[str, datetime, datetime]] = field(default_factory=list)

    async def instant(self, query: str, at: datetime) -> Samples | Unavailable:
        found: Samples | Unavailable = await self.inner.instant(query, at)
        return found

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Paths | Unavailable:
        self.ranges.append((query, start, end))
        found: Paths | Unavailable = await self.inner.range(query, start, end, step)
        return found

    async def close(self) -> None:
        await self.inner.close()


@dataclass
class Counted:
    """Workers that count what they are given."""

    inner: Any
    forecasts: int = 0

    async def run(self, work: Callable[[Any], Any], argument: Any) -> Any:
        self.forecasts += len(argument)
        return await self.inner.run(work, argument)


def day(at: datetime, height: float = 1.0) -> float:
    """Between 100 at midnight and 300 at noon."""
    return height * (200.0 - 100.0 * math.cos(2.0 * math.pi * at.timestamp() / 86_400.0))


class DemandStage(Stage):
    """A stage whose services have a day, and an autoscaler each: four pods, 60 % of a target of 60 %."""

    def __init__(self, **more: Any) -> None:
        self.heights: dict[Workload, float] = {}
        super().__init__(**{"replicas": 8, **more})
        assert self.metrics is not None
        self.asked = Asked(self.metrics)
        self.heights |= dict.fromkeys(self.workloads, 1.0)
        istio = PRESETS["istio"]
        settings = self.settings
        window = Grid.over(timedelta(seconds=settings.baseline_seconds), SCRAPE).window
        self.prometheus.program(
            istio.load(window), lambda at: [(self.named(w), day(at, h)) for w, h in self.heights.items()]
        )
        self.prometheus.program(OWN, lambda at: [({}, day(at))])
        program = self.program
        self.counted = Counted(program.workers)
        self.demand = Demand(settings, program.cache, program.consents, program.sight.known, self.asked, self.counted)
        self.hpas = {w: self.scaler(w) for w in self.workloads}
        for workload in self.workloads[1:]:
            self.policy(workload.name, "Observe")

    async def __aenter__(self) -> DemandStage:
        await super().__aenter__()
        return self

    def scaler(self, workload: Workload) -> dict[str, Any]:
        hpa = autoscaler("shop", workload.name, 2, 20)
        hpa["metadata"] |= {"uid": f"uid-{workload.name}", "resourceVersion": "1"}
        current = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 60}}}
        hpa["status"] = {"currentReplicas": 4, "currentMetrics": [current]}
        return hpa

    async def round(self, pause: timedelta = MINUTE) -> Demanded | None:
        """A minute passes; the autoscalers keep up with the load at 50 requests/s a pod."""
        await self.clock.advance(pause)
        self.watch()
        for hpa in self.hpas.values():
            hpa["status"]["currentReplicas"] = max(2, math.ceil(day(self.clock.now()) / 50.0))
            used = round(60.0 * day(self.clock.now()) / 50.0 / hpa["status"]["currentReplicas"])
            hpa["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"] = used
        self.program.cache.take(AUTOSCALERS, None, Listed(tuple(self.hpas.values())))
        for workload, hpa in self.hpas.items():
            world = self.cluster.look(workload)
            assert isinstance(world, World)
            status = {**world.object["status"], "readyReplicas": hpa["status"]["currentReplicas"]}
            self.program.cache.take(DEPLOYMENTS, None, Changed({**world.object, "status": status}))
        await self.demand.round(self.clock.now())
        return self.demand.of(self.checkout)

    async def rounds(self, count: int) -> Demanded:
        found = None
        for _ in range(count):
            found = await self.round()
        assert found is not None
        return found


def floor_of(demanded: Demanded | None) -> Wanted:
    assert demanded is not None
    assert isinstance(demanded.floor, Wanted), demanded.floor
    return demanded.floor


async def test_a_service_with_a_day_gets_a_forecast_and_a_floor() -> None:
    async with DemandStage() as stage:
        found = await stage.rounds(ENOUGH)

        assert found.load == pytest.approx(day(stage.clock.now()))
        assert (found.unit, found.health.healthy) == ("requests/s", True)
        assert isinstance(found.forecast, Forecast)
        assert found.forecast.model == "profile/1"
        floor = floor_of(found)
        assert floor.per_pod == pytest.approx(50.0, rel=0.02)
        assert floor.replicas == math.ceil(floor.peak / floor.per_pod)
        assert floor.until > stage.clock.now()


async def test_the_floor_is_up_before_the_load_is() -> None:
    """In the morning the floor of now bears the load of the time until which it is meant."""
    async with DemandStage() as stage:
        await stage.clock.advance(timedelta(hours=18))
        await stage.rounds(ENOUGH)
        for _ in range(20):
            floor = floor_of(await stage.round())
            assert floor.replicas * floor.per_pod >= day(stage.clock.now() + floor.lead + MINUTE)


async def test_history_is_asked_for_once_and_then_continued() -> None:
    async with DemandStage() as stage:
        await stage.rounds(1)
        whole = stage.asked.ranges.copy()
        assert sum((end - start) / STEP + 1 for _, start, end in whole) == POINTS

        await stage.rounds(10)
        further = stage.asked.ranges[len(whole) :]
        assert len(further) == 2
        assert all(end - start <= 2 * STEP for _, start, end in further)


async def test_forecasts_are_made_only_when_a_grid_point_has_come() -> None:
    async with DemandStage(services=3) as stage:
        await stage.rounds(1)
        assert stage.counted.forecasts == 3
        await stage.rounds(10)
        assert stage.counted.forecasts == 9


async def test_nothing_is_asked_before_the_workloads_are_known() -> None:
    """Or the history would be given to nobody."""
    async with DemandStage() as stage:
        await stage.demand.round(BEGIN)

        assert not stage.asked.ranges


async def test_a_round_is_due_at_once_and_then_each_minute() -> None:
    async with DemandStage() as stage:
        await stage.demand.round(stage.clock.now())
        assert stage.demand.due(stage.clock.now())
        await stage.round()
        assert not stage.demand.due(stage.clock.now() + MINUTE / 2)
        assert stage.demand.due(stage.clock.now() + MINUTE)


async def test_scaling_off_is_not_even_looked_at() -> None:
    async with DemandStage(services=2) as stage:
        other = stage.workloads[1]
        assert await stage.round() is not None
        assert stage.demand.of(other) is not None
        scale(stage, other, "Off")
        await stage.round()

        assert stage.demand.of(other) is None


def scale(stage: Stage, workload: Workload, mode: str) -> None:
    spec = {"scaling": {"mode": mode}}
    stage.objects.merge(SERVICE_POLICY, "shop", workload.name, {"spec": spec})


async def test_a_policys_own_query_is_the_load_and_a_wrong_one_costs_nobody_else() -> None:
    async with DemandStage(services=3) as stage:
        right, wrong = stage.workloads[1], stage.workloads[2]
        stage.prometheus.refuse("sum(")
        for workload, query in ((right, OWN), (wrong, "sum(")):
            spec = {"metrics": {"preset": None, "signals": {"load": query}}}
            stage.objects.merge(SERVICE_POLICY, "shop", workload.name, {"spec": spec})
        await stage.rounds(ENOUGH)

        mine, theirs = stage.demand.of(right), stage.demand.of(wrong)
        assert isinstance(floor_of(mine), Wanted)
        assert isinstance(floor_of(stage.demand.of(stage.checkout)), Wanted)
        assert theirs is not None
        assert Problem.UNAVAILABLE in theirs.health.problems
        assert isinstance(theirs.floor, CannotSize)


async def test_another_target_measures_a_pod_anew() -> None:
    """At a target of 30 % a pod bears half of what it bore at 60 %; until that is measured, the last floor is kept."""
    async with DemandStage() as stage:
        before = floor_of(await stage.rounds(30))
        target = stage.hpas[stage.checkout]["spec"]["metrics"][0]["resource"]["target"]
        stage.hpas[stage.checkout]["spec"]["metrics"] = [
            {"type": "Resource", "resource": {"name": "cpu", "target": {**target, "averageUtilization": 30}}}
        ]
        after = floor_of(await stage.rounds(ENOUGH))

        assert after.per_pod == pytest.approx(before.per_pod / 2, rel=0.05)


# What cannot be given a floor


async def test_without_an_autoscaler_there_is_a_forecast_and_no_floor() -> None:
    async with DemandStage() as stage:
        stage.hpas.clear()
        found = await stage.rounds(1)

        assert isinstance(found.forecast, Forecast)
        assert isinstance(found.floor, CannotSize)
        assert found.floor.code == "NoAutoscaler"


async def test_autoscalers_that_may_not_be_read_are_not_taken_for_absent() -> None:
    async with DemandStage() as stage:
        await stage.clock.advance(MINUTE)
        stage.watch()
        stage.program.cache.shelf(AUTOSCALERS).doubts.clear()
        stage.program.cache.shelf(AUTOSCALERS).expect(None)
        await stage.demand.round(stage.clock.now())
        found = stage.demand.of(stage.checkout)

        assert found is not None
        assert isinstance(found.floor, CannotSize)
        assert found.floor.code == "AutoscalersUnknown"


async def test_an_autoscaler_that_keda_controls_gets_no_floor() -> None:
    async with DemandStage() as stage:
        owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "x", "uid": "u", "controller": True}
        stage.hpas[stage.checkout]["metadata"]["ownerReferences"] = [owner]
        found = await stage.rounds(1)

        assert isinstance(found.floor, CannotSize)
        assert found.floor.code == "AutoscalerControlled"


async def test_another_groups_deployment_is_another_workload() -> None:
    async with DemandStage() as stage:
        stage.hpas[stage.checkout]["spec"]["scaleTargetRef"]["apiVersion"] = "example.org/v1"
        found = await stage.rounds(1)

        assert isinstance(found.floor, CannotSize)


# Bad data


def halved(samples: Any) -> list[RawSample]:
    return [replace(sample, value=sample.value / 2) for sample in samples]


def negative(samples: Any) -> list[RawSample]:
    return [replace(sample, value=-sample.value) for sample in samples]


def not_a_number(samples: Any) -> list[RawSample]:
    return [replace(sample, value=math.nan) for sample in samples]


def twins(samples: Any) -> list[RawSample]:
    return [*samples, *halved(samples)]


FAULTS: Mapping[str, tuple[Callable[[datetime], Fault], Problem]] = {
    "down": (lambda now: Fault(down="connection refused"), Problem.UNAVAILABLE),
    "empty": (lambda now: Fault(mangle=lambda samples: ()), Problem.MISSING),
    "stale": (lambda now: Fault(scraped_until=now - 2 * MINUTE), Problem.STALE),
    "late": (lambda now: Fault(late=3 * MINUTE), Problem.STALE),
    "partial": (lambda now: Fault(said=Said(("store gateway gone",)), mangle=halved), Problem.PARTIAL),
    "reset": (lambda now: Fault(mangle=negative), Problem.RESET),
    "not finite": (lambda now: Fault(mangle=not_a_number), Problem.NOT_FINITE),
    "recovering": (lambda now: Fault(started=now - MINUTE, mangle=halved), Problem.RECOVERING),
    "its clock": (lambda now: Fault(clock_off=10 * MINUTE, mangle=halved), Problem.CLOCK_SKEW),
    "twins": (lambda now: Fault(mangle=twins), Problem.DUPLICATE),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_bad_data_make_no_forecast_and_never_move_a_floor(name: str) -> None:
    """Half an hour of it; the first good round afterwards has a forecast again, once a new point has come."""
    make, problem = FAULTS[name]
    async with DemandStage() as stage:
        good = floor_of(await stage.rounds(ENOUGH))
        for _ in range(30):
            stage.prometheus.fault = make(stage.clock.now() + MINUTE)
            found = await stage.round()
            assert found is not None
            assert problem in found.health.problems, found.health
            assert isinstance(found.forecast, Abstention)
            assert problem in found.forecast.problems
            assert found.load is None
            assert floor_of(found).replicas == good.replicas
            assert "keeps the last good floor" in floor_of(found).reasons[0]
        stage.prometheus.fault = Fault()
        after = await stage.rounds(6)

        assert after.health.healthy
        assert isinstance(after.forecast, Forecast)
        assert "keeps" not in floor_of(after).reasons[0]
        series = stage.demand.series(stage.checkout)
        assert series is not None
        assert np.nanmin(series.values) >= 99.0


@pytest.mark.parametrize("name", FAULTS)
async def test_bad_data_from_the_start_give_no_floor(name: str) -> None:
    make, _ = FAULTS[name]
    async with DemandStage() as stage:
        stage.prometheus.fault = make(stage.clock.now() + MINUTE)
        found = await stage.rounds(1)

        assert isinstance(found.floor, CannotSize)
        assert found.floor.code == "NoForecast"
        assert not found.health.healthy


async def test_a_service_that_falls_silent_alone_keeps_its_floor() -> None:
    """The server is well and knows of no load: that is no load of zero."""
    async with DemandStage(services=2) as stage:
        good = floor_of(await stage.rounds(ENOUGH))
        del stage.heights[stage.checkout]
        for _ in range(20):
            found = await stage.round()
            assert found is not None
            assert found.health.problems == {Problem.MISSING}
            assert floor_of(found).replicas == good.replicas
        other = stage.demand.of(stage.workloads[1])
        assert other is not None
        assert other.health.healthy


async def test_after_an_outage_the_old_end_of_history_is_not_taken_for_now() -> None:
    async with DemandStage() as stage:
        await stage.rounds(2)
        stage.prometheus.fault = Fault(down="refused")
        await stage.round(timedelta(hours=2))
        stage.prometheus.fault = Fault(started=stage.clock.now() - timedelta(hours=1))
        found = await stage.rounds(1)

        assert found.health.healthy
        assert isinstance(found.forecast, Forecast)
        assert stage.clock.now() - found.forecast.at <= STEP + SCRAPE


# Told to Prometheus


async def test_peak_and_floor_are_metrics_of_ours_and_absent_when_not_known() -> None:
    labels = {"namespace": "shop", "kind": "Deployment", "name": "checkout"}
    async with DemandStage() as stage:
        found = await stage.rounds(ENOUGH)
        assert isinstance(found.forecast, Forecast)
        assert REGISTRY.get_sample_value("trimtab_forecast_peak", labels) == found.forecast.peak.value
        assert REGISTRY.get_sample_value("trimtab_floor_wanted_replicas", labels) == floor_of(found).replicas

        stage.prometheus.fault = Fault(down="refused")
        await stage.round()
        assert REGISTRY.get_sample_value("trimtab_forecast_peak", labels) is None


async def test_the_program_runs_it_each_minute_as_a_job() -> None:
    async with DemandStage() as stage:
        demand = stage.program.demand

        assert isinstance(demand, Demand)
        assert stage.program.rooms.demand is demand


async def test_without_prometheus_there_is_no_demand() -> None:
    async with Stage(metrics=False) as stage:
        assert stage.program.rooms.demand is None
