"""With no policy at all every workload is observed; a policy by labels and a cluster default are told apart."""

import asyncio
from datetime import timedelta

import pytest

from controller.core.events import Bearing, FloorEnded, FloorHeld, FloorJudged, FloorProposed, RolloutBegan
from controller.core.floor import stream_of as floor_stream
from controller.core.rollout import stream_of as rollout_stream
from controller.kinds import AUTOSCALERS
from controller.ports import Commit, Listed
from controller.serving.backend import ProgramBackend
from controller.serving.services import NO_PRESET, STANDS_BY
from controller.web.backend import Service
from detectors.series import Workload
from remediations.plan import PatchOp
from tests.core.test_report import HPA
from tests.loops.stage import MINUTE, Stage

PRESET = {"policy_defaults": {"preset": "istio"}}


async def listed(stage: Stage) -> dict[str, Service]:
    """What the page would list after a round of everything."""
    await stage.tick()
    stage.program.cache.take(AUTOSCALERS, None, Listed(()))
    if stage.program.demand is not None:
        await stage.program.demand.round(stage.clock.now())
    found = await ProgramBackend(stage.program, asyncio.Event()).services()
    return {service.workload.name: service for service in found}


async def test_without_any_policy_every_workload_is_observed_and_says_why_it_has_no_numbers() -> None:
    async with Stage(mode="", services=3) as stage:
        found = await listed(stage)

    assert set(found) == {"checkout", "service-1", "service-2"}
    for service in found.values():
        assert (service.modes, service.policy) == ("Observe", "default")
        assert service.health is not None
        assert service.health.healthy
        assert (service.load.value, service.load.why) == (None, NO_PRESET)
        assert (service.peak.value, service.peak.why) == (None, NO_PRESET)


async def test_with_a_default_preset_every_workload_has_load_and_forecast_without_a_policy() -> None:
    async with Stage(mode="", services=2, settings=PRESET) as stage:
        found = await listed(stage)
        detail = await ProgramBackend(stage.program, asyncio.Event()).service(stage.checkout)

    for service in found.values():
        assert (service.modes, service.policy) == ("Observe", "default")
        assert service.load.value == pytest.approx(200.0)
        assert service.peak.value is not None
        assert service.peak.value >= 200.0
        assert service.peak.until is not None
        assert service.floor.why == "no HorizontalPodAutoscaler scales it"
    assert detail is not None
    assert detail.measured is not None
    assert detail.expected is not None


async def test_one_policy_by_labels_speaks_for_those_that_carry_them_and_the_default_for_the_rest() -> None:
    async with Stage(mode="", services=3, settings={"policy_defaults": {"mode": "Approve", "scaling": "Off"}}) as stage:
        for workload in stage.workloads[:2]:
            stage.cluster.change(workload, labelled("tier", "front"))
        stage.policy("front", "Auto", matchLabels={"tier": "front"})
        found = await listed(stage)

    told = {name: (service.scaling, service.mode, service.policy) for name, service in found.items()}
    assert told == {
        "checkout": ("Observe", "Auto", "shop/front@1"),
        "service-1": ("Observe", "Auto", "shop/front@1"),
        "service-2": ("Off", "Approve", "default"),
    }


def labelled(key: str, value: str) -> PatchOp:
    return PatchOp("add", "/metadata/labels", {key: value})


async def test_a_replica_that_stands_by_says_who_measures() -> None:
    async with Stage(mode="", settings=PRESET) as stage:
        stage.watch()
        stage.program.leadership.drop()
        (service,) = await ProgramBackend(stage.program, asyncio.Event()).services()

    assert (service.load.value, service.load.why) == (None, STANDS_BY)


async def test_without_prometheus_the_objects_are_observed_all_the_same() -> None:
    async with Stage(mode="", metrics=False) as stage:
        service = (await listed(stage))["checkout"]

    assert (service.ready, service.desired) == (4, 4)
    assert service.load.why == "no Prometheus is set (chart: prometheus.url; settings: prometheus_url)"


async def test_what_would_have_been_done_stands_beside_the_service_and_in_the_list() -> None:
    async with Stage(mode="") as stage:
        await stage.calm()
        stage.roll()
        await stage.run(2 * MINUTE)
        backend = ProgramBackend(stage.program, asyncio.Event())
        service = (await listed(stage))["checkout"]
        (deed,) = await backend.would()
        found = await backend.report(timedelta(days=7))

    assert service.incident == "INC-1"
    assert "would have asked whether to roll back to v41" in service.would
    assert (deed.text, deed.incident) == ("roll back to v41", "INC-1")
    assert found.of(deed.way) == (deed,)
    assert stage.effects == ()


async def recorded(
    stage: Stage, stream: str, *events: FloorProposed | FloorHeld | FloorJudged | FloorEnded | RolloutBegan
) -> None:
    number = len(await stage.store.read(stream))
    await stage.store.commit(Commit(stream, number, tuple(events)), stage.clock.now())
    await stage.program.journal.catch_up()


async def test_a_floor_is_shown_as_it_stands_in_the_log() -> None:
    async with Stage(mode="") as stage:
        now, stream = stage.clock.now(), floor_stream(stage.checkout)
        await recorded(stage, stream, FloorProposed(now, stage.checkout, HPA, "default", 9, 3))
        backend = ProgramBackend(stage.program, asyncio.Event())
        would = [deed.text for deed in await backend.would()]
        await recorded(stage, stream, FloorHeld(now, stage.checkout, HPA, "u", "p", 9, 3))
        late = FloorJudged(now, stage.checkout, 9, Bearing.LATE, now, now, 3, 420.0)
        await recorded(stage, stream, late)
        held = (await listed(stage))["checkout"].floor
        await recorded(stage, stream, FloorEnded(now, stage.checkout, "p", "TakenBack", "kubectl-edit", 9))
        ended = (await listed(stage))["checkout"].floor

    assert would == ["hold a floor of 9 (its own minimum is 3)"]
    assert (held.text, held.why) == ("9 held", "the last raise, to 9, was late")
    assert (ended.text, ended.why) == ("taken back", "by kubectl-edit; left alone until the policy changes")


async def test_a_rollout_under_way_is_shown() -> None:
    async with Stage(mode="") as stage:
        now = stage.clock.now()
        began = RolloutBegan(now, stage.checkout, now, "new", "rs-new", "v42", "old", "rs-old", "v41")
        before = (await listed(stage))["checkout"].rollout
        await recorded(stage, rollout_stream(stage.checkout), began)
        (after,) = [service.rollout for service in await ProgramBackend(stage.program, asyncio.Event()).services()]

    assert (before.text, after.text) == ("", "v42 begins")


async def test_a_workload_that_is_not_watched_has_no_page() -> None:
    async with Stage(mode="") as stage:
        await stage.tick()

        assert await ProgramBackend(stage.program, asyncio.Event()).service(Workload("shop", "Deployment", "x")) is None


async def test_the_head_says_who_leads_and_how_often_the_record_was_right() -> None:
    async with Stage() as stage:
        await stage.learned(3, 1)
        head = await ProgramBackend(stage.program, asyncio.Event()).head()

    assert (head.leads, head.right, head.labelled) == (True, 3, 4)
    assert head.events == (await stage.store.identity()).sequence
