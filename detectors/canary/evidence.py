"""What two versions of a service have counted beside each other, look by look and pod by pod.

Promises that a sample nobody took stays missing (NaN), and that what cannot have been counted (more failures than
requests, a count below zero) is told from what has. Increments, not counters: resets are taken out before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.series import HEALTHY, DataHealth

SLACK = 1e-6
"""Relative rounding that failures above requests are forgiven: counters are interpolated to the grid."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One version: requests and failures since the look before, both of shape (pods, looks).

    NaN where a pod was not there or was not measured. One row stands for a whole arm whose pods are not told apart.
    """

    requests: NDArray[np.float64]
    failures: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.requests.ndim != 2 or self.requests.shape != self.failures.shape:
            raise ValueError(
                f"an arm is two matrices (pods, looks), not {self.requests.shape} and {self.failures.shape}"
            )

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Where both counts are known, shape (pods, looks)."""
        return np.asarray(np.isfinite(self.requests) & np.isfinite(self.failures))

    @property
    def measured(self) -> NDArray[np.bool_]:
        """The looks at which at least one pod was measured, shape (looks,)."""
        return np.asarray(self.counted.any(axis=0)) if len(self.requests) else np.zeros(self.looks, dtype=bool)

    @property
    def looks(self) -> int:
        """How many looks there were."""
        return int(self.requests.shape[1])

    @property
    def possible(self) -> bool:
        """False when something was counted that cannot be."""
        with np.errstate(invalid="ignore"):
            odd = (self.requests < 0) | (self.failures < 0) | (self.failures > self.requests * (1 + SLACK) + SLACK)
        return not bool(np.any(odd) or np.any(np.isinf(self.requests)) or np.any(np.isinf(self.failures)))

    def known(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Requests and failures with 0 where nothing was measured: sums only, never shares."""
        there = self.counted
        return np.where(there, self.requests, 0.0), np.where(there, self.failures, 0.0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Both arms over the same looks. `times` are the ends of the looks, unix seconds, increasing.

    `whole`: one look that sums up everything there was, so that nothing can be said about bursts within it. `before`:
    the old version alone, at looks of the same length before the new one came; None where nobody asked.
    """

    times: NDArray[np.float64]
    canary: Arm
    baseline: Arm
    health: DataHealth = field(default=HEALTHY)
    whole: bool = False
    before: Arm | None = None

    def __post_init__(self) -> None:
        if not self.canary.looks == self.baseline.looks == len(self.times):
            raise ValueError(
                f"{len(self.times)} times, {self.canary.looks} looks at the new version"
                f" and {self.baseline.looks} at the old one"
            )
        if not np.all(np.isfinite(self.times)) or np.any(np.diff(self.times) <= 0):
            raise ValueError("looks have to be in the order of time")
