"""What the old version's counts before a rollout tell of its noise."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.canary.evidence import Arm
from detectors.canary.noise import LEAST_LOOKS, NONE, Noise, learned
from detectors.canary.sequential import foreseen, looked, paired
from detectors.canary.verdict import Sequential
from detectors.results import Promote, RollBack
from tests.detectors.rollouts import Noise as Simulated
from tests.detectors.rollouts import simulated

ALPHA = 0.01
JUDGE = Sequential()
LASTING = Simulated(0.5, 0.8)


def alone(noise: Simulated, seed: int, looks: int = 120, rate: float = 1000.0) -> Arm:
    before = simulated(seed, noise, looks=1, rate=rate, before=looks).before
    assert before is not None
    return before


def middle(noise: Simulated, looks: int = 120) -> Noise:
    found = [learned(alone(noise, seed, looks)) for seed in range(40)]
    return Noise(*(float(np.median([getattr(one, name) for one in found])) for name in Noise.__slots__))


@pytest.mark.parametrize(
    ("spread", "lasting"), [(0.25, 0.0), (0.5, 0.5), (0.5, 0.8), (1.0, 0.5)], ids=["small", "some", "lasting", "large"]
)
def test_noise_over_time_is_found_at_about_its_size(spread: float, lasting: float) -> None:
    """Upper limits, of what the looks before show: lasting noise looks smaller and shorter in that than it is."""
    found = middle(Simulated(spread, lasting))

    assert 0.8 * spread**2 < found.variance < 2.0 * spread**2
    assert lasting - 0.05 < found.lasting < lasting + 0.15


def test_pods_that_differ_are_no_noise_over_time_and_the_other_way_round() -> None:
    pods, time = middle(Simulated(pods=0.5)), middle(Simulated(0.5))

    assert pods.between_pods > 0.1
    assert pods.variance < 0.02
    assert time.between_pods < 0.02


def test_chance_alone_is_no_noise() -> None:
    found = middle(Simulated())

    assert found.variance < 0.01
    assert found.between_pods < 0.01


@pytest.mark.parametrize(
    "before",
    [
        None,
        Arm(np.zeros((0, 120)), np.zeros((0, 120))),
        Arm(np.full((2, 120), math.nan), np.full((2, 120), math.nan)),
        Arm(np.full((2, 120), 500.0), np.zeros((2, 120))),
        alone(LASTING, 1, LEAST_LOOKS - 1),
    ],
    ids=["not asked", "no pods", "nothing measured", "no failures", "too short"],
)
def test_nothing_is_claimed_where_too_little_was_counted(before: Arm | None) -> None:
    assert learned(before) == NONE


def test_looks_that_are_missing_are_no_noise() -> None:
    whole = alone(Simulated(), 3)
    holed = Arm(whole.requests.copy(), whole.failures.copy())
    holed.requests[:, 20:60] = holed.failures[:, 20:60] = math.nan

    assert learned(holed).variance < 0.02


@given(variance=st.floats(0, 4), lasting=st.floats(0, 0.95), looks=st.integers(1, 200))
def test_more_looks_never_make_a_mean_less_certain(variance: float, lasting: float, looks: int) -> None:
    noise = Noise(variance, lasting)

    assert noise.of_mean(1) == pytest.approx(variance)
    assert noise.of_mean(looks + 1) <= noise.of_mean(looks) + 1e-12


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), variance=st.floats(0, 2), lasting=st.floats(0, 0.95), pods=st.floats(0, 1))
def test_noise_that_is_known_only_ever_holds_the_test_back(
    seed: int, variance: float, lasting: float, pods: float
) -> None:
    whole = simulated(seed, Simulated(), looks=12, times=4.0)
    counts, noise = paired(whole), Noise(variance, lasting, pods)

    assert foreseen(counts, whole.canary, whole.baseline, noise) >= 1.0
    known = looked(counts, whole.canary, whole.baseline, noise).counts
    assert max(0.0, known) <= max(0.0, looked(counts, whole.canary, whole.baseline).counts)


def test_a_comparison_that_rests_on_one_look_is_as_uncertain_as_one_look() -> None:
    """A minute in which everything fails in both versions has nearly all failures: an hour of calm adds nothing."""
    steady = simulated(1, Simulated(), looks=40, rate=1000.0)
    burst = replace(
        steady,
        canary=Arm(steady.canary.requests, steady.canary.failures.copy()),
        baseline=Arm(steady.baseline.requests, steady.baseline.failures.copy()),
    )
    burst.canary.failures[:, 7] = burst.baseline.failures[:, 7] = 1500.0
    noise = Noise(0.25, 0.0)

    def over_time(evidence_: object) -> float:
        counts = paired(evidence_)  # type: ignore[arg-type]  # evidence
        weight = float((counts.failed * counts.share * (1 - counts.share)).sum())
        return (foreseen(counts, burst.canary, burst.baseline, noise) - 1.0) / weight

    assert over_time(steady) == pytest.approx(2 * 0.25 / 40, rel=0.1)
    assert over_time(burst) > 2 * 0.25 / 3


def false(before: int, episodes: int) -> int:
    verdicts = (
        JUDGE.judge(simulated(seed, LASTING, looks=30, rate=1000.0, before=before), ALPHA) for seed in range(episodes)
    )
    return sum(isinstance(verdict, RollBack) for verdict in verdicts)


def test_lasting_noise_that_was_there_before_is_not_taken_for_a_regression() -> None:
    """Of 100 with a chance of 1 % each, more than 5 have a chance below 1 in 1,000. Without a look at the time before
    it is many more: else this would prove nothing.
    """
    assert false(120, 100) <= 5
    assert false(0, 40) >= 5


def test_noise_before_makes_no_healthy_version_wait_for_its_promotion() -> None:
    """Promoting does nothing, and what it tolerates leaves room enough: of versions that fail twice as much it took at
    most 1 % in any noise tried.
    """
    whole = [simulated(seed, Simulated(0.25, 0.5), looks=60, rate=1000.0, before=120) for seed in range(5)]
    alone_ = [JUDGE.judge(replace(one, before=None), ALPHA) for one in whole]

    assert [type(JUDGE.judge(one, ALPHA)) for one in whole] == [type(verdict) for verdict in alone_]
    assert any(isinstance(verdict, Promote) for verdict in alone_)


@pytest.mark.parametrize("times", [2.0, 4.0])
def test_a_quiet_past_costs_a_true_regression_nothing(times: float) -> None:
    looks = []
    for seed in range(10):
        whole = simulated(seed, Simulated(), looks=30, rate=1000.0, times=times, before=120)
        verdicts = [JUDGE.judge(one, ALPHA) for one in (whole, replace(whole, before=None))]
        assert all(isinstance(verdict, RollBack) for verdict in verdicts)
        looks.append([verdict.measured.looks for verdict in verdicts if isinstance(verdict, RollBack)])

    known, unknown = np.array(looks).T
    assert known.sum() <= 1.1 * unknown.sum()
