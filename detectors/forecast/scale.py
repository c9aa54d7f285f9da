"""The scale that load is forecast on: log(value + offset), where growth by a tenth is the same at noon and at night.

The offset is the history's median: with none, the nights of a quiet service, where a handful of requests come or do
not, would set the width of the band at noon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.forecast.conformal import Floats
from detectors.results import Abstention
from detectors.series import Problem, Series

LIMIT = 2.0
"""Nothing is forecast above this multiple of the largest value ever seen: an extrapolated ramp has no other end."""
LARGEST = 1e150
"""Values above are none that a load can have; their products overflow."""


@dataclass(frozen=True, slots=True)
class Scale:
    """There and back. `limit` is the largest forecast."""

    offset: float
    limit: float

    @classmethod
    def of(cls, values: Floats) -> Scale:
        """The scale of a history, which has at least one known value."""
        known = values[np.isfinite(values)]
        median, largest = float(np.median(known)), float(known.max())
        return cls(median if median > 0.0 else largest if largest > 0.0 else 1.0, LIMIT * largest)

    def there(self, values: Floats) -> Floats:
        """To the log scale; 0 is the median."""
        return np.asarray(np.log1p(values / self.offset) - np.log(2.0))

    def back(self, logs: Floats) -> Floats:
        """To the series' unit, between nothing and the limit."""
        raised = np.exp(np.minimum(logs + np.log(2.0), 700.0)) - 1.0
        return np.asarray(np.clip(raised * self.offset, 0.0, self.limit))


def refused(series: Series, least: int) -> Abstention | None:
    """Why nothing can be forecast from this, if so: bad health, no newest value, impossible or too few values."""
    if not series.health.healthy:
        return Abstention(f"data {series.health}", series.health.problems)
    if not len(series.values) or not np.isfinite(series.values[-1]):
        return Abstention("the newest value is missing", frozenset({Problem.MISSING}))
    known = series.values[np.isfinite(series.values)]
    if known.min() < 0.0 or known.max() > LARGEST:
        return Abstention("a load below zero or beyond all bounds", frozenset({Problem.RESET}))
    if len(known) < least:
        return Abstention(f"only {len(known)} of {least} points of history")
    return None


def cleaned(series: Series) -> Floats:
    """The values with everything that is no number missing; a copy."""
    return np.where(np.isfinite(series.values), series.values, np.nan)
