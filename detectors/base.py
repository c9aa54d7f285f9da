"""The Detector protocol: what a detector is given and what it must keep to.

Promises of an implementation (held by `conformance.check_detector`): it judges the newest value by what came before,
never by what came later; it answers `Abstention` where data are bad or missing; the same input gives the same answer;
and all that it remembers is in the state it returns, which is JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from pydantic import JsonValue

from detectors.results import Abstention, Detection
from detectors.series import Series

State: TypeAlias = Mapping[str, JsonValue]
"""What a detector remembers of one series, small and serialisable; empty at the start."""


class Detector(Protocol):
    """Holds the newest value of a series against what is normal for it."""

    def detect(self, series: Series, state: State) -> tuple[Detection | Abstention, State]:
        """Judge the newest value. Changes neither argument; `state` is what the last call on this series returned."""
        ...
