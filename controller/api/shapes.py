"""Building blocks of every kind: the base model, bounded scalars, metadata, conditions, and how a kind is served.

Promises that every string, list and map has an upper bound, because the API server rejects a CEL rule over an
unbounded one, and that an absent field is the inert choice: the API server prunes what it does not know, so a
misspelt field arrives as an absent one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from controller.ports import ResourceKind

GROUP: Final = "trimtab.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "trimtab.dev/v1alpha1"


class Shape(BaseModel):
    """A closed object: camelCase in YAML, immutable once read. `read.py` says how strictly."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_by_alias=True,
        validate_by_name=True,
    )


def rule(expression: str, message: str, *, path: str = "") -> dict[str, str]:
    """One CEL rule of the API server; `path` is the field a violation is reported at."""
    return {"rule": expression, "message": message} | ({"fieldPath": path} if path else {})


def rules(*each: dict[str, str]) -> dict[str, Any]:
    """Schema extension that attaches CEL rules to a model or a field."""
    return {"x-kubernetes-validations": list(each)}


Line: TypeAlias = Annotated[str, StringConstraints(max_length=256)]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=1024)]
Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
]
Namespace: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
KindName: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
Query: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
Digest: TypeAlias = Annotated[str, StringConstraints(min_length=16, max_length=64, pattern=r"^[0-9a-f]+$")]
Time: TypeAlias = AwareDatetime

LabelValue: TypeAlias = Annotated[
    str, StringConstraints(max_length=63, pattern=r"^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)?$")
]
Labels: TypeAlias = Annotated[
    dict[str, LabelValue],
    Field(
        min_length=1,
        max_length=16,
        json_schema_extra=rules(rule("self.all(key, key.size() <= 317)", "a label key has at most 317 characters")),
    ),
]
"""Labels that must all be there. Never empty: elsewhere that means everything, here nothing (S6)."""

# ── numbers that people write with a unit ──

Percent: TypeAlias = Annotated[
    str, StringConstraints(max_length=10, pattern=r"^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)%$")
]
SignedPercent: TypeAlias = Annotated[
    str, StringConstraints(max_length=12, pattern=r"^[+-]?[0-9]{1,4}(\.[0-9]{1,4})?%$")
]
Latency: TypeAlias = Annotated[str, StringConstraints(max_length=8, pattern=r"^[0-9]{1,6}(ms|s)$")]


def fraction(percent: str) -> float:
    """`99.9%` as 0.999."""
    return float(Decimal(percent.removesuffix("%")) / 100)


def seconds(latency: str) -> float:
    """`300ms` as 0.3."""
    return float(latency[:-2]) / 1000 if latency.endswith("ms") else float(latency[:-1])


NEVER: Final = "Never"

_A_THRESHOLD: Final = "an integer percent from 50 to 100, or Never"


def _threshold(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if (whole and 50 <= value <= 100) or value == NEVER:
        return value
    raise ValueError(_A_THRESHOLD)


Threshold: TypeAlias = Annotated[
    int | Literal["Never"],
    PlainValidator(_threshold),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True}
        | rules(rule("type(self) == int ? (self >= 50 && self <= 100) : self == 'Never'", _A_THRESHOLD))
    ),
]


def share(threshold: int | str) -> float:
    """A threshold as the fraction a confidence is compared with; `Never` is infinity."""
    return math.inf if isinstance(threshold, str) else threshold / 100


# ── what every object carries ──


class OwnerReference(Shape):
    """Who owns the object."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class Metadata(Shape):
    """What the API server keeps about an object. Not part of a CRD's schema: the server has its own."""

    model_config = ConfigDict(extra="ignore")

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    deletion_grace_period_seconds: int | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: tuple[JsonValue, ...] = ()
    self_link: str = ""


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Shape):
    """One aspect of the object's state, in the shape that kubectl wait reads."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """CamelCase name of the aspect."""
    status: ConditionStatus
    """Whether it holds."""
    reason: Annotated[str, StringConstraints(max_length=128, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """Constant word for the cause."""
    message: Annotated[str, StringConstraints(max_length=2048)] = ""
    """One sentence for people."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The `metadata.generation` that this was said of."""
    last_transition_time: Time
    """When the status last changed."""


Conditions: TypeAlias = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]


def clip(text: str, limit: int) -> str:
    """Cut text for people to what the schema takes, and say so."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


# ── how a kind is served ──


class Column(BaseModel):
    """A column of `kubectl get`; `priority` 1 shows with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    priority: int = 0


AGE: Final = Column(name="Age", path=".metadata.creationTimestamp", type="date")


class CustomKind(BaseModel):
    """A kind of the group with all that its CRD says. `rules` stand at the root, where spec meets status."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    resource: ResourceKind
    model: type[BaseModel]
    spec: type[BaseModel]
    status: type[BaseModel] | None
    short_names: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[dict[str, str], ...] = ()
    spec_required: bool = True


def resource(kind: str, plural: str, *, namespaced: bool = True) -> ResourceKind:
    """Where the API server serves a kind of this group."""
    return ResourceKind(GROUP, VERSION, plural, kind, namespaced)
