"""Counters: what was counted can be asked for at any time, for weeks by service and for hours by pod."""

from datetime import timedelta

import numpy as np
import pytest

from controller.lab.counters import WIDTH, Counters
from detectors.series import Workload
from tests.lab.playing import BEGIN, go, lab, scenario, web, workload

EPOCH = BEGIN.timestamp()


def kept() -> Counters:
    """One service that counted one request a second for an hour before."""
    times = EPOCH - np.arange(12.0, -1.0, -1.0) * 300.0
    rows = np.zeros((13, 1, WIDTH))
    rows[:, 0, 0] = times - times[0]
    return Counters((workload(),), times, rows, hours=0.1)


def sampled(counters: Counters, count: int, rate: float = 2.0) -> None:
    for step in range(1, count + 1):
        counters.add(np.full(1, rate * 15), np.zeros(1), np.zeros(1), np.zeros((1, 12)))
        counters.sample(EPOCH + step * 15.0, np.ones(1), np.ones(1), np.zeros(1))


def test_counters_run_on_from_the_past() -> None:
    counters = kept()
    sampled(counters, 40)

    asked = np.array([EPOCH - 1800, EPOCH, EPOCH + 7.5, EPOCH + 600])
    assert counters.at(asked).requests[:, 0] == pytest.approx([1800, 3600, 3615, 4800])
    assert counters.rate(np.array([EPOCH, EPOCH + 300, EPOCH + 600]), 300.0).requests[:, 0] == pytest.approx([1, 2, 2])


def test_what_was_before_and_what_is_to_come_is_not_known() -> None:
    counters = kept()
    sampled(counters, 4)

    assert np.isnan(counters.at(np.array([EPOCH - 3601, EPOCH + 61])).requests).all()
    assert np.isnan(counters.rate(np.array([EPOCH - 3500]), 300.0).requests).all()


def test_a_window_that_reaches_into_a_gap_is_half_empty() -> None:
    """As Prometheus: what is left, and half a scrape beyond it, over the whole window; of one sample comes no rate."""
    counters = kept()
    sampled(counters, 20)  # till EPOCH + 300
    for step in range(60, 101):
        counters.add(np.full(1, 30.0 * (40 if step == 60 else 1)), np.zeros(1), np.zeros(1), np.zeros((1, 12)))
        counters.sample(EPOCH + step * 15.0, np.ones(1), np.ones(1), np.zeros(1))

    asked = EPOCH + np.array([300, 360, 700, 900, 900 + 150, 900 + 300, 900 + 600])
    rates = counters.rate(asked, 300.0).requests[:, 0]
    half = 2 * (150 + 7.5) / 300
    assert rates == pytest.approx([2, 2 * (240 + 7.5) / 300, np.nan, np.nan, half, 2, 2], nan_ok=True)
    assert counters.rate(asked[3:4], 900.0).requests[:, 0] == pytest.approx([2]), "before and after are known"
    assert counters.missed(EPOCH + 1515.0) == [(EPOCH + 300, EPOCH + 900)]
    assert counters.missed(EPOCH + 1560.0)[-1] == (EPOCH + 1500, EPOCH + 1560)


def test_a_day_later_one_in_twenty_is_kept_and_nothing_is_bent() -> None:
    counters = kept()
    sampled(counters, 13_000)

    asked = EPOCH + np.linspace(100, 13_000 * 15 - 100, 500)
    assert counters.at(asked).requests[:, 0] == pytest.approx(3600 + 2 * (asked - EPOCH))
    assert counters.newest == EPOCH + 13_000 * 15


def test_a_pod_s_samples_go_by_hours_and_its_place_may_be_another_s() -> None:
    stage = lab(scenario(web(versions={"v1": {}, "v2": {}})))
    go(stage, 2)
    stage.roll_out(workload(), "v2")
    go(stage, 6)

    series = stage.counters.pods(workload())
    old = [one for one in series if one.image.endswith("v1")]
    new = [one for one in series if one.image.endswith("v2")]
    assert (len(old), len(new)) == (4, 4)
    assert max(one.times[-1] for one in old) < stage.now.timestamp() - 120
    assert {one.replica_set for one in old}.isdisjoint({one.replica_set for one in new})
    assert all(one.node.startswith("node-") for one in series)
    for one in series:
        assert np.all(np.diff(one.requests) >= 0)
        assert np.all(one.latency[:, -1] == pytest.approx(one.requests))
    since = stage.now.timestamp() - 60
    assert {one.name for one in stage.counters.pods(workload(), since)} == {one.name for one in new}


def test_samples_of_pods_are_forgotten_after_hours_with_their_names() -> None:
    stage = lab(scenario(web(replicas=1, versions={"v1": {}, "v2": {}}), history="8h"))
    go(stage, 1)
    stage.roll_out(workload(), "v2")
    stage.advance(stage.now + timedelta(hours=6.2))

    (one,) = stage.counters.pods(workload())
    assert one.image.endswith("v2")
    assert one.times[-1] - one.times[0] <= 3 * 3600
    assert len(stage.counters.names) == 1


def test_a_service_that_nobody_knows_has_no_counters() -> None:
    with pytest.raises(ValueError, match="not in"):
        lab().counters.pods(Workload("shop", "Deployment", "none", "apps/v1"))


def test_cpu_memory_and_replicas_follow_the_fleet() -> None:
    stage = lab(scenario(web(load={"rate": 100, "noise": {"sd": 0.0}}, cpu={"idle": 0.05, "request": 1})))
    go(stage, 5)
    table = stage.counters.rate(np.array([stage.now.timestamp()]), 120.0)

    assert table.cpu[0, 0] == pytest.approx(100 / 50 + 4 * 0.05, rel=0.1)
    assert (table.ready[0, 0], table.desired[0, 0]) == (4, 4)
    assert table.memory[0, 0] == pytest.approx(4 * 120 * 1024**2, rel=0.1)
