"""ServicePolicy: what trimtab may do for the services it selects.

Promises that leaving a field out never grants anything: every part observes by default, and `automaticAbove` is
`Never` until somebody writes a number. Which policy wins where two select one workload is decided by the controller,
not here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from controller.api.shapes import (
    AGE,
    API_VERSION,
    NEVER,
    Column,
    Conditions,
    CustomKind,
    KindName,
    Labels,
    Latency,
    Line,
    Metadata,
    Name,
    Percent,
    Query,
    Shape,
    Threshold,
    resource,
    rule,
    rules,
)
from controller.core.policy import CanaryMode, ScalingMode
from controller.core.policy import Mode as RemediationMode


class Target(
    Shape,
    json_schema_extra=rules(
        rule(
            "has(self.name) != has(self.matchLabels)",
            "name the workload, or select with matchLabels: exactly one of them",
        ),
        rule("self == oldSelf", "a policy's target does not change: write another policy"),
    ),
):
    """The workloads that the policy is about, in its own namespace."""

    kind: KindName
    """Kind of the workload. A kind trimtab does not know is answered by `Accepted=False`."""
    name: Name | None = None
    """One workload by name."""
    match_labels: Labels | None = None
    """All workloads that carry these labels. Empty is refused: it means nothing, never everything."""

    @model_validator(mode="after")
    def _one_way_to_select(self) -> Self:
        if (self.name is None) == (self.match_labels is None):
            raise ValueError("name the workload, or select with matchLabels: exactly one of them")
        return self


class Preset(StrEnum):
    """Where the signals come from, when no queries are written."""

    KUBERNETES = "kubernetes"
    HTTP = "http"
    INGRESS_NGINX = "ingress-nginx"
    ISTIO = "istio"
    LINKERD = "linkerd"
    OPENTELEMETRY = "opentelemetry"


class Signals(Shape):
    """PromQL for each signal; what is left out is not watched."""

    load: Query | None = None
    """Requests per second."""
    errors: Query | None = None
    """Share of the requests that fail, 0–1."""
    latency: Query | None = None
    """Latency in seconds, at the quantile of the objective. Stored in this version, not used yet."""


class Metrics(
    Shape,
    json_schema_extra=rules(
        rule("!(has(self.preset) && has(self.signals))", "a preset or signals of your own, not both"),
    ),
):
    """Where the numbers come from. Left out: object states and alerts only."""

    preset: Preset | None = None
    """Queries that ship: `kubernetes` (kube-state-metrics and cAdvisor), `http` (http_requests_total), …"""
    signals: Signals | None = None
    """Queries of your own."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.preset is not None and self.signals is not None:
            raise ValueError("a preset or signals of your own, not both")
        return self


class LatencyObjective(Shape):
    """How fast the service should answer. Stored in this version, not used yet."""

    quantile: Annotated[float, Field(ge=0.5, le=0.9999)]
    """The share of requests that is meant, 0.5–0.9999."""
    below: Latency
    """The bound, such as 300ms."""


class Objectives(Shape):
    """What the service promises its users. Stored in this version, not used yet."""

    availability: Percent | None = None
    """Share of requests that succeed, such as 99.9%. Stored in this version, not used yet."""
    latency: LatencyObjective | None = None
    """How fast. Stored in this version, not used yet."""


Cost = Annotated[float, Field(ge=0, le=1_000_000)]


class Price(Shape):
    """What things cost, in one currency: only the ratio matters. Stored in this version, not used yet."""

    pod_hour: Cost
    """One pod for one hour."""
    slo_minute: Cost
    """One minute outside the objectives."""


class Scaling(Shape):
    """A floor (`minReplicas` of the workload's HorizontalPodAutoscaler) ahead of the load."""

    mode: ScalingMode = ScalingMode.OBSERVE
    """`Off`, `Observe` (default: says what it would hold) or `Floor`, which is the consent to take `minReplicas` over
    and hold it until the policy or the mode goes, or somebody else writes it.
    """
    price: Price | None = None
    """Weighs pods against minutes outside the objectives. Stored in this version, not used yet."""


class Canary(Shape):
    """The judgement of a new version by its failed requests, beside the old one, while both have pods. Sets no pace."""

    mode: CanaryMode = CanaryMode.OBSERVE
    """`Off`, `Observe` (default), `Rollback` (the consent to go back) or `Ramp`, which is `Rollback` in this version:
    no pace is set.
    """
    false_rollback: Percent | None = None
    """Share of good versions that may be rolled back by mistake, such as 1%, over all looks at one rollout. Without it
    nothing is rolled back by the test.
    """


class Anomalies(Shape):
    """How sensitive detection is. Stored in this version, not used yet."""

    false_alarms_per_week: Annotated[float, Field(ge=0, le=1000)] | None = None
    """Alarms without a cause that are acceptable per week. Stored in this version, not used yet."""


Approver = Annotated[str, StringConstraints(max_length=260, pattern=r"^((user|group):)?[^\s]{1,253}$")]


class Remediation(Shape):
    """How far the incidents loop may go."""

    mode: RemediationMode = RemediationMode.OBSERVE
    """`Observe` (default), `Approve` (ask for every action) or `Auto` (act alone where the verified
    record of a runbook reaches `automaticAbove`, else ask).
    """
    automatic_above: Threshold = NEVER
    """In mode Auto: act alone where the lower bound of the runbook's verified record reaches this percent, 50–100. Left
    out: `Never`.
    """
    review_above: Threshold = 70
    """Ask where the estimate reaches this percent, 50–100, else hand over to a person. `Never` asks nobody. Left out:
    70.
    """
    approvers: Annotated[tuple[Approver, ...], Field(min_length=1, max_length=32)] | None = None
    """`group:NAME`, and usernames (also as `user:NAME`). Narrows the settings' list, never widens it."""


class ServicePolicySpec(Shape):
    """What may be done. Only `target` is required: then trimtab observes and changes nothing."""

    target: Target
    """The workloads."""
    metrics: Metrics = Field(default_factory=Metrics)
    """Where the numbers come from."""
    objectives: Objectives = Field(default_factory=Objectives)
    """What the service promises. Stored in this version, not used yet."""
    scaling: Scaling = Field(default_factory=Scaling)
    """The scaling loop."""
    canary: Canary = Field(default_factory=Canary)
    """The rollout loop."""
    anomalies: Anomalies = Field(default_factory=Anomalies)
    """Detection. Stored in this version, not used yet."""
    remediation: Remediation = Field(default_factory=Remediation)
    """The incidents loop."""


class ServicePolicyStatus(Shape):
    """What trimtab makes of the policy. Conditions: Accepted, DataHealthy, Permitted, FloorHeld."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation this was said of."""
    target: Line = ""
    """The target in one word, such as Deployment/checkout."""
    workloads: Annotated[int, Field(ge=0)] = 0
    """How many workloads it selects."""
    scaling: Line = ""
    """The scaling loop: `Floor 6`, `Floor` (nothing held), `Observe (would hold 6)`, else the mode."""
    canary: Line = ""
    """The rollout loop: the version that is judged and how far, such as v42 Hold 61%, else the mode."""
    remediation: Line = ""
    """The incidents loop in one word, such as Auto ≥0.90."""
    data: Line = ""
    """Health of the data: Healthy, or what is wrong with it."""
    open_incidents: Annotated[int, Field(ge=0)] = 0
    """Incidents that are open."""
    conditions: Conditions = ()
    """Accepted: the policy is in force, or why not. DataHealthy, Permitted, FloorHeld."""


class ServicePolicy(Shape):
    """Says what trimtab may do for a service."""

    api_version: Literal["trimtab.dev/v1alpha1"] = API_VERSION
    kind: Literal["ServicePolicy"] = "ServicePolicy"
    metadata: Metadata
    spec: ServicePolicySpec
    status: ServicePolicyStatus = Field(default_factory=ServicePolicyStatus)


SERVICE_POLICY = resource("ServicePolicy", "servicepolicies")

KIND = CustomKind(
    resource=SERVICE_POLICY,
    model=ServicePolicy,
    spec=ServicePolicySpec,
    status=ServicePolicyStatus,
    short_names=("svcpol",),
    columns=(
        Column(name="Target", path=".status.target"),
        Column(name="Scaling", path=".status.scaling"),
        Column(name="Canary", path=".status.canary"),
        Column(name="Remediation", path=".status.remediation"),
        Column(name="Data", path=".status.data"),
        Column(name="Open", path=".status.openIncidents", type="integer"),
        AGE,
    ),
)
