"""Runbook as a model: a runbook file is the Kubernetes object, and the CRD's schema is made from this model.

Promises that every list, map and string is bounded and that an unknown field is an error. What a model alone cannot
see (CEL, step parameters, given facts) is checked by `load.py`; a Runbook from there is complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from runbooks.duration import MAX_LENGTH, PATTERN, format_duration, parse_duration

API_VERSION = "trimtab.dev/v1alpha1"
VERSION_ANNOTATION = "trimtab.dev/version"
OPEN_OBJECT: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
ANY: dict[str, Any] = {"x-kubernetes-preserve-unknown-fields": True}


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError(f"{value!r} is not a duration: write it like 30s, 5m or 1h30m")


Duration: TypeAlias = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "minLength": 2, "maxLength": MAX_LENGTH, "pattern": PATTERN}),
]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Kind: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=63)]
Receiver: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^(group|user):[A-Za-z0-9][A-Za-z0-9._:@-]*$", max_length=128)
]
Cel: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Severity: TypeAlias = Literal["critical", "error", "warning", "info"]


def _default(text: str) -> dict[str, JsonValue]:
    """A duration's default in the schema, in our notation: the API server writes it into objects."""
    return {"default": text}


def _no_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class Model(BaseModel):
    """camelCase outside, snake_case inside; strict, closed and frozen."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        serialize_by_alias=True,
        regex_engine="rust-regex",
    )


def _open(schema: dict[str, Any]) -> None:
    schema.pop("additionalProperties", None)
    schema["x-kubernetes-preserve-unknown-fields"] = True


class Step(Model):
    """Exactly one remediation with its parameters, `rollback: {to: lastHealthy}`, and how long it may take."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_open)
    __pydantic_extra__: dict[str, dict[str, JsonValue]] = Field(init=False)

    timeout: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(seconds=1),
        le=timedelta(hours=2),
        description="How long the step may take until it counts as failed.",
        json_schema_extra=_default("5m"),
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.__pydantic_extra__) != 1:
            raise ValueError(f"names {len(self.__pydantic_extra__)} remediations; each step names exactly one")
        return self

    @property
    def remediation(self) -> str:
        """The step's one remediation (`rollback`)."""
        return next(iter(self.__pydantic_extra__))

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """Its parameters as written; see `load.parameters` for the remediation's own model of them."""
        return self.__pydantic_extra__[self.remediation]


class Verify(Model):
    """When the repair counts as effective: every condition of `all` held for `for`, and did so by `within`."""

    within: Duration = Field(
        ge=timedelta(seconds=10),
        le=timedelta(hours=24),
        description="How long after acting it may take to be well again.",
    )
    for_: Duration = Field(
        default=timedelta(minutes=1),
        alias="for",
        ge=timedelta(0),
        le=timedelta(hours=6),
        description="How long all conditions must hold without a break.",
        json_schema_extra=_default("1m"),
    )
    all: Annotated[tuple[Cel, ...], Field(min_length=1, max_length=8)] = Field(
        description="CEL conditions on service health; every one must hold."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.for_ > self.within:
            held, within = format_duration(self.for_), format_duration(self.within)
            raise ValueError(f"can never succeed: it must hold for {held} but ends after {within}")
        return self


class Escalation(Model):
    """Who hears of it when nobody has answered, and when."""

    after: Duration = Field(
        ge=timedelta(seconds=10), le=timedelta(days=7), description="Time since the question was asked."
    )
    to: Receiver = Field(description="`group:NAME` or `user:NAME`.")


class Expected(Model):
    """The step that a test expects, with the parameters it names."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    step: Annotated[str, StringConstraints(min_length=1, max_length=63)]

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """The parameters the test names; others may have any value."""
        return self.__pydantic_extra__


class Test(Model):
    """One example inside the runbook: given these facts, this step or nothing."""

    __test__ = False  # pytest collects classes by this name

    name: Annotated[str, StringConstraints(min_length=1, max_length=120)] = Field(
        description="The situation, in words."
    )
    given: Annotated[dict[str, JsonValue], WithJsonSchema(OPEN_OBJECT)] = Field(
        description="Facts as a nested mapping; what is left out is missing."
    )
    expect: Annotated[Literal["nothing"] | Expected, WithJsonSchema(ANY)] = Field(
        description="`nothing`, or `{step: NAME}` with the parameters that matter."
    )


class Spec(Model):
    """What to do, when, and how it is proved to have worked."""

    summary: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="One sentence for people: what is wrong, what is done."
    )
    targets: Annotated[tuple[Kind, ...], Field(min_length=1, max_length=8)] = Field(
        description="Kinds of workloads it acts on."
    )
    when: Cel = Field(description="CEL over the facts; a missing fact never matches.")
    when_not: Annotated[Cel | None, WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1024})] = Field(
        default=None,
        description="CEL that forbids it; a missing fact forbids as well.",
        json_schema_extra=_no_default,
    )
    cause: Annotated[str, StringConstraints(min_length=1, max_length=63)] = Field(
        description="The cause this runbook repairs, in a few words."
    )
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=5)] = Field(
        description="In order; each names exactly one remediation with its parameters."
    )
    verify: Verify = Field(description="How it is proved to have worked.")
    expires: Duration = Field(
        default=timedelta(minutes=15),
        ge=timedelta(minutes=1),
        le=timedelta(hours=24),
        description="How long a question to a person stays open; afterwards it is never executed.",
        json_schema_extra=_default("15m"),
    )
    escalate: Annotated[tuple[Escalation, ...], Field(max_length=5)] = Field(
        default=(), description="Who hears of an unanswered question, and when."
    )
    severity: Severity = Field(default="error", description="How loud it is when a person is paged.")
    tests: Annotated[tuple[Test, ...], Field(max_length=32)] = Field(
        default=(), description="Examples that `trimtab runbook test` runs."
    )


class Metadata(Model):
    """The part of an object's metadata that a runbook uses."""

    name: Name
    namespace: Name | None = None
    labels: Annotated[dict[str, str], Field(max_length=64)] = Field(default_factory=dict)
    annotations: Annotated[dict[str, str], Field(max_length=64)] = Field(default_factory=dict)
    generation: Annotated[int, Field(ge=0)] | None = None


class Runbook(Model):
    """What to do when, for one namespace (Runbook) or all of them (ClusterRunbook)."""

    api_version: Literal["trimtab.dev/v1alpha1"]
    kind: Literal["Runbook", "ClusterRunbook"]
    metadata: Metadata
    spec: Spec

    @property
    def name(self) -> str:
        """The name it is known and overridden by."""
        return self.metadata.name

    @property
    def version(self) -> int:
        """`metadata.generation` of a cluster object, else the annotation `trimtab.dev/version`, else 1."""
        if self.metadata.generation is not None:
            return self.metadata.generation
        return int(self.metadata.annotations.get(VERSION_ANNOTATION, "1"))

    @property
    def reference(self) -> str:
        """`name@version`: what proposals, histories and messages cite."""
        return f"{self.name}@{self.version}"

    def to_object(self) -> dict[str, Any]:
        """The Kubernetes object as JSON, with the fields that were written."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
