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


FREE = Floor(SHOP)
OBSERVE, OFF = replace(POLICY, scaling=ScalingMode.OBSERVE), replace(POLICY, scaling=ScalingMode.OFF)
SIX, NONE = Asked(wanted(6)), Asked()
OLD = {**plain(), "metadata": {**plain()["metadata"], "uid": "old"}}
LEFT = "what a floor of ours left behind"

TABLE: dict[str, tuple[Floor, Policy, list[Object], Asked, Course | type]] = {
    "free, more is needed": (FREE, POLICY, [plain()], SIX, Move(6, 2, takes=True)),
    "free, its own minimum is enough": (FREE, POLICY, [plain(6)], SIX, Rest),
    "free, no number": (FREE, POLICY, [plain()], NONE, Rest),
    "free, capped": (FREE, POLICY, [plain()], Asked(wanted(50)), Move(8, 2, takes=True)),
    "free, another cap": (FREE, POLICY, [plain()], Asked(wanted(50), share=0.5), Move(5, 2, takes=True)),
    "no autoscaler": (FREE, POLICY, [], SIX, Rest),
    "several autoscalers": (FREE, POLICY, [plain(), plain()], SIX, Rest),
    "controlled": (FREE, POLICY, [owned(plain())], SIX, Rest),
    "observing": (FREE, OBSERVE, [plain()], SIX, Would(6, 2)),
    "observing, no number": (FREE, OBSERVE, [plain()], Asked(CannotSize("no history", "NoForecast")), Rest),
    "off": (FREE, OFF, [plain()], SIX, Rest),
    "held, as needed": (held(6), POLICY, [under(6)], SIX, Rest),
    "held, more is needed": (held(6), POLICY, [under(6)], Asked(wanted(8)), Move(8, 2, takes=False)),
    "held, less is needed": (held(6), POLICY, [under(6)], Asked(wanted(3)), Move(3, 2, takes=False)),
    "held, nothing is needed": (held(6), POLICY, [under(6)], Asked(wanted(1)), Move(2, 2, takes=False)),
    "held, less on bad data": (held(6), POLICY, [under(6)], Asked(wanted(3), "stale"), Rest),
    "held, no number": (held(6), POLICY, [under(6)], NONE, Rest),
    "held, controlled by now": (held(6), POLICY, [owned(under(6))], Asked(wanted(8)), Rest),
    "held, taken back": (held(6), POLICY, [written(under(6), 3)], SIX, End("TakenBack", "helm")),
    "held, marks gone": (held(6), POLICY, [plain(6)], SIX, End("TakenBack", "kubectl")),
    "held, made anew": (held(6, OLD), POLICY, [plain()], SIX, End("Recreated", "its deletion")),
    "held, autoscaler gone": (held(6), POLICY, [], SIX, Forget("Gone", "the autoscaler checkout is gone")),
    "held, mode off": (held(6), OFF, [under(6)], SIX, GiveBack("NotAsked", "mode Off")),
    "held, mode observe": (held(6), OBSERVE, [under(6)], SIX, GiveBack("NotAsked", "mode Observe")),
    "held in the log only, mode off": (held(6), OFF, [plain()], SIX, Forget("NotAsked", "mode Off")),
    "marked, unknown to the log, no policy": (FREE, OBSERVE, [under(6)], SIX, GiveBack("NotAsked", "mode Observe")),
    "marked, unknown to the log, wanted": (FREE, POLICY, [under(6)], SIX, Adopt()),
    "marked, controlled, not asked": (FREE, OFF, [owned(under(6))], SIX, Rest),
    "ended, marks left": (ended(), POLICY, [written(under(6), 3)], SIX, GiveBack("TakenBack", LEFT)),
    "ended, clean": (ended(), POLICY, [plain(3)], SIX, Rest),
    "ended, policy edited": (ended(), replace(POLICY, name="shop/checkout@4"), [plain(3)], SIX, Move(6, 3, takes=True)),
    "ended, mode off": (ended(), OFF, [plain(3)], SIX, Forget("NotAsked", "mode Off")),
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


def test_applied_ends_the_intent_of_its_key_only() -> None:
    floor = evolve(held(6), Intended(NOW, "k", "", 0, 1, 1, undo=True))

    assert evolve(floor, Applied(NOW, "other", "7")).intent is not None
    assert evolve(floor, Applied(NOW, "k", "7")).intent is None
