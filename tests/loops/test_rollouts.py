"""The rollouts loop, over memory adapters in virtual time: what is rolled back, and everything that is left alone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from controller.api.v1alpha1.kinds import SERVICE_POLICY
from controller.core.events import Decided, Judged, Observed, Opened, Proposed, RolloutBegan, RolloutEnded, Verified
from controller.core.routes import Licence, Route
from controller.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from controller.lab.scraping import Fault
from controller.ports import Listed, ResourceKind
from remediations.cluster import World
from remediations.owners import controlled_by, controller_of
from remediations.plan import Outcome
from tests.loops.canary import BAD, GOOD, Canaried
from tests.loops.stage import MINUTE

V41 = "registry.test/shop:v41"
TICK = timedelta(seconds=30)


async def rolled(stage: Canaried, image: str, lasting: timedelta = 8 * MINUTE) -> None:
    """A version known to be healthy, then another one."""
    await stage.calm()
    stage.begin(image)
    await stage.run(lasting, TICK)


async def condemned(stage: Canaried) -> None:
    """A bad version has its verdict, and a pause keeps it where it is."""
    await stage.calm()
    stage.pause()
    stage.begin(BAD)
    while "roll-back" not in await stage.verdicts():
        await stage.tick(TICK)


async def test_a_bad_canary_is_rolled_back_alone_and_verified_with_exactly_one_effect() -> None:
    """The incidents loop merely observes; the consent is the rollouts loop's own."""
    async with Canaried() as stage:
        await rolled(stage, BAD)
        await stage.run(4 * MINUTE, TICK)

        (effect,) = stage.effects
        assert stage.image() == V41
        assert (effect.kind, effect.workload) == ("step", stage.checkout)
        (proposed,) = await stage.events(Proposed)
        assert (proposed.runbook, proposed.licence) == ("regression-after-rollout@1", Licence.GUARANTEED)
        (verified,) = await stage.events(Verified)
        assert verified.outcome is Outcome.EFFECTIVE
        seen = [*(await stage.events(Opened)), *(await stage.events(Observed))]
        symptoms = [one for event in seen if isinstance(event, Opened | Observed) for one in event.symptoms]
        regression = next(one for one in symptoms if one.code == "regression")
        assert regression.text.startswith("v42-errors fails 2")
        assert ", v41 0.2 % (e-value " in regression.text


async def test_it_ends_before_half_of_the_pods_are_replaced() -> None:
    """The rollout would have taken longer than the judgement."""
    async with Canaried() as stage:
        await stage.calm()
        stage.begin(BAD)
        while not stage.effects:
            await stage.tick(TICK)

        world = stage.cluster.look(stage.checkout)
        assert isinstance(world, World)
        assert sum("errors" in pod["spec"]["containers"][0]["image"] for pod in world.pods) <= 3


async def test_going_back_is_no_new_version_to_be_judged() -> None:
    async with Canaried() as stage:
        await rolled(stage, BAD)
        await stage.run(15 * MINUTE, TICK)

        assert await stage.kinds() == [RolloutBegan, RolloutEnded]
        events = await stage.rollout()
        assert isinstance(events[-1], RolloutEnded)
        assert (events[-1].how, events[-1].verdict) == ("gone-back", "roll-back")
        assert len(stage.effects) == 1
        assert stage.image() == V41


async def test_the_same_bad_version_once_more_is_judged_by_what_it_does_now() -> None:
    """Its ReplicaSet is taken up again; what it failed the first time is not held against it."""
    async with Canaried() as stage:
        await rolled(stage, BAD)
        await stage.run(15 * MINUTE, TICK)
        again = stage.clock.now()
        stage.begin(BAD)
        await stage.run(2 * MINUTE, TICK)

        began = [event for event in await stage.rollout() if isinstance(event, RolloutBegan)]
        assert len(began) == 2
        assert began[1].since >= again


@pytest.mark.parametrize(("canary", "bound"), [("Observe", "1%"), ("Rollback", None)], ids=["observes", "no bound"])
async def test_without_consent_nothing_is_done_and_the_route_it_would_have_taken_is_told(
    canary: str, bound: str | None
) -> None:
    async with Canaried(canary=canary, bound=bound) as stage:
        await rolled(stage, BAD, 4 * MINUTE)

        assert stage.effects == ()
        assert stage.image() == BAD
        assert "roll-back" in await stage.verdicts()
        decided = (await stage.events(Decided))[-1]
        assert decided.route is Route.REFUSE
        assert (decided.would is Route.AUTO) is (canary == "Observe")


async def test_the_guarantee_is_for_the_version_that_was_compared_and_no_other() -> None:
    """v42 ran too short a time to be gone back to: the plan returns to v41, which nobody compared."""
    async with Canaried() as stage:
        await stage.calm()
        stage.roll(GOOD)
        await stage.run(2 * MINUTE, TICK)
        stage.begin("registry.test/shop:v43-errors")
        await stage.run(6 * MINUTE, TICK)

        assert "roll-back" in await stage.verdicts()
        proposed = (await stage.events(Proposed))[-1]
        assert (proposed.runbook, proposed.licence) == ("regression-after-rollout@1", Licence.EARNED)
        assert stage.effects == ()


async def test_a_pause_holds_the_guaranteed_rollback_back_as_any_other() -> None:
    async with Canaried() as stage:
        stage.pause()
        await rolled(stage, BAD, 4 * MINUTE)
        assert stage.effects == ()
        stage.resume()
        await stage.run(MINUTE, TICK)

        assert len(stage.effects) == 1


async def test_a_rollback_that_has_to_wait_for_longer_than_half_an_hour_is_carried_out_when_it_may() -> None:
    """While the bad version runs, its verdict is a fact: nothing else would ever judge it again."""
    async with Canaried() as stage:
        await condemned(stage)
        stage.every = 10_000
        await stage.run(50 * MINUTE, 2 * MINUTE)
        waited = len(stage.effects)
        assert (await stage.incident()).closed is None
        stage.resume()
        stage.every = 3
        await stage.run(2 * MINUTE, TICK)

        assert (waited, len(stage.effects)) == (0, 1)
        assert stage.image() == V41


async def test_a_version_whose_last_pod_is_missing_for_one_round_is_not_over() -> None:
    """Pods are listed after Deployments, and a pod that dies is made anew: neither ends a rollout."""
    async with Canaried() as stage:
        await stage.calm()
        stage.begin(BAD)
        while not await stage.kinds():
            await stage.tick(TICK)
        began = await stage.rollout()
        world = stage.cluster.look(stage.checkout)
        assert isinstance(world, World)
        for owner in {one.uid for pod in world.pods if (one := controller_of(pod)) is not None}:
            left = tuple(pod for pod in world.pods if not controlled_by(pod, owner))
            stage.program.cache.take(PODS, None, Listed(left))
            await stage.program.rollouts.round()
            stage.watch()
            await stage.program.rollouts.round()

        assert await stage.kinds() == [RolloutBegan]
        assert (await stage.rollout())[: len(began)] == began


@pytest.mark.parametrize("late", [DEPLOYMENTS, REPLICA_SETS, PODS, SERVICE_POLICY], ids=lambda kind: kind.plural)
async def test_a_new_leader_ends_and_begins_nothing_before_everything_is_listed(late: ResourceKind) -> None:
    async with Canaried() as stage:
        await condemned(stage)
        known = await stage.rollout()
        await stage.crashed()
        take = stage.program.cache.take
        stage.program.cache.take = lambda kind, *rest: None if kind == late else take(kind, *rest)  # type: ignore[method-assign]  # the watch of one kind is late
        stage.watch()
        await stage.program.rollouts.round()
        stage.program.cache.take = take  # type: ignore[method-assign]  # it has come
        stage.watch()
        await stage.program.rollouts.round()

        assert await stage.rollout() == known


async def test_a_new_leader_that_has_not_read_the_log_yet_begins_no_rollout_twice() -> None:
    """Its epoch is its own before the log is read: a round may come in between."""
    async with Canaried() as stage:
        await condemned(stage)
        known = await stage.rollout()
        stage.close()
        stage.start()
        await stage.program.leadership.take({})
        stage.watch()
        await stage.program.rollouts.round()

        assert await stage.rollout() == known


async def test_a_workload_that_goes_in_the_middle_of_a_rollout_ends_it() -> None:
    async with Canaried() as stage:
        await stage.calm()
        stage.begin(GOOD)
        await stage.run(2 * MINUTE, TICK)
        stage.cluster.delete(stage.checkout)
        await stage.tick(TICK)

        ended = (await stage.rollout())[-1]
        assert isinstance(ended, RolloutEnded)
        assert ended.how == "gone"
        assert stage.program.rooms.arms.latest == {}


async def test_a_rollout_that_is_switched_off_is_over_and_goes_on_as_one_when_switched_on_again() -> None:
    """What was counted meanwhile counts, and the chance of being wrong is not spent twice."""
    async with Canaried() as stage:
        await stage.calm()
        stage.begin(GOOD)
        await stage.run(2 * MINUTE, TICK)
        stage.every = 10_000
        stage.consent("Off", "Observe", "1%")
        await stage.run(MINUTE, TICK)

        ended = (await stage.rollout())[-1]
        assert isinstance(ended, RolloutEnded)
        assert ended.how == "switched-off"
        assert stage.program.rooms.arms.latest == {}
        stage.consent("Rollback", "Observe", "1%")
        await stage.run(2 * MINUTE, TICK)
        assert await stage.kinds() == [RolloutBegan, RolloutEnded, RolloutBegan]
        began = [event for event in await stage.rollout() if isinstance(event, RolloutBegan)]
        assert began[0].since == began[1].since
        assert stage.program.rooms.arms.latest != {}


async def test_nothing_is_judged_while_its_policy_cannot_be_read() -> None:
    """Nor can the bound: one that is looser than the declared one would be believed for good."""
    async with Canaried() as stage:
        await stage.calm()
        await stage.tick(TICK)
        stage.objects.remove(SERVICE_POLICY, "shop", "checkout")
        broken = {"target": {"kind": "Deployment", "name": "checkout"}, "canary": {"mode": "Sometimes"}}
        stage.objects.add(SERVICE_POLICY, {"metadata": {"name": "checkout", "namespace": "shop"}, "spec": broken})
        stage.begin(BAD)
        await stage.run(3 * MINUTE, TICK)

        assert await stage.rollout() == []


async def test_switched_off_nothing_is_asked_and_nothing_judged() -> None:
    async with Canaried(canary="Off") as stage:
        await rolled(stage, BAD, 3 * MINUTE)

        assert await stage.rollout() == []
        assert stage.effects == ()


async def test_a_healthy_version_is_promoted_by_doing_nothing() -> None:
    async with Canaried() as stage:
        stage.normal = 0.0005
        await rolled(stage, GOOD, 12 * MINUTE)

        assert stage.image() == GOOD
        assert stage.effects == ()
        assert (await stage.verdicts())[-1] == "promote"
        events = await stage.rollout()
        assert isinstance(events[-1], RolloutEnded)
        assert events[-1].how == "completed"
        assert await stage.events(Opened) == []


async def test_what_fails_in_both_versions_at_once_is_no_regression() -> None:
    async with Canaried() as stage:
        await stage.calm()
        stage.begin(GOOD)
        stage.normal = 0.05
        await stage.run(6 * MINUTE, TICK)

        assert "roll-back" not in await stage.verdicts()
        assert stage.effects == ()


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ("down", "bad-data"),
        ("skewed", "bad-data"),
        ("missing", "canary-missing"),
        ("silent", "silent"),
    ],
)
async def test_what_cannot_be_known_has_no_effect(trouble: str, code: str) -> None:
    """However bad the version is."""
    async with Canaried() as stage:
        await stage.calm()
        match trouble:
            case "down":
                stage.prometheus.fault = Fault(down="connection refused")
            case "skewed":
                stage.prometheus.fault = Fault(clock_off=timedelta(minutes=10))
            case "missing":
                stage.deaf = lambda image: image == BAD
            case _:
                stage.unasked = lambda image: image == BAD
        stage.begin(BAD)
        await stage.run(4 * MINUTE, TICK)

        judged = [event for event in await stage.rollout() if isinstance(event, Judged)]
        assert code in {event.code for event in judged}
        assert not {"promote", "roll-back"} & {event.verdict for event in judged}
        assert stage.effects == ()


async def test_a_baseline_that_goes_before_anything_is_known_leaves_it_unknown() -> None:
    async with Canaried() as stage:
        await stage.calm()
        stage.roll(BAD)
        stage.slow = True
        stage.every = 1
        while stage.cluster.step():
            pass
        await stage.run(4 * MINUTE, TICK)

        assert "roll-back" not in await stage.verdicts()
        assert stage.effects == ()


async def test_what_was_counted_side_by_side_is_judged_at_the_end_if_it_could_not_be_before() -> None:
    """The metrics server is away during the rollout and back when it is over: the bad version is all that is left."""
    async with Canaried() as stage:
        await stage.calm()
        stage.prometheus.fault = Fault(down="connection refused")
        stage.begin(BAD)
        await stage.run(3 * MINUTE, TICK)
        assert await stage.verdicts() == ["cannot-know"]
        stage.prometheus.fault, stage.slow = Fault(), False
        await stage.run(4 * MINUTE, TICK)

        ended = [event for event in await stage.rollout() if isinstance(event, RolloutEnded)]
        assert [(event.how, event.verdict) for event in ended] == [("completed", "roll-back")]
        assert len(stage.effects) == 1
        assert stage.image() == V41


async def test_the_policy_shows_the_version_that_is_judged_and_how_far_else_the_mode() -> None:
    async with Canaried() as stage:

        async def column() -> str:
            await stage.program.statuses.round()
            found = await stage.resources.get(SERVICE_POLICY, "shop", "checkout")
            assert found is not None
            return str(found["status"]["canary"])

        await stage.calm()
        assert await column() == "Rollback"
        stage.begin(GOOD)
        while await stage.verdicts() != ["cannot-know", "hold"]:
            await stage.tick(TICK)
        await stage.tick(TICK)
        assert re.fullmatch(r"v42 Hold \d+%", await column())
        stage.slow = False
        await stage.run(MINUTE, TICK)
        assert await column() == "Rollback"


async def test_only_a_workload_with_a_rollout_is_asked_about() -> None:
    async with Canaried() as stage:
        asked: list[str] = []
        real = stage.prometheus.range

        async def listening(query: str, *rest: object) -> object:
            asked.append(query)
            return await real(query, *rest)  # type: ignore[arg-type]  # passed on as it came

        stage.prometheus.range = listening  # type: ignore[method-assign, assignment]  # only listens
        await stage.calm()
        await stage.run(2 * MINUTE, TICK)
        assert [query for query in asked if "pod=~" in query] == []

        stage.begin(GOOD)
        await stage.run(2 * MINUTE, TICK)
        assert [query for query in asked if "pod=~" in query] != []


async def test_a_restart_of_the_program_changes_no_verdict() -> None:
    """Nothing is kept between looks but the log."""
    async with Canaried() as stage:
        await stage.calm()
        stage.begin(BAD)
        while "roll-back" not in await stage.verdicts():
            await stage.tick(TICK)
            await stage.crashed()
        await stage.run(3 * MINUTE, TICK)

        assert len(stage.effects) == 1
        assert stage.image() == V41


async def test_a_preset_that_counts_by_no_pod_is_told_and_decides_nothing() -> None:
    async with Canaried(
        settings={"policy_defaults": {"mode": "Observe", "canary": "Observe", "preset": "kubernetes"}}
    ) as stage:
        stage.objects.remove(SERVICE_POLICY, "shop", "checkout")
        await rolled(stage, BAD, 2 * MINUTE)

        judged = [event for event in await stage.rollout() if isinstance(event, Judged)]
        assert {event.code for event in judged} == {"no-counters"}
        assert "http, istio" in judged[0].text
