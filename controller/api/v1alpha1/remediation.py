"""Remediation: one plan for one incident, put before people, and their answer.

Written by the leader, one per plan digest. People set `spec.decision`, once; everything else in the spec stays as
written, so that what is approved is what was read. Who may set it is held by the chart's admission policy, not by
this schema.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from controller.api.shapes import (
    AGE,
    API_VERSION,
    Column,
    Conditions,
    CustomKind,
    Digest,
    KindName,
    Line,
    Metadata,
    Name,
    Shape,
    Text,
    Time,
    resource,
    rule,
    rules,
)
from controller.core.events import Verdict, Via
from remediations.plan import Outcome

MAX_DIFF: Final = 32768
MAX_CHANGES: Final = 64
MAX_REASONS: Final = 32

Username = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class TargetObject(Shape):
    """The object that would be written."""

    api_version: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    kind: KindName
    name: Name
    uid: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """A recreated object is another one."""


class Decision(Shape):
    """A person's answer, bound to the plan by its digest."""

    verdict: Verdict
    """Approve or Reject."""
    digest: Digest
    """The plan that was read: the digest of the spec."""
    by: Username
    """The username of whoever writes it; another one is refused."""
    reason: Text = ""
    """Why, above all when rejecting."""


class RemediationSpec(
    Shape,
    json_schema_extra=rules(
        rule(
            " && ".join(
                f"self.{field} == oldSelf.{field}"
                for field in ("incident", "runbook", "target", "digest", "expires", "summary", "change", "diff")
            ),
            "only decision can be set: everything else stays as it was written",
        ),
        rule(
            "!has(oldSelf.decision) || (has(self.decision) && self.decision == oldSelf.decision)",
            "a decision is made once",
            path=".decision",
        ),
        rule(
            "!has(self.decision) || self.decision.digest == self.digest",
            "the decision is about another plan: its digest is not that of the spec",
            path=".decision.digest",
        ),
    ),
):
    """The plan as it was written; only `decision` is ever added."""

    incident: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][-A-Za-z0-9._]*$")]
    """The incident it belongs to, such as INC-2041."""
    runbook: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    """The runbook that asked for it, with its version: crash-loop-after-rollout@3."""
    target: TargetObject
    """What would be written."""
    digest: Digest
    """Names one exact change to one exact object state."""
    expires: Time
    """When a question asked at once would end; `status.expires` is when it does."""
    summary: Text
    """What and why, in a sentence."""
    change: Annotated[tuple[Annotated[str, StringConstraints(max_length=512)], ...], Field(max_length=MAX_CHANGES)]
    """The change in short clauses."""
    diff: Annotated[str, StringConstraints(max_length=MAX_DIFF)]
    """The exact change as a unified diff."""
    decision: Decision | None = None
    """The answer, set once."""


class ShownReason(Shape):
    """One reason for the route."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """Constant word."""
    message: Text
    """One sentence for people."""


class Answer(Shape):
    """The answer that counted, whichever way it came."""

    verdict: Verdict
    """Approve or Reject."""
    by: Username
    """Who."""
    via: Via
    """Through which door."""


class ShownRoute(StrEnum):
    """What the gate decided; `tests/api` compares it with `controller.core.routes.Route`."""

    AUTO = "Auto"
    ASK = "Ask"
    WAIT = "Wait"
    HAND_OVER = "HandOver"
    REFUSE = "Refuse"


class RemediationStatus(Shape):
    """What became of it. Conditions: Approved, Executed, Verified, Undone."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation this was said of."""
    route: ShownRoute | None = None
    """What the gate decided."""
    reasons: Annotated[tuple[ShownReason, ...], Field(max_length=MAX_REASONS)] = ()
    """Every reason for it."""
    expires: Time | None = None
    """When the question ends. It is never executed later."""
    decision: Answer | None = None
    """The answer that counted."""
    target: Line = ""
    """The target in one word."""
    answer: Line = ""
    """The answer in two words, such as Approve mara."""
    outcome: Outcome | None = None
    """What it did to the service's health."""
    conditions: Conditions = ()
    """Approved, Executed, Verified, Undone."""


class Remediation(Shape):
    """A plan put before people, with their answer and what became of it."""

    api_version: Literal["trimtab.dev/v1alpha1"] = API_VERSION
    kind: Literal["Remediation"] = "Remediation"
    metadata: Metadata
    spec: RemediationSpec
    status: RemediationStatus = Field(default_factory=RemediationStatus)


REMEDIATION = resource("Remediation", "remediations")

KIND = CustomKind(
    resource=REMEDIATION,
    model=Remediation,
    spec=RemediationSpec,
    status=RemediationStatus,
    short_names=("rem",),
    columns=(
        Column(name="Route", path=".status.route"),
        Column(name="Decision", path=".status.answer"),
        Column(name="Outcome", path=".status.outcome"),
        Column(name="Target", path=".status.target"),
        Column(name="Runbook", path=".spec.runbook"),
        Column(name="Expires", path=".status.expires", priority=1),
        Column(name="Digest", path=".spec.digest", priority=1),
        AGE,
    ),
)
