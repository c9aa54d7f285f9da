"""How far wrong the method was before: one-sided bounds from the errors of its own past forecasts.

Split conformal prediction (Vovk, Gammerman, Shafer 2005; Lei et al. 2018, theorem 2.2): of n past errors the
⌈(n + 1)·q⌉-th smallest bounds the next one with probability at least q, whatever their distribution, as long as past
and next are exchangeable. Load is not quite: errors of a busy noon are not those of a quiet night, and they change
over the weeks. Therefore the errors are first put on one scale by how large errors have been lately, and only a recent
stretch is used. Coverage is then measured, not proved (docs/explanation/floor.md).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fewest(quantile: float) -> int:
    """Errors needed before any of them can serve as the bound: ⌈(n + 1)·q⌉ ≤ n."""
    return math.ceil(quantile / (1.0 - quantile) - 1e-9)


def upper(errors: Floats, quantile: float) -> float:
    """The bound for the next error; NaN entries are left out, infinite when there are fewer than `fewest`."""
    known = errors[np.isfinite(errors)]
    rank = math.ceil((len(known) + 1) * quantile - 1e-9)
    if rank > len(known):
        return math.inf
    return float(np.partition(known, rank - 1)[rank - 1])


def student_upper(errors: Floats, quantile: float) -> float:
    """The bound when errors are too few to count: Student's prediction limit, as if they were normal.

    mean + t · s · √(1 + 1/n), with t from the expansion of Abramowitz and Stegun 26.7.5. Infinite below three errors.
    """
    known = errors[np.isfinite(errors)]
    n = len(known)
    if n < 3:
        return math.inf
    return float(known.mean()) + student(quantile, n - 1.0) * float(known.std(ddof=1)) * math.sqrt(1.0 + 1.0 / n)


def student(quantile: float, degrees: float) -> float:
    """A quantile of Student's t (Abramowitz and Stegun 26.7.5); within 3 % from 3 degrees up for q ≤ .99."""
    z = NormalDist().inv_cdf(quantile)
    g1 = (z**3 + z) / 4.0
    g2 = (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0
    g3 = (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0
    g4 = (79.0 * z**9 + 776.0 * z**7 + 1482.0 * z**5 - 1920.0 * z**3 - 945.0 * z) / 92160.0
    return z + g1 / degrees + g2 / degrees**2 + g3 / degrees**3 + g4 / degrees**4


def bound(errors: Floats, quantile: float) -> float:
    """The bound for the next error, whatever there is: by rank where errors are many, by rank and Student's limit
    (the larger) where they are few, since neighbouring errors resemble each other; by Student's limit alone where
    there is no rank yet.
    """
    count = int(np.isfinite(errors).sum())
    if count < fewest(quantile):
        return student_upper(errors, quantile)
    by_rank = upper(errors, quantile)
    return by_rank if count >= 5 * fewest(quantile) else max(by_rank, student_upper(errors, quantile))


def running_scale(errors: Floats, known_after: int, half_life: float = 36.0) -> Floats:
    """How large errors were lately, at each moment: the mean of their long run and of an exponential mean that knows
    only errors at least `known_after` steps old (a peak is known when its window is over). Shape as `errors`.
    """
    size = np.abs(errors)
    known = size[np.isfinite(size)]
    overall = max(float(known.mean()) if len(known) else 0.0, TINY)
    late = np.full(len(errors), np.nan)
    if known_after < len(errors):
        late[known_after:] = ewma(size, half_life)[: len(errors) - known_after]
    return np.where(np.isfinite(late), 0.5 * late + 0.5 * overall, overall)


TINY = 1e-12
"""The least error on the log scale: what never varied does not divide by zero."""


def ewma(values: Floats, half_life: float) -> Floats:
    """Exponentially weighted mean up to and including each point; missing points carry no weight, NaN where all are.

    Shape as `values`.
    """
    there = np.isfinite(values)
    total = geometric(np.where(there, values, 0.0), 0.5 ** (1.0 / half_life))
    weight = geometric(there.astype(np.float64), 0.5 ** (1.0 / half_life))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > NOTHING, total / weight, np.nan)


NOTHING = 1e-9
"""Weights below count as none."""


def geometric(values: Floats, factor: float) -> Floats:
    """Σₖ factorᵏ · values[t − k] for every t, by doubling the number of terms: log₂ n passes instead of n · n."""
    total, reach, weight = values.copy(), 1, factor
    while reach < len(values) and weight > NOTHING:
        total[reach:] += weight * total[:-reach].copy()
        reach, weight = 2 * reach, weight * weight
    return total
