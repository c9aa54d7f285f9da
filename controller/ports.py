"""The ports: everything the core asks of the outside, as protocols with plain values.

Each has an in-memory adapter that ships (`adapters/memory`) and one contract suite that every adapter passes. An
adapter answers "I do not know" by a value of its own (`Unavailable`, `Unreadable`), never by an empty result.
`remediations.cluster.Cluster`, the only way to change a workload, is a port too and stands with the remediations.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from controller.core.events import Event
from detectors.series import DataHealth

# ── Metrics


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' newest value: finite, its labels, and when it was scraped."""

    labels: Mapping[str, str]
    value: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Samples:
    """An instant answer. Values that are not finite are left out and named in `health`; so many of them (`undefined`)
    are of now and NaN: nothing was divided by nothing.
    """

    samples: tuple[Sample, ...]
    health: DataHealth
    undefined: int = 0


@dataclass(frozen=True, slots=True)
class Path:
    """One series over time on the asked grid; NaN where there was no sample."""

    labels: Mapping[str, str]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Paths:
    """A range answer: grid from `start` by `step`, all paths of one length."""

    start: datetime
    step: timedelta
    paths: tuple[Path, ...]
    health: DataHealth


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No answer at all (down, refusing, slow, 5xx, unreadable), with the reason for people."""

    reason: str


class Metrics(Protocol):
    """Reads a Prometheus-compatible server."""

    async def instant(self, query: str, at: datetime) -> Samples | Unavailable:
        """Evaluate at one time; raises `controller.errors.BadQuery` when the server calls the query wrong."""
        ...

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Paths | Unavailable:
        """Evaluate over [start, end]; long ranges are asked in chunks and joined."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


# ── Chat and notification


@dataclass(frozen=True, slots=True)
class Button:
    """One button: an action name of ours and an opaque value (incident and digest)."""

    action: str
    text: str
    value: str
    style: str = ""
    asks_reason: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A chat message, neutral of any vendor. `key` is the incident: one incident, one message, updated in place."""

    key: str
    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    footer: str = ""
    buttons: tuple[Button, ...] = ()
    mention: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a message stands, so that it can be updated."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Click:
    """A person pressed a button: the vendor's authenticated user id, never free text."""

    action: str
    value: str
    user_id: str
    user_name: str
    posted: Posted
    reason: str = ""


Clicked: TypeAlias = Callable[[Click], Awaitable[str]]
"""Handles one click and answers with one sentence for the person who clicked (shown only to them)."""


class Chat(Protocol):
    """A chat with buttons."""

    async def start(self, clicked: Clicked) -> None:
        """Connect and begin to hand clicks over; returns once connected or raises
        `controller.errors.ChatUnavailable`.
        """
        ...

    async def post(self, channel: str, message: Message) -> Posted:
        """Post a new message; raises `ChatUnavailable`."""
        ...

    async def update(self, posted: Posted, message: Message) -> None:
        """Replace a message in place; raises `ChatUnavailable`."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


@dataclass(frozen=True, slots=True)
class Notice:
    """A page to a person. `key` deduplicates (the incident); `resolved` closes it; `severity` is critical, error,
    warning or info.
    """

    key: str
    summary: str
    severity: str
    source: str
    details: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    resolved: bool = False


class Notify(Protocol):
    """Pages somebody."""

    async def send(self, notice: Notice) -> None:
        """Deliver or raise `controller.errors.NotifyUnavailable`; safe to repeat (deduplicated by key)."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


# ── Store


@dataclass(frozen=True, slots=True)
class Stored:
    """An event as it stands in the log. `sequence` is global and gapless for a reader, `number` counts within the
    stream from 1.
    """

    sequence: int
    stream: str
    number: int
    event: Event
    recorded_at: datetime
    chain: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """A claim of `units` in one budget (`scope` = `actions:namespace:shop`), over a sliding window, refused above
    `limit`.

    `key` ties it to its intent; releasing the key frees all of its reservations. Reserving the same key and scope
    again within the window changes its units and keeps its time: a repeated intent is charged once.
    """

    key: str
    scope: str
    units: float
    window: timedelta
    limit: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.units) and self.units >= 0 and self.limit >= 0 and self.window > timedelta()):
            raise ValueError(f"a reservation of {self.units} units under {self.limit} in {self.window} makes no sense")


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """Something to tell the outside, committed with the events that cause it. A repeated `key` still waiting is
    replaced.
    """

    kind: str
    key: str
    body: Mapping[str, Any]
    id: int = 0
    attempts: int = 0
    not_before: datetime | None = None

    def __post_init__(self) -> None:
        if self.not_before is not None and self.not_before.tzinfo is None:
            raise ValueError(f"{self.kind} {self.key} waits until {self.not_before!r}, which has no time zone")


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction: events for one stream, releases, reservations and outbox rows, all or nothing, in this order.

    `expected` is the number of the stream's last event as the writer knew it (0: none). `epoch` is the leader's; None
    for writers that need not lead (an answer).
    """

    stream: str
    expected: int
    events: tuple[Event, ...]
    epoch: int | None = None
    reserve: tuple[Reservation, ...] = ()
    release: tuple[str, ...] = ()
    outbox: tuple[OutboxRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """The transaction is durable."""

    stored: tuple[Stored, ...]


@dataclass(frozen=True, slots=True)
class Stale:
    """The stream has moved on: read, fold and decide again. `actual` is its last number."""

    actual: int


@dataclass(frozen=True, slots=True)
class Fenced:
    """Another leader has taken over (`epoch` is theirs): stop."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A budget is spent; `frees_at` is when enough of it returns (`core.window.NEVER`: the claim is larger than the
    limit).
    """

    scope: str
    limit: float
    frees_at: datetime


CommitResult: TypeAlias = Committed | Stale | Fenced | Exhausted


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """Which store this is and how far it has come; mirrored in the Lease to notice another or an older one."""

    id: str
    epoch: int
    sequence: int
    head: str


class Store(Protocol):
    """The append-only log with its reservations and outbox, in one transactional store."""

    async def commit(self, commit: Commit, now: datetime) -> CommitResult:
        """Append atomically; raises `controller.errors.StoreUnavailable` when nothing can be said of it."""
        ...

    async def read(self, stream: str, newest: int | None = None) -> tuple[Stored, ...]:
        """All events of one stream, or so many of its newest, in order (empty when there is none); upcast to today's
        versions.
        """
        ...

    async def together(self, streams: Sequence[str]) -> Mapping[str, tuple[Stored, ...]]:
        """All events of several streams in one question, in the order asked for; a stream without any is left out."""
        ...

    async def since(self, prefix: str, at: datetime, before: int = 0) -> Mapping[str, tuple[Stored, ...]]:
        """What was recorded at or after a time, by stream, of those whose names begin with `prefix`; each with the
        `before` events that come before in its stream.
        """
        ...

    async def follow(self, after: int, limit: int = 1000) -> tuple[Stored, ...]:
        """Events of all streams with sequence > after, in order."""
        ...

    async def streams(self, prefix: str) -> tuple[str, ...]:
        """Names of the streams that begin with `prefix`, oldest first."""
        ...

    async def spent(self, scopes: Sequence[tuple[str, timedelta]], now: datetime) -> Mapping[str, float]:
        """Units reserved and not released per scope within its window up to `now`."""
        ...

    async def due(self, now: datetime, limit: int = 100) -> tuple[OutboxRow, ...]:
        """Outbox rows not yet delivered whose time has come, oldest first."""
        ...

    async def delivered(self, id: int, now: datetime) -> None:
        """Mark one row done (a no-op when it was replaced meanwhile or is gone)."""
        ...

    async def postpone(self, id: int, until: datetime) -> None:
        """Count an attempt and try again later."""
        ...

    async def next_number(self, sequence: str) -> int:
        """The next number of a named sequence, from 1, never twice (incident numbers)."""
        ...

    async def identity(self) -> StoreIdentity:
        """Who this store is and how far it has come."""
        ...

    async def advance_epoch(self, at_least: int = 0) -> int:
        """Take over: raise the epoch above both its own value and `at_least`, and return it. Every older epoch is
        fenced from then on.
        """
        ...

    async def adopt(self) -> StoreIdentity:
        """Give the store a new id (`trimtab store adopt`)."""
        ...

    async def verify(self, expected_head: str | None = None) -> AuditReport:
        """Recompute the hash chain over every event; `expected_head` is one known from elsewhere that must be one of
        its links.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What recomputing the chain found: `faults` empty means that nothing was edited, deleted, reordered or cut."""

    events: int
    head: str
    faults: tuple[str, ...]


# ── Clock


class Clock(Protocol):
    """Time and repetition; the only place that reads the wall clock."""

    def now(self) -> datetime:
        """Aware UTC time."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Wait."""
        ...

    def every(self, name: str, period: timedelta, job: Callable[[], Awaitable[None]]) -> None:
        """Run `job` at the start and then each period, never twice at once, late runs as one.

        Its errors are logged and do not end the schedule. A name serves once (ValueError); after the start it may be
        added as well.
        """
        ...

    async def start(self) -> None:
        """Begin the jobs."""
        ...

    async def close(self) -> None:
        """End the jobs; waits for a running one."""
        ...


# ── Kubernetes besides workloads


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """A kind as the API server addresses it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True)
class Listed:
    """The full state of one scope (first list, or a re-list after 410): whatever is not in it is gone."""

    objects: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """An object was added or changed."""

    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deleted:
    """An object is gone; its last state."""

    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Suspect:
    """The stream is silent or broken: what was seen may be old until the next `Listed`."""

    reason: str


WatchEvent: TypeAlias = Listed | Changed | Deleted | Suspect


class Watch(Protocol):
    """List, then watch, for ever."""

    def stream(self, kind: ResourceKind, namespace: str | None = None) -> AsyncIterator[WatchEvent]:
        """Never ends by itself: reconnects with backoff, re-lists on 410, gives up a silent connection. None: all
        namespaces.
        """
        ...


@dataclass(frozen=True, slots=True)
class LeaseState:
    """A Lease as read. `version` is its resourceVersion, which locks the next write."""

    holder: str
    renewed_at: datetime | None
    duration: timedelta
    transitions: int
    annotations: Mapping[str, str]
    version: str


class Leases(Protocol):
    """One Lease object; compare-and-swap only. Policy (who may take it when) lives in `runtime/lease.py`."""

    async def read(self) -> LeaseState | None:
        """The Lease, None when there is none; raises `controller.errors.ApiUnavailable`."""
        ...

    async def write(self, state: LeaseState) -> LeaseState | None:
        """Create (empty version) or replace it if it is still at `version`; None when somebody was faster."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Resources(Protocol):
    """trimtab's own objects (group trimtab.dev), Events, and plain reads of any kind. Never writes a workload."""

    async def list(self, kind: ResourceKind, namespace: str | None = None) -> tuple[Mapping[str, Any], ...]:
        """All objects; raises `ApiUnavailable`, or `controller.errors.KindUnknown` when its CRD is missing."""
        ...

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> Mapping[str, Any] | None:
        """One object or None; raises like `list`."""
        ...

    async def create(self, kind: ResourceKind, object: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Create; None when the name is taken; raises `controller.errors.Denied` with the server's words."""
        ...

    async def patch(
        self, kind: ResourceKind, namespace: str | None, name: str, patch: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """JSON merge patch of metadata and spec; None when it is gone; raises `Denied`."""
        ...

    async def patch_status(
        self, kind: ResourceKind, namespace: str | None, name: str, status: Mapping[str, Any]
    ) -> None:
        """JSON merge patch of `.status`; quiet when it is gone."""
        ...

    async def delete(self, kind: ResourceKind, namespace: str | None, name: str) -> None:
        """Delete; quiet when it is gone."""
        ...

    async def record(self, regarding: Mapping[str, Any], reason: str, note: str, warning: bool, action: str) -> None:
        """Write an Event (events.k8s.io/v1) about an object; best effort, raises nothing but `ApiUnavailable`."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


@dataclass(frozen=True, slots=True)
class Person:
    """An authenticated person: Kubernetes username and groups."""

    name: str
    groups: tuple[str, ...] = ()


class Access(Protocol):
    """Who is this, and may they? Both raise `ApiUnavailable`; unanswered is never yes."""

    async def who(self, token: str) -> Person | None:
        """The person behind a bearer token (TokenReview), None when it is not valid."""
        ...

    async def may(self, person: Person, verb: str, kind: ResourceKind, namespace: str | None, name: str = "") -> bool:
        """SubjectAccessReview for another person."""
        ...

    async def self_may(self, verb: str, kind: ResourceKind, namespace: str | None, subresource: str = "") -> bool:
        """SelfSubjectAccessReview for the program's own account."""
        ...


# ── Reasoner (off by default)


class Reasoner(Protocol):
    """A language model's second opinion. It can lower a route, never raise one; nothing needs it."""

    async def doubts(self, story: str) -> str | None:
        """One sentence why acting may be wrong here, None when it has none."""
        ...
