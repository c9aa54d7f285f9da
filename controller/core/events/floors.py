"""What happens to a floor (stream `floor:…`), besides the writes that it shares with incidents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
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


class Bearing(StrEnum):
    """What a raised floor was worth: pods stood ready whenever the load needed them; the owner's own minimum would have
    done; the load needed pods that were not ready yet; it went beyond the bound; nobody looked often enough.
    """

    IN_TIME = "in-time"
    NOT_NEEDED = "not-needed"
    LATE = "late"
    EXCEEDED = "exceeded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FloorJudged:
    """What came of a floor that was raised, once the time that it was raised for is over. Raises within that time are
    judged together.

    `bound` is the load that it was for, `peak` the largest that was seen between `since` and `until`; `ready_at` when
    as many pods as `replicas` were first seen ready; `missing` the most pods of it that the load needed and that were
    not ready.
    """

    version: ClassVar[int] = 1
    at: datetime
    workload: Workload
    replicas: int
    bearing: Bearing
    since: datetime
    until: datetime
    was: int
    bound: float
    peak: float | None = None
    peak_at: datetime | None = None
    ready_at: datetime | None = None
    missing: int = 0
    looks: int = 0
    kind: Literal["floor-judged"] = "floor-judged"
