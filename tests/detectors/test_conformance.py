"""Every detector that ships keeps the promises, and the check finds each way to break them."""

import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from detectors.anomaly.baseline import Baseline
from detectors.base import State
from detectors.conformance import check_detector
from detectors.results import Abstention, Band, Detection
from detectors.series import Problem, Series

Answer = tuple[Detection | Abstention, State]


@pytest.mark.parametrize("seed", range(5))
def test_the_baseline_keeps_every_promise(seed: int) -> None:
    report = check_detector(Baseline(), seed)

    assert report.ok, str(report)


class Sound:
    """Keeps the promises in the plainest way; the broken ones below differ from it in one point each."""

    def detect(self, series: Series, state: State) -> Answer:
        if not series.health.healthy:
            return Abstention("bad data", series.health.problems), state
        if not len(series.values) or not math.isfinite(series.values[-1]):
            return Abstention("missing", frozenset({Problem.MISSING})), state
        return self.judge(series, state)

    def judge(self, series: Series, state: State) -> Answer:
        return Detection(float(series.values[-1]), Band(0.0, 1.0), 0.5, abnormal=False), state


class Crashes(Sound):
    def judge(self, series: Series, state: State) -> Answer:
        assert len(series.values) > 2
        return super().judge(series, state)


class TrustsBadData(Sound):
    def detect(self, series: Series, state: State) -> Answer:
        if not len(series.values) or not math.isfinite(series.values[-1]):
            return Abstention("missing"), state
        return self.judge(series, state)


class NamesNoProblem(Sound):
    def detect(self, series: Series, state: State) -> Answer:
        answer, state = super().detect(series, state)
        return (Abstention("no idea") if isinstance(answer, Abstention) else answer), state


class TakesTheOneBefore(Sound):
    def detect(self, series: Series, state: State) -> Answer:
        known = series.values[np.isfinite(series.values)]
        if not series.health.healthy or not len(known):
            return Abstention("bad data", series.health.problems), state
        return Detection(float(known[-1]), Band(0.0, 1.0), 0.5, abnormal=False), state


class LooksAhead(Sound):
    def judge(self, series: Series, state: State) -> Answer:
        future = series.values.base
        peak = float(np.nanmax(series.values if future is None else future))
        return Detection(float(series.values[-1]), Band(0.0, max(peak, 0.0)), 0.5, abnormal=False), state


class RemembersInSecret(Sound):
    def __init__(self) -> None:
        self.seen = 0

    def judge(self, series: Series, state: State) -> Answer:
        self.seen += 1
        return Detection(float(series.values[-1]), Band(0.0, float(self.seen)), 0.5, abnormal=False), state


class Guesses(Sound):
    def judge(self, series: Series, state: State) -> Answer:
        return Detection(float(series.values[-1]), Band(0.0, 1.0), random.random(), abnormal=False), state


class KeepsObjects(Sound):
    def judge(self, series: Series, state: State) -> Answer:
        held: Mapping[str, Any] = {"values": series.values}
        return super().judge(series, state)[0], held


class WritesItsInput(Sound):
    def judge(self, series: Series, state: State) -> Answer:
        series.values[0] = 0.0
        return super().judge(series, state)


class ImpossibleChance(Sound):
    def judge(self, series: Series, state: State) -> Answer:
        return Detection(float(series.values[-1]), Band(0.0, 1.0), 1.5, abnormal=False), state


def test_the_sound_detector_passes_so_that_each_broken_one_fails_for_its_one_fault() -> None:
    assert check_detector(Sound()).ok, str(check_detector(Sound()))


@pytest.mark.parametrize(
    ("detector", "promise"),
    [
        (Crashes(), "answers every series"),
        (ImpossibleChance(), "answers every series"),
        (TrustsBadData(), "abstains on bad data"),
        (NamesNoProblem(), "abstains on bad data"),
        (TakesTheOneBefore(), "abstains without a newest value"),
        (LooksAhead(), "is causal"),
        (RemembersInSecret(), "is deterministic"),
        (Guesses(), "is deterministic"),
        (KeepsObjects(), "keeps its state as JSON"),
        (WritesItsInput(), "changes nothing it is given"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Sound) else "",
)
def test_each_broken_promise_is_found(detector: Sound, promise: str) -> None:
    report = check_detector(detector)

    assert promise in {broken.promise for broken in report.broken}, str(report)
