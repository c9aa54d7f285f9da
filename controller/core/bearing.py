"""Whether a raised floor bore what it was raised for: what was seen of it, look by look, and the verdict at the end.

Promises that a verdict rests on looks spread over the window, that data in doubt are no look, and that a load above
the bound is said even where the pods sufficed. What counts is whether pods were ready when the load needed them, not
whether a number was written. Pure: looks and `now` are arguments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from controller.core.events import Bearing, FloorJudged
from controller.core.floor import Raised
from detectors.series import Workload

TOLERANCE = 0.1
"""Beyond its target, what the autoscaler itself lets pass (kube-controller-manager's default)."""
ENOUGH = 0.5
"""Of the window, what the looks have to span."""


@dataclass(frozen=True, slots=True)
class Look:
    """Load and ready pods at one instant. `per_pod` is the load that one pod bears at the autoscaler's target."""

    at: datetime
    load: float
    per_pod: float
    ready: int

    @property
    def needed(self) -> int:
        """Pods without which the load is beyond the autoscaler's tolerance."""
        return math.ceil(self.load / self.per_pod / (1 + TOLERANCE) - 1e-6)


@dataclass(frozen=True, slots=True)
class Seen:
    """All looks at one raised floor, `since` it was raised. `missing` is the most pods of it that the load needed and
    that were not ready; `ready_at` the first look at which all of them were.
    """

    since: datetime
    first: datetime
    last: datetime
    looks: int = 0
    peak: float = 0.0
    peak_at: datetime | None = None
    needed: int = 0
    missing: int = 0
    ready_at: datetime | None = None


def seen(before: Seen | None, raised: Raised, look: Look) -> Seen | None:
    """What is seen after one more look; one outside the window, or the same again, adds nothing."""
    if before is not None and before.since != raised.since:
        before = None
    if not raised.since <= look.at <= raised.until or (before is not None and look.at <= before.last):
        return before
    now = before or Seen(raised.since, look.at, look.at)
    higher = now.peak_at is None or look.load > now.peak
    return replace(
        now,
        last=look.at,
        looks=now.looks + 1,
        peak=look.load if higher else now.peak,
        peak_at=look.at if higher else now.peak_at,
        needed=max(now.needed, look.needed),
        missing=max(now.missing, min(look.needed, raised.replicas) - look.ready),
        ready_at=now.ready_at or (look.at if look.ready >= raised.replicas else None),
    )


def judged(workload: Workload, raised: Raised, found: Seen | None, now: datetime) -> FloorJudged:
    """What the floor was worth, once its window is over."""
    told = FloorJudged(
        now, workload, raised.replicas, Bearing.UNKNOWN, raised.since, raised.until, raised.was, raised.bound
    )
    if found is None or found.since != raised.since:
        return told
    return replace(
        told,
        bearing=_bearing(raised, found),
        peak=found.peak,
        peak_at=found.peak_at,
        ready_at=found.ready_at,
        missing=found.missing,
        looks=found.looks,
    )


def _bearing(raised: Raised, found: Seen) -> Bearing:
    if found.last - found.first < ENOUGH * (raised.until - raised.since):
        return Bearing.UNKNOWN
    if found.peak > raised.bound:
        return Bearing.EXCEEDED
    if found.missing > 0:
        return Bearing.LATE
    return Bearing.NOT_NEEDED if found.needed <= raised.was else Bearing.IN_TIME
