"""The protocols of detectors, forecasters and judges: what each is given and what it must keep to.

Promises of an implementation (held by `check_detector`, `check_forecaster` and `check_judge`): it judges by what came
before, never by what came later; it answers `Abstention` (a judge: `CannotKnow`) where data are bad or missing; the
same input gives the same answer; and all that a detector remembers is in the state it returns, which is JSON. The
others remember nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias

from pydantic import JsonValue

from detectors.canary.evidence import Evidence
from detectors.results import Abstention, Detection, Forecast, Verdict
from detectors.series import Series

State: TypeAlias = Mapping[str, JsonValue]
"""What a detector remembers of one series, small and serialisable; empty at the start."""


class Detector(Protocol):
    """Holds the newest value of a series against what is normal for it."""

    def detect(self, series: Series, state: State) -> tuple[Detection | Abstention, State]:
        """Judge the newest value. Changes neither argument; `state` is what the last call on this series returned."""
        ...


@dataclass(frozen=True, slots=True)
class Horizon:
    """What is asked of a forecaster: a path of `steps` grid points, and a bound at `quantile` for the largest value
    within `window`, rounded up to whole steps.
    """

    window: timedelta
    quantile: float = 0.95
    steps: int = 12
    levels: tuple[float, ...] = (0.1, 0.5, 0.9)


class Forecaster(Protocol):
    """Says what a series will do next, and how sure that is."""

    def forecast(self, series: Series, horizon: Horizon) -> Forecast | Abstention:
        """Quantiles after the newest point of the series. Changes nothing that it is given."""
        ...


class Judge(Protocol):
    """Holds a new version against the old one, valid at every look (held by `conformance.check_judge`).

    Promises of an implementation: a version no worse than the old one is rolled back, at any look, with chance at
    most `alpha`; bad, missing or silent data are `CannotKnow`, never a verdict; the same evidence gives the same
    answer.
    """

    def judge(self, evidence: Evidence, alpha: float) -> Verdict:
        """The verdict on everything counted up to the newest look. Changes nothing it is given."""
        ...
