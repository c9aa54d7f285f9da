"""What is to be done about a floor, as a table; and the fold of its events."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.events import (
    Applied,
    Claimed,
    Decided,
    Event,
    FloorEnded,
    FloorHeld,
    FloorProposed,
    FloorReleased,
    Intended,
    NotApplied,
)
from controller.core.floor import FIRST_REST, LONGEST_REST, Floor, accept, evolve
from controller.core.manners import Adopt, Asked, Course, End, Forget, GiveBack, Move, Rest, Would, course
from controller.core.policy import Policy, ScalingMode
from controller.core.routes import Route
from controller.core.sizing import CannotSize, Wanted
from detectors.series import Workload
from remediations.fields import Taken, applied_by
from remediations.floor import FLOOR, FOR, LEAST, MANAGER, OWNER, WAS, marked
from remediations.memory import MemoryCluster, autoscaler
from remediations.plan import PatchOp
from tests.core.strategies import EVENTS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SHOP = Workload("shop", "Deployment", "checkout")
HPA = Workload("shop", "HorizontalPodAutoscaler", "checkout", "autoscaling/v2")
POLICY = Policy(name="shop/checkout@3", scaling=ScalingMode.FLOOR)

Object = Mapping[str, Any]


def plain(least: int = 2, most: int = 10) -> Object:
    """An autoscaler as its people wrote it."""
    cluster = MemoryCluster(lambda: NOW)
    world = cluster.look(cluster.create(autoscaler("shop", "checkout", least, most)))
    return world.object  # type: ignore[union-attr]  # it is there


def marks(number: int, was: int = 2) -> tuple[PatchOp, ...]:
    values = {FLOOR: str(number), WAS: str(was), OWNER: "kubectl", FOR: POLICY.name}
    return (PatchOp("add", LEAST, number), *(PatchOp("add", marked(name), text) for name, text in values.items()))


def under(number: int, obj: Object | None = None) -> Object:
    """The same with a floor of ours."""
    made = applied_by(obj or plain(), marks(number), MANAGER, NOW, force=True)
    assert not isinstance(made, Taken)
    return made


def written(obj: Object, least: int) -> Object:
    """Somebody else's minimum over it."""
    made = applied_by(obj, [PatchOp("add", LEAST, least)], "helm", NOW, force=True)
    assert not isinstance(made, Taken)
    return made


def owned(obj: Object) -> Object:
    """Something controls it."""
    made = copy.deepcopy(dict(obj))
    owner = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "name": "checkout",
        "uid": "k",
        "controller": True,
    }
    made["metadata"] = {**made["metadata"], "ownerReferences": [owner]}
    return made


def wanted(replicas: int) -> Wanted:
    return Wanted(replicas, 100.0, 20.0, timedelta(minutes=1), 0.9, NOW + timedelta(hours=1), 8, capped=False)


def held(number: int, obj: Object | None = None) -> Floor:
    uid = str((obj or plain())["metadata"]["uid"])
    return evolve(Floor(SHOP), FloorHeld(NOW, SHOP, HPA, uid, POLICY.name, number, 2, "kubectl"))


def ended() -> Floor:
    return evolve(held(6), FloorEnded(NOW, SHOP, POLICY.name, "TakenBack", "helm", 6))


def shared(obj: Object) -> Object:
    """Somebody applies the number that stands there."""
    made = applied_by(obj, [PatchOp("add", LEAST, obj["spec"]["minReplicas"])], "flux", NOW, force=False)
    assert not isinstance(made, Taken)
    return made


def copied(obj: Object) -> Object:
    """Applied under another name, as `kubectl get -o yaml` showed it: with our annotations, and no field of ours."""
    fresh = plain(obj["spec"]["minReplicas"])
    metadata = {**fresh["metadata"], "name": "copy", "uid": "copy", "annotations": obj["metadata"]["annotations"]}
    return {**fresh, "metadata": metadata}


def gone() -> Floor:
    return evolve(held(6), FloorReleased(NOW, SHOP, "Gone", "the autoscaler is gone"))


FREE = Floor(SHOP)
COPY = replace(HPA, name="copy")
OBSERVE, OFF = replace(POLICY, scaling=ScalingMode.OBSERVE), replace(POLICY, scaling=ScalingMode.OFF)
SIX, NONE = Asked(wanted(6)), Asked()
TWIN = {**plain(), "metadata": {**plain()["metadata"], "name": "twin", "uid": "twin"}}
OLD = {**plain(), "metadata": {**plain()["metadata"], "uid": "old"}}
LEFT = "what a floor of ours left behind"
TAKEN, EDITED = written(under(6), 3), replace(POLICY, name="shop/checkout@4")
BACK_OFF, BACK_OBSERVE = GiveBack(HPA, "NotAsked", "mode Off"), GiveBack(HPA, "NotAsked", "mode Observe")
BACK_LEFT, FORGET_OFF = GiveBack(HPA, "TakenBack", LEFT), Forget(HPA, "NotAsked", "mode Off")
GONE = Forget(HPA, "Gone", "the autoscaler checkout is gone")

TABLE: dict[str, tuple[Floor, Policy, list[Object], Asked, Course | type]] = {
    "free, more is needed": (FREE, POLICY, [plain()], SIX, Move(HPA, 6, 2, takes=True)),
    "free, its own minimum is enough": (FREE, POLICY, [plain(6)], SIX, Rest),
    "free, no number": (FREE, POLICY, [plain()], NONE, Rest),
    "free, capped": (FREE, POLICY, [plain()], Asked(wanted(50)), Move(HPA, 8, 2, takes=True)),
    "free, another cap": (FREE, POLICY, [plain()], Asked(wanted(50), share=0.5), Move(HPA, 5, 2, takes=True)),
    "no autoscaler": (FREE, POLICY, [], SIX, Rest),
    "several autoscalers": (FREE, POLICY, [plain(), plain()], SIX, Rest),
    "several autoscalers, one was held and is gone": (held(6, OLD), POLICY, [plain(), TWIN], SIX, GONE),
    "several autoscalers, one is held": (held(6), POLICY, [TWIN, under(6)], Asked(wanted(8)), Rest),
    "several autoscalers, the held one taken": (held(6), POLICY, [TWIN, TAKEN], SIX, End(HPA, "TakenBack", "helm")),
    "several autoscalers, one with marks left": (ended(), POLICY, [TWIN, TAKEN], SIX, BACK_LEFT),
    "several autoscalers, observing": (FREE, OBSERVE, [plain(), TWIN], SIX, Rest),
    "several autoscalers, held, mode observe": (held(6), OBSERVE, [TWIN, under(6)], SIX, BACK_OBSERVE),
    "several autoscalers, held in the log only, mode off": (held(6), OFF, [plain(), TWIN], SIX, FORGET_OFF),
    "held, shared at its own number": (held(6), POLICY, [shared(under(6))], SIX, End(HPA, "TakenBack", "flux")),
    "shared at its own number, not asked": (FREE, OFF, [shared(under(6))], SIX, BACK_OFF),
    "renamed with its marks": (gone(), POLICY, [copied(under(6))], SIX, End(COPY, "TakenBack", "kubectl")),
    "renamed with its marks, and known": (ended(), POLICY, [copied(under(6))], SIX, GiveBack(COPY, "TakenBack", LEFT)),
    "renamed with its marks, not asked": (held(6), OFF, [copied(under(6))], SIX, replace(BACK_OFF, target=COPY)),
    "controlled": (FREE, POLICY, [owned(plain())], SIX, Rest),
    "observing": (FREE, OBSERVE, [plain()], SIX, Would(HPA, 6, 2)),
    "observing, no number": (FREE, OBSERVE, [plain()], Asked(CannotSize("no history", "NoForecast")), Rest),
    "off": (FREE, OFF, [plain()], SIX, Rest),
    "held, as needed": (held(6), POLICY, [under(6)], SIX, Rest),
    "held, more is needed": (held(6), POLICY, [under(6)], Asked(wanted(8)), Move(HPA, 8, 2, takes=False)),
    "held, less is needed": (held(6), POLICY, [under(6)], Asked(wanted(3)), Move(HPA, 3, 2, takes=False)),
    "held, nothing is needed": (held(6), POLICY, [under(6)], Asked(wanted(1)), Move(HPA, 2, 2, takes=False)),
    "held, less on bad data": (held(6), POLICY, [under(6)], Asked(wanted(3), "stale"), Rest),
    "held, no number": (held(6), POLICY, [under(6)], NONE, Rest),
    "held, controlled by now": (held(6), POLICY, [owned(under(6))], Asked(wanted(8)), Rest),
    "held, taken back": (held(6), POLICY, [TAKEN], SIX, End(HPA, "TakenBack", "helm")),
    "held, marks gone": (held(6), POLICY, [plain(6)], SIX, End(HPA, "TakenBack", "kubectl")),
    "held, made anew": (held(6, OLD), POLICY, [plain()], SIX, End(HPA, "Recreated", "its deletion")),
    "held, autoscaler gone": (held(6), POLICY, [], SIX, GONE),
    "held, mode off": (held(6), OFF, [under(6)], SIX, BACK_OFF),
    "held, mode observe": (held(6), OBSERVE, [under(6)], SIX, BACK_OBSERVE),
    "held in the log only, mode off": (held(6), OFF, [plain()], SIX, FORGET_OFF),
    "marked, unknown to the log, no policy": (FREE, OBSERVE, [under(6)], SIX, BACK_OBSERVE),
    "marked, unknown to the log, wanted": (FREE, POLICY, [under(6)], SIX, Adopt(HPA)),
    "marked, controlled, not asked": (FREE, OFF, [owned(under(6))], SIX, Rest),
    "ended, marks left": (ended(), POLICY, [TAKEN], SIX, BACK_LEFT),
    "ended, clean": (ended(), POLICY, [plain(3)], SIX, Rest),
    "ended, policy edited": (ended(), EDITED, [plain(3)], SIX, Move(HPA, 6, 3, takes=True)),
    "ended, mode off": (ended(), OFF, [plain(3)], SIX, FORGET_OFF),
    "held, policies unknown": (held(6), replace(OBSERVE, known=False), [under(6)], SIX, Rest),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_every_state_of_the_world_has_one_course(name: str) -> None:
    floor, policy, autoscalers, asked, expected = TABLE[name]

    found = course(floor, policy, autoscalers, asked)

    assert found == expected if not isinstance(expected, type) else isinstance(found, expected)


@given(needed=st.integers(0, 100), least=st.integers(1, 10), more=st.integers(0, 30), share=st.floats(0.05, 1.0))
def test_a_floor_lies_between_the_minimum_of_its_people_and_the_cap(
    needed: int, least: int, more: int, share: float
) -> None:
    found = course(FREE, POLICY, [plain(least, least + more)], Asked(wanted(needed), share=share))

    if isinstance(found, Move):
        assert least < found.replicas <= share * (least + more) + 1e-9


@given(st.lists(EVENTS, max_size=8))
def test_stored_events_never_make_the_fold_raise(events: list[Event]) -> None:
    floor = FREE
    for event in events:
        floor = evolve(floor, event)
    assert floor.workload == SHOP


def test_taken_once_for_a_generation_and_never_a_second_time() -> None:
    proposed = FloorProposed(NOW, SHOP, HPA, POLICY.name, 6, 2, True)
    floor = evolve(ended(), proposed)

    assert accept(floor, Intended(NOW, "k", "d", 0, 1, 1)) == "the plan is not the current one"
    assert floor.taken_for == POLICY.name


def test_a_write_that_is_open_lets_nothing_else_begin() -> None:
    floor = evolve(held(6), Intended(NOW, "k", "", 0, 1, 1, undo=True))

    assert accept(floor, Intended(NOW, "l", "", 0, 1, 1, undo=True)) == "another write is not settled yet"
    assert accept(floor, FloorProposed(NOW, SHOP, HPA, POLICY.name, 6, 2)) == "a write is not settled yet"
    assert accept(floor, Claimed(NOW, "l", 1, "7")) == "that write is not open"
    assert accept(floor, Claimed(NOW, "k", 0, "7")) == "a newer leader has it"
    assert accept(floor, Claimed(NOW, "k", 1, "7")) is None


def test_nothing_is_written_that_the_gate_did_not_open_for() -> None:
    floor = evolve(FREE, FloorProposed(NOW, SHOP, HPA, POLICY.name, 6, 2, True))
    waits = evolve(floor, Decided(NOW, "d", Route.WAIT, ()))

    for state in (FREE, floor, waits):
        assert accept(state, Intended(NOW, "k", "d", 0, 1, 1)) is not None


def test_writes_that_fail_are_tried_ever_later_and_success_forgets_them() -> None:
    floor, pauses = held(6), []
    for number in range(8):
        key = f"k{number}"
        floor = evolve(
            evolve(floor, Intended(NOW, key, "", 0, 1, 1, undo=True)), NotApplied(NOW, key, "Forbidden", "no")
        )
        assert floor.resting_until is not None
        pauses.append(floor.resting_until - NOW)

    assert pauses[0] == FIRST_REST
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_REST
    assert evolve(floor, FloorReleased(NOW, SHOP, "NotAsked", "")).resting_until is None


def test_an_autoscaler_that_is_gone_is_no_success_of_a_write() -> None:
    floor = evolve(evolve(held(6), Intended(NOW, "k", "", 0, 1, 1, undo=True)), NotApplied(NOW, "k", "gone", "gone"))

    assert evolve(floor, FloorReleased(NOW, SHOP, "Gone", "the autoscaler is gone")).resting_until is not None


def test_a_release_is_of_the_autoscaler_that_it_names() -> None:
    named = Intended(NOW, "k", "", 0, 1, 1, undo=True, before={"reason": "left", "autoscaler": "copy"})

    assert evolve(held(6), named).autoscaler == COPY
    assert evolve(held(6), replace(named, before={"reason": "left"})).autoscaler == HPA


def test_applied_ends_the_intent_of_its_key_only() -> None:
    floor = evolve(held(6), Intended(NOW, "k", "", 0, 1, 1, undo=True))

    assert evolve(floor, Applied(NOW, "other", "7")).intent is not None
    assert evolve(floor, Applied(NOW, "k", "7")).intent is None
