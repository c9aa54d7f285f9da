"""The lab's autoscaler answers as the real HPA controller did, look by look (`python -m tests.lab.recording`)."""

import pytest

from controller.lab.autoscaler import (
    DEFAULT_BEHAVIOR,
    DOWNSCALE_WINDOW,
    SYNC_SECONDS,
    AverageValue,
    Behavior,
    History,
    Metric,
    Rule,
    Unknown,
    look,
)
from tests.lab.recording import BEHAVIOR, DATA, LOOK, WINDOW, Look, Recording, steps

BEHAVIORS: dict[str, Behavior | None] = {"absent": None, "default": DEFAULT_BEHAVIOR}
SLOWER = SYNC_SECONDS / LOOK


def _recording(name: str) -> Recording:
    return Recording.load(DATA / f"hpa-behavior-{name}.json")


def _answers(recording: Recording, behavior: Behavior | None) -> list[int]:
    """What the lab makes of each look, at production's pace: a look every fifteen seconds, a window of five minutes."""
    history, replicas, answers = History(), recording.begin, []
    for seen in recording.looks:
        rule = Rule(seen.minimum, recording.maximum, behavior)
        answer = look(rule, replicas, [_metric(recording, seen, replicas)], history, seen.at * SLOWER)
        history, replicas = answer.history, answer.desired
        answers.append(replicas)
    return answers


def _metric(recording: Recording, seen: Look, replicas: int) -> Metric:
    return Unknown("nobody knows") if seen.metric is None else AverageValue(recording.per_pod, seen.metric, replicas)


@pytest.mark.parametrize("name", BEHAVIORS)
def test_the_lab_asks_for_as_many_pods_at_each_look_as_the_real_controller_did(name: str) -> None:
    recording = _recording(name)

    assert _answers(recording, BEHAVIORS[name]) == [seen.desired for seen in recording.looks]


@pytest.mark.parametrize("name", BEHAVIORS)
def test_the_recordings_pace_is_productions_shortened(name: str) -> None:
    recording = _recording(name)

    assert (recording.look, recording.window) == (LOOK, WINDOW)
    assert WINDOW / LOOK == DOWNSCALE_WINDOW / SYNC_SECONDS
    assert BEHAVIOR["scaleDown"]["stabilizationWindowSeconds"] == WINDOW
    gaps = [after.at - before.at for before, after in zip(recording.looks, recording.looks[1:], strict=False)]
    assert max(gaps) < 1.5 * LOOK


def test_the_recordings_tell_the_two_behaviors_apart() -> None:
    """What is recorded for one is no answer for the other: this comparison can fail."""
    assert _answers(_recording("absent"), DEFAULT_BEHAVIOR) != _answers(_recording("absent"), None)


def test_every_step_that_is_driven_was_recorded() -> None:
    """The last one is shown until all are over; a step may be looked at while the metric is not asked for."""
    driven = [metric for metric, _ in steps() if metric is not None]

    for name in BEHAVIORS:
        seen = [one.metric for one in _recording(name).looks if one.metric is not None]
        assert seen[: len(driven)] == driven
        assert {one.minimum for one in _recording(name).looks} == {minimum for _, minimum in steps()}
