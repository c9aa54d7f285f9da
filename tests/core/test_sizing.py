"""Floors: what a pod bears, what a peak needs, where the floor stops, when it moves, and what bad data do to it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.sizing import (
    ENOUGH,
    Bounds,
    CannotSize,
    Capacity,
    Crowd,
    Object,
    Outlook,
    Rules,
    Standing,
    Wanted,
    bounds,
    needs,
    observed,
    quantity,
    recorded,
    size,
    unfit,
)
from detectors.results import Abstention, Forecast, Peak, Span
from remediations.memory import autoscaler

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULES = Rules(cap_share=0.8, hold=10 * MINUTE)
LEAD = timedelta(seconds=60)
FRESH = Standing()


def hpa(least: int = 2, most: int = 20, *metrics: dict[str, Any], now: dict[str, Any] | None = None) -> dict[str, Any]:
    found = autoscaler("shop", "checkout", least, most)
    if metrics:
        found["spec"]["metrics"] = list(metrics)
    found["status"] = now or {}
    return found


def forecast(peak: float, at: datetime = NOW) -> Forecast:
    span = Span(at - timedelta(days=14), at)
    bound = Peak(10 * MINUTE, 0.95, peak, peak, 2000)
    return Forecast(at, 5 * MINUTE, (0.5,), ((peak,),), bound, "profile/1", span)


def look(
    peak: float,
    *,
    standing: Standing = FRESH,
    scaler: Object | None = None,
    load: float | None = 10.0,
    per_pod: float = 10.0,
    unhealthy: str = "",
    now: datetime = NOW,
    abstains: str = "",
) -> tuple[Wanted | CannotSize, Standing]:
    outlook = Outlook(load, Abstention(abstains) if abstains else forecast(peak, now), LEAD, unhealthy)
    scaler = scaler or hpa()
    capacity = Capacity(per_pod * 3, 3.0, 3, "Resource:cpu") if per_pod else Capacity()
    return size(scaler, recorded(scaler), outlook, capacity, standing, RULES, now)


def floor_of(found: Wanted | CannotSize) -> Wanted:
    assert isinstance(found, Wanted), found
    return found


# What the autoscaler says


def resource(target: int, now: int | None) -> tuple[dict[str, Any], dict[str, Any]]:
    current = {} if now is None else {"averageUtilization": now, "averageValue": "300m"}
    return (
        {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}},
        },
        {"type": "Resource", "resource": {"name": "cpu", "current": current}},
    )


def external(target: str, now: str, kind: str = "AverageValue", name: str = "rps") -> tuple[dict[str, Any], ...]:
    key = "averageValue" if kind == "AverageValue" else "value"
    return (
        {"type": "External", "external": {"metric": {"name": name}, "target": {"type": kind, key: target}}},
        {"type": "External", "external": {"metric": {"name": name}, "current": {key: now}}},
    )


def pods(target: str, now: str) -> tuple[dict[str, Any], ...]:
    return (
        {
            "type": "Pods",
            "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": target}},
        },
        {"type": "Pods", "pods": {"metric": {"name": "queue"}, "current": {"averageValue": now}}},
    )


def of_object(target: str, now: str) -> tuple[dict[str, Any], ...]:
    described = {"apiVersion": "v1", "kind": "Service", "name": "front"}
    return (
        {
            "type": "Object",
            "object": {
                "describedObject": described,
                "metric": {"name": "hits"},
                "target": {"type": "Value", "value": target},
            },
        },
        {
            "type": "Object",
            "object": {"describedObject": described, "metric": {"name": "hits"}, "current": {"value": now}},
        },
    )


def container(target: int, now: int) -> tuple[dict[str, Any], ...]:
    named = {"name": "cpu", "container": "app"}
    return (
        {
            "type": "ContainerResource",
            "containerResource": {**named, "target": {"type": "Utilization", "averageUtilization": target}},
        },
        {"type": "ContainerResource", "containerResource": {**named, "current": {"averageUtilization": now}}},
    )


def measured(replicas: int, *pairs: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    spec, current = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return hpa(2, 20, *spec, now={"currentReplicas": replicas, "currentMetrics": current})


@pytest.mark.parametrize(
    ("pair", "replicas", "needed"),
    [
        (resource(60, 90), 4, 6.0),
        (resource(60, 30), 4, 2.0),
        (external("10", "25"), 4, 10.0),
        (external("100", "250", "Value"), 4, 10.0),
        (pods("500m", "1"), 3, 6.0),
        (of_object("2k", "3k"), 4, 6.0),
        (container(50, 75), 2, 3.0),
    ],
    ids=["utilization above", "utilization below", "external average", "external value", "pods", "object", "container"],
)
def test_a_metric_asks_for_what_the_autoscaler_would_ask_for(
    pair: tuple[dict[str, Any], ...], replicas: int, needed: float
) -> None:
    (need,) = needs(measured(replicas, pair))

    assert need.replicas == pytest.approx(needed)


def test_an_object_metric_per_pod_divides_the_total() -> None:
    pair = external("10", "0")
    pair[1]["external"]["current"] = {"value": "100"}

    (need,) = needs(measured(4, pair))

    assert need.replicas == pytest.approx(10.0)


def test_of_several_metrics_the_binding_one_counts() -> None:
    both = measured(4, resource(60, 30), external("10", "25"))

    capacity = observed(Capacity(), both, 500.0)

    assert capacity.metric == "External:rps"
    assert capacity.per_pod == pytest.approx(50.0)


def test_two_external_metrics_are_told_apart_by_name() -> None:
    both = measured(2, external("10", "5", name="a"), external("10", "20", name="b"))

    assert [need.replicas for need in needs(both)] == [1.0, 4.0]


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"currentReplicas": 4},
        {"currentReplicas": 4, "currentMetrics": [{"type": ""}]},
        {"currentReplicas": 0, "currentMetrics": [resource(60, 30)[1]]},
        {"currentReplicas": 4, "currentMetrics": [resource(60, None)[1]]},
        {"currentReplicas": 4, "currentMetrics": [resource(60, -5)[1]]},
        {"currentReplicas": 4, "currentMetrics": None},
    ],
    ids=["no status", "no metrics", "empty metric", "no replicas", "no value", "impossible", "null"],
)
def test_without_a_current_value_nothing_is_learnt(status: dict[str, Any]) -> None:
    scaler = hpa(2, 20, resource(60, None)[0], now=status)

    assert observed(Capacity(), scaler, 100.0) == Capacity()


def test_pods_that_are_just_starting_bear_nothing_yet() -> None:
    """A raised floor doubles the replicas before the new pods are ready: that must not look like twice the need."""
    scaler = measured(8, resource(60, 60))

    assert [need.replicas for need in needs(scaler, ready=4)] == [4.0]
    assert [need.replicas for need in needs(scaler)] == [8.0]
    assert needs(scaler, ready=0) == ()


def test_a_total_is_a_total_however_many_pods_are_ready() -> None:
    assert [need.replicas for need in needs(measured(8, external("10", "5")), ready=4)] == [4.0]


def test_an_autoscaler_that_cannot_compute_shows_old_values() -> None:
    scaler = measured(4, resource(60, 60))
    scaler["status"]["conditions"] = [{"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}]

    assert observed(Capacity(), scaler, 100.0) == Capacity()


def test_busy_moments_count_more_than_idle_ones() -> None:
    """Idle pods burn CPU too: at night one pod looks as if it could bear little."""
    capacity = Capacity()
    for utilization, load in ((12, 2.0), (60, 400.0)):
        capacity = observed(capacity, measured(4, resource(60, utilization)), load)

    assert capacity.per_pod == pytest.approx(402.0 / 4.8, rel=0.02)


def of_pods(replicas: int, used: int, desired: int | None = None) -> dict[str, Any]:
    """An autoscaler of so many pods, which used so much of a target of 60 % when it looked."""
    found = measured(replicas, resource(60, used))
    found["status"]["desiredReplicas"] = desired or replicas
    return found


def test_pods_that_have_just_come_do_not_make_a_pod_look_weak() -> None:
    """The pods of a floor are ready at once, the utilization is still that of the half before them: a floor learnt from
    that would be a third too high, and would ask for still more.
    """
    crowd, learnt = Crowd(4), Capacity()
    for minute, scaler, ready in (
        (0, of_pods(4, 60), 4), (1, of_pods(4, 60), 4), (2, of_pods(4, 60), 4), (3, of_pods(8, 60), 8),
        (4, of_pods(8, 35), 8), (6, of_pods(8, 30), 8), (7, of_pods(8, 30), 8),
    ):  # fmt: skip
        now = NOW + minute * MINUTE
        crowd = crowd.then(ready, now)
        learnt = observed(learnt, scaler, 200.0, ready, rests=crowd.rests(scaler, 2 * MINUTE, now))

    assert learnt.per_pod == pytest.approx(50.0)
    assert learnt.readings == 5


def test_a_total_is_learnt_from_while_pods_come_and_go() -> None:
    assert observed(Capacity(), measured(4, external("30", "45")), 180.0, 1, rests=False).per_pod == 30.0


@pytest.mark.parametrize(
    ("crowd", "scaler", "rests"),
    [
        (Crowd(100), of_pods(100, 60), True),
        (Crowd(100), of_pods(104, 60), True),
        (Crowd(100), of_pods(110, 60), False),
        (Crowd(100), of_pods(100, 60, 110), False),
        (Crowd(4), of_pods(5, 60), False),
        (Crowd(4, NOW - MINUTE), of_pods(4, 60), False),
        (Crowd(4, NOW - 2 * MINUTE), of_pods(4, 60), True),
    ],
    ids=[
        "the same",
        "about the same",
        "more that start",
        "more are asked for",
        "one of few",
        "since now",
        "a window ago",
    ],
)
def test_a_crowd_rests_when_a_window_has_seen_the_same_pods(crowd: Crowd, scaler: Object, rests: bool) -> None:
    assert crowd.rests(scaler, 2 * MINUTE, NOW) is rests


def test_a_crowd_that_grows_slowly_is_another_after_a_while() -> None:
    crowd = Crowd(100)
    for minute, ready in enumerate((102, 104, 106, 108)):
        crowd = crowd.then(ready, NOW + minute * MINUTE)

    assert crowd == Crowd(106, NOW + 2 * MINUTE)


@pytest.mark.parametrize("readings", range(1, ENOUGH))
def test_a_few_readings_are_not_believed_yet(readings: int) -> None:
    capacity = Capacity(50.0 * readings, float(readings), readings, "Resource:cpu")
    found, _ = size(hpa(), None, Outlook(10.0, forecast(100.0), LEAD), capacity, FRESH, RULES, NOW)

    assert isinstance(found, CannotSize)
    assert f"{readings} of {ENOUGH} readings" in found.reason


def test_an_old_capacity_fades() -> None:
    capacity = Capacity()
    for _ in range(200):
        capacity = observed(capacity, measured(4, resource(60, 60)), 400.0)
    for _ in range(200):
        capacity = observed(capacity, measured(4, resource(60, 60)), 200.0)

    assert capacity.per_pod == pytest.approx(50.0, rel=0.1)


@pytest.mark.parametrize("text", ["", "abc", None, [], True, "1e400", float("nan")])
def test_what_is_no_quantity_is_none(text: object) -> None:
    assert quantity(text) is None


# Whose autoscaler


def test_without_an_autoscaler_there_is_nothing_to_hold() -> None:
    assert unfit([]) == CannotSize("no HorizontalPodAutoscaler scales it", "NoAutoscaler")


def test_of_two_autoscalers_none_is_chosen() -> None:
    found = unfit([autoscaler("shop", "b"), autoscaler("shop", "a")])

    assert isinstance(found, CannotSize)
    assert found.reason.endswith("a, b")


def test_an_autoscaler_of_keda_is_left_alone() -> None:
    owned = hpa()
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "checkout", "uid": "u", "controller": True}
    ]
    found = unfit([owned])

    assert isinstance(found, CannotSize)
    assert found.code == "AutoscalerControlled"
    assert "ScaledObject/checkout" in found.reason


# The floor


def test_the_floor_bears_the_peak() -> None:
    floor = floor_of(look(95.0)[0])

    assert floor == Wanted(
        10, 95.0, 10.0, LEAD, 0.95, NOW + 10 * MINUTE, 16, False, ("a peak of 95 at 10 per pod needs 10",)
    )


def test_a_peak_that_fits_exactly_needs_no_further_pod() -> None:
    assert floor_of(look(70.0)[0]).replicas == 7


def test_a_load_above_the_forecast_counts() -> None:
    floor = floor_of(look(40.0, load=95.0)[0])

    assert floor.replicas == 10
    assert any("already above" in reason for reason in floor.reasons)


def test_the_floor_is_never_below_the_minimum_of_its_people() -> None:
    assert floor_of(look(5.0, scaler=hpa(4, 20))[0]).replicas == 4


def held(floor: int, was: int, most: int = 20) -> dict[str, Any]:
    """An autoscaler whose minimum we hold."""
    found = hpa(floor, most)
    found["metadata"]["annotations"] = {"trimtab.dev/floor": str(floor), "trimtab.dev/floor-was": str(was)}
    fields: dict[str, Any] = {"f:spec": {"f:minReplicas": {}}}
    found["metadata"]["managedFields"] = [
        {"manager": "trimtab-floor", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields}
    ]
    return found


def test_the_minimum_of_its_people_is_the_recorded_one_while_we_hold_the_field() -> None:
    scaler = held(9, was=3)

    assert recorded(scaler) == 3
    assert bounds(scaler, recorded(scaler)) == Bounds(3, 20)


def test_the_floor_stops_at_the_cap_and_says_why() -> None:
    floor = floor_of(look(500.0)[0])

    assert (floor.replicas, floor.cap, floor.capped) == (16, 16, True)
    assert "80% of maxReplicas 20" in floor.reasons[-1]


@pytest.mark.parametrize(("least", "most", "cap"), [(1, 1, 1), (1, 2, 1), (5, 5, 5), (9, 10, 9), (1, 10, 8), (0, 3, 2)])
def test_the_cap_leaves_room_below_the_maximum_but_not_under_the_minimum(least: int, most: int, cap: int) -> None:
    assert Bounds(least, most).cap(0.8) == cap


# When it moves


def run(*needed: tuple[float, int]) -> list[int]:
    """Floors for (minutes, pods needed) one after the other."""
    standing, found = Standing(), []
    for minutes, pods_needed in needed:
        floor, standing = look(10.0 * pods_needed, standing=standing, now=NOW + minutes * MINUTE)
        found.append(floor_of(floor).replicas)
    return found


def test_a_floor_rises_at_once_and_falls_after_the_hold() -> None:
    assert run((0, 5), (1, 9), (2, 4), (11, 4), (12, 4), (13, 4)) == [5, 9, 9, 9, 4, 4]


def test_it_falls_to_the_most_that_was_needed_meanwhile() -> None:
    assert run((0, 9), (1, 4), (5, 7), (8, 3), (11, 3)) == [9, 9, 9, 9, 7]


def test_a_need_in_between_starts_the_hold_again() -> None:
    assert run((0, 9), (1, 4), (9, 9), (11, 4), (20, 4), (21, 4)) == [9, 9, 9, 9, 9, 4]


@given(st.lists(st.integers(1, 16), min_size=2, max_size=60))
def test_a_floor_is_always_enough_and_never_moves_down_within_the_hold(needed: list[int]) -> None:
    floors = run(*enumerate(needed))

    assert all(floor >= need for floor, need in zip(floors, needed, strict=True))
    downs = [i for i in range(1, len(floors)) if floors[i] < floors[i - 1]]
    assert all(later - earlier >= 10 for earlier, later in pairwise(downs))


def test_after_a_start_a_floor_of_ours_falls_only_after_the_hold() -> None:
    scaler = held(9, was=2)
    first, standing = look(40.0, scaler=scaler)
    later, _ = look(40.0, scaler=scaler, standing=standing, now=NOW + 10 * MINUTE)

    assert floor_of(first).replicas == 9
    assert floor_of(later).replicas == 4


# Bad data


BAD: dict[str, dict[str, Any]] = {
    "unhealthy": {"unhealthy": "data stale", "load": None},
    "unhealthy with a value": {"unhealthy": "data partial"},
    "no load": {"load": None},
    "no forecast": {"abstains": "too little"},
    "no capacity": {"per_pod": 0.0},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_data_keep_the_last_good_floor(bad: dict[str, Any]) -> None:
    """However long they last, whatever they claim."""
    _, standing = look(90.0)
    for minutes in (1, 11, 600):
        floor, standing = look(5.0, standing=standing, now=NOW + minutes * MINUTE, **bad)
        assert floor_of(floor).replicas == 9
        assert "keeps the last good floor" in floor_of(floor).reasons[0]


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_data_from_the_start_give_no_floor(bad: dict[str, Any]) -> None:
    found, _ = look(90.0, **bad)

    assert isinstance(found, CannotSize)
    assert found.code == "NoForecast"


def test_a_hold_does_not_run_on_while_data_are_bad() -> None:
    """Nine minutes of good data, an hour of none, a minute of good data: that is no hold of ten minutes."""
    _, standing = look(90.0)
    _, standing = look(40.0, standing=standing, now=NOW + 1 * MINUTE)
    _, standing = look(40.0, standing=standing, now=NOW + 60 * MINUTE, unhealthy="data stale")
    floor, _ = look(40.0, standing=standing, now=NOW + 61 * MINUTE)

    assert floor_of(floor).replicas == 9


def test_a_kept_floor_obeys_a_maximum_that_came_down() -> None:
    _, standing = look(120.0)
    floor, _ = look(0.0, standing=standing, scaler=hpa(2, 10), unhealthy="data stale")

    assert floor_of(floor).replicas == 8


@given(
    st.floats(0, 1e12),
    st.one_of(st.none(), st.floats(0, 1e12)),
    st.floats(1e-9, 1e9),
    st.integers(0, 50),
    st.integers(1, 100),
    st.booleans(),
)
def test_a_floor_is_always_within_its_bounds(
    peak: float, load: float | None, per_pod: float, least: int, more: int, bad: bool
) -> None:
    scaler = hpa(least, least + more)
    found, _ = look(peak, load=load, per_pod=per_pod, scaler=scaler, unhealthy="bad" if bad else "")

    if isinstance(found, Wanted):
        assert least <= found.replicas <= max(least, 1, found.cap) <= least + more


@given(st.floats(0.1, 1000), st.floats(0.1, 1000))
def test_more_load_never_means_a_lower_floor(one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert floor_of(look(low)[0]).replicas <= floor_of(look(high)[0]).replicas


def test_standing_carries_no_reason_of_a_hold_into_the_next_look() -> None:
    _, standing = look(90.0)
    for minutes in (1, 2, 3):
        floor, standing = look(40.0, standing=standing, now=NOW + minutes * MINUTE)
        assert sum("stays at" in reason for reason in floor_of(floor).reasons) == 1
    assert standing.wanted is not None
    assert replace(standing.wanted, reasons=()).replicas == 9
