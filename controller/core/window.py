"""A budget over a sliding window: does one more claim fit, and if not, when will it?

The same arithmetic on every store. A claim counts from its time until one window later; one dated in the future
counts as well, so that a clock that was set back frees nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a budget frees that is too small for the claim even when nothing is spent."""

ROUNDING = 1e-9
"""Sums of pod-hours are floats: ten times 0.1 must fit into 1."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Units taken at a time."""

    at: datetime
    units: float


def spent(claims: Sequence[Claim], window: timedelta, now: datetime) -> float:
    """Units that count at `now`."""
    return math.fsum(claim.units for claim in claims if claim.at + window > now)


def frees_at(claims: Sequence[Claim], window: timedelta, limit: float, units: float, now: datetime) -> datetime | None:
    """None when `units` more fit under `limit` at `now`; otherwise when they will, if nothing else is claimed."""
    live = sorted((claim for claim in claims if claim.at + window > now), key=lambda claim: claim.at)
    if fits(live, limit, units):
        return None
    for done, claim in enumerate(live, start=1):
        if fits(live[done:], limit, units):
            return claim.at + window
    return NEVER


def fits(claims: Sequence[Claim], limit: float, units: float) -> bool:
    """Whether the claims and `units` more stay within the limit."""
    return math.fsum(claim.units for claim in claims) + units <= limit + ROUNDING
