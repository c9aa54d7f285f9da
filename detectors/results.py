"""What a detector may answer: one frozen value per outcome.

"I cannot tell" is an answer of its own (`Abstention`), never a probability of zero and never "healthy".
"""

from __future__ import annotations

from dataclasses import dataclass

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
class Abstention:
    """No answer, and why: bad data (`problems`) or too little of it (`reason`)."""

    reason: str
    problems: frozenset[Problem] = frozenset()
