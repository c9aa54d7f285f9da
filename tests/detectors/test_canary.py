"""The judge of new versions: what it rolls back, what it never does, and how often it is wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom

from detectors.base import Judge
from detectors.canary.evidence import Arm, Evidence
from detectors.canary.sequential import ODDS, Counts, dispersion, log_ratios, looked, mixture, paired
from detectors.canary.verdict import Sequential
from detectors.conformance import check_judge, episode, first
from detectors.results import CannotKnow, Hold, Promote, RollBack, Unknowable, Verdict
from detectors.series import DataHealth, Problem
from tests.detectors.rollouts import Noise, simulated

ALPHA = 0.01
JUDGE = Sequential()


def evidence(canary: Arm, baseline: Arm) -> Evidence:
    return Evidence(15.0 * np.arange(canary.looks, dtype=np.float64), canary, baseline)


def steady(requests: float, failures: float, looks: int = 12, pods: int = 2) -> Arm:
    return Arm(np.full((pods, looks), float(requests)), np.full((pods, looks), float(failures)))


def single(values: list[float], requests: float = 1000.0) -> Arm:
    return Arm(np.full((1, len(values)), requests), np.array([values], dtype=np.float64))


def test_the_shipped_judge_keeps_its_promises() -> None:
    report = check_judge(JUDGE)

    assert report.ok, str(report)


@dataclass
class Eager:
    """Rolls back at the first look at which more fails: what peeking without a test does."""

    def judge(self, evidence: Evidence, alpha: float) -> Verdict:
        verdict = JUDGE.judge(evidence, alpha)
        if isinstance(verdict, Hold | Promote):
            found = verdict.measured
            shares = found.canary.share, found.baseline.share
            spread = math.sqrt(max(shares) / found.canary.requests + max(shares) / found.baseline.requests)
            return RollBack(found) if shares[0] - shares[1] > 1.645 * spread else verdict
        return verdict


@dataclass
class Trusting:
    """Believes whatever it is given."""

    def judge(self, evidence: Evidence, alpha: float) -> Verdict:
        verdict = JUDGE.judge(replace(evidence, health=DataHealth()), alpha)
        if isinstance(verdict, CannotKnow):
            return Promote(JUDGE.judge(episode(1), alpha).measured)  # type: ignore[union-attr]  # a healthy episode
        return verdict


@pytest.mark.parametrize(
    ("judge", "promise"),
    [
        (Eager(), "holds its false rollbacks at every look"),
        (Trusting(), "knows nothing of bad data"),
        (Trusting(), "missing samples are no verdict"),
    ],
    ids=["peeks", "bad data", "missing samples"],
)
def test_a_judge_that_breaks_a_promise_is_told(judge: Judge, promise: str) -> None:
    assert promise in {broken.promise for broken in check_judge(judge).broken}


# What is rolled back


def test_four_times_the_failures_are_rolled_back_within_ten_looks() -> None:
    verdict = JUDGE.judge(episode(3, odds=4.0), ALPHA)

    assert isinstance(verdict, RollBack)
    assert verdict.measured.canary.share == pytest.approx(4 * verdict.measured.baseline.share, rel=0.4)
    assert verdict.measured.e_value >= 200


def test_a_version_without_a_single_failure_beside_a_failing_one_is_the_bar() -> None:
    verdict = JUDGE.judge(evidence(steady(500, 10), steady(500, 0)), ALPHA)

    assert isinstance(verdict, RollBack)
    assert verdict.measured.baseline.failures == 0


def test_a_version_that_fails_less_is_never_rolled_back() -> None:
    assert isinstance(JUDGE.judge(evidence(steady(500, 1), steady(500, 20)), ALPHA), Promote)


def test_what_fails_in_both_at_once_is_no_regression() -> None:
    """A dependency is away: half of everything fails, in both versions."""
    canary = single([1.0, 1, 1, 500, 510, 490, 505, 500])
    baseline = single([1.0, 1, 1, 500, 495, 505, 500, 495])

    assert not isinstance(JUDGE.judge(evidence(canary, baseline), ALPHA), RollBack)


def test_one_burst_does_not_decide() -> None:
    """However large: the e-value has to be reached without the look that speaks most against the new version."""
    assert not isinstance(JUDGE.judge(evidence(single([0.0, 0, 800, 0, 0, 0]), single([0.0] * 6)), ALPHA), RollBack)
    assert isinstance(JUDGE.judge(evidence(single([0.0, 0, 80, 80, 80, 80]), single([0.0] * 6)), ALPHA), RollBack)


def test_one_bad_pod_of_many_is_no_bad_version() -> None:
    """The failures of one pod on a bad node weigh like the one event that they are."""
    failures = np.ones((6, 12))
    failures[0] = 12.0
    one = Arm(np.full((6, 12), 500.0), failures)
    all_of_them = Arm(np.full((6, 12), 500.0), np.full((6, 12), failures.mean()))

    assert not isinstance(JUDGE.judge(evidence(one, steady(500, 1, pods=6)), ALPHA), RollBack)
    assert isinstance(JUDGE.judge(evidence(all_of_them, steady(500, 1, pods=6)), ALPHA), RollBack)


def test_what_was_reached_stays_reached_when_the_old_version_is_gone() -> None:
    gone = steady(500, 0)
    gone.requests[:, 6:] = gone.failures[:, 6:] = math.nan

    assert isinstance(JUDGE.judge(evidence(steady(500, 20), gone), ALPHA), RollBack)


def test_a_single_look_that_sums_up_everything_is_a_plain_test() -> None:
    whole = Evidence(np.zeros(1), single([200.0], 10_000.0), single([20.0], 10_000.0), whole=True)

    assert isinstance(JUDGE.judge(whole, ALPHA), RollBack)
    assert not isinstance(JUDGE.judge(replace(whole, whole=False), ALPHA), RollBack)


# What cannot be known


@pytest.mark.parametrize("problem", Problem)
def test_bad_data_are_never_a_verdict(problem: Problem) -> None:
    bad = replace(episode(3, odds=20.0), health=DataHealth(frozenset({problem}), "as said"))

    verdict = JUDGE.judge(bad, ALPHA)

    assert isinstance(verdict, CannotKnow)
    assert (verdict.reason, "as said" in verdict.detail) == (Unknowable.BAD_DATA, True)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("arm", ["canary", "baseline"])
def test_missing_samples_never_become_a_verdict(arm: str, share: float) -> None:
    well = episode(5, looks=40)
    missing = np.random.default_rng(1).random(40) < share
    missing[0], missing[-1] = False, False
    holed: Arm = getattr(well, arm)
    requests, failures = holed.requests.copy(), holed.failures.copy()
    requests[:, missing] = failures[:, missing] = math.nan

    verdict = JUDGE.judge(replace(well, **{arm: Arm(requests, failures)}), ALPHA)  # type: ignore[arg-type]  # an arm

    assert isinstance(verdict, CannotKnow)
    assert verdict.reason in (Unknowable.GAPPED, Unknowable.CANARY_MISSING, Unknowable.BASELINE_GONE)


@pytest.mark.parametrize(
    ("arm", "value", "reason"),
    [
        ("canary", math.nan, Unknowable.CANARY_MISSING),
        ("baseline", math.nan, Unknowable.BASELINE_GONE),
        ("canary", 0.0, Unknowable.SILENT),
        ("baseline", 0.0, Unknowable.SILENT),
    ],
    ids=["canary gone", "baseline gone", "canary silent", "baseline silent"],
)
def test_an_arm_that_falls_silent_is_not_an_arm_without_errors(arm: str, value: float, reason: Unknowable) -> None:
    well = episode(5)
    changed = Arm(getattr(well, arm).requests.copy(), getattr(well, arm).failures.copy())
    changed.requests[:, 5:] = changed.failures[:, 5:] = value

    verdict = JUDGE.judge(replace(well, **{arm: changed}), ALPHA)  # type: ignore[arg-type]  # one of the arms

    assert isinstance(verdict, CannotKnow)
    assert verdict.reason is reason


def test_one_lost_scrape_costs_nothing() -> None:
    well = episode(5)
    well.canary.requests[:, 4] = well.canary.failures[:, 4] = math.nan

    assert not isinstance(JUDGE.judge(well, ALPHA), CannotKnow)


def test_more_failures_than_requests_cannot_have_been_counted() -> None:
    verdict = JUDGE.judge(evidence(steady(5, 6), steady(5, 0)), ALPHA)

    assert isinstance(verdict, CannotKnow)
    assert verdict.reason is Unknowable.IMPOSSIBLE


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, math.nan])
def test_a_share_of_false_rollbacks_lies_between_0_and_1(alpha: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        JUDGE.judge(episode(1), alpha)


def test_looks_out_of_order_are_no_evidence() -> None:
    with pytest.raises(ValueError, match="order of time"):
        Evidence(np.array([0.0, 30.0, 15.0]), single([0.0] * 3), single([0.0] * 3))


def test_progress_grows_with_the_evidence() -> None:
    whole = episode(11, odds=2.0, looks=30)
    seen = [JUDGE.judge(first(whole, look), ALPHA) for look in range(1, 31)]
    held = [verdict.progress for verdict in seen if isinstance(verdict, Hold)]

    assert all(0 <= progress < 1 for progress in held)
    assert held[-1] > held[0]


# The mathematics


@settings(max_examples=60, deadline=None)
@given(
    requests=st.integers(1, 60), others=st.integers(1, 60), failed=st.integers(0, 40), odds=st.sampled_from(list(ODDS))
)
def test_one_looks_ratio_has_a_mean_of_at_most_one(requests: int, others: int, failed: int, odds: float) -> None:
    """Under the exact law of the failures given their sum (hypergeometric), not only under the binomial."""
    failed = min(failed, requests + others)
    share = requests / (requests + others)
    seen = np.arange(0, failed + 1)
    ratio = np.exp(seen * np.log(odds) - failed * np.log1p(share * (odds - 1.0)))

    assert (ratio * hypergeom(requests + others, requests, failed).pmf(seen)).sum() <= 1 + 1e-9
    assert (ratio * binom(failed, share).pmf(seen)).sum() == pytest.approx(1.0)


def test_the_mixture_is_the_mean_of_the_ratios() -> None:
    counts = Counts(np.arange(2), *(np.array(part, dtype=float) for part in ([10, 10], [2, 3], [30, 30], [1, 1])))
    by_hand = np.prod(
        [[odds**k / (1 + 0.25 * (odds - 1)) ** n for odds in ODDS] for k, n in ((2, 3), (3, 4))], axis=0
    ).mean()

    assert mixture(log_ratios(counts).sum(axis=1)) == pytest.approx(math.log(by_hand))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), odds=st.sampled_from([1.0, 2.0, 6.0]))
def test_the_guards_only_ever_hold_the_test_back(seed: int, odds: float) -> None:
    whole = episode(seed, odds=odds)
    counts = paired(whole)
    plain = mixture(log_ratios(counts).sum(axis=1))

    assert looked(counts, whole.canary, whole.baseline).counts <= max(plain, 0.0) + 1e-9


def test_pods_that_differ_and_bursts_are_seen_as_dispersion() -> None:
    noise = np.random.default_rng(4)
    requests = np.full((6, 30), 2000.0)

    def spread(pod: float, time: float) -> float:
        arms = []
        for _ in range(2):
            shares = 0.01 * np.exp(noise.normal(size=(6, 1)) * pod + noise.normal(size=(1, 30)) * time)
            arms.append(Arm(requests, noise.binomial(2000, shares).astype(np.float64)))
        whole = evidence(*arms)
        return dispersion(paired(whole), whole.canary, whole.baseline)

    assert spread(0.0, 0.0) < 2
    assert spread(0.5, 0.0) > 5
    assert spread(0.0, 0.5) > 5


# How often it is wrong


@pytest.mark.parametrize(
    ("spread", "lasting", "pods"),
    [(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.3, 0.5, 0.0), (0.0, 0.0, 0.2)],
    ids=["independent", "bursts", "lasting bursts", "pods"],
)
def test_healthy_versions_are_rolled_back_at_most_as_often_as_declared(
    spread: float, lasting: float, pods: float
) -> None:
    """Looked at 30 times each; of 150 with a chance of 1 % each, more than 6 have a chance below 1 in 1,000.

    The verdict at the last look says whether any look had reached the bound.
    """
    false = sum(
        isinstance(
            JUDGE.judge(simulated(seed, Noise(spread, lasting, pods), looks=30), ALPHA),
            RollBack,
        )
        for seed in range(150)
    )

    assert false <= 6


def test_the_last_look_tells_whether_any_had_reached_the_bound() -> None:
    whole = episode(21, odds=3.0)
    reached = [isinstance(JUDGE.judge(first(whole, look), ALPHA), RollBack) for look in range(1, 11)]

    assert reached == sorted(reached)
