"""What people allow: one service's policy, resolved from its ServicePolicy and the settings.

Promises that whatever is absent is the inert choice: no policy observes, no approver list means that nobody may
approve. Each loop has a mode of its own; consent to one is none to another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

NEVER = math.inf


class Mode(StrEnum):
    """How far the incidents loop may go."""

    OBSERVE = "Observe"
    APPROVE = "Approve"
    AUTO = "Auto"


class ScalingMode(StrEnum):
    """How far the scaling loop may go. Quote "Off": YAML reads a bare Off as false."""

    OFF = "Off"
    OBSERVE = "Observe"
    FLOOR = "Floor"


class CanaryMode(StrEnum):
    """How far the rollouts loop may go. Quote "Off": YAML reads a bare Off as false."""

    OFF = "Off"
    OBSERVE = "Observe"
    ROLLBACK = "Rollback"
    RAMP = "Ramp"


@dataclass(frozen=True, slots=True)
class Budgets:
    """How many actions may begin within `window`; one at a time on a workload, whatever the rest says. Floors may ask
    for so many pod-hours beyond what people wrote within `day`.
    """

    per_namespace: int = 3
    per_cluster: int = 10
    window: timedelta = timedelta(hours=1)
    pod_hours_per_namespace: float = 240.0
    pod_hours_per_cluster: float = 1200.0
    day: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Policy:
    """One service's policy. Thresholds are fractions; `NEVER` (infinity) never acts alone.

    `approvers` are the usernames that may answer, groups expanded and already narrowed. `mode` is that of the incidents
    loop; `false_rollback` the share of good versions that may be rolled back by mistake, None: nothing is rolled back
    by the test. `known` False: what is allowed could not be read, so that nothing is begun and nothing given back.
    """

    name: str = "none"
    mode: Mode = Mode.OBSERVE
    scaling: ScalingMode = ScalingMode.OBSERVE
    canary: CanaryMode = CanaryMode.OBSERVE
    false_rollback: float | None = None
    automatic_above: float = 0.90
    review_above: float = 0.70
    approvers: frozenset[str] = frozenset()
    expires_after: timedelta = timedelta(minutes=15)
    min_verified: int = 20
    floor_share: float = 0.51
    budgets: Budgets = field(default=Budgets())
    known: bool = True


OBSERVE_ONLY = Policy()
