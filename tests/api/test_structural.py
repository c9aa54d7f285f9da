from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from controller.api.crd import crds, schema
from controller.api.shapes import CustomKind
from controller.api.structural import RULES, NotStructural, Schema, structural
from controller.api.v1alpha1.kinds import KINDS

EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource.kind)


def nodes(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every node of a schema but the API server's own: apiVersion, kind, metadata."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        if path or name in ("spec", "status"):
            yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from nodes(node[key], f"{path}.{key}")


@EVERY_KIND
def test_every_string_list_and_map_is_bounded(kind: CustomKind) -> None:
    """The API server estimates the cost of a rule from these bounds, and rejects a rule over what has none."""
    unbounded = [path for path, node in nodes(schema(kind)) if not bounded(node)]

    assert unbounded == []


def bounded(node: Schema) -> bool:
    match node.get("type"):
        case "string":
            return "maxLength" in node or "enum" in node or node.get("format") == "date-time"
        case "array":
            return "maxItems" in node
        case "object" if "additionalProperties" in node:
            return "maxProperties" in node
        case "object" | "integer" | "number" | "boolean":
            return True
        case _:
            return "x-kubernetes-int-or-string" in node or "x-kubernetes-preserve-unknown-fields" in node


@EVERY_KIND
def test_a_schema_is_structural(kind: CustomKind) -> None:
    """One type per node, no reference, no union, no default: an absent field stays absent."""
    forbidden = {"$ref", "$defs", "anyOf", "allOf", "oneOf", "not", "default", "title", "const", "nullable"}
    for path, node in nodes(schema(kind)):
        assert forbidden.isdisjoint(node), path
        assert not ("properties" in node and "additionalProperties" in node), path


@EVERY_KIND
def test_every_field_says_what_it_means(kind: CustomKind) -> None:
    silent = [
        f"{path}.{name}"
        for path, node in nodes(schema(kind))
        for name, child in node.get("properties", {}).items()
        if path and "description" not in child and name not in ("apiVersion", "kind", "name", "step", "conditions")
    ]

    assert silent == []


@EVERY_KIND
def test_every_rule_says_what_is_wrong(kind: CustomKind) -> None:
    for path, node in nodes(schema(kind)):
        assert all(rule["message"] for rule in node.get(RULES, [])), path


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.status], ids=lambda kind: kind.resource.kind)
def test_conditions_are_kept_by_type_and_carry_the_observed_generation(kind: CustomKind) -> None:
    status = schema(kind)["properties"]["status"]
    conditions = status["properties"]["conditions"]

    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert "observedGeneration" in conditions["items"]["properties"]
    assert "observedGeneration" in status["properties"]


def test_crds_stay_when_the_release_goes() -> None:
    assert {crd["metadata"]["annotations"]["helm.sh/resource-policy"] for crd in crds()} == {"keep"}


class Inner(BaseModel):
    """What an inner object is."""

    size: Annotated[int, Field(gt=0, le=9)] = 1


def model(**fields: Any) -> type[BaseModel]:
    return type("Sample", (BaseModel,), {"__annotations__": fields})


def test_what_stands_beside_a_reference_goes_over_what_it_refers_to() -> None:
    written = structural(model(inner=Annotated[Inner | None, Field(description="This one.")]))

    inner = written["properties"]["inner"]
    assert inner["description"] == "This one."
    assert inner["properties"]["size"] == {"type": "integer", "exclusiveMinimum": True, "maximum": 9, "minimum": 0}


def test_one_word_is_an_enumeration_of_one() -> None:
    assert structural(model(word=Literal["Never"]))["properties"]["word"]["enum"] == ["Never"]


@pytest.mark.parametrize(
    "shape",
    [int | str, dict[str, int] | list[int], Annotated[set[int], Field(max_length=3)], tuple[int, str]],
    ids=["int or str", "map or list", "set", "pair"],
)
def test_what_a_crd_cannot_say_is_an_error_and_not_left_out(shape: Any) -> None:
    with pytest.raises(NotStructural, match=r"Sample\.field"):
        structural(model(field=shape))
