"""How long a pod takes from being asked for to being ready, from the few starts that were seen.

Start-up times are taken as lognormal; their log-mean and log-variance have a normal-inverse-gamma prior, so that three
starts already say something and none at all says "a minute, perhaps five". The answer is a quantile of the *next*
start (posterior predictive: Student's t on the log scale; Gelman et al., "Bayesian Data Analysis", 3rd ed., section
3.3), because the next start is what a floor must be early for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from detectors.forecast.conformal import student

LONGEST: Final = 3600.0
"""Seconds; what took longer was not a start but a wait for something else."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before any start was seen: `median` seconds, worth `weight` starts, and a log standard deviation
    `spread`, worth `degrees` starts.
    """

    median: float = 60.0
    weight: float = 1.0
    spread: float = 0.6
    degrees: float = 3.0


@dataclass(frozen=True, slots=True)
class LeadTime:
    """The next start is over within `bound` with probability `quantile`; `starts` were seen, their median is
    `median` (the prior's when there were none).
    """

    bound: timedelta
    quantile: float
    median: timedelta
    starts: int


def lead_time(seconds: Sequence[float], quantile: float = 0.9, prior: Prior = Prior()) -> LeadTime:
    """The time to allow for the next start. Values outside (0, an hour] are no starts and are left out."""
    seen = np.array([s for s in seconds if math.isfinite(s) and 0.0 < s <= LONGEST], dtype=np.float64)
    logs, n = np.log(np.maximum(seen, 0.5)), len(seen)
    centre = math.log(prior.median)
    mean = float(logs.mean()) if n else centre
    weight, degrees = prior.weight + n, prior.degrees + n
    location = (prior.weight * centre + n * mean) / weight
    squares = (
        prior.degrees * prior.spread**2
        + float(((logs - mean) ** 2).sum())
        + prior.weight * n / weight * (mean - centre) ** 2
    )
    width = math.sqrt(squares / degrees * (1.0 + 1.0 / weight))
    bound = min(LONGEST, math.exp(location + student(quantile, degrees) * width))
    median = float(np.median(seen)) if n else prior.median
    return LeadTime(timedelta(seconds=bound), quantile, timedelta(seconds=median), n)
