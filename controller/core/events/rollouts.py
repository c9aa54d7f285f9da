"""What happens to a rollout (stream `rollout:…`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, TypeAlias

from detectors.results import Counted
from detectors.series import Workload

Ending: TypeAlias = Literal["completed", "gone-back", "replaced", "gone", "switched-off"]


@dataclass(frozen=True, slots=True)
class RolloutBegan:
    """Two versions of a workload have pods at once (stream `rollout:…`). `since`: what counts is what came after. Of a
    rollout that was switched off the same once more: it goes on.
    """

    version: ClassVar[int] = 1
    at: datetime
    workload: Workload
    since: datetime
    uid: str
    replica_set: str
    version_name: str
    old_uid: str
    old_replica_set: str
    old_version_name: str
    kind: Literal["rollout-began"] = "rollout-began"


@dataclass(frozen=True, slots=True)
class Judged:
    """What the new version was judged, recorded when the verdict is another one (stream `rollout:…`).

    `new` and `old` are what both have counted, missing where nothing could be compared; `code` why it could not.
    """

    version: ClassVar[int] = 1
    at: datetime
    workload: Workload
    uid: str
    version_name: str
    verdict: Literal["promote", "hold", "roll-back", "cannot-know"]
    text: str
    new: Counted | None = None
    old: Counted | None = None
    e_value: float = 0.0
    dispersion: float = 1.0
    progress: float = 0.0
    code: str = ""
    kind: Literal["judged"] = "judged"


@dataclass(frozen=True, slots=True)
class RolloutEnded:
    """Two versions no longer stand beside each other, or nobody wants them compared (stream `rollout:…`)."""

    version: ClassVar[int] = 1
    at: datetime
    workload: Workload
    uid: str
    version_name: str
    how: Ending
    verdict: str
    kind: Literal["rollout-ended"] = "rollout-ended"
