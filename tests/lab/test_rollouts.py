"""Deployments in the lab: within surge and unavailability, by revision, with the conditions of the real controller."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.observe import healthy_now
from controller.lab.lab import Lab
from remediations import templates
from remediations.cluster import Applied
from remediations.plan import PatchOp
from remediations.pods import ready_count
from remediations.rollouts import fences, wanted
from tests.lab.playing import go, lab, scenario, web, workload, world

IMAGE = "/spec/template/spec/containers/0/image"
VERSIONS = {"v1": {}, "v2": {}, "bad": {"ready": False}}


def stage_of(**said: Any) -> Lab:
    return lab(scenario(web(versions=VERSIONS, load={"rate": 10}, **said), nodes=[{"count": 6, "cpu": 32}]))


def condition(stage: Lab, type_: str) -> Mapping[str, Any]:
    return next(one for one in world(stage).object["status"]["conditions"] if one["type"] == type_)


def tick(stage: Lab) -> None:
    stage.advance(stage.now + timedelta(seconds=5))


@settings(max_examples=25, deadline=None)
@given(
    replicas=st.integers(1, 12),
    surge=st.one_of(st.integers(0, 4), st.sampled_from(["10%", "25%", "100%"])),
    unavailable=st.one_of(st.integers(0, 3), st.sampled_from(["0%", "25%", "50%"])),
    rescale=st.integers(1, 12),
)
def test_a_rollout_keeps_within_surge_and_unavailability_and_ends(
    replicas: int, surge: int | str, unavailable: int | str, rescale: int
) -> None:
    """Whatever the bounds, and with a change of scale in the middle."""
    stage = stage_of(replicas=replicas, maxSurge=surge, maxUnavailable=unavailable)
    stage.roll_out(workload(), "v2")
    least, most = replicas, replicas
    for step in range(120):
        tick(stage)
        if step == 4:
            stage.act_as("kubectl", workload(), PatchOp("replace", "/spec/replicas", rescale))
        seen = world(stage)
        bounds, count = fences(seen.object), wanted(seen.object)
        least, most = min(least, count), max(most, count)
        living = [pod for pod in seen.pods if not pod["metadata"].get("deletionTimestamp")]
        assert len(living) <= max(replicas, rescale if step >= 4 else 0) + max(bounds.surge, 12 * (step >= 4))
        if step < 4:
            assert len(living) <= count + bounds.surge
            assert ready_count(seen.pods) >= count - bounds.unavailable
        if seen.object["status"].get("updatedReplicas") == count == len(seen.pods) == ready_count(seen.pods):
            break
    final = world(stage)
    assert ready_count(final.pods) == rescale == len(final.pods)
    assert condition(stage, "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_the_status_tells_the_story_in_the_controller_s_words() -> None:
    stage = stage_of(progressDeadlineSeconds=60)
    assert condition(stage, "Progressing")["reason"] == "NewReplicaSetAvailable"
    stage.roll_out(workload(), "bad")
    generation = world(stage).object["metadata"]["generation"]
    assert world(stage).object["status"]["observedGeneration"] < generation, "the controller has not looked yet"

    tick(stage)
    assert world(stage).object["status"]["observedGeneration"] == generation
    go(stage, 0.5)
    assert condition(stage, "Progressing")["status"] == "True"
    go(stage, 2)
    stuck = condition(stage, "Progressing")
    assert (stuck["status"], stuck["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert condition(stage, "Available")["status"] == "True"


def test_a_version_that_was_complete_once_does_not_become_stuck_by_crashes() -> None:
    """As in `progress.go`: the deadline is about a rollout, not about what happens after it."""
    fault = {"kind": "leak", "service": "web", "at": "0s", "perMinute": "200Mi"}
    stage = lab(scenario(web(progressDeadlineSeconds=60), faults=[fault]))
    go(stage, 8)

    assert ready_count(world(stage).pods) < 4
    assert condition(stage, "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_a_template_that_comes_back_takes_its_old_replica_set_up_again_with_a_new_revision() -> None:
    stage = stage_of()
    (first,) = world(stage).replica_sets
    stage.roll_out(workload(), "v2")
    go(stage, 4)
    stage.roll_out(workload(), "v1", "trimtab")
    go(stage, 4)

    seen = world(stage)
    sets = {one["metadata"]["uid"]: one for one in seen.replica_sets}
    assert len(sets) == 2
    again = sets[first["metadata"]["uid"]]
    assert again["metadata"]["annotations"][templates.REVISION] == "3"
    assert seen.annotations[templates.REVISION] == "3"
    assert again["status"]["readyReplicas"] == 4
    current = templates.current_replica_set(seen)
    assert current is not None
    assert current["metadata"]["uid"] == first["metadata"]["uid"]


def test_pods_belong_to_their_replica_set_and_carry_its_hash() -> None:
    stage = stage_of()
    stage.roll_out(workload(), "v2")
    go(stage, 0.5)
    seen = world(stage)

    for replica_set in seen.replica_sets:
        own = templates.pods_of(seen, replica_set["metadata"]["uid"])
        living = [pod for pod in own if not pod["metadata"].get("deletionTimestamp")]
        assert len(living) == replica_set["status"]["replicas"] == replica_set["spec"]["replicas"]
        hashes = {pod["metadata"]["labels"][templates.HASH_LABEL] for pod in own}
        assert hashes <= {replica_set["metadata"]["labels"][templates.HASH_LABEL]}
        assert all(pod["metadata"]["name"].startswith(replica_set["metadata"]["name"]) for pod in own)


def test_a_paused_deployment_rolls_nothing_and_still_keeps_its_scale() -> None:
    stage = stage_of()
    stage.act_as("kubectl", workload(), PatchOp("add", "/spec/paused", True))
    stage.roll_out(workload(), "v2")
    stage.act_as("kubectl", workload(), PatchOp("replace", "/spec/replicas", 6))
    go(stage, 3)
    seen = world(stage)
    assert len(seen.replica_sets) == 1
    assert ready_count(seen.pods) == 6

    stage.act_as("kubectl", workload(), PatchOp("remove", "/spec/paused"))
    go(stage, 4)
    assert len(world(stage).replica_sets) == 2
    assert {pod["spec"]["containers"][0]["image"] for pod in world(stage).pods} == {"registry.test/web:v2"}


def test_recreate_takes_all_old_pods_away_first() -> None:
    stage = stage_of()
    stage.act_as("kubectl", workload(), PatchOp("replace", "/spec/strategy", {"type": "Recreate"}))
    stage.roll_out(workload(), "v2")
    fewest = 4
    for _ in range(40):
        tick(stage)
        images = {pod["spec"]["containers"][0]["image"] for pod in world(stage).pods}
        assert len(images) < 2
        fewest = min(fewest, ready_count(world(stage).pods))
    assert fewest == 0
    assert ready_count(world(stage).pods) == 4


def test_what_was_healthy_for_ten_minutes_is_a_version_to_return_to() -> None:
    stage = stage_of()
    first = healthy_now(world(stage), stage.now)
    assert first is not None
    stage.roll_out(workload(), "v2")
    go(stage, 5)
    assert healthy_now(world(stage), stage.now) is None
    go(stage, 11)
    second = healthy_now(world(stage), stage.now)
    assert second is not None
    assert second.uid != first.uid


@pytest.mark.parametrize("times", [12])
def test_old_empty_replica_sets_are_forgotten_beyond_ten(times: int) -> None:
    stage = stage_of(replicas=1)
    for number in range(times):
        answer = stage.act_as("kubectl", workload(), PatchOp("replace", IMAGE, f"registry.test/web:n{number}"))
        assert isinstance(answer, Applied)
        go(stage, 2)

    revisions = [int(one["metadata"]["annotations"][templates.REVISION]) for one in world(stage).replica_sets]
    assert len(revisions) == 11
    assert max(revisions) == times + 1


def test_pods_that_fit_nowhere_wait_and_are_scheduled_when_there_is_room() -> None:
    stage = lab(scenario(web(replicas=2, cpu={"request": 2}), nodes=[{"count": 1, "cpu": 6}]))
    stage.act_as("kubectl", workload(), PatchOp("replace", "/spec/replicas", 5))
    go(stage, 2)
    waiting = [pod for pod in world(stage).pods if pod["status"]["phase"] == "Pending"]
    assert len(waiting) == 2
    assert waiting[0]["status"]["conditions"][0]["reason"] == "Unschedulable"

    stage.act_as("kubectl", workload(), PatchOp("replace", "/spec/replicas", 3))
    go(stage, 1)
    assert ready_count(world(stage).pods) == 3
