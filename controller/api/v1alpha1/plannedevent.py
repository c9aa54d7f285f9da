"""PlannedEvent: a freeze for the services it selects; load to come and expected changes are stored, not used yet.

Times are wall-clock times of an IANA zone, as people write them. Promises that across a change of clocks the window
is never shorter than either reading of an ambiguous time. The API server does not know time zones: an unknown one is
answered by `Accepted=False`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, StringConstraints, field_validator, model_validator

from controller.api.shapes import (
    AGE,
    API_VERSION,
    Column,
    Conditions,
    CustomKind,
    Labels,
    Metadata,
    Percent,
    Shape,
    SignedPercent,
    Text,
    Time,
    resource,
    rule,
    rules,
)
from detectors.series import Signal

LocalTime = Annotated[
    str, StringConstraints(max_length=19, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$")
]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


class Services(
    Shape,
    json_schema_extra=rules(
        rule(
            "has(self.matchLabels) != has(self.all)", "select with matchLabels, or say all: true: exactly one of them"
        ),
    ),
):
    """The workloads that the event is about, in its own namespace. Nothing selected means nothing, never everything."""

    match_labels: Labels | None = None
    """All workloads that carry these labels."""
    all: Literal[True] | None = None
    """Every workload of the namespace, said aloud."""

    @model_validator(mode="after")
    def _one_way_to_select(self) -> Self:
        if (self.match_labels is None) == (self.all is None):
            raise ValueError("select with matchLabels, or say all: true: exactly one of them")
        return self


class Load(Shape):
    """Load to come. Stored in this version, not used yet."""

    factor: Annotated[float, Field(ge=0, le=1000)]
    """Times the usual load."""
    uncertainty: Percent | None = None
    """How far off the factor may be."""


class Freeze(Shape):
    """No action on these services during the event; what it would have been is proposed and waits."""

    reason: Text = ""
    """Why, for the message."""


class ChangeRange(Shape):
    """How far a signal will move."""

    from_: Annotated[SignedPercent, Field(alias="from")]
    """At least, such as 10%."""
    to: SignedPercent
    """At most, such as 30%."""


class ExpectedChange(Shape):
    """A change that will come and is fine. Stored in this version, not used yet."""

    signal: Signal
    """load, errors or latency."""
    quantile: Annotated[float, Field(ge=0.5, le=0.9999)] | None = None
    """For latency: the quantile that is meant."""
    change: ChangeRange
    """How far."""


class PlannedEventSpec(
    Shape,
    json_schema_extra=rules(
        rule(
            "has(self.load) || has(self.freeze) || has(self.expects)",
            "an event says at least one of load, freeze and expects",
        ),
        rule("self.from < self.until", "an event ends after it begins", path=".until"),
    ),
):
    """When, for whom, and what."""

    from_: Annotated[LocalTime, Field(alias="from")]
    """First moment, as a clock in `timeZone` shows it."""
    until: LocalTime
    """Last moment, likewise."""
    time_zone: Annotated[
        str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*$")
    ]
    """IANA time zone, such as Europe/Berlin."""
    services: Services
    """The workloads."""
    load: Load | None = None
    """Load to come. Stored in this version, not used yet."""
    freeze: Freeze | None = None
    """No action."""
    expects: Annotated[tuple[ExpectedChange, ...], Field(min_length=1, max_length=16)] | None = None
    """Changes that will come and are fine. Stored in this version, not used yet."""

    @field_validator("from_", "until")
    @classmethod
    def _a_real_date(cls, value: str) -> str:
        datetime.fromisoformat(value)
        return value

    @field_validator("time_zone")
    @classmethod
    def _a_known_zone(cls, value: str) -> str:
        if value not in _zones():
            raise ValueError(f"{value} is not an IANA time zone; write one such as Europe/Berlin or UTC")
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.load is None and self.freeze is None and self.expects is None:
            raise ValueError("an event says at least one of load, freeze and expects")
        if self.begins() >= self.ends():
            raise ValueError("an event ends after it begins")
        return self

    def begins(self) -> datetime:
        """The first moment in UTC; where the clock shows it twice or never, the earlier reading."""
        return min(self._readings(self.from_))

    def ends(self) -> datetime:
        """The last moment in UTC; where the clock shows it twice or never, the later reading."""
        return max(self._readings(self.until))

    def _readings(self, local: str) -> tuple[datetime, datetime]:
        wall = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(self.time_zone))
        return wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)


class PlannedEventStatus(Shape):
    """Where the event stands. Condition: Accepted."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation this was said of."""
    started: Time | None = None
    """When it began. From then on the spec does not change; to end the event, delete it."""
    ended: Time | None = None
    """When it was over."""
    conditions: Conditions = ()
    """Accepted: the event counts, or why not."""


class PlannedEvent(Shape):
    """Says what is going to happen: load, a change, a freeze."""

    api_version: Literal["trimtab.dev/v1alpha1"] = API_VERSION
    kind: Literal["PlannedEvent"] = "PlannedEvent"
    metadata: Metadata
    spec: PlannedEventSpec
    status: PlannedEventStatus = Field(default_factory=PlannedEventStatus)


PLANNED_EVENT = resource("PlannedEvent", "plannedevents")

KIND = CustomKind(
    resource=PLANNED_EVENT,
    model=PlannedEvent,
    spec=PlannedEventSpec,
    status=PlannedEventStatus,
    short_names=("plev",),
    columns=(
        Column(name="From", path=".spec.from"),
        Column(name="Until", path=".spec.until"),
        Column(name="Zone", path=".spec.timeZone"),
        Column(name="Started", path=".status.started", type="date"),
        Column(name="Accepted", path='.status.conditions[?(@.type=="Accepted")].status'),
        AGE,
    ),
    rules=(
        rule(
            "!has(oldSelf.status) || !has(oldSelf.status.started) || self.spec == oldSelf.spec",
            "an event that has begun does not change: delete it to end it",
            path=".spec",
        ),
        rule(
            "!has(oldSelf.status) || !has(oldSelf.status.started) || "
            "(has(self.status) && has(self.status.started) && self.status.started == oldSelf.status.started)",
            "a start is not taken back",
            path=".status",
        ),
    ),
)
