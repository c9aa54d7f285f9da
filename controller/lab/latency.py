"""Latency as a mixture of two lognormals behind a wait, and the buckets of a histogram that it falls into.

The normal distribution function is read off a table of 12,001 places between ±6 (linear in between: off by less than
1e-7), because physics asks for it some thousand times a tick.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

EDGES: Final[tuple[float, ...]] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)
"""Upper bounds in seconds: the default buckets of Prometheus clients, and all the rest."""

_FINITE = np.array(EDGES[:-1])
_REACH, _STEPS = 6.0, 12_000
_FAR = 4.76
_PHI = np.array([0.5 * (1.0 + math.erf(z / math.sqrt(2.0))) for z in np.linspace(-_REACH, _REACH, _STEPS + 1)])

_SLOPE = np.diff(_PHI)


class Mixture(NamedTuple):
    """Two lognormals, an entry for each pod or service: medians in seconds, sigmas, and the share of the slow one."""

    median: Floats
    sigma: Floats
    slow_share: Floats
    slow_median: Floats
    slow_sigma: Floats


def phi(z: Floats) -> Floats:
    """The standard normal distribution function."""
    place = np.minimum(np.maximum((z + _REACH) * (_STEPS / (2 * _REACH)), 0.0), _STEPS - 1e-9)
    low = place.astype(np.int64)
    return np.asarray(_PHI.take(low) + _SLOPE.take(low) * (place - low))


def shares(
    median: Floats, sigma: Floats, slow_share: Floats, slow_median: Floats, slow_sigma: Floats, shift: Floats
) -> Floats:
    """Cumulative share of requests under each edge, shape (n, edges); `shift` is what every request waits first."""
    left = _FINITE - shift[:, None]
    logs = np.log(np.maximum(left, 1e-9))
    middles = np.log(np.stack((median, slow_median)))
    both = phi((logs - middles[:, :, None]) / np.stack((sigma, slow_sigma))[:, :, None])
    result = np.ones((len(median), len(EDGES)))
    result[:, :-1] = (both[0] + slow_share[:, None] * (both[1] - both[0])) * (left > 0.0)
    return result


def below(
    median: Floats, sigma: Floats, slow_share: Floats, slow_median: Floats, slow_sigma: Floats, seconds: Floats
) -> Floats:
    """The share of requests that take no longer than so many seconds, one number for each."""
    logs = np.log(np.maximum(seconds, 1e-9))
    main, slow = phi((logs - np.log(median)) / sigma), phi((logs - np.log(slow_median)) / slow_sigma)
    return np.asarray((main + slow_share * (slow - main)) * (seconds > 0.0))


def reach(median: float, sigma: float, slow_median: float, slow_sigma: float) -> float:
    """Seconds that all but one in a million requests stay below."""
    return max(median * math.exp(_FAR * sigma), slow_median * math.exp(_FAR * slow_sigma))


def mean(median: Floats, sigma: Floats, slow_share: Floats, slow_median: Floats, slow_sigma: Floats) -> Floats:
    """The mixture's mean in seconds (a lognormal's is median · exp(σ²/2))."""
    main = median * np.exp(sigma**2 / 2)
    return np.asarray(main + slow_share * (slow_median * np.exp(slow_sigma**2 / 2) - main))
