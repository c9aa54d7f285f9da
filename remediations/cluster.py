"""The Cluster port: the only way to change a workload.

Promises that a write names the object's uid and the resourceVersion of the last read, changes only the pointers of
its step, and answers with one of five values. It never retries by itself: what `Unknown` means is for the executor to
settle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from detectors.series import Workload
from remediations.plan import Step

Object: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HealthyRevision:
    """A ReplicaSet seen fully available for long enough, by uid: what "last healthy" may return to."""

    uid: str
    name: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class World:
    """One live reading of a workload and of everything a plan, a guard or the gate asks about it.

    Objects are API objects as JSON. `replica_sets` are those controlled by the Deployment, `pods` those of its
    selector that it controls, `budgets` the PodDisruptionBudgets that select them. `healthy` comes from the event
    log, newest last.
    """

    workload: Workload
    object: Object
    read_at: datetime
    replica_sets: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    budgets: tuple[Object, ...] = ()
    autoscaler: Object | None = None
    healthy: tuple[HealthyRevision, ...] = field(default=())
    worked_out: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was worked out from this reading, by whom; it lives and dies with the reading."""

    @property
    def uid(self) -> str:
        """The object's uid; a recreated object is another one."""
        return str(self.object["metadata"]["uid"])

    @property
    def resource_version(self) -> str:
        """The version this reading saw; locks one write."""
        return str(self.object["metadata"]["resourceVersion"])

    @property
    def generation(self) -> int | None:
        """`metadata.generation`, or None for kinds that have none."""
        value = self.object["metadata"].get("generation")
        return None if value is None else int(value)

    @property
    def annotations(self) -> Mapping[str, str]:
        """The object's annotations (empty when it has none)."""
        return self.object["metadata"].get("annotations") or {}


@dataclass(frozen=True, slots=True)
class Applied:
    """The write is in; `resource_version` is the object's new one."""

    resource_version: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody wrote in between (409): read and decide again.

    `owners` are the field managers whose fields an unforced step wanted otherwise; trying again does not help then.
    """

    message: str
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gone:
    """The object, or the one with this uid, is no longer there (404/410, or another uid)."""

    message: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The API server said no and will again (403, 422, admission). `code` is the reason in constant words."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Sent, no answer: it may or may not be in.

    `retry_after` is set when the server was only busy (429/503 before acting).
    """

    message: str
    retry_after: float | None = None


ApplyResult: TypeAlias = Applied | Conflict | Gone | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The API server could not be read: nothing is known, so nothing is done."""

    message: str


class Cluster(Protocol):
    """Reads a workload whole and applies one step."""

    async def read(self, workload: Workload) -> World | Gone | Unreadable:
        """Read live, never from a cache."""
        ...

    async def apply(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        """Send one step locked by uid and resourceVersion: as one JSON Patch, or as one server-side apply when it is
        `holding`. Never makes an object that is not there.
        """
        ...

    async def release(self, step: Step, resource_version: str, *, dry_run: bool = False) -> ApplyResult:
        """Give up what a step held. `step` is its undo (`reverse_of`), with the same `holding`.

        Each value is restored only where ours still stands (`step.prior`), and no entry of trimtab is left in
        `managedFields`, so that the owner's next unforced apply goes through. Where that takes two writes, each is
        locked by the version before it: what a crash or a conflict leaves is for the next release, with what is left.
        """
        ...

    async def fence(self, workload: Workload, uid: str, epoch: int) -> ApplyResult:
        """Write only the annotation `trimtab.dev/epoch`: voids every resourceVersion read before, an older leader's
        and our own. Written again in the same epoch it is another fence (`7`, then `7.1`).
        """
        ...
