"""What a raised floor was worth: a verdict from looks at load and ready pods."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.bearing import Look, Seen, judged, seen
from controller.core.events import Bearing, FloorEnded, FloorHeld, FloorJudged, FloorProposed
from controller.core.floor import Floor, Raised, accept, evolve
from detectors.series import Workload

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
SHOP = Workload("shop", "Deployment", "checkout")
HPA = Workload("shop", "HorizontalPodAutoscaler", "checkout", "autoscaling/v2")
RAISED = Raised(NOW, NOW + timedelta(minutes=8), replicas=6, was=2, bound=420.0, per_pod=70.0)


def looks(*loads_and_ready: tuple[float, int], raised: Raised = RAISED) -> Seen | None:
    """One look a minute from the raise on: load and ready pods."""
    found: Seen | None = None
    for minute, (load, ready) in enumerate(loads_and_ready):
        found = seen(found, raised, Look(NOW + timedelta(minutes=minute), load, 70.0, ready))
    return found


def verdict(*loads_and_ready: tuple[float, int]) -> FloorJudged:
    return judged(SHOP, RAISED, looks(*loads_and_ready), RAISED.until)


CASES: dict[str, tuple[list[tuple[float, int]], Bearing]] = {
    "pods before the load": ([(140, 2), (140, 6), (200, 6), (300, 6), (400, 6), (390, 6)], Bearing.IN_TIME),
    "within the autoscaler's tolerance": ([(145, 2), (150, 2), (150, 6), (300, 6), (400, 6)], Bearing.IN_TIME),
    "pods after the load": ([(140, 2), (200, 2), (300, 2), (400, 2), (400, 6)], Bearing.LATE),
    "one pod missing at the peak": ([(140, 2), (140, 5), (300, 5), (420, 5), (300, 6)], Bearing.LATE),
    "beyond the bound": ([(140, 2), (140, 6), (300, 6), (400, 6), (421, 7)], Bearing.EXCEEDED),
    "no load came": ([(140, 2), (140, 6), (130, 6), (120, 6), (100, 6)], Bearing.NOT_NEEDED),
    "looked at in the beginning only": ([(140, 2), (140, 6), (140, 6)], Bearing.UNKNOWN),
    "never looked at": ([], Bearing.UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_raised_floor_is_worth_the_pods_that_stood_when_the_load_needed_them(name: str) -> None:
    told, expected = CASES[name]

    assert verdict(*told).bearing is expected


def test_a_verdict_carries_its_evidence() -> None:
    found = verdict((140, 2), (140, 6), (300, 6), (400, 6), (390, 6))

    assert (found.peak, found.peak_at) == (400.0, NOW + timedelta(minutes=3))
    assert (found.ready_at, found.missing, found.looks) == (NOW + timedelta(minutes=1), 0, 5)
    assert (found.replicas, found.was, found.bound) == (6, 2, 420.0)


def test_what_came_before_the_raise_after_its_time_or_twice_is_no_look() -> None:
    once = looks((140, 2))

    for at in (NOW - timedelta(seconds=1), NOW, RAISED.until + timedelta(seconds=1)):
        assert seen(once, RAISED, Look(at, 9000.0, 70.0, 0)) == once


def test_the_looks_at_one_floor_say_nothing_of_the_next() -> None:
    later = replace(RAISED, since=NOW + timedelta(hours=1), until=NOW + timedelta(hours=2))

    assert judged(SHOP, later, looks((140, 2), (140, 6), (300, 6), (400, 6), (390, 6)), later.until).looks == 0


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(0, 12)), max_size=9))
def test_in_time_never_hides_a_missing_pod_or_a_load_beyond_the_bound(told: list[tuple[float, int]]) -> None:
    found = verdict(*told)

    if found.bearing is Bearing.IN_TIME:
        assert found.missing == 0
        assert found.peak is not None
        assert found.peak <= RAISED.bound


# The fold


def raised(floor: Floor, replicas: int, minutes: int = 0, bound: float = 420.0) -> Floor:
    """The floor proposed for eight minutes from then, and held."""
    at = NOW + timedelta(minutes=minutes)
    until = at + timedelta(minutes=8)
    proposed = FloorProposed(at, SHOP, HPA, "shop/checkout@3", replicas, 2, peak=bound, per_pod=70.0, until=until)
    held = FloorHeld(at, SHOP, HPA, "uid", "shop/checkout@3", replicas, 2, "kubectl")
    return evolve(evolve(floor, proposed), held)


def test_a_raise_waits_for_its_verdict_and_gets_one() -> None:
    floor = raised(Floor(SHOP), 6)
    assert floor.raised == RAISED

    told = judged(SHOP, RAISED, None, NOW)
    assert accept(floor, told) is None
    after = evolve(floor, told)
    assert after.raised is None
    assert accept(after, told) is not None


def test_raises_within_the_time_of_one_are_judged_together() -> None:
    floor = raised(raised(Floor(SHOP), 6), 8, minutes=5, bound=560.0)

    assert floor.raised == Raised(NOW, NOW + timedelta(minutes=13), 8, 2, 560.0, 70.0)


def test_a_floor_that_is_lowered_is_still_judged_for_what_it_was_raised_for() -> None:
    assert raised(raised(Floor(SHOP), 6), 3, minutes=5, bound=200.0).raised == RAISED


def test_a_floor_that_somebody_took_or_that_was_found_is_not_judged() -> None:
    ended = FloorEnded(NOW, SHOP, "shop/checkout@3", "TakenBack", "helm", 6)
    found = FloorHeld(NOW, SHOP, HPA, "uid", "shop/checkout@3", 6, 2, "kubectl", found=True)

    assert evolve(raised(Floor(SHOP), 6), ended).raised is None
    assert evolve(Floor(SHOP), found).raised is None
