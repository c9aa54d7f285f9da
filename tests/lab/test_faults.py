"""Each fault does what it says, the right repair heals it, and the wrong one does not."""

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from controller.adapters.lab.metrics import LabMetrics
from controller.core.observe import observe
from controller.core.presets import PRESETS
from controller.kinds import AUTOSCALERS, NODES
from controller.lab.disruption import Evicted
from controller.lab.lab import Lab
from controller.ports import Samples, Unavailable
from detectors.series import Problem, Workload
from remediations.cluster import Applied
from remediations.plan import PatchOp
from remediations.pods import crash_looping, ready_count
from runbooks.evidence import Value
from tests.lab.playing import error_share, go, lab, scenario, slower_than, web, workload, world

CONTAINER = "/spec/template/spec/containers/0"
STORE = {"name": "store", "replicas": 3, "capacity": 80}


def facts(stage: Lab, name: str = "web") -> dict[str, Value]:
    return dict(observe(world(stage, workload(name)), None, None, stage.now))


def restart(stage: Lab, name: str = "web") -> None:
    at = PatchOp("add", "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt", stage.now.isoformat())
    assert isinstance(stage.act_as("trimtab", workload(name), at), Applied)


def raise_limit(stage: Lab, to: str) -> None:
    answer = stage.act_as("trimtab", workload(), PatchOp("replace", f"{CONTAINER}/resources/limits/memory", to))
    assert isinstance(answer, Applied)


def kills(stage: Lab, minutes: float) -> int:
    """Restarts of the pods that live through these minutes, and of those that come."""
    before = {pod["metadata"]["uid"]: restarts(pod) for pod in world(stage).pods}
    go(stage, minutes)
    return sum(restarts(pod) - before.get(pod["metadata"]["uid"], 0) for pod in world(stage).pods)


def restarts(pod: object) -> int:
    assert isinstance(pod, dict)
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses") or ())


# ── memory


def leaking(**more: object) -> Lab:
    fault = {"kind": "leak", "service": "web", "at": "1m", "perMinute": "40Mi", **more}
    return lab(scenario(web(memory={"base": "120Mi", "limit": "256Mi"}), faults=[fault]))


def test_a_leak_ends_in_kills_for_memory_and_a_growing_back_off() -> None:
    stage = leaking()
    go(stage, 15)

    seen = facts(stage)
    assert seen["objects.oomKilled.share"] == 1.0
    assert seen["memory.limit"] == 256 * 1024**2
    assert any(restarts(pod) >= 3 for pod in world(stage).pods)


def test_a_restart_gives_a_leak_a_pause_and_a_limit_above_its_bound_heals_it() -> None:
    bounded = leaking(upTo="300Mi")
    go(bounded, 10)
    restart(bounded)
    go(bounded, 3)
    assert kills(bounded, 8) > 0, "a restart does not heal what needs more than the limit"

    raise_limit(bounded, "512Mi")
    go(bounded, 3)
    assert kills(bounded, 20) == 0
    assert facts(bounded)["replicas.ready"] == 4


def test_a_limit_that_is_raised_too_little_heals_nothing() -> None:
    stage = leaking(upTo="300Mi")
    go(stage, 10)
    raise_limit(stage, "288Mi")
    go(stage, 3)

    assert kills(stage, 15) > 0


# ── rollouts


def with_versions(*faults: object) -> Lab:
    versions = {
        "v1": {},
        "v2": {},
        "crash": {"crashAfter": "5s"},
        "bad": {"errors": "20%"},
        "slow": {"latency": 4.0},
        "tail": {"slowShare": "30%"},
        "nopull": {"pullable": False},
        "unready": {"ready": False},
    }
    return lab(scenario(web(versions=versions, progressDeadlineSeconds=300), faults=faults))


def test_a_crash_loop_after_a_rollout_is_the_new_version_s_alone_and_ends_with_a_rollback() -> None:
    stage = with_versions({"kind": "crash-loop", "service": "web", "to": "crash", "at": "1m"})
    go(stage, 8)

    seen = facts(stage)
    assert seen["objects.crashLooping.count"] == 2
    assert seen["changes.rollout.onlyNewFails"] is True
    assert seen["objects.stuckRollout"] is True
    assert error_share(stage) < 0.01, "the old pods go on serving: maxUnavailable keeps them"

    restart(stage)
    go(stage, 6)
    assert facts(stage)["objects.crashLooping.count"] != 0, "a restart rolls the same image"

    stage.roll_out(workload(), "v1", "trimtab")
    go(stage, 3)
    healed = facts(stage)
    assert (healed["objects.crashLooping.count"], healed["replicas.ready"]) == (0, 4)
    assert healed["objects.stuckRollout"] is False


def test_the_back_off_of_a_crash_loop_grows_to_five_minutes() -> None:
    stage = with_versions({"kind": "crash-loop", "service": "web", "to": "crash", "at": "0s"})
    ends: set[tuple[str, str]] = set()
    for _ in range(12 * 30):
        go(stage, 1 / 12)
        for pod in world(stage).pods:
            ended = pod["status"]["containerStatuses"][0].get("lastState", {}).get("terminated")
            if ended:
                ends.add((pod["metadata"]["uid"], ended["finishedAt"]))

    first = min(ends)[0]
    times = sorted(datetime.fromisoformat(at) for uid, at in ends if uid == first)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    assert gaps[:2] == sorted(gaps[:2])
    assert 295 <= max(gaps) <= 320


def test_a_bad_canary_fails_requests_in_its_own_pods_only() -> None:
    stage = with_versions({"kind": "bad-canary", "service": "web", "to": "bad", "at": "1m"})
    go(stage, 5)
    assert 0.15 < error_share(stage) < 0.25

    shares: dict[str, list[float]] = {}
    for series in stage.counters.pods(workload()):
        if series.requests[-1] > 100:
            shares.setdefault(series.image[-3:], []).append(series.failed[-1] / series.requests[-1])
    assert max(shares[":v1"]) < 0.01
    assert min(shares["bad"]) > 0.15

    stage.roll_out(workload(), "v1", "trimtab")
    go(stage, 4)
    assert error_share(stage) < 0.01


def test_latency_and_tail_of_a_version_show_in_the_buckets() -> None:
    plain, slow, tail = with_versions(), with_versions(), with_versions()
    slow.roll_out(workload(), "slow")
    tail.roll_out(workload(), "tail")
    for stage in (plain, slow, tail):
        go(stage, 5)

    assert slower_than(plain, 0.1) < 0.2
    assert slower_than(slow, 0.1) > 0.6
    assert slower_than(plain, 0.25) < 0.05
    assert slower_than(tail, 0.25) > 0.1


def test_an_image_that_cannot_be_pulled_and_a_pod_that_never_gets_ready_say_so() -> None:
    stage = with_versions()
    stage.roll_out(workload(), "nopull")
    go(stage, 2)
    assert facts(stage)["objects.imagePull.count"] == 2

    stage.roll_out(workload(), "unready")
    go(stage, 6)
    seen = facts(stage)
    assert (seen["objects.imagePull.count"], seen["replicas.updated"]) == (0, 2)
    assert seen["objects.stuckRollout"] is True


def test_a_good_rollout_is_a_control() -> None:
    stage = with_versions({"kind": "rollout", "service": "web", "to": "v2", "at": "1m"})
    go(stage, 6)

    seen = facts(stage)
    assert (seen["replicas.updated"], seen["replicas.ready"]) == (4, 4)
    assert error_share(stage) < 0.01
    assert stage.score.slo_minutes_lost == 0


def test_a_wrong_configuration_goes_with_the_template_that_brought_it() -> None:
    service = web(configurations=[{"env": {"POOL": "1"}, "capacity": 0.2}])
    fault = {"kind": "wrong-configuration", "service": "web", "env": {"POOL": "1"}, "at": "1m"}
    stage = lab(scenario(service, faults=[fault]))
    go(stage, 6)
    assert error_share(stage) > 0.3, "a fifth of the capacity does not carry the load"

    restart(stage)
    go(stage, 4)
    assert error_share(stage) > 0.3

    stage.act_as("trimtab", workload(), PatchOp("remove", f"{CONTAINER}/env"))
    go(stage, 5)
    assert error_share(stage) < 0.01


# ── places


def test_a_lost_node_fails_requests_until_noticed_and_its_pods_come_back_elsewhere() -> None:
    fault = {"kind": "node-loss", "node": "node-0", "at": "60s", "evictAfter": "120s"}
    stage = lab(scenario(web(replicas=6), faults=[fault]))
    go(stage, 1.5)
    assert error_share(stage, window=15.0) > 0.2, "endpoints on a dead node still get their share"

    go(stage, 1)
    node = next(one for one in stage.objects.all(NODES) if one["metadata"]["name"] == "node-0")
    assert node["status"]["conditions"][0]["status"] == "Unknown"
    assert error_share(stage, window=15.0) < 0.01
    assert facts(stage)["replicas.ready"] == 4

    go(stage, 3)
    pods = world(stage).pods
    assert ready_count(pods) == 6
    left = [pod for pod in pods if pod["spec"]["nodeName"] == "node-0"]
    assert len(left) == 2
    assert all("deletionTimestamp" in pod["metadata"] for pod in left), "nobody is there who could end them"
    assert facts(stage)["replicas.ready"] == 6


def test_what_was_deleted_on_a_lost_node_is_gone_when_the_node_is_back() -> None:
    fault = {"kind": "node-loss", "node": "node-0", "at": "60s", "evictAfter": "30s", "for": "5m"}
    stage = lab(scenario(web(replicas=6), faults=[fault]))
    go(stage, 5.5)
    during = len(world(stage).pods)
    go(stage, 2)

    assert (during, len(world(stage).pods)) == (8, 6)
    assert ready_count(world(stage).pods) == 6


def test_pods_of_a_dead_node_are_scraped_no_more() -> None:
    """Their samples end; they do not say that nothing is used, so an autoscaler reads the pods that are left."""
    fault = {"kind": "node-loss", "node": "node-0", "at": "60s"}
    service = web(replicas=6, load={"rate": 150, "noise": {"sd": 0.0}}, autoscaler={"cpu": 60, "min": 2, "max": 12})
    stage = lab(scenario(service, faults=[fault]))
    read = []
    for _ in range(2):
        stage.advance(stage.now + timedelta(seconds=45))
        (hpa,) = stage.objects.all(AUTOSCALERS)
        read.append(hpa["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"])

    dead = [one for one in stage.counters.pods(workload()) if one.node == "node-0"]
    assert [one.times[-1] - stage.begin.timestamp() for one in dead] == [45.0, 45.0]
    assert read[1] == pytest.approx(read[0], abs=2)


def test_a_noisy_neighbour_slows_the_pods_of_its_node_until_they_move() -> None:
    busy = {"kind": "noisy-neighbour", "node": "node-0", "cores": 40, "at": "1m"}
    stage = lab(scenario(web(load={"rate": 150, "noise": {"sd": 0.02}}), faults=[busy], nodes=[{"cpu": 8}]))
    go(stage, 4)
    assert error_share(stage) > 0.1

    restart(stage)
    go(stage, 4)
    assert error_share(stage) > 0.1, "the scheduler knows nothing of the neighbour"

    cordon = stage.act_as("trimtab", Workload("", "Node", "node-0", "v1"), PatchOp("add", "/spec/unschedulable", True))
    assert isinstance(cordon, Applied)
    for pod in world(stage).pods:
        if pod["spec"]["nodeName"] == "node-0":
            assert isinstance(stage.evict("shop", pod["metadata"]["name"]), Evicted)
    go(stage, 4)
    assert error_share(stage) < 0.01


def test_a_disk_that_fills_fails_requests_and_a_restart_empties_it() -> None:
    fault = {"kind": "disk-filling", "service": "web", "perMinute": "256Mi", "at": "1m"}
    stage = lab(scenario(web(disk="1Gi"), faults=[fault]))
    go(stage, 4)
    assert error_share(stage) < 0.01
    go(stage, 3)
    assert error_share(stage) > 0.5

    raise_limit(stage, "257Mi")  # any new template brings new containers
    go(stage, 3)
    assert error_share(stage) < 0.01


# ── what others do


def test_an_outage_below_comes_up_the_graph_and_no_repair_of_the_caller_heals_it() -> None:
    fault = {"kind": "dependency-outage", "service": "store", "failing": "50%", "at": "1m", "for": "10m"}
    stage = lab(scenario(web(calls=[{"to": "store"}]), STORE, faults=[fault]))
    go(stage, 4)
    assert 0.4 < error_share(stage, "store") < 0.6
    assert 0.4 < error_share(stage) < 0.6

    restart(stage)
    go(stage, 4)
    assert error_share(stage) > 0.4

    go(stage, 5)
    assert error_share(stage) < 0.01, "it ends by itself"


def test_an_optional_call_may_fail_without_harm() -> None:
    fault = {"kind": "dependency-outage", "service": "store", "at": "1m"}
    stage = lab(scenario(web(calls=[{"to": "store", "optional": True}]), STORE, faults=[fault]))
    go(stage, 4)

    assert error_share(stage, "store") > 0.99
    assert error_share(stage) < 0.01


def test_a_slow_dependency_holds_the_workers_of_its_callers() -> None:
    fault = {"kind": "dependency-outage", "service": "store", "failing": "0%", "delay": "4s", "at": "1m"}
    stage = lab(scenario(web(calls=[{"to": "store"}], concurrency=32), STORE, faults=[fault]))
    go(stage, 5)

    assert slower_than(stage, 2.5) > 0.9
    assert error_share(stage) > 0.5, "32 workers of 4 s answer 8 requests a second per pod"


def test_a_retry_storm_feeds_itself_after_the_surge_and_more_pods_end_it() -> None:
    fault = {"kind": "retry-storm", "service": "web", "retries": 3, "surge": 3, "surgeFor": "3m", "at": "1m"}
    stage = lab(scenario(web(load={"rate": 160, "noise": {"sd": 0.02}}), faults=[fault]))
    go(stage, 10)
    table = stage.counters.rate(np.array([stage.now.timestamp()]), 60.0)
    assert table.requests[0, 0] > 250, "the surge is long over"
    assert error_share(stage) > 0.2

    stage.act_as("trimtab", workload(), PatchOp("replace", "/spec/replicas", 16))
    go(stage, 3)
    assert error_share(stage) < 0.01
    stage.act_as("trimtab", workload(), PatchOp("replace", "/spec/replicas", 4))
    go(stage, 5)
    assert error_share(stage) < 0.01, "without failures nobody repeats"


@pytest.mark.parametrize("scraping", [False, True], ids=["down", "queries only"])
async def test_an_outage_of_prometheus_leaves_a_gap_unless_it_went_on_scraping(scraping: bool) -> None:
    """Windows that reach into the gap are half empty, and the server's pulse says so: the recovery trap."""
    fault = {"kind": "prometheus-outage", "at": "5m", "for": "10m", "scraping": scraping}
    stage = lab(scenario(web(load={"rate": 100, "noise": {"sd": 0.0}}), faults=[fault]))
    metrics, preset, window = LabMetrics(stage), PRESETS["istio"], timedelta(minutes=5)

    async def load() -> tuple[float | None, bool]:
        answer = await metrics.instant(preset.load(window), stage.now)
        assert isinstance(answer, Samples)
        return (answer.samples[0].value if answer.samples else None), Problem.RECOVERING in answer.health.problems

    go(stage, 10)
    assert isinstance(await metrics.instant(preset.load(window), stage.now), Unavailable)
    seen = []
    for minutes in (5.1, 1.9, 4):
        go(stage, minutes)
        seen.append(await load())

    shown, trapped = zip(*seen, strict=True)
    full = pytest.approx(100, rel=0.05)
    assert trapped == ((False, False, False) if scraping else (True, True, False))
    assert shown == ((full, full, full) if scraping else (None, pytest.approx(40, rel=0.1), full))


def test_an_autoscaler_by_requests_holds_while_it_cannot_read() -> None:
    scaled = {"requestsPerPod": 30, "min": 2, "max": 30}
    service = web(load={"rate": 290, "noise": {"sd": 0.0}}, capacity=150, autoscaler=scaled)
    burst = {"kind": "burst", "service": "web", "factor": 2, "at": "2m"}
    outage = {"kind": "prometheus-outage", "at": "1m", "for": "5m"}
    blind, seeing = (lab(scenario(service, faults=faults)) for faults in ([burst, outage], [burst]))
    for stage in (blind, seeing):
        go(stage, 5)
    held, scaled_up = (world(stage).object["spec"]["replicas"] for stage in (blind, seeing))
    go(blind, 5)

    assert held <= 11
    assert scaled_up >= 17
    assert world(blind).object["spec"]["replicas"] >= 17, "it reads again"


def test_prometheus_may_be_down_while_the_fleet_is_well() -> None:
    fault = {"kind": "prometheus-outage", "reason": "connection refused", "at": "1m", "for": "2m"}
    stage = lab(scenario(faults=[fault]))
    go(stage, 2)
    seen = [stage.metrics_down]
    go(stage, 2)
    assert [*seen, stage.metrics_down] == ["connection refused", None]
    assert error_share(stage) < 0.01


def test_controls_change_nothing_that_lasts() -> None:
    faults = [
        {"kind": "nothing", "at": "1m"},
        {"kind": "burst", "service": "web", "factor": 1.5, "at": "2m", "for": "2m"},
    ]
    stage = lab(scenario(faults=faults))
    go(stage, 3.5)
    assert [fault.kind for fault in stage.running] == ["nothing", "burst"]
    burst = stage.counters.rate(np.array([stage.now.timestamp()]), 60.0).requests[0, 0]
    go(stage, 6)
    calm = stage.counters.rate(np.array([stage.now.timestamp()]), 60.0).requests[0, 0]

    assert burst > 1.3 * calm
    assert stage.score.slo_minutes_lost == 0
    assert not any(crash_looping(pod, stage.now) for pod in world(stage).pods)


def test_a_fault_that_is_over_between_two_ticks_has_been_and_gone() -> None:
    """It begins with the tick that first sees it and lasts as long as it says: no node stays dead for it."""
    loss = {"kind": "node-loss", "node": "node-0", "at": "61s", "for": "3s"}
    stage = lab(scenario(web(replicas=6), faults=[loss]))
    go(stage, 5)

    assert not stage.running
    assert sum(restarts(pod) for pod in world(stage).pods) == 2, "its containers have ended"
    node = next(one for one in stage.objects.all(NODES) if one["metadata"]["name"] == "node-0")
    assert node["status"]["conditions"][0]["status"] == "True"
    assert facts(stage)["replicas.ready"] == 6


def test_a_node_that_is_lost_twice_is_back_when_the_second_loss_ends() -> None:
    one, other = ({"kind": "node-loss", "node": "node-0", "at": at, "for": "2m"} for at in ("1m", "2m"))
    stage = lab(scenario(web(replicas=6), faults=[one, other]))
    ready = []
    for _ in range(3):
        go(stage, 1.75)
        ready.append(facts(stage)["replicas.ready"])

    assert ready == [4, 4, 6]


def test_a_fault_of_the_past_strikes_now_and_lasts_as_long_as_it_says() -> None:
    stage = lab()
    go(stage, 20)
    stage.strike(scenario(faults=[{"kind": "dependency-outage", "service": "web", "at": "0s", "for": "10m"}]).faults[0])
    go(stage, 5)
    during = error_share(stage)
    go(stage, 7)

    assert during > 0.99
    assert error_share(stage) < 0.01


@pytest.mark.parametrize("kind", ["burst", "retry-storm"])
def test_what_arrives_from_callers_may_surge_too(kind: str) -> None:
    surge = {"factor": 3} if kind == "burst" else {"surge": 3, "surgeFor": "5m"}
    fault = {"kind": kind, "service": "store", "at": "1m", **surge}
    stage = lab(scenario(web(calls=[{"to": "store"}]), {**STORE, "replicas": 8}, faults=[fault]))
    go(stage, 5)
    got = stage.counters.rate(np.array([stage.now.timestamp()]), 60.0).requests[0]

    assert got[1] == pytest.approx(3 * got[0], rel=0.1)


def test_a_fault_may_come_from_outside_the_scenario() -> None:
    stage = lab()
    go(stage, 5)
    fault = scenario(faults=[{"kind": "dependency-outage", "service": "web", "at": "0s"}]).faults[0]
    stage.strike(fault)
    stage.advance(stage.now + timedelta(minutes=2))

    assert error_share(stage) > 0.99
