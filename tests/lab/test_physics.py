"""The physics: nothing is lost, queues follow the fluid law, costs follow the work, load knows nothing of the fleet."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.lab.fleet import Fleet, Phase
from controller.lab.flow import Flow, Ground, Tick
from controller.lab.lab import Lab
from controller.lab.latency import EDGES, Floats, mean, phi, shares
from controller.lab.load import SLOT, Offered
from controller.lab.scenario import Scenario
from remediations.plan import PatchOp
from tests.lab.playing import BEGIN, go, lab, scenario, web, workload


def ground(services: int, nodes: int = 1, **said: Any) -> Ground:
    plain: dict[str, Any] = {
        "surge": np.ones(services),
        "retries": np.zeros(services),
        "patience": np.full(services, np.inf),
        "failing": np.zeros(services),
        "delay": np.zeros(services),
        "leak": np.zeros(services),
        "leak_spread": np.zeros(services),
        "leak_most": np.full(services, np.inf),
        "disk": np.zeros(services),
        "disk_failing": np.zeros(services),
        "disk_room": np.full(services, 1e9),
        "node_cores": np.full(nodes, 1e6),
        "node_noise": np.zeros(nodes),
        "node_dead": np.zeros(nodes + 1, np.bool_),
    }
    return Ground(**{**plain, **said})


def fleet(*pods: tuple[int, float], timeout: float = 10.0) -> Fleet:
    """Ready pods on one node: (service, requests per second)."""
    made = Fleet(4)
    for service, capacity in pods:
        place = made.take()
        made.phase[place], made.service[place], made.node[place] = Phase.READY, service, 0
        made.capacity[place], made.concurrency[place], made.cpu_each[place] = capacity, 1e6, 0.01
        made.timeout[place] = timeout
        made.median[place], made.sigma[place] = 0.04, 0.5
        made.slow_median[place], made.slow_sigma[place] = 0.2, 0.5
        made.service_time[place] = 0.045
    return made


ONE = scenario(web())
CHAIN = scenario(
    web(calls=[{"to": "store", "per": 2.0}]),
    {"name": "store", "calls": [{"to": "disk"}]},
    {"name": "disk"},
)


def ticks(flow: Flow, on: Fleet, floor: Ground, offered: Floats, count: int, dt: float = 5.0) -> list[Tick]:
    drawing = np.random.default_rng(1)
    return [flow.tick(on, floor, offered, dt, drawing) for _ in range(count)]


def test_the_queue_follows_the_fluid_law_until_its_bound() -> None:
    on = fleet((0, 50.0))
    flow, queues = Flow(ONE), []
    for _ in range(5):
        ticks(flow, on, ground(1), np.array([70.0]), 1)
        queues.append(float(on.queue[0]))

    assert queues == pytest.approx([100.0, 200.0, 300.0, 400.0, 500.0]), "Q + λdt − μdt"
    late = ticks(flow, on, ground(1), np.array([70.0]), 1)[0]
    assert on.queue[0] == pytest.approx(500.0), "at most ten seconds of wait"
    assert late.failed[0] == pytest.approx(100.0), "the rest times out"
    ticks(flow, on, ground(1), np.array([0.0]), 2)
    assert on.queue[0] == 0.0


def test_work_costs_cpu_and_an_idle_fleet_costs_what_idling_costs() -> None:
    on = fleet((0, 50.0), (0, 50.0))
    on.cpu_idle[:2] = 0.02
    tick = ticks(Flow(ONE), on, ground(1), np.array([40.0]), 1)[0]

    assert tick.cpu[0] == pytest.approx(40 * 5 * 0.01 + 2 * 5 * 0.02)


def test_a_full_node_shares_its_cores_out() -> None:
    on = fleet((0, 50.0), (0, 50.0))
    scarce = ground(1, node_cores=np.array([0.5]))
    tick = ticks(Flow(ONE), on, scarce, np.array([100.0]), 1)[0]

    assert tick.cpu[0] / 5 == pytest.approx(0.5)
    assert tick.arrived[0] - tick.answered[0] == pytest.approx(250.0), "half of the load waits"


def test_callers_pass_load_down_in_the_same_tick_as_far_as_they_are_served() -> None:
    on = fleet((0, 50.0), (1, 1000.0), (2, 1000.0))
    calm, busy = Flow(CHAIN), Flow(CHAIN)

    assert ticks(calm, on, ground(3), np.array([30.0, 0.0, 0.0]), 1)[0].arrived / 5 == pytest.approx([30, 60, 60])
    on = fleet((0, 50.0), (1, 1000.0), (2, 1000.0))
    assert ticks(busy, on, ground(3), np.array([80.0, 0.0, 0.0]), 1)[0].arrived / 5 == pytest.approx([80, 100, 100])


CALLER = scenario(web(calls=[{"to": "store"}]), {"name": "store"})


def handed_down(on: Fleet, floor: Ground, offered: float = 100.0) -> tuple[float, float]:
    """What a caller has served, and what the service that it calls has got, in requests per second at last."""
    flow = Flow(CALLER)
    ticks(flow, on, floor, np.array([offered, 0.0]), 30)
    made = ticks(flow, on, floor, np.array([offered, 0.0]), 20)
    served = sum(tick.answered[0] - tick.failed[0] for tick in made)
    return float(served) / 100, float(sum(tick.arrived[1] for tick in made)) / 100


def test_a_caller_without_cores_hands_down_what_it_serves_and_no_more() -> None:
    on = fleet((0, 200.0), (1, 1e4))
    on.cpu_limit[0] = 0.5

    assert handed_down(on, ground(2)) == pytest.approx((50.0, 50.0), rel=1e-3)


def test_a_noisy_neighbour_of_a_caller_makes_no_load_for_what_it_calls() -> None:
    on = fleet((0, 200.0), (1, 1e4))
    on.node[1] = 1
    floor = ground(2, 2, node_cores=np.array([4.0, 1e6]), node_noise=np.array([30.0, 0.0]))
    served, got = handed_down(on, floor)

    assert served < 50
    assert got == pytest.approx(served, rel=1e-3)


def test_a_caller_s_pod_on_a_dead_node_calls_nobody() -> None:
    on = fleet((0, 200.0), (0, 200.0), (1, 1e4))
    on.node[1] = 1

    dead = ground(2, 2, node_dead=np.array([False, True, False]))
    assert handed_down(on, dead) == pytest.approx((50.0, 50.0), rel=1e-3)


def test_of_pods_of_unequal_capacity_each_hands_down_what_it_can() -> None:
    on = fleet((0, 10.0), (0, 190.0), (1, 1e4))

    assert handed_down(on, ground(2)) == pytest.approx((60.0, 60.0), rel=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    capacities=st.lists(st.floats(1, 200), min_size=1, max_size=4),
    loads=st.lists(st.floats(0, 600), min_size=1, max_size=30),
    limits=st.lists(st.floats(0.05, 3), min_size=4, max_size=4),
    noise=st.lists(st.floats(0, 4), min_size=30, max_size=30),
    dead=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_nobody_is_called_for_a_request_that_nobody_served(
    capacities: list[float], loads: list[float], limits: list[float], noise: list[float], dead: list[bool]
) -> None:
    """Whatever becomes of the caller: over a story it calls once for each request it served, give or take a tick."""
    on = fleet(*((0, capacity) for capacity in capacities), (1, 1e6))
    pods = len(capacities)
    on.cpu_limit[:pods], on.node[1:pods], on.node[pods] = limits[:pods], 1, 2
    flow, served, called = Flow(CALLER), 0.0, 0.0
    for load, busy, lost in zip(loads, noise, dead, strict=False):
        floor = ground(
            2,
            3,
            node_cores=np.array([4.0, 4.0, 1e6]),
            node_noise=np.array([busy, 0.0, 0.0]),
            node_dead=np.array([False, lost, False, False]),
        )
        (tick,) = ticks(flow, on, floor, np.array([load, 0.0]), 1)
        called += float(tick.arrived[1])
        served += float(tick.cpu[0]) / 0.01  # where idling is free, CPU is work

    assert called == pytest.approx(served, abs=sum(capacities) * 5 + 1e-6)


def test_a_required_call_that_times_out_fails_the_caller_and_an_optional_one_does_not() -> None:
    slow = ground(2, delay=np.array([0.0, 5.0]))
    for call, fails, waits in (
        ({"timeout": "1s"}, 1.0, 1.0),
        ({"timeout": "1s", "optional": True}, 0.0, 1.0),
        ({"timeout": "10s"}, 0.0, 5.045),
    ):
        flow = Flow(scenario(web(calls=[{"to": "store", **call}]), {"name": "store"}))
        ticks(flow, fleet((0, 1000.0), (1, 1e4)), slow, np.array([100.0, 0.0]), 3)

        assert flow.fail_share[0] == pytest.approx(fails, abs=1e-6), call
        assert flow.down_latency[0] == pytest.approx(waits, rel=0.01), call


def test_of_answers_around_the_timeout_those_beyond_it_fail() -> None:
    """The median is the timeout: half of the answers come too late, and two calls want both of theirs."""
    for per, fails in ((1.0, 0.5), (2.0, 0.75)):
        played = scenario(web(calls=[{"to": "store", "per": per, "timeout": "1s"}]), {"name": "store"})
        on = fleet((0, 1000.0), (1, 1e4))
        on.median[1], on.slow_median[1] = 1.0, 1.0
        flow = Flow(played)
        ticks(flow, on, ground(2), np.array([100.0, 0.0]), 3)

        assert flow.fail_share == pytest.approx([fails, 0.0], abs=0.01)


def test_a_saturated_pod_s_answers_are_too_late_and_those_of_its_neighbour_are_not() -> None:
    flow = Flow(scenario(web(calls=[{"to": "store", "timeout": "2s"}]), {"name": "store"}))
    on = fleet((0, 1000.0), (1, 25.0), (1, 1e4))
    ticks(flow, on, ground(2), np.array([100.0, 0.0]), 20)

    assert flow.fail_share[0] == pytest.approx(1 - (1 - 25 / 100) * (1 - 25 / 75), abs=0.02), "a quarter has no room"


def test_a_service_s_own_patience_of_the_past_is_that_of_the_present() -> None:
    """What always came too late has failed before the beginning as well."""
    never = web(calls=[{"to": "store", "timeout": "1ms"}])
    stage = lab(scenario(never, {"name": "store", "replicas": 8}))

    assert stage.counters.now_row[0, 1] > 0.95 * stage.counters.now_row[0, 0]


def test_failures_come_up_the_graph_by_the_number_of_calls() -> None:
    on = fleet((0, 1000.0), (1, 1e4), (2, 1e4))
    failing = ground(3, failing=np.array([0.0, 0.0, 0.1]))
    flow = Flow(CHAIN)
    ticks(flow, on, failing, np.array([100.0, 0.0, 0.0]), 1)

    assert flow.fail_share == pytest.approx([1 - 0.9**2, 0.1, 0.1])


def test_nobody_there_means_every_request_fails() -> None:
    on = fleet((0, 50.0))
    on.phase[0] = Phase.STARTING
    tick = ticks(Flow(ONE), on, ground(1), np.array([10.0]), 1)[0]

    assert (tick.answered[0], tick.failed[0]) == (50.0, 50.0)


@settings(max_examples=40, deadline=None)
@given(
    capacities=st.lists(st.floats(1, 200), min_size=1, max_size=6),
    loads=st.lists(st.floats(0, 1000), min_size=1, max_size=12),
    errors=st.floats(0, 1),
    failing=st.floats(0, 1),
    retries=st.integers(0, 4),
    cores=st.floats(0.05, 20),
    dead=st.booleans(),
    dt=st.sampled_from([5.0, 15.0]),
)
def test_requests_are_conserved(
    capacities: list[float],
    loads: list[float],
    errors: float,
    failing: float,
    retries: int,
    cores: float,
    dead: bool,
    dt: float,
) -> None:
    """What arrived was answered or waits; failures are some of the answers; histograms count what pods answered."""
    on = fleet(*((place % 2, capacity) for place, capacity in enumerate(capacities)))
    n = on.size
    on.errors[:n] = errors
    floor = ground(
        2,
        2,
        retries=np.full(2, float(retries)),
        failing=np.array([0.0, failing]),
        node_cores=np.array([cores, cores]),
        node_dead=np.array([False, dead, False]),
    )
    on.node[: n // 2] = 1
    flow, drawing = Flow(scenario(web(calls=[{"to": "store"}]), {"name": "store"})), np.random.default_rng(3)
    arrived, answered, failed = np.zeros(2), np.zeros(2), np.zeros(2)
    for load in loads:
        tick = flow.tick(on, floor, np.array([load, 0.0]), dt, drawing)
        arrived, answered, failed = arrived + tick.arrived, answered + tick.answered, failed + tick.failed
        assert np.all(on.queue[:n] >= 0)
        assert np.all(on.failed[:n] <= on.requests[:n] + 1e-6)
        assert np.all(np.diff(on.latency[:n], axis=1) >= -1e-9)

    waiting = np.bincount(on.service[:n], on.queue[:n], 2)
    assert arrived == pytest.approx(answered + waiting, rel=1e-9, abs=1e-6)
    assert np.all(failed <= answered + 1e-6)
    assert on.latency[:n, -1] == pytest.approx(on.requests[:n], rel=1e-9, abs=1e-6)


def watched(stage: Lab, act: Callable[[Lab, int], None], minutes: int) -> tuple[Floats, Floats]:
    """What arrived and what was counted as answered or killed, over a story."""
    arrived = np.zeros(len(stage.counters.services))
    inner, before = stage._flow.tick, stage.counters.now_row[:, 0].copy()  # the tick is what is weighed

    def tick(*args: Any, **named: Any) -> Tick:
        made = inner(*args, **named)
        arrived[:] += made.arrived
        return made

    stage._flow.tick = tick  # type: ignore[method-assign]  # listens, and changes nothing
    for minute in range(minutes):
        act(stage, minute)
        go(stage, 1)
    on = stage._state.fleet  # as above
    waiting = np.bincount(on.service[: on.size], on.queue[: on.size], len(arrived))
    return arrived, stage.counters.now_row[:, 0] - before + waiting


def test_requests_are_conserved_through_crashes_rollouts_and_lost_nodes() -> None:
    service = web(
        load={"rate": 220, "noise": {"sd": 0.2}},
        autoscaler={"cpu": 60, "max": 12},
        versions={"v1": {}, "v2": {"crashAfter": "40s"}},
        calls=[{"to": "store"}],
    )
    faults = [
        {"kind": "node-loss", "node": "node-1", "at": "4m", "for": "8m", "evictAfter": "60s"},
        {"kind": "leak", "service": "store", "at": "1m", "perMinute": "60Mi"},
    ]

    def act(stage: Lab, minute: int) -> None:
        if minute in {2, 14}:
            stage.roll_out(workload(), "v2" if minute == 2 else "v1")
        if minute == 10:
            stage.act_as("kubectl", workload("store"), PatchOp("replace", "/spec/replicas", 1))

    arrived, accounted = watched(lab(scenario(service, {"name": "store"}, faults=faults)), act, 20)
    assert arrived == pytest.approx(accounted, rel=1e-9)


def test_the_load_knows_nothing_of_the_fleet() -> None:
    """The same seed offers the same requests whatever is done about them: policies can be compared."""
    plain, helped = lab(scenario(web(replicas=1))), lab(scenario(web(replicas=1)))
    helped.act_as("kubectl", workload(), PatchOp("replace", "/spec/replicas", 20))
    for stage in (plain, helped):
        go(stage, 10)

    arrived = [sum(stage.score.requests.values()) for stage in (plain, helped)]
    assert plain.score.slo_minutes_lost > helped.score.slo_minutes_lost
    waiting = float(plain._state.fleet.queue.sum())  # what waits is not answered yet
    assert arrived[0] + waiting == pytest.approx(arrived[1], rel=1e-9)


def test_more_pods_cost_more_pod_hours_and_lose_fewer_minutes() -> None:
    few, many = lab(scenario(web(replicas=1))), lab(scenario(web(replicas=8)))
    for stage in (few, many):
        go(stage, 10)

    assert few.score.pod_hours == pytest.approx(1 / 6)
    assert many.score.pod_hours == pytest.approx(8 / 6)
    assert few.score.slo_minutes_lost == 10
    assert many.score.slo_minutes_lost == 0


def test_a_coarse_story_tells_the_same_as_a_fine_one() -> None:
    """Ticks of 15 s against 5 s: the same load to the request, the same failures and pod hours to a few percent."""
    played = Scenario.shipped("small")
    fine, coarse = lab(played), lab(played)
    until = BEGIN.replace(hour=8)
    fine.advance(until)
    coarse.advance(until, coarse=True)

    one, other = fine.score, coarse.score
    assert one.requests == pytest.approx(other.requests, rel=1e-6)
    assert one.pod_hours == pytest.approx(other.pod_hours, rel=0.05)
    assert sum(one.lost.values()) == pytest.approx(sum(other.lost.values()), rel=0.2)


def test_histograms_count_what_was_answered_in_fine_and_in_coarse_ticks() -> None:
    stage = lab(scenario(web(load={"rate": 230, "noise": {"sd": 0.1}})))
    before = stage.counters.now_row.copy()
    stage.advance(BEGIN.replace(minute=7), coarse=True)
    go(stage, 3)
    counted = stage.counters.now_row - before

    assert counted[0, 1] > 0, "there were time-outs"
    assert counted[0, 6 + len(EDGES) - 1] == pytest.approx(counted[0, 0], rel=1e-9)
    assert np.all(np.diff(counted[0, 6:]) >= 0)


@pytest.mark.parametrize("coarse", [False, True], ids=["fine", "coarse"])
def test_a_time_out_took_as_long_as_the_service_lets_it_wait(coarse: bool) -> None:
    stage = lab(scenario(web(load={"rate": 260, "noise": {"sd": 0.0}}, timeout="2s")))
    before = stage.counters.now_row.copy()
    stage.advance(BEGIN.replace(minute=10), coarse=coarse)
    counted = (stage.counters.now_row - before)[0]
    under = counted[6:] / counted[6 + len(EDGES) - 1]

    assert counted[1] > 0.15 * counted[0], "a quarter of the load is more than there is room for"
    assert under[EDGES.index(1.0)] < 0.15
    assert under[EDGES.index(2.5)] > 0.85


def test_noise_keeps_the_mean_and_remembers() -> None:
    played = scenario(web(load={"rate": 100, "noise": {"sd": 0.3, "phi": 0.9}}))
    offered = Offered(played, 5, BEGIN.timestamp())
    series = np.array([offered.slot(number)[0] for number in range(40_000)])

    assert series.mean() == pytest.approx(100, rel=0.03)
    assert np.std(np.log(np.maximum(series, 1))) == pytest.approx(0.3, abs=0.04)
    assert np.corrcoef(series[:-1], series[1:])[0, 1] > 0.8


def test_the_past_has_the_noise_of_its_longer_steps() -> None:
    played = scenario(web(load={"rate": 100, "noise": {"sd": 0.3, "phi": 0.9}}))
    lengths = np.full(4000, 300.0)
    times = BEGIN.timestamp() - np.cumsum(lengths)[::-1]
    counts = Offered(played, 5, BEGIN.timestamp()).past(times, lengths)[:, 0] / 300.0

    live = Offered(played, 6, BEGIN.timestamp())
    fine = np.array([live.slot(number)[0] for number in range(80_000)]).reshape(-1, round(300 / SLOT)).mean(axis=1)
    assert counts.mean() == pytest.approx(100, rel=0.03)
    assert counts.std() == pytest.approx(fine.std(), rel=0.15)


def test_the_day_peaks_when_it_says_and_weekends_are_lower() -> None:
    played = scenario(web(load={"rate": 100, "daily": "50%", "weekly": "40%", "peakAt": "14h"}))
    offered = Offered(played, 5, BEGIN.timestamp())
    hours = BEGIN.replace(hour=0).timestamp() + np.arange(0.0, 7 * 86400, 3600)
    day = offered.mean(hours)[:, 0].reshape(7, 24)

    assert set(day.argmax(axis=1)) == {14}
    assert day[0].max() == pytest.approx(150)
    assert [row.max() < 100 for row in day] == [False, True, True, False, False, False, False], "2026-11-20 is a Friday"


def test_bursts_come_as_often_as_said_and_are_those_of_the_seed() -> None:
    played = scenario(web(load={"rate": 100, "bursts": {"perDay": 10, "factor": 3, "for": "10m"}}))
    times = BEGIN.timestamp() + np.arange(0, 20 * 86400, 15.0)
    one, same, other = (Offered(played, seed, BEGIN.timestamp()).mean(times)[:, 0] for seed in (1, 1, 2))

    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert np.mean(one > 200) == pytest.approx(1 - np.exp(-10 * 600 / 86400), rel=0.3)


def test_the_mixture_s_buckets_are_a_distribution_and_a_wait_moves_them() -> None:
    ones = np.ones(2)
    under = shares(0.04 * ones, 0.5 * ones, 0.1 * ones, 0.4 * ones, 0.6 * ones, np.array([0.0, 0.2]))

    assert np.all(np.diff(under, axis=1) >= 0)
    assert under[:, -1].tolist() == [1.0, 1.0]
    assert under[1, EDGES.index(0.1)] == 0.0, "nothing is answered before it was begun"
    assert under[0, EDGES.index(0.05)] == pytest.approx(0.9 * 0.6723, abs=0.005)
    assert mean(*(value * ones for value in (0.04, 0.5, 0.0, 0.4, 0.6)))[0] == pytest.approx(0.04 * np.exp(0.125))
    assert phi(np.array([-8.0, 0.0, 1.959964, 8.0])) == pytest.approx([0.0, 0.5, 0.975, 1.0], abs=1e-6)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1))
def test_any_seed_gives_the_same_twice(seed: int) -> None:
    one, other = lab(seed=seed), lab(seed=seed)
    for stage in (one, other):
        go(stage, 2)

    assert one.counters.now_row.tobytes() == other.counters.now_row.tobytes()
