"""What is seen: old pictures, the breaker, alerts by webhook, the fleet's error shares through outages."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controller.api.v1alpha1.kinds import SERVICE_POLICY
from controller.core.alerts import Alert
from controller.kinds import PODS, REPLICA_SETS, WORKLOADS
from controller.observe.cache import RELIST_WITHIN, Cache
from controller.observe.past import EPOCH
from controller.observe.sight import CLEAN_ROUNDS, WEBHOOK_HOLDS
from controller.ports import Listed, Suspect
from detectors.results import Abstention, Detection
from detectors.series import Problem
from tests.loops.stage import MINUTE, Stage


def test_every_watch_is_doubted_by_itself() -> None:
    """With several namespaces, one that lists does not vouch for the others."""
    now = [0.0]
    cache = Cache(lambda kind, item: None, lambda: now[0])
    for kind in (*WORKLOADS, REPLICA_SETS, PODS):
        for namespace in ("shop", "blog"):
            cache.shelf(kind).expect(namespace)
    for kind in (*WORKLOADS, REPLICA_SETS, PODS):
        cache.take(kind, "shop", Listed(()))
    assert cache.trouble
    assert not cache.shelf(PODS).synced

    for kind in (*WORKLOADS, REPLICA_SETS, PODS):
        cache.take(kind, "blog", Listed(()))
    assert not cache.trouble

    cache.take(PODS, "blog", Suspect("silent"))
    cache.take(PODS, "shop", Listed(()))
    assert not cache.trouble
    now[0] += RELIST_WITHIN + 1
    assert "silent" in cache.trouble


async def test_metrics_that_were_not_asked_lately_are_not_trusted() -> None:
    async with Stage() as stage:
        await stage.calm()
        assert stage.program.sight.look(stage.checkout, stage.clock.now()).data.healthy

        await stage.clock.advance(2 * MINUTE)
        assert Problem.STALE in stage.program.sight.look(stage.checkout, stage.clock.now()).data.problems


async def test_s14_the_breaker_clears_after_two_clean_rounds() -> None:
    async with Stage(services=6, settings={"policy_defaults": {"mode": "Auto", "preset": "istio"}}) as stage:
        await stage.calm()
        for workload in stage.workloads[:5]:
            stage.roll(workload=workload)
        await stage.tick()
        assert stage.program.sight.observer_suspect() is not None
        for workload in stage.workloads[:5]:
            stage.roll("registry.test/shop:v41", workload)
        dirty = 0
        while stage.program.sight.observer_suspect() is not None:
            await stage.tick()
            dirty += 1
        assert dirty >= CLEAN_ROUNDS


async def test_an_alert_by_webhook_counts_until_it_is_resolved_or_silent_for_too_long() -> None:
    async with Stage() as stage:
        await stage.calm()
        labels = {"namespace": "shop", "deployment": "checkout", "severity": "critical"}
        alert = Alert("Burning", labels)

        def firing() -> bool:
            found = stage.program.sight.look(stage.checkout, stage.clock.now()).evidence
            return bool(found["alerts.firing"])

        assert not firing()
        assert stage.program.sight.told([alert], stage.clock.now()) == {stage.checkout}
        assert firing()
        stage.program.sight.told([replace(alert, firing=False)], stage.clock.now())
        assert not firing()

        stage.program.sight.told([alert], stage.clock.now())
        await stage.clock.advance(WEBHOOK_HOLDS)
        await stage.tick()
        assert not firing()


async def test_without_prometheus_and_without_a_word_nobody_knows_whether_alerts_fire() -> None:
    async with Stage(metrics=False) as stage:
        await stage.tick()

        assert "alerts.firing" not in stage.program.sight.look(stage.checkout, stage.clock.now()).evidence


async def test_an_outage_is_unknown_and_afterwards_history_is_continued() -> None:
    async with Stage() as stage:
        await stage.calm()
        fleet = stage.program.sight.fleet
        assert fleet is not None
        assert isinstance(fleet.judged[stage.checkout].answer, Detection)

        stage.prometheus.fault = replace(stage.prometheus.fault, down="refused")
        await stage.run(5 * MINUTE, MINUTE)
        assert isinstance(fleet.judged[stage.checkout].answer, Abstention)
        assert not stage.program.sight.look(stage.checkout, stage.clock.now()).data.healthy

        stage.prometheus.fault = replace(stage.prometheus.fault, down="")
        await stage.run(2 * MINUTE, MINUTE)
        assert isinstance(fleet.judged[stage.checkout].answer, Detection)
        (past,) = fleet.histories.values()
        assert past.newest is not None
        settled = stage.clock.now() - fleet.grid.settled - fleet.grid.step
        assert EPOCH + past.newest * past.step > settled
        known = past.known(stage.checkout)
        assert known is not None
        assert np.isfinite(known[1]).all()


async def test_a_policys_wrong_query_costs_nobody_else_their_answer() -> None:
    async with Stage(services=2) as stage:
        stage.objects.merge(
            SERVICE_POLICY,
            "shop",
            "checkout",
            {"spec": {"metrics": {"preset": None, "signals": {"errors": "sum(("}}}},
        )
        stage.prometheus.refuse("sum((")
        stage.policy("service-1", "Auto")
        await stage.calm()
        fleet = stage.program.sight.fleet
        assert fleet is not None

        assert isinstance(fleet.judged[stage.workloads[1]].answer, Detection)
        assert Problem.UNAVAILABLE in fleet.judged[stage.checkout].health.problems


@pytest.mark.parametrize("seconds", [1, 5])
async def test_while_workers_judge_the_last_judgement_stands(seconds: int) -> None:
    """A look during a round is neither calmer nor worse than one before it."""
    async with Stage() as stage:
        await stage.calm()
        fleet = stage.program.sight.fleet
        assert fleet is not None
        seen: list[bool] = []
        run = fleet.workers.run

        async def watched(work: object, argument: object) -> object:
            seen.append(stage.checkout in fleet.judged)
            return await run(work, argument)  # type: ignore[arg-type]  # passed through as it came

        fleet.workers.run = watched  # type: ignore[method-assign,assignment]  # looks in while it works
        await stage.tick(timedelta(seconds=seconds))

        assert seen == [True]
