"""What happens to an incident, from its first symptom to its end (stream `incident:…`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import JsonValue

from controller.core.confidence import Confidence
from controller.core.events.parts import Alternative, Cause, Symptom, Verdict, Via
from controller.core.routes import Licence, Reason, Route
from detectors.series import Workload
from remediations.plan import Outcome, Plan


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident began. `template` is the digest of the pod template that ran then."""

    version: ClassVar[int] = 2
    at: datetime
    incident: str
    workload: Workload
    symptoms: tuple[Symptom, ...]
    evidence: Mapping[str, JsonValue]
    data: str = "healthy"
    observe_only: bool = False
    template: str = ""
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

    version: ClassVar[int] = 3
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
    """A look at the service after acting; recorded when the answer changes. `held` None: it cannot be said.

    `rolled_out`: every pod is of the changed template by now and ready.
    """

    version: ClassVar[int] = 2
    at: datetime
    digest: str
    held: bool | None
    detail: str
    worse: bool = False
    rolled_out: bool = False
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
    """A late or senseless fact, kept for the audit trail; changes nothing. `digest` is the plan that it was about."""

    version: ClassVar[int] = 2
    at: datetime
    what: str
    reason: str
    by: str = ""
    digest: str = ""
    kind: Literal["ignored"] = "ignored"
