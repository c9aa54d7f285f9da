"""A model's complaints in our words, each at its place and with the nearest known field."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from runbooks.problem import Finding, Path, suggestion

_BRANCHES = frozenset({"Expected", "literal['nothing']"})


def findings(error: ValidationError, model: type[BaseModel], prefix: Path = ()) -> Iterator[Finding]:
    """One finding per complaint. `prefix` is where the model's data stands in the whole object."""
    details = error.errors(include_url=False)
    for detail in details:
        if detail["loc"][-1:] in {("literal['nothing']",), ("Expected",)}:
            continue  # which half of `expect` was meant is for checks.py to say
        if detail["type"] == "too_short" and any(_below(other["loc"], detail["loc"]) for other in details):
            continue  # pydantic does not count items that are wrong themselves
        path = tuple(part for part in detail["loc"] if part not in _BRANCHES)
        yield _finding(detail, path, model, prefix)


def fields(model: type[BaseModel]) -> tuple[str, ...]:
    """The field names of a model as they are written."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _below(path: Path, parent: Path) -> bool:
    return len(path) > len(parent) and path[: len(parent)] == parent


def _finding(detail: ErrorDetails, path: Path, model: type[BaseModel], prefix: Path) -> Finding:
    name = str(path[-1]) if path else ""
    here = (*prefix, *path)
    match detail["type"]:
        case "extra_forbidden":
            parent = _model_at(model, path[:-1])
            known = fields(parent) if parent is not None else ()
            return Finding(here, f"{name} is not a field here.{suggestion(name, known)}", on_key=True)
        case "missing":
            return Finding(here, f"{name} is missing", on_key=True)
        case "literal_error" | "enum":
            known = _words(detail)
            given = str(detail["input"])[:60]
            return Finding(here, f"{name}: {given!r} is not possible here.{suggestion(given, known)}")
        case "too_short" | "too_long":
            ctx = detail.get("ctx", {})
            bound = ("at least", "min_length") if detail["type"] == "too_short" else ("at most", "max_length")
            return Finding(
                here, f"{name}: holds {ctx.get('actual_length')}, {bound[0]} {ctx.get(bound[1])} is possible"
            )
        case "value_error":
            message = str(detail["ctx"]["error"]) if "ctx" in detail else detail["msg"]
            return Finding(here, message)
        case "string_pattern_mismatch":
            pattern = detail.get("ctx", {}).get("pattern", "")
            return Finding(here, f"{name}: {str(detail['input'])[:60]!r} does not fit {pattern}")
        case _:
            return Finding(here, f"{name}: {detail['msg'].removeprefix('Input ')}" if name else detail["msg"])


def _words(detail: ErrorDetails) -> tuple[str, ...]:
    expected = str(detail.get("ctx", {}).get("expected", ""))
    return tuple(word.strip().strip("'\"") for word in expected.replace(" or ", ", ").split(", ") if word.strip())


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model that reads what stands at a path."""
    at: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        if at is None:
            return None
        by_alias = {field.alias or name: field for name, field in at.model_fields.items()}
        at = _inner(by_alias[part].annotation) if part in by_alias else None
    return at if isinstance(at, type) and issubclass(at, BaseModel) else None


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The model inside `tuple[Model, ...]`, `Model | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {tuple, list, Union, UnionType}:
        return next((model for part in get_args(annotation) if (model := _inner(part)) is not None), None)
    return None
