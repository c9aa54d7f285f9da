"""What the numbers are: series on a regular grid, and how far they can be trusted.

Promises that a missing sample stays missing (NaN), never zero, and that health travels with the values. Knows nothing
of Prometheus or Kubernetes beyond a workload's name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, order=True, slots=True)
class Workload:
    """A workload by name: what series, incidents, plans and budgets are about."""

    namespace: str
    kind: str
    name: str
    api_version: str = "apps/v1"

    @property
    def key(self) -> str:
        """Stable text form, `shop/Deployment/checkout`: stream names, queue keys, budget scopes."""
        return f"{self.namespace}/{self.kind}/{self.name}"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Signal(StrEnum):
    """The indicators trimtab knows by name; presets map them to queries."""

    LOAD = "load"
    ERRORS = "errors"
    LATENCY = "latency"


class Problem(StrEnum):
    """One way in which data is not to be trusted. Any of them means: no effect on its word."""

    UNAVAILABLE = "unavailable"
    MISSING = "missing"
    STALE = "stale"
    PARTIAL = "partial"
    GAPPED = "gapped"
    RESET = "reset"
    WARNED = "warned"
    DUPLICATE = "duplicate"
    NOT_FINITE = "not-finite"
    CLOCK_SKEW = "clock-skew"
    RECOVERING = "recovering"


@dataclass(frozen=True, slots=True)
class DataHealth:
    """Why a reading cannot be trusted; no problem means healthy."""

    problems: frozenset[Problem] = frozenset()
    detail: str = ""

    @property
    def healthy(self) -> bool:
        """True when nothing speaks against the data."""
        return not self.problems

    def __or__(self, other: DataHealth) -> DataHealth:
        detail = "; ".join(part for part in (self.detail, other.detail) if part)
        return DataHealth(self.problems | other.problems, detail)

    def __str__(self) -> str:
        return "healthy" if self.healthy else ", ".join(sorted(self.problems))


HEALTHY = DataHealth()


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one signal on a regular grid; NaN is missing.

    `values` has shape (n,), oldest first; sample i was taken at `start + i * step`; `unit` is for people ("1/s",
    "ratio", "s").
    """

    workload: Workload
    signal: Signal
    start: datetime
    step: timedelta
    values: NDArray[np.float64]
    unit: str = ""
    health: DataHealth = field(default=HEALTHY)
    support: NDArray[np.float64] | None = None

    @property
    def end(self) -> datetime:
        """Time of the newest grid point (the start when empty)."""
        return self.start + self.step * max(len(self.values) - 1, 0)
