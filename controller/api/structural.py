"""From a pydantic model to the structural schema that a CRD takes.

Promises plain OpenAPI v3 as the API server wants it: references resolved, no unions, no titles, no defaults (an
absent field stays absent, so that the program can tell). Raises `NotStructural` for anything it cannot say there,
instead of saying less.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

Schema = dict[str, Any]

KEPT: Final = frozenset(
    {
        "type",
        "description",
        "format",
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "required",
    }
)
DROPPED: Final = frozenset({"title", "default", "$defs", "examples"})
RULES: Final = "x-kubernetes-validations"


class NotStructural(Exception):
    """A model says something that a CRD's schema cannot."""


def structural(model: type[BaseModel]) -> Schema:
    """The model's structural schema, by alias, with descriptions from docstrings."""
    written = model.model_json_schema(by_alias=True, mode="validation")
    return _Reader(written.get("$defs", {})).read(written, model.__name__)


class _Reader:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def read(self, node: Mapping[str, Any], at: str) -> Schema:
        node = self._resolved(node, at)
        schema: Schema = {}
        for key, value in node.items():
            if key in KEPT or key.startswith("x-kubernetes-"):
                schema[key] = inspect.cleandoc(value).replace("\n", " ") if key == "description" else value
            elif key not in DROPPED:
                schema |= self._translated(key, value, node, at)
        if not schema.get("required", True):
            del schema["required"]
        return {key: schema[key] for key in sorted(schema, key=_order)}

    def _translated(self, key: str, value: Any, node: Mapping[str, Any], at: str) -> Schema:
        match key:
            case "properties":
                return {key: {name: self.read(child, f"{at}.{name}") for name, child in value.items()}}
            case "items":
                return {key: self.read(value, f"{at}[]")}
            case "additionalProperties" if isinstance(value, bool):
                return {}
            case "additionalProperties":
                return {key: self.read(value, f"{at}{{}}")}
            case "const":
                return {"enum": [value]}
            case "exclusiveMinimum":
                return {"minimum": value, key: True}
            case "exclusiveMaximum":
                return {"maximum": value, key: True}
            case "uniqueItems":
                raise NotStructural(f"{at}: say x-kubernetes-list-type: set instead of uniqueItems")
            case _:
                raise NotStructural(f"{at}: {key} has no place in a structural schema (of {sorted(node)})")

    def _resolved(self, node: Mapping[str, Any], at: str) -> Mapping[str, Any]:
        """The node without $ref, allOf and "or null": what stands beside a reference goes over what it refers to."""
        if "$ref" in node:
            target = self._definitions[node["$ref"].rsplit("/", 1)[-1]]
            return self._over(target, node, "$ref", at)
        if "allOf" in node and len(node["allOf"]) == 1:
            return self._over(node["allOf"][0], node, "allOf", at)
        if "anyOf" in node:
            options = [option for option in node["anyOf"] if option != {"type": "null"}]
            if len(options) != 1:
                raise NotStructural(f"{at}: a union of {len(options)} shapes; a CRD's field has one")
            return self._over(options[0], node, "anyOf", at)
        return node

    def _over(self, under: Mapping[str, Any], node: Mapping[str, Any], dropped: str, at: str) -> Mapping[str, Any]:
        under = self._resolved(under, at)
        beside = {key: value for key, value in node.items() if key != dropped}
        both = [*under.get(RULES, []), *beside.pop(RULES, [])]
        return {**under, **beside, **({RULES: both} if both else {})}


_FIRST: Final = ("type", "description", "format", "enum")
_LAST: Final = ("required", "items", "additionalProperties", "properties")


def _order(key: str) -> tuple[int, str]:
    if key in _FIRST:
        return _FIRST.index(key), ""
    if key in _LAST:
        return 100 + _LAST.index(key), ""
    return 50, key
