"""What a detector may answer: one frozen value per outcome.

"I cannot tell" is an answer of its own (`Abstention`), never a probability of zero and never "healthy".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from detectors.series import Problem


@dataclass(frozen=True, slots=True)
class Band:
    """The range an indicator stays in while its service is well, in the indicator's own unit."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Detection:
    """A value held against its own recent band; `p` is the chance of one at least as far out on a normal day."""

    value: float
    band: Band
    p: float
    abnormal: bool


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, both ends included."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Peak:
    """A bound that the largest value over (`at`, `at + window`] stays under with probability `quantile`.

    `centre` is its median, both in the series' unit; `tried` counts the moments of the past that the bound was made
    from, 0 where it comes from an assumption.
    """

    window: timedelta
    quantile: float
    value: float
    centre: float
    tried: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to come of one series after `at`, its newest point.

    `paths[k][i]` is the quantile `levels[i]` of the value at `at + (k + 1) * step`, in the series' unit; `model` names
    the method and its version; `trained` is the history that it rests on.
    """

    at: datetime
    step: timedelta
    levels: tuple[float, ...]
    paths: tuple[tuple[float, ...], ...]
    peak: Peak
    model: str
    trained: Span


@dataclass(frozen=True, slots=True)
class Abstention:
    """No answer, and why: bad data (`problems`) or too little of it (`reason`)."""

    reason: str
    problems: frozenset[Problem] = frozenset()


@dataclass(frozen=True, slots=True)
class Counted:
    """What one version has counted: requests, and those of them that failed."""

    requests: float
    failures: float

    @property
    def share(self) -> float:
        """Failed over all, NaN when there were none."""
        return self.failures / self.requests if self.requests > 0 else math.nan


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers behind a verdict, over the looks at which both versions were measured.

    `log_e` is the natural logarithm of the e-value, `log_needed` what it has to reach, `dispersion` by how much the
    evidence was discounted because failures come in bursts or by pods (1: not at all).
    """

    canary: Counted
    baseline: Counted
    log_e: float
    log_needed: float
    dispersion: float
    looks: int

    @property
    def e_value(self) -> float:
        """How many times likelier the counts are if the new version is worse; at most 10³⁰⁰."""
        return math.exp(min(self.log_e, 300 * math.log(10)))


@dataclass(frozen=True, slots=True)
class Promote:
    """The new version is not worse by anything that matters. Not final: a later look may still say RollBack."""

    measured: Measured


@dataclass(frozen=True, slots=True)
class Hold:
    """Not decided yet; `progress` (0–1) is how far the nearer decision is."""

    measured: Measured
    progress: float


@dataclass(frozen=True, slots=True)
class RollBack:
    """The new version fails more of its requests than the old one, at the error rate that was asked for."""

    measured: Measured


class Unknowable(StrEnum):
    """Why two versions cannot be compared."""

    BAD_DATA = "bad-data"
    IMPOSSIBLE = "impossible-counts"
    CANARY_MISSING = "canary-missing"
    BASELINE_GONE = "baseline-gone"
    GAPPED = "gapped"
    SILENT = "silent"
    NO_COUNTERS = "no-counters"


@dataclass(frozen=True, slots=True)
class CannotKnow:
    """Nothing can be said: why, in a code and in words, and what would be needed. Neither promotes nor rolls back."""

    reason: Unknowable
    detail: str
    needed: str


Verdict: TypeAlias = Promote | Hold | RollBack | CannotKnow
