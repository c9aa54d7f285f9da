"""The model: bounded everywhere, and a structural schema for the API server."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.duration import format_duration, parse_duration
from runbooks.given import evidence, findings, nested
from runbooks.schema import Runbook, Spec
from tests.runbooks.examples import CRASHING, runbook
from tests.runbooks.test_expression import EVERY_FACT

SCHEMA = Spec.model_json_schema()


def nodes(schema: Any, path: str = "spec") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of the schema that holds a value, references followed."""
    if "$ref" in schema:
        schema = {
            **SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[-1]],
            **{k: v for k, v in schema.items() if k != "$ref"},
        }
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


NODES = tuple(nodes(SCHEMA))


@pytest.mark.parametrize(("path", "node"), NODES, ids=[path for path, _ in NODES])
def test_every_field_is_bounded_and_no_union(path: str, node: dict[str, Any]) -> None:
    """An unbounded list or string makes the API server refuse validation rules; a union is not structural."""
    assert not {"anyOf", "oneOf", "allOf"} & node.keys()
    match node.get("type"):
        case "string":
            assert "maxLength" in node or "enum" in node
        case "array":
            assert "maxItems" in node
        case "object":
            assert "properties" in node or node["x-kubernetes-preserve-unknown-fields"]
        case kind:
            assert kind is None
            assert node["x-kubernetes-preserve-unknown-fields"]


@pytest.mark.parametrize(("path", "node"), NODES, ids=[path for path, _ in NODES])
def test_a_default_that_the_api_server_writes_is_one_that_loads(path: str, node: dict[str, Any]) -> None:
    if "pattern" in node and "default" in node:
        assert parse_duration(node["default"]) > timedelta(0)
    assert node.get("default", "") is not None


def test_an_object_with_every_default_written_out_is_the_same_runbook() -> None:
    example = runbook()
    full = example.model_dump(mode="json", by_alias=True, exclude_none=True)

    assert full["spec"]["expires"] == "15m"
    assert full["spec"]["verify"]["for"] == "1m"
    assert Runbook.model_validate_json(json.dumps(full)) == example


@given(st.timedeltas(timedelta(0), timedelta(days=9999)).map(lambda d: timedelta(seconds=int(d.total_seconds()))))
def test_a_duration_comes_back_from_its_text(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration or duration == timedelta(0)


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5m", "5m\n", "1.5h", "30m1h", "٣m", "9" * 40 + "s"])
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_given_is_flat_evidence() -> None:
    assert evidence(runbook().spec.tests[0].given) == CRASHING


@given(EVERY_FACT)
def test_evidence_becomes_a_given_block_and_comes_back(measured: dict[str, Any]) -> None:
    """How an incident becomes a runbook test; durations are kept to the second."""
    rounded = {
        name: timedelta(seconds=abs(round(value.total_seconds()))) if isinstance(value, timedelta) else value
        for name, value in measured.items()
    }

    block = nested(rounded)

    assert findings(block, ()) == ()
    assert evidence(block) == rounded
