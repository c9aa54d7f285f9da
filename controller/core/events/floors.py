"""What happens to a floor (stream `floor:…`), besides the writes that it shares with incidents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from detectors.series import Workload
from remediations.plan import Plan


@dataclass(frozen=True, slots=True)
class FloorProposed:
    """The floor that one workload's autoscaler should have (stream `floor:…`). Without a plan it is only what would be
    held. `was` is the minimum that its people wrote; `takes` says that the field has to be taken from its owner.
    """

    version: ClassVar[int] = 1
    at: datetime
    workload: Workload
    autoscaler: Workload
    policy: str
    replicas: int
    was: int
    takes: bool = False
    peak: float = 0.0
    per_pod: float = 0.0
    until: datetime | None = None
    reasons: tuple[str, ...] = ()
    plan: Plan | None = None
    kind: Literal["floor-proposed"] = "floor-proposed"


@dataclass(frozen=True, slots=True)
class FloorHeld:
    """The floor stands on the autoscaler. `owner` had the field before us; `found`: it stood there and the log did not
    know of it.
    """

    version: ClassVar[int] = 1
    at: datetime
    workload: Workload
    autoscaler: Workload
    uid: str
    policy: str
    replicas: int
    was: int
    owner: str = ""
    found: bool = False
    kind: Literal["floor-held"] = "floor-held"


@dataclass(frozen=True, slots=True)
class FloorEnded:
    """Somebody else has the field now: it is theirs until the policy changes. `code` is `TakenBack` or `Recreated`."""

    version: ClassVar[int] = 1
    at: datetime
    workload: Workload
    policy: str
    code: str
    by: str
    replicas: int
    kind: Literal["floor-ended"] = "floor-ended"


@dataclass(frozen=True, slots=True)
class FloorReleased:
    """Nothing of ours is left on the autoscaler. `code` says why: `NotAsked`, `TakenBack`, `Gone`; `to` is the minimum
    that stands there now.
    """

    version: ClassVar[int] = 1
    at: datetime
    workload: Workload
    code: str
    reason: str
    to: int | None = None
    kind: Literal["floor-released"] = "floor-released"
