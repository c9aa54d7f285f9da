"""What people allow: one service's policy, resolved from its ServicePolicy and the settings.

Promises that whatever is absent is the inert choice: no policy observes, no approver list means that nobody may
approve.
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


@dataclass(frozen=True, slots=True)
class Budgets:
    """How many actions may begin within `window`; one at a time on a workload, whatever the rest says."""

    per_namespace: int = 3
    per_cluster: int = 10
    window: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """One service's policy. Thresholds are fractions; `NEVER` (infinity) never acts alone.

    `approvers` are the usernames that may answer, groups expanded and already narrowed.
    """

    name: str = "none"
    mode: Mode = Mode.OBSERVE
    automatic_above: float = 0.90
    review_above: float = 0.70
    approvers: frozenset[str] = frozenset()
    expires_after: timedelta = timedelta(minutes=15)
    min_verified: int = 20
    floor_share: float = 0.51
    budgets: Budgets = field(default=Budgets())


OBSERVE_ONLY = Policy()
