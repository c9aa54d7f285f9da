"""What is remembered of workloads and of the program itself (streams `workload:…`, `program`, `shown:…`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from remediations.cluster import HealthyRevision


@dataclass(frozen=True, slots=True)
class RevisionHealthy:
    """A ReplicaSet was seen fully available for long enough (stream `workload:…`)."""

    version: ClassVar[int] = 1
    at: datetime
    revision: HealthyRevision
    kind: Literal["revision-healthy"] = "revision-healthy"


@dataclass(frozen=True, slots=True)
class Noted:
    """A fact about the program itself (stream `program`): leadership, pause, adoption, data health."""

    version: ClassVar[int] = 1
    at: datetime
    code: str
    text: str
    by: str = ""
    kind: Literal["noted"] = "noted"
