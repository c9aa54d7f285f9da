"""The lab as a whole: it begins in good order, goes by its seed alone, and loses nothing."""

import json

import numpy as np
import pytest

from controller.kinds import AUTOSCALERS, DEPLOYMENTS, NODES, PODS, REPLICA_SETS
from controller.lab.apiserver import MemoryObjects
from controller.lab.lab import Lab
from controller.lab.scenario import Scenario
from remediations.pods import instant, ready_count
from tests.lab.playing import BEGIN, MINUTE, error_share, go, lab, scenario, web, workload, world

EVERYTHING = (DEPLOYMENTS, REPLICA_SETS, PODS, AUTOSCALERS, NODES)


def written(stage: Lab) -> bytes:
    """Every object and every counter."""
    objects = [stage.objects.all(kind) for kind in EVERYTHING]
    times = np.arange(BEGIN.timestamp() - 3600, stage.now.timestamp(), 15.0)
    table = stage.counters.at(times)
    return json.dumps(objects, sort_keys=True).encode() + table.requests.tobytes() + table.latency.tobytes()


def test_it_begins_with_everything_ready_and_a_past_of_its_own() -> None:
    stage = lab(Scenario.shipped("small"))

    seen = world(stage)
    assert ready_count(seen.pods) == seen.object["spec"]["replicas"] == seen.object["status"]["readyReplicas"]
    assert stage.counters.begins == BEGIN.timestamp() - 14 * 86400
    assert seen.autoscaler is not None


def test_the_pods_of_the_beginning_took_their_time_to_start() -> None:
    """Who learns a lead time from pods finds starts, not pods that were ready when they were made."""
    stage = lab(scenario(web(replicas=20, start={"median": "90s", "sigma": 0.2}), nodes=[{"count": 6}]))
    taken = []
    for pod in world(stage).pods:
        ready = next(one for one in pod["status"]["conditions"] if one["type"] == "Ready")
        created = instant(pod["metadata"]["creationTimestamp"])
        since = instant(ready["lastTransitionTime"])
        assert created is not None
        assert since is not None
        taken.append((since - created).total_seconds())

    assert 70 < float(np.median(taken)) < 110
    assert len(set(taken)) > 5


def test_the_same_seed_gives_the_same_bytes_however_time_is_cut() -> None:
    one, other = lab(Scenario.shipped("small")), lab(Scenario.shipped("small"))
    go(one, 10)
    for _ in range(80):
        other.advance(other.now + MINUTE / 8)

    assert written(one) == written(other)


def test_another_seed_gives_another_story() -> None:
    one, other = lab(Scenario.shipped("small"), seed=1), lab(Scenario.shipped("small"), seed=2)
    go(one, 5)
    go(other, 5)

    assert written(one) != written(other)


def test_time_runs_forward_only() -> None:
    stage = lab()
    go(stage, 1)

    with pytest.raises(ValueError, match="forward only"):
        stage.advance(BEGIN)


def test_a_calm_service_changes_no_object() -> None:
    stage = lab(scenario(web(load={"rate": 100, "noise": {"sd": 0.0}})))
    before = {kind: stage.objects.all(kind) for kind in EVERYTHING}

    go(stage, 10)

    assert {kind: stage.objects.all(kind) for kind in EVERYTHING} == before
    assert error_share(stage, window=300.0) < 0.002


def test_the_past_and_the_present_join_without_a_jump() -> None:
    stage = lab(scenario(web(load={"rate": 200, "noise": {"sd": 0.0}})))
    go(stage, 10)

    times = np.arange(BEGIN.timestamp() - 600, BEGIN.timestamp() + 600, 60.0)
    rate = stage.counters.rate(times, 60.0).requests[:, 0]
    assert np.all(np.abs(rate - 200) < 20)


def test_pod_counters_sum_to_the_service_and_begin_anew_with_the_container() -> None:
    stage = lab(scenario(web(versions={"v1": {}, "v2": {"crashAfter": "60s"}})))
    go(stage, 5)

    series = stage.counters.pods(workload())
    total = sum(one.requests[-1] - one.requests[0] for one in series)
    begin, end = series[0].times[0], series[0].times[-1]
    table = stage.counters.at(np.array([begin, end]))
    assert total == pytest.approx(table.requests[1, 0] - table.requests[0, 0], rel=1e-9)

    stage.roll_out(workload(), "v2")
    go(stage, 5)
    crashed = [one for one in stage.counters.pods(workload()) if one.image.endswith("v2")]
    assert any((np.diff(one.requests) < 0).any() for one in crashed)


def test_a_lab_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Lab(scenario(), 1, BEGIN.replace(tzinfo=None), MemoryObjects())
