"""Measured confidence: is acting right here?

Promises a number that comes from verified outcomes, never from anybody's opinion of themselves. A success rate with a
uniform prior: k good of n labelled actions give Beta(1 + k, 1 + n − k); the estimate is its mean, the bound its
one-sided 90 % lower quantile, so 21 of 21 earn .90. What is abnormal and what caused it can only lower the estimate:
the record already contains their errors, so they are not multiplied in.

A service borrows from its runbook's record elsewhere, worth at most `BORROWED` outcomes, until it has its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import betaincinv

LOWER_QUANTILE = 0.10
BORROWED = 30.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Labelled outcomes: `good` of `n`."""

    good: int = 0
    n: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.good + other.good, self.n + other.n)

    def with_label(self, good: bool) -> Tally:
        """One more outcome."""
        return Tally(self.good + good, self.n + 1)


@dataclass(frozen=True, slots=True)
class Confidence:
    """`estimate` opens a question, `lower` opens Auto; `good` of `n` is the record, the rest is for the explanation.
    Fractions.
    """

    estimate: float
    lower: float
    n: int
    good: int
    abnormal: float
    cause: float


def measured(elsewhere: Tally, here: Tally, abnormal: float, cause: float) -> Confidence:
    """Confidence of a runbook on one service from its verified record elsewhere and here.

    `abnormal` and `cause` are fractions in [0, 1]: how sure detection and diagnosis are. They cap estimate and bound.
    """
    weight = min(1.0, BORROWED / elsewhere.n) if elsewhere.n else 0.0
    good = 1.0 + weight * elsewhere.good + here.good
    bad = 1.0 + weight * (elsewhere.n - elsewhere.good) + here.n - here.good
    cap = min(abnormal, cause)
    total = elsewhere + here
    return Confidence(
        estimate=min(good / (good + bad), cap),
        lower=min(float(betaincinv(good, bad, LOWER_QUANTILE)), cap),
        n=total.n,
        good=total.good,
        abnormal=abnormal,
        cause=cause,
    )
