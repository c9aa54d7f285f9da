"""Causes: the story told in EXAMPLES comes out first, and every shipped runbook's cause can be diagnosed."""

import copy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

import runbooks
from controller.core.diagnose import (
    BAD_ROLLOUT,
    BAD_STATE,
    DEPENDENCY,
    IMAGE,
    MEMORY,
    NEVER_READY,
    NODE,
    PRIORS,
    UNKNOWN,
    diagnose,
)
from controller.core.events import Cause
from controller.core.observe import observe
from detectors.results import Band, Detection
from remediations.cluster import World
from remediations.plan import PatchOp
from tests.core.test_observe import Story, killed
from tests.remediations.worlds import NOW


async def causes(story: Story, errors: Detection | None = None) -> tuple[Cause, ...]:
    world = await story.world()
    return diagnose(observe(world, (), errors, story.now), world)


@pytest.mark.parametrize(
    ("image", "wait", "cause"),
    [
        ("v42-crash", 2, BAD_ROLLOUT),
        ("v42-nopull", 2, IMAGE),
        ("v42-unready", 11, NEVER_READY),
    ],
)
async def test_a_rollout_that_fails_is_the_cause(image: str, wait: int, cause: str) -> None:
    story = Story()
    story.roll(f"registry.test/shop:{image}")
    story.wait(timedelta(minutes=wait))

    assert (await causes(story))[0].name == cause


async def test_a_bad_rollout_is_near_certain_and_says_why() -> None:
    story = Story()
    story.roll("registry.test/shop:v42-crash")

    first = (await causes(story))[0]

    assert first.score > 0.85
    assert first.reason == "all failing pods are v42-crash, none of v41"


async def test_kills_without_a_rollout_mean_too_little_memory() -> None:
    world = await Story().world()
    pods = [copy.deepcopy(dict(pod)) for pod in world.pods]
    for pod in pods:
        pod["status"]["containerStatuses"] = [killed(NOW - timedelta(minutes=2), 3)]
    starved = replace(world, pods=tuple(pods))

    assert diagnose(observe(starved, (), None, NOW), starved)[0].name == MEMORY


async def test_errors_of_running_pods_without_a_change_are_no_rollout() -> None:
    found = await causes(Story(), Detection(0.3, Band(0.0, 0.01), 1e-9, abnormal=True))

    assert found[0].name == DEPENDENCY
    assert next(cause.score for cause in found if cause.name == BAD_ROLLOUT) < 0.05


async def test_failing_pods_of_one_node_alone_point_at_the_node() -> None:
    story = Story()
    world = await story.world()
    pods = [copy.deepcopy(dict(pod)) for pod in world.pods]
    for number, pod in enumerate(pods):
        pod["spec"]["nodeName"] = "bad" if number < 2 else "good"
        if number < 2:
            pod["status"]["containerStatuses"] = [{"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    burning = replace(world, pods=tuple(pods))

    assert diagnose(observe(burning, (), None, story.now), burning)[0].name == NODE


async def test_scores_add_up_to_one_whatever_is_known() -> None:
    world: World = await Story().world()

    for evidence in ({}, observe(world, (), None, world.read_at)):
        found = diagnose(evidence, world)
        assert sum(cause.score for cause in found) == pytest.approx(1, abs=0.001)
        assert {cause.name for cause in found} == set(PRIORS)


async def test_nothing_known_is_not_a_certain_cause() -> None:
    world = await Story().world()

    found = {cause.name: cause.score for cause in diagnose({}, world)}

    assert max(found.values()) < 0.5
    assert found[UNKNOWN] > 0.1


async def test_another_change_of_the_same_rollout_keeps_the_reason_readable() -> None:
    story = Story()
    story.cluster.change(
        story.workload, PatchOp("add", "/spec/template/spec/containers/0/env", [{"name": "A", "value": "b"}])
    )
    story.wait(timedelta(minutes=1))

    assert all("''" not in cause.reason and "  " not in cause.reason for cause in await causes(story))


def test_every_shipped_runbook_repairs_a_cause_that_can_be_diagnosed() -> None:
    shipped = (Path(runbooks.__file__).parent / "library").glob("*.yaml")

    named = {yaml.safe_load(file.read_text())["spec"]["cause"] for file in shipped}

    assert named

    assert named <= set(PRIORS)


FAILING = {
    "changes.rollout.recent": False,
    "objects.crashLooping.count": 0,
    "objects.imagePull.count": 0,
    "objects.oomKilled.count": 0,
    "signals.errors.abnormal": True,
    "signals.errors.value": 0.1,
    "signals.errors.high": 0.003,
}


@pytest.mark.parametrize(
    ("pods", "elsewhere", "cause", "reason"),
    [
        (2, 0.001, BAD_STATE, "2 of 6 pods give 97 % of the failed requests"),
        (1, 0.001, BAD_STATE, "1 of 6 pods gives 97 % of the failed requests"),
        (2, 0.05, DEPENDENCY, "requests fail while the pods run"),
        (4, 0.001, DEPENDENCY, "requests fail while the pods run"),
        (6, None, DEPENDENCY, "requests fail while the pods run"),
        (None, None, DEPENDENCY, "requests fail while the pods run"),
    ],
    ids=["two", "one", "the others fail as well", "most", "all alike", "not measured"],
)
async def test_a_few_pods_that_fail_are_in_a_bad_state_and_all_of_them_have_a_dependency(
    pods: int | None, elsewhere: float | None, cause: str, reason: str
) -> None:
    measured = {"signals.errors.pods": pods, "signals.errors.podsOf": 6, "signals.errors.podsShare": 0.97}
    found = {**FAILING, **(measured if pods is not None else {}), "signals.errors.elsewhere": elsewhere}

    first = diagnose({name: value for name, value in found.items() if value is not None}, await Story().world())[0]

    assert (first.name, first.reason) == (cause, reason)
    assert first.score > 0.9 or cause == DEPENDENCY
