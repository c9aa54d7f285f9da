"""The scaling loop over memory adapters: the floor's manners (S16), its place in the ledger, crashes, bad data."""

from datetime import timedelta

import pytest
from pydantic import JsonValue

from controller.adapters.memory.access import Grant
from controller.core.events import (
    Bearing,
    Claimed,
    Decided,
    FloorEnded,
    FloorHeld,
    FloorJudged,
    FloorProposed,
    FloorReleased,
    Intended,
)
from controller.core.routes import Route
from controller.core.sizing import CannotSize
from controller.journal import Replaced
from detectors.series import Workload
from remediations.cluster import World
from remediations.fields import entries_of, is_ours, owners_of
from remediations.floor import ANNOTATIONS, LEAST, mark_of, traces
from remediations.memory import Intruding, Losing, Refusing, autoscaler
from remediations.plan import PatchOp
from tests.loops.floors import STALE, FloorStage
from tests.loops.stage import HOUR, MINUTE

RELEASED = {"minReplicas": 2, "maxReplicas": 10}


def clean(stage: FloorStage) -> bool:
    """Nothing of ours is left on the autoscaler."""
    obj = stage.object()
    return not traces(obj) and not [entry for entry in entries_of(obj) if is_ours(entry["manager"])]


# Taking, moving, giving back


async def test_in_mode_floor_the_field_is_taken_once_with_what_it_was() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)

        mark = mark_of(stage.object())
        assert mark is not None
        assert (mark.floor, mark.was, mark.owner, mark.for_whom, mark.ours) == (
            6,
            2,
            "kubectl",
            "shop/checkout@2",
            True,
        )
        assert owners_of(stage.object(), LEAST) == ("trimtab-floor",)
        assert len(stage.effects) == 1
        assert await stage.floor_kinds() == [
            "floor-proposed",
            "decided",
            "intended",
            "claimed",
            "applied",
            "floor-held",
        ]
        await stage.run(5 * MINUTE)
        assert len(stage.effects) == 1


async def test_the_status_shows_the_floor_and_the_condition() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)

        assert stage.status()["scaling"] == "Floor 6"
        assert stage.held_condition() == ("True", "Held")
        assert stage.events_told() == ["FloorTaken"]


async def test_a_floor_is_raised_and_lowered_without_force_and_never_under_what_people_wrote() -> None:
    async with FloorStage() as stage:
        for needed, held in ((6, 6), (8, 8), (4, 4), (1, 2)):
            await stage.needs(needed)
            assert stage.least() == held
        assert [effect.workload for effect in stage.effects] == [stage.hpa] * 4
        forced = [event.takes for event in await stage.floor_story() if isinstance(event, FloorProposed)]
        assert forced == [True, False, False, False]


async def test_a_floor_stays_under_the_cap_of_the_maximum() -> None:
    async with FloorStage() as stage:
        await stage.needs(50)

        assert stage.least() == 8


async def test_no_field_is_taken_for_what_its_own_minimum_covers() -> None:
    async with FloorStage() as stage:
        await stage.needs(2)

        assert not stage.effects
        assert stage.held_condition() == ("False", "NotNeeded")


async def test_when_the_mode_changes_the_floor_is_given_back_without_a_trace() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.scale_by("Observe")
        await stage.tick()

        assert clean(stage)
        assert stage.least() == 2
        assert stage.cluster.claim(stage.hpa, PatchOp("replace", LEAST, 3)) is None
        assert [e.code for e in await stage.floor_story() if isinstance(e, FloorReleased)] == ["NotAsked"]
        assert stage.events_told() == ["FloorTaken", "FloorReleased"]


async def test_when_the_policy_goes_the_floor_is_given_back() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.unpolicy()
        await stage.tick()

        assert clean(stage)
        assert stage.least() == 2


async def test_an_autoscaler_that_goes_ends_the_story() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.cluster.delete(stage.hpa)
        await stage.tick()

        assert stage.floor().held is None
        assert [e.code for e in await stage.floor_story() if isinstance(e, FloorReleased)] == ["Gone"]
        assert stage.said().reason == "NoAutoscaler" or stage.said().reason == "Gone"


# S16: once per generation, and the first foreign change ends it


async def test_s16_the_first_foreign_change_ends_the_floor_and_is_named() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.take_back(3, "helm")
        await stage.run(5 * MINUTE)

        assert stage.least() == 3
        assert stage.held_condition() == ("False", "TakenBack")
        (ended,) = [event for event in await stage.floor_story() if isinstance(event, FloorEnded)]
        assert (ended.by, ended.replicas) == ("helm", 6)
        assert len(stage.effects) == 1
        assert clean(stage)
        assert "FloorTakenBack" in stage.events_told()


@pytest.mark.parametrize("force", [True, False], ids=["by force", "shared"])
async def test_s16_a_field_taken_back_at_our_own_number_is_theirs(force: bool) -> None:
    """An apply of an equal value meets no conflict: from then on the field has two owners, and one is not us."""
    async with FloorStage() as stage:
        await stage.needs(6)
        assert stage.cluster.claim(stage.hpa, PatchOp("replace", LEAST, 6), manager="flux", force=force) is None
        await stage.run(MINUTE)

        assert stage.least() == 6
        assert stage.said().reason == "TakenBack"
        assert clean(stage)
        (ended,) = [event for event in await stage.floor_story() if isinstance(event, FloorEnded)]
        assert (ended.by, ended.replicas) == ("flux", 6)


async def test_s16_what_is_taken_back_at_our_own_number_stays_when_the_policy_goes() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.cluster.claim(stage.hpa, PatchOp("replace", LEAST, 6), manager="flux")
        stage.unpolicy()
        await stage.tick()

        assert stage.least() == 6
        assert clean(stage)
        assert owners_of(stage.object(), LEAST) == ("flux",)


async def test_s16_what_is_taken_back_at_our_own_number_stays_when_the_load_falls_first() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.cluster.claim(stage.hpa, PatchOp("replace", LEAST, 6), manager="flux")
        await stage.needs(3)
        await stage.run(MINUTE)

        assert stage.least() == 6
        assert clean(stage)


async def test_s16_another_generation_of_the_policy_may_take_it_again() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.take_back(3)
        await stage.run(MINUTE)
        stage.touch_policy()
        await stage.run(MINUTE)

        assert stage.least() == 6
        mark = mark_of(stage.object())
        assert mark is not None
        assert (mark.was, mark.owner) == (3, "helm")


async def test_s16_an_autoscaler_made_anew_is_not_taken_again() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.recreate()
        await stage.run(2 * MINUTE)

        assert stage.least() == 2
        assert stage.said().reason == "Recreated"
        assert len(stage.effects) == 1


async def test_s16_an_edit_of_the_policy_while_the_floor_is_held_takes_nothing_again() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.touch_policy()
        await stage.run(MINUTE)
        await stage.needs(7)

        assert stage.least() == 7
        assert await stage.spent("actions:cluster") == 1


async def test_what_changes_between_our_look_and_our_write_is_never_overwritten() -> None:
    """The raise is unforced: an owner who came in between is told to us by the server."""
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.numbers.wanted[stage.checkout] = 8
        stage.before_writes(lambda: stage.take_back(3))
        await stage.tick()
        await stage.tick()

        assert stage.least() == 3
        assert stage.said().reason == "TakenBack"


# Whose autoscaler it is


async def test_an_autoscaler_that_keda_owns_is_not_written() -> None:
    async with FloorStage() as stage:
        owner: dict[str, JsonValue] = {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "name": "checkout",
            "uid": "k",
            "controller": True,
        }
        stage.cluster.change(stage.hpa, PatchOp("add", "/metadata/ownerReferences", [owner]))
        await stage.needs(6)

        assert not stage.effects
        assert stage.held_condition() == ("False", "AutoscalerControlled")


async def test_without_a_number_nothing_is_written_and_the_reason_is_said() -> None:
    async with FloorStage() as stage:
        stage.numbers.wanted[stage.checkout] = CannotSize(
            "several HorizontalPodAutoscalers scale it", "SeveralAutoscalers"
        )
        await stage.tick()

        assert stage.held_condition() == ("False", "SeveralAutoscalers")


async def test_a_workload_that_opts_out_gets_no_floor() -> None:
    async with FloorStage() as stage:
        stage.cluster.change(stage.checkout, PatchOp("add", "/metadata/annotations/trimtab.dev~1ignore", "true"))
        await stage.needs(6)

        assert [effect.workload for effect in stage.effects] == []
        assert stage.held_condition() == ("False", "Ignored")


# Observe, and consent


async def test_observing_says_what_would_be_held_and_writes_nothing() -> None:
    async with FloorStage(scaling="Observe") as stage:
        await stage.needs(6)
        await stage.run(2 * MINUTE)

        assert not stage.effects
        assert stage.status()["scaling"] == "Observe (would hold 6)"
        assert stage.held_condition() == ("False", "Observe")
        assert await stage.floor_kinds() == ["floor-proposed"]


async def test_outside_act_namespaces_mode_floor_only_observes() -> None:
    async with FloorStage(settings={"act_namespaces": ["bank"]}) as stage:
        await stage.needs(6)

        assert not stage.effects
        assert stage.status()["scaling"] == "Observe (would hold 6)"


async def test_policies_that_cannot_be_read_neither_hold_nor_release() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.break_policy()
        await stage.needs(8)

        assert stage.least() == 6
        assert stage.said().reason == "PolicyUnknown"


# Kill switch, freeze, data


async def test_on_pause_the_floor_stays_and_nothing_moves() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.pause()
        await stage.needs(8)
        stage.scale_by("Off")
        await stage.run(MINUTE)
        assert stage.least() == 6

        stage.resume()
        await stage.tick()
        assert stage.least() == 2


@pytest.mark.parametrize("needed", [8, 4], ids=["raise", "lower"])
async def test_bad_data_neither_raise_nor_lower_a_floor(needed: int) -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.numbers.health[stage.checkout] = STALE
        await stage.needs(needed)

        assert stage.least() == 6
        assert len(stage.effects) == 1
        assert stage.held_condition() == ("True", "Held")


async def test_bad_data_take_no_field() -> None:
    async with FloorStage() as stage:
        stage.numbers.health[stage.checkout] = STALE
        await stage.needs(6)

        assert not stage.effects
        assert stage.held_condition() == ("False", "DataUnhealthy")


@pytest.mark.parametrize("needed", [8, 4], ids=["raise", "lower"])
async def test_numbers_that_no_longer_come_neither_raise_nor_lower_a_floor(needed: int) -> None:
    """They may have been good; nobody has looked since."""
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.numbers.made_at = stage.clock.now()
        await stage.run(5 * MINUTE)
        await stage.needs(needed)

        assert stage.least() == 6
        assert len(stage.effects) == 1


async def test_bad_data_do_not_keep_a_floor_that_nobody_asks_for() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.numbers.health[stage.checkout] = STALE
        stage.scale_by("Off")
        await stage.tick()

        assert clean(stage)


async def test_a_freeze_waits() -> None:
    async with FloorStage() as stage:
        stage.freeze(stage.clock.now() - HOUR, stage.clock.now() + HOUR)
        await stage.needs(6)

        assert not stage.effects
        assert stage.held_condition() == ("False", "Frozen")


async def test_without_the_right_nothing_is_tried() -> None:
    async with FloorStage(right=False) as stage:
        await stage.needs(6)

        assert not stage.effects
        assert stage.held_condition() == ("False", "NotPermitted")


async def test_a_floor_that_may_no_longer_be_given_back_is_said_and_not_tried() -> None:
    """Its namespace left the list, and the right with it."""
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.access.revoke(Grant("", "patch", "autoscaling", "horizontalpodautoscalers", "shop"))
        stage.scale_by("Off")
        await stage.run(2 * MINUTE)

        assert stage.least() == 6
        assert stage.said().reason == "NotPermitted"
        assert "trimtab release --all" in stage.said().message
        assert not stage.cluster.releases


async def test_a_policy_for_several_workloads_counts_the_floors() -> None:
    async with FloorStage(services=3, mode="") as stage:
        for workload in stage.workloads:
            stage.cluster.change(workload, PatchOp("add", "/metadata/labels/tier", "front"))
        stage.policy("front", "Observe", matchLabels={"tier": "front"})
        for workload in stage.workloads[:2]:
            stage.numbers.wanted[workload] = 6
        await stage.tick()

        assert stage.status("front")["scaling"] == "Floor (2 of 3 held)"
        assert stage.held_condition("front") == ("False", "NoForecast")


# Leaders, crashes, other stores


async def test_the_next_leader_goes_on_holding_and_gives_back() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        await stage.crashed()
        await stage.run(MINUTE)
        assert len(stage.effects) == 1
        assert stage.said().reason == "Held"

        stage.scale_by("Off")
        await stage.tick()
        assert clean(stage)


async def test_a_marked_autoscaler_without_a_policy_is_released_at_any_start() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.unpolicy()
        stage.lose_store()
        await stage.crashed()
        await stage.tick()

        assert clean(stage)
        assert stage.least() == 2


async def test_a_floor_that_a_lost_store_forgot_is_gone_on_with() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.lose_store()
        await stage.crashed()
        await stage.needs(6)
        await stage.needs(7)

        assert stage.least() == 7
        mark = mark_of(stage.object())
        assert mark is not None
        assert (mark.was, mark.owner) == (2, "kubectl")
        assert await stage.spent("actions:cluster") == 0
        assert [event.found for event in await stage.floor_story() if isinstance(event, FloorHeld)] == [True, False]


@pytest.mark.parametrize("landed", [True, False], ids=["write landed", "write lost"])
async def test_an_answer_that_is_lost_is_settled_by_reading(landed: bool) -> None:
    async with FloorStage() as stage:
        stage.cluster.disturb(Losing(applied=landed))
        await stage.needs(6)
        assert stage.floor().intent is not None

        await stage.crashed()
        await stage.run(MINUTE)

        assert stage.least() == 6
        assert stage.floor().intent is None
        assert len(stage.effects) == 1
        assert await stage.spent("actions:cluster") == 1


@pytest.mark.parametrize("landed", [True, False], ids=["release landed", "release lost"])
async def test_a_release_whose_answer_is_lost_is_settled_by_reading(landed: bool) -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        stage.scale_by("Off")
        stage.cluster.disturb(Losing(applied=landed))
        await stage.tick()
        await stage.crashed()
        await stage.run(MINUTE)

        assert clean(stage)
        assert stage.least() == 2
        assert len([effect for effect in stage.cluster.releases if effect.patch]) == 1


async def test_an_intent_of_an_older_leader_is_fenced_before_it_is_decided_on() -> None:
    async with FloorStage() as stage:
        stage.cluster.disturb(Losing(applied=False))
        await stage.needs(6)
        await stage.crashed()
        await stage.tick()

        assert stage.cluster.fences
        claims = [event.epoch for event in await stage.floor_story() if isinstance(event, Claimed)]
        assert claims == sorted(set(claims))
        assert len(claims) == 2


async def test_a_replica_that_does_not_lead_writes_nothing() -> None:
    async with FloorStage() as stage:
        stage.program.leadership.drop()
        with pytest.raises(Replaced):
            await stage.needs(6)

        assert not stage.effects


async def test_somebody_who_writes_in_between_makes_it_look_again() -> None:
    async with FloorStage() as stage:
        stage.cluster.disturb(Intruding())
        await stage.needs(6)

        assert stage.least() == 6
        assert len([event for event in await stage.floor_story() if isinstance(event, Claimed)]) == 2


async def test_a_refused_write_is_not_hammered_and_gives_its_budget_back() -> None:
    async with FloorStage() as stage:
        stage.cluster.disturb(*[Refusing("Forbidden", "no")] * 50)
        await stage.needs(6)
        await stage.run(10 * MINUTE)

        tries = [event for event in await stage.floor_story() if isinstance(event, Intended)]
        assert 2 <= len(tries) <= 5
        assert await stage.spent("actions:cluster") == 0


# The ledger


async def test_taking_over_is_one_action_and_raises_are_charged_in_pod_hours() -> None:
    async with FloorStage() as stage:
        stage.numbers.lasting = timedelta(hours=2)
        await stage.needs(6)
        assert await stage.spent("actions:namespace:shop") == 1
        assert await stage.spent("pod-hours:namespace:shop") == pytest.approx(8.0)

        await stage.needs(7)
        await stage.needs(3)
        stage.scale_by("Off")
        await stage.tick()
        assert await stage.spent("actions:cluster") == 1
        assert await stage.spent("pod-hours:cluster") == pytest.approx(10.0)


async def test_a_raise_beyond_the_pod_hours_waits_and_says_so() -> None:
    async with FloorStage(settings={"budgets": {"pod_hours_namespace": 5}}) as stage:
        await stage.needs(6)
        assert stage.least() == 6
        await stage.needs(8)

        assert stage.least() == 6
        assert stage.held_condition() == ("True", "Held")
        assert "pod-hours" in stage.said().message
        (last,) = [e for e in await stage.floor_story() if isinstance(e, Decided) and e.route is Route.WAIT]
        assert [reason.code for reason in last.reasons if reason.route is Route.WAIT] == ["budget"]


async def test_a_floor_without_budget_takes_nothing_and_the_condition_says_why() -> None:
    async with FloorStage(settings={"budgets": {"namespace": 0}}) as stage:
        await stage.needs(6)
        await stage.run(2 * MINUTE)

        assert not stage.effects
        assert stage.held_condition() == ("False", "BudgetSpent")
        assert "FloorWaits" in stage.events_told()


def test_every_annotation_of_ours_is_under_our_domain() -> None:
    assert all(name.startswith("trimtab.dev/floor") for name in ANNOTATIONS)


# What it was worth


async def test_a_raised_floor_is_judged_once_when_its_time_is_over() -> None:
    async with FloorStage() as stage:
        stage.numbers.lasting = timedelta(minutes=8)
        await stage.needs(6)
        stage.cluster.settle()
        await stage.run(7 * MINUTE)
        assert "floor-judged" not in await stage.floor_kinds()

        await stage.run(HOUR)
        (judged,) = [event for event in await stage.floor_story() if isinstance(event, FloorJudged)]
        assert (judged.replicas, judged.was, judged.bound, judged.peak) == (6, 2, 420.0, 100.0)
        assert judged.until - judged.since == timedelta(minutes=8)
        assert judged.bearing is Bearing.NOT_NEEDED
        assert judged.looks >= 8


async def test_nobody_says_what_a_floor_was_worth_on_data_in_doubt() -> None:
    async with FloorStage() as stage:
        stage.numbers.lasting = timedelta(minutes=8)
        await stage.needs(6)
        stage.numbers.health[stage.checkout] = STALE
        await stage.run(9 * MINUTE)

        (judged,) = [event for event in await stage.floor_story() if isinstance(event, FloorJudged)]
        assert (judged.bearing, judged.peak) == (Bearing.UNKNOWN, None)


async def test_a_floor_that_was_taken_back_in_its_time_is_not_judged() -> None:
    async with FloorStage() as stage:
        stage.numbers.lasting = timedelta(minutes=8)
        await stage.needs(6)
        stage.take_back(3)
        await stage.run(20 * MINUTE)

        assert "floor-judged" not in await stage.floor_kinds()


# More autoscalers than one


def copied(stage: FloorStage) -> Workload:
    """Somebody applies the autoscaler under another name, as `kubectl get -o yaml` showed it, marks and all."""
    seen = stage.object()
    made = autoscaler("shop", "copy", stage.least(), 10)
    made["metadata"]["annotations"] = dict(seen["metadata"]["annotations"])
    made["spec"]["scaleTargetRef"] = seen["spec"]["scaleTargetRef"]
    copy = stage.cluster.create(made)
    stage.others.append(copy)
    return copy


@pytest.mark.parametrize("first", ["the new one", "the deletion"])
async def test_an_autoscaler_renamed_with_our_marks_is_cleaned_and_is_its_peoples(first: str) -> None:
    """It ends: an endless release of what is gone would say all was well every round."""
    async with FloorStage() as stage:
        await stage.needs(6)
        copy = copied(stage)
        if first == "the new one":
            await stage.run(MINUTE)
        stage.cluster.delete(stage.hpa)
        await stage.run(5 * MINUTE)

        world = stage.cluster.look(copy)
        assert isinstance(world, World)
        assert not traces(world.object)
        assert world.object["spec"]["minReplicas"] == 6
        assert stage.said().reason in ("TakenBack", "Recreated")
        kinds = await stage.floor_kinds()
        await stage.run(20 * MINUTE)
        assert await stage.floor_kinds() == kinds


async def test_a_renamed_autoscaler_with_our_marks_is_cleaned_when_nobody_asks_for_a_floor() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        copy = copied(stage)
        stage.cluster.delete(stage.hpa)
        stage.unpolicy()
        await stage.run(2 * MINUTE)

        world = stage.cluster.look(copy)
        assert isinstance(world, World)
        assert not traces(world.object)
        kinds = await stage.floor_kinds()
        await stage.run(5 * MINUTE)
        assert await stage.floor_kinds() == kinds


async def test_a_floor_is_given_back_though_a_second_autoscaler_names_the_workload() -> None:
    async with FloorStage() as stage:
        await stage.needs(6)
        twin = autoscaler("shop", "a-twin", 1, 10)
        twin["spec"]["scaleTargetRef"] = stage.object()["spec"]["scaleTargetRef"]
        stage.others.append(stage.cluster.create(twin))
        await stage.run(MINUTE)
        assert stage.said().reason == "SeveralAutoscalers"
        assert stage.said().holds

        stage.unpolicy()
        await stage.run(MINUTE)

        assert clean(stage)
        assert stage.least() == 2
        assert stage.floor().held is None
