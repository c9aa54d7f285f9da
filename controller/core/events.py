"""What happened: the events of which every incident is a fold.

Promises that a stored event is never changed: a new shape gets a new version and an upcaster, and a golden file of
every released one is read by a test. Events are plain values; they carry their own time, so that a replay needs no
clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, JsonValue, TypeAdapter

from controller.core.confidence import Confidence
from controller.core.routes import Licence, Reason, Route
from detectors.results import Counted
from detectors.series import Workload
from remediations.cluster import HealthyRevision
from remediations.plan import Outcome, Plan


class Verdict(StrEnum):
    """What a person answered."""

    APPROVE = "Approve"
    REJECT = "Reject"


class Via(StrEnum):
    """The door an answer came through."""

    KUBECTL = "kubectl"
    CLI = "CLI"
    SLACK = "Slack"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Symptom:
    """One thing that is wrong: a constant code and one clause for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Cause:
    """A possible cause, how much speaks for it (0–1), and why."""

    name: str
    score: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another runbook that matched, and what it scored (S31)."""

    runbook: str
    estimate: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident began."""

    version: ClassVar[int] = 1
    at: datetime
    incident: str
    workload: Workload
    symptoms: tuple[Symptom, ...]
    evidence: Mapping[str, JsonValue]
    data: str = "healthy"
    observe_only: bool = False
    kind: Literal["opened"] = "opened"


@dataclass(frozen=True, slots=True)
class Observed:
    """The symptoms of an open incident changed (or ended: none)."""

    version: ClassVar[int] = 1
    at: datetime
    symptoms: tuple[Symptom, ...]
    evidence: Mapping[str, JsonValue]
    data: str = "healthy"
    kind: Literal["observed"] = "observed"


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of the workload that belongs to the story (a rollout)."""

    version: ClassVar[int] = 1
    at: datetime
    what: str
    text: str
    kind: Literal["changed"] = "changed"


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """The likely causes, best first."""

    version: ClassVar[int] = 1
    at: datetime
    causes: tuple[Cause, ...]
    kind: Literal["diagnosed"] = "diagnosed"


@dataclass(frozen=True, slots=True)
class Proposed:
    """A plan for this incident. `runbook` is a reference (`name@3`), `step` its index in the runbook."""

    version: ClassVar[int] = 2
    at: datetime
    runbook: str
    summary: str
    step: int
    licence: Licence
    plan: Plan
    confidence: Confidence
    because: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    kind: Literal["proposed"] = "proposed"


@dataclass(frozen=True, slots=True)
class NothingFits:
    """No runbook matched, or none could be planned; each with its reason."""

    version: ClassVar[int] = 1
    at: datetime
    reasons: tuple[str, ...]
    kind: Literal["nothing-fits"] = "nothing-fits"


@dataclass(frozen=True, slots=True)
class Decided:
    """The gate's answer to the current proposal, with every reason. `policy` names the policy and its generation."""

    version: ClassVar[int] = 1
    at: datetime
    digest: str
    route: Route
    reasons: tuple[Reason, ...]
    policy: str = ""
    would: Route | None = None
    kind: Literal["decided"] = "decided"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question is open until `expires`; `escalations` are (when, to whom) of its path."""

    version: ClassVar[int] = 1
    at: datetime
    digest: str
    expires: datetime
    approvers: tuple[str, ...]
    escalations: tuple[tuple[datetime, str], ...] = ()
    kind: Literal["asked"] = "asked"


@dataclass(frozen=True, slots=True)
class Answered:
    """A person answered; only the first valid answer to a digest counts."""

    version: ClassVar[int] = 1
    at: datetime
    digest: str
    verdict: Verdict
    by: str
    via: Via
    reason: str = ""
    kind: Literal["answered"] = "answered"


@dataclass(frozen=True, slots=True)
class Expired:
    """Nobody answered in time; the plan is never executed late."""

    version: ClassVar[int] = 1
    at: datetime
    digest: str
    kind: Literal["expired"] = "expired"


@dataclass(frozen=True, slots=True)
class Escalated:
    """The question went one further along its path."""

    version: ClassVar[int] = 1
    at: datetime
    digest: str
    to: str
    kind: Literal["escalated"] = "escalated"


@dataclass(frozen=True, slots=True)
class Intended:
    """A write is about to be made: committed with its budget before any call. `key` = incident, plan, step.

    `before` is the evidence just before it, which its effect is judged against.
    """

    version: ClassVar[int] = 1
    at: datetime
    key: str
    digest: str
    step: int
    attempt: int
    epoch: int
    undo: bool = False
    by: str = ""
    before: Mapping[str, JsonValue] = field(default_factory=dict)
    kind: Literal["intended"] = "intended"


@dataclass(frozen=True, slots=True)
class Claimed:
    """The leader of this epoch read the target and is about to send the write."""

    version: ClassVar[int] = 1
    at: datetime
    key: str
    epoch: int
    resource_version: str
    kind: Literal["claimed"] = "claimed"


@dataclass(frozen=True, slots=True)
class Applied:
    """The write is in: by the server's answer, or settled by reading after an unknown result."""

    version: ClassVar[int] = 1
    at: datetime
    key: str
    resource_version: str
    settled: Literal["answer", "reading"] = "answer"
    kind: Literal["applied"] = "applied"


@dataclass(frozen=True, slots=True)
class NotApplied:
    """The write is not in and will not be: refused, gone, or given up after three conflicts."""

    version: ClassVar[int] = 1
    at: datetime
    key: str
    code: str
    message: str
    kind: Literal["not-applied"] = "not-applied"


@dataclass(frozen=True, slots=True)
class Superseded:
    """The plan no longer fits the world (or nobody needs it): nothing of it is written any more."""

    version: ClassVar[int] = 1
    at: datetime
    digest: str
    reason: str
    key: str = ""
    kind: Literal["superseded"] = "superseded"


@dataclass(frozen=True, slots=True)
class Checked:
    """A look at the service after acting; recorded when the answer changes. `held` None: it cannot be said."""

    version: ClassVar[int] = 1
    at: datetime
    digest: str
    held: bool | None
    detail: str
    worse: bool = False
    kind: Literal["checked"] = "checked"


@dataclass(frozen=True, slots=True)
class Verified:
    """What the action did to the service."""

    version: ClassVar[int] = 1
    at: datetime
    digest: str
    outcome: Outcome
    detail: str
    kind: Literal["verified"] = "verified"


@dataclass(frozen=True, slots=True)
class UndoAsked:
    """A person wants the action taken back."""

    version: ClassVar[int] = 1
    at: datetime
    digest: str
    by: str
    via: Via
    kind: Literal["undo-asked"] = "undo-asked"


@dataclass(frozen=True, slots=True)
class Undone:
    """The action was taken back: automatically after harm, or by a person (`by`). `restored` False: it was not ours
    any more.
    """

    version: ClassVar[int] = 1
    at: datetime
    digest: str
    restored: bool
    detail: str
    by: str = ""
    kind: Literal["undone"] = "undone"


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A person has to take it from here."""

    version: ClassVar[int] = 1
    at: datetime
    reasons: tuple[str, ...]
    kind: Literal["handed-over"] = "handed-over"


@dataclass(frozen=True, slots=True)
class Learned:
    """What the runbook's record was and became; derived, kept so that the story can tell it."""

    version: ClassVar[int] = 1
    at: datetime
    runbook: str
    good: bool
    label: str
    before: Confidence
    after: Confidence
    kind: Literal["learned"] = "learned"


@dataclass(frozen=True, slots=True)
class Closed:
    """The incident is over."""

    version: ClassVar[int] = 1
    at: datetime
    reason: str
    kind: Literal["closed"] = "closed"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A late or senseless fact, kept for the audit trail; changes nothing."""

    version: ClassVar[int] = 1
    at: datetime
    what: str
    reason: str
    by: str = ""
    kind: Literal["ignored"] = "ignored"


@dataclass(frozen=True, slots=True)
class RolloutBegan:
    """Two versions of a workload have pods at once (stream `rollout:…`). `since`: what counts is what came after."""

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
    """Two versions no longer stand beside each other (stream `rollout:…`)."""

    version: ClassVar[int] = 1
    at: datetime
    workload: Workload
    uid: str
    version_name: str
    how: Literal["completed", "gone-back", "replaced", "gone"]
    verdict: str
    kind: Literal["rollout-ended"] = "rollout-ended"


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


Event: TypeAlias = (
    Opened
    | Observed
    | Changed
    | Diagnosed
    | Proposed
    | NothingFits
    | Decided
    | Asked
    | Answered
    | Expired
    | Escalated
    | Intended
    | Claimed
    | Applied
    | NotApplied
    | Superseded
    | Checked
    | Verified
    | UndoAsked
    | Undone
    | HandedOver
    | Learned
    | Closed
    | Ignored
    | RolloutBegan
    | Judged
    | RolloutEnded
    | RevisionHealthy
    | Noted
    | FloorProposed
    | FloorHeld
    | FloorEnded
    | FloorReleased
)

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])

Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
UPCASTERS: Mapping[tuple[str, int], Upcaster] = {("proposed", 1): dict}
"""(kind, version) → the body one version later. Released versions are in `tests/core/golden/events.jsonl`.
`proposed` 2: a step may hold its fields (`holding`); none did before.
"""


class UnknownEvent(ValueError):
    """A stored event of a kind or version that this program does not know: a newer program wrote it."""


def encode(event: Event) -> tuple[str, int, dict[str, Any]]:
    """Kind, version and JSON body of an event."""
    body = _ADAPTER.dump_python(event, mode="json")
    body.pop("kind")
    return event.kind, event.version, body


def decode(kind: str, version: int, body: Mapping[str, Any]) -> Event:
    """The event of a stored row, upcast to today's version. Raises UnknownEvent."""
    current = {**body}
    while (upcast := UPCASTERS.get((kind, version))) is not None:
        current, version = upcast(current), version + 1
    known = VERSIONS.get(kind)
    if known != version:
        message = f"event {kind} version {version} is not known here (known: {known}): a newer trimtab wrote it"
        raise UnknownEvent(message)
    return _ADAPTER.validate_python({**current, "kind": kind}, strict=False)


VERSIONS: Mapping[str, int] = {str(cls.__dataclass_fields__["kind"].default): cls.version for cls in Event.__args__}
"""Today's version of every kind."""
