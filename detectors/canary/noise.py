"""How much one version's failures vary by themselves, learned from the old version before the rollout began.

Noise that lasts (a look that fails more is followed by others) cannot be told from a regression within the first looks
of a rollout; some time of the old version alone shows it. Three numbers of the logarithm of its failure rate are
taken from its counts by moments, chance being taken out (Poisson-lognormal: Aitchison & Ho 1989):

- the variance over time, and how much of it lasts from one look to the next (a first-order autoregression), both at
  upper 80 % limits;
- the variance between pods.

Promises that more noise before never makes a verdict earlier, and that nothing is claimed where too little was
counted: then there is no noise known, and the guards within the rollout are all there is. Bad times that both versions
would have shared (a daily peak, a dependency) count as noise too here, since one version alone cannot tell them apart:
that costs time, never a version.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.canary.evidence import Arm

LEAST_LOOKS: Final = 20
"""Looks before the rollout below which nothing is learned."""
LEAST_FAILURES: Final = 20.0
"""Failures below which nothing is learned: what varies is chance."""
LIMIT: Final = 0.84
"""Standard errors to the one-sided upper 80 % limit."""
MOST_LASTING: Final = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Noise:
    """Of the logarithm of a version's failure rate: variance over time, the part of it that lasts from look to look,
    and variance between pods. All zero: none is known.
    """

    variance: float = 0.0
    lasting: float = 0.0
    between_pods: float = 0.0

    def of_mean(self, looks: float) -> float:
        """The variance over time of one version's mean over so many looks."""
        whole = max(1, round(looks))
        lags = np.arange(1, whole)
        return self.variance * float(1.0 + 2.0 * ((1.0 - lags / whole) * self.lasting**lags).sum()) / whole


NONE: Final = Noise()


def learned(before: Arm | None) -> Noise:
    """The noise of a version by its counts over some time, shape (pods, looks)."""
    if before is None:
        return NONE
    requests, failures = before.known()
    asked, failed = requests.sum(axis=0), failures.sum(axis=0)
    at = np.flatnonzero(asked > 0)
    if len(at) < LEAST_LOOKS or failed.sum() < LEAST_FAILURES:
        return NONE
    expected = asked * failed.sum() / asked.sum()
    over_time = failed - expected
    next_ = at[:-1][np.diff(at) == 1]
    variance = excess(over_time[at], expected[at])
    return Noise(
        *limits(variance, moment(over_time[next_] * over_time[next_ + 1], expected[next_] * expected[next_ + 1]), at),
        log_variance(pods_apart(requests, failures, asked, failed)),
    )


def limits(variance: float, following: float, at: NDArray[np.intp]) -> tuple[float, float]:
    """Upper limits of the logarithm's variance and of how much lasts, from the relative variance and covariance."""
    if variance <= 0.0:
        return 0.0, 0.0
    lasting = min(MOST_LASTING, max(0.0, log_variance(following) / log_variance(variance)))
    independent = len(at) * (1.0 - lasting**2) / (1.0 + lasting**2)
    high = variance * (1.0 + LIMIT * math.sqrt(2.0 / independent))
    return log_variance(high), min(MOST_LASTING, math.tanh(math.atanh(lasting) + LIMIT / math.sqrt(len(at) - 3)))


def pods_apart(requests: Floats, failures: Floats, asked: Floats, failed: Floats) -> float:
    """Relative variance of failures between pods, each held against what all failed at the same looks."""
    part = np.divide(requests, asked, out=np.zeros_like(requests), where=asked > 0)
    expected = (part * failed).sum(axis=1)
    pods = expected > 0
    return excess(failures.sum(axis=1)[pods] - expected[pods], expected[pods])


def excess(off: Floats, expected: Floats) -> float:
    """Relative variance of counts about what is expected of them, beyond chance."""
    count = len(off)
    return moment(off**2 * count / (count - 1) - expected, expected**2) if count > 1 else 0.0


def moment(seen: Floats, scale: Floats) -> float:
    """A sum in units of another, 0 where there is nothing; never below."""
    whole = float(scale.sum())
    return max(0.0, float(seen.sum()) / whole) if whole > 0 else 0.0


def log_variance(relative: float) -> float:
    """The variance of the logarithm of something whose relative variance is this (lognormal)."""
    return math.log1p(max(0.0, relative))
