"""Objects of the group from the cluster or from a file.

From the cluster: what the API server let in, null as absent, fields of a later version passed over. From a file:
strict, so an unknown field or a wrong type is an error with its place and the nearest known word. Either way what
cannot be read is `BadObject`, never half an object. Runbook files have a loader of their own (`runbooks.load`), which
checks more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from controller.api.shapes import Metadata
from controller.api.structural import Schema, structural
from controller.api.v1alpha1.kinds import KINDS
from controller.errors import Terminal
from runbooks.problem import Finding, Path, Problem, dotted, suggestion
from runbooks.source import Document, documents

M = TypeVar("M", bound=BaseModel)


class BadObject(Terminal):
    """An object does not say what its kind can say. `problems` has one line each."""

    def __init__(self, what: str, problems: tuple[str, ...]) -> None:
        super().__init__(f"{what}: {'; '.join(problems)}", "write the fields as docs/reference/crds.md lists them")
        self.problems = problems


def from_cluster(model: type[M], item: Mapping[str, Any]) -> M:
    """An object as the API server serves it; raises `BadObject`."""
    try:
        return model.model_validate_json(json.dumps(_without_nulls(item)), extra="ignore", by_name=False)
    except ValidationError as error:
        metadata = item.get("metadata") or {}
        what = f"{item.get('kind', model.__name__)} {metadata.get('namespace', '')}/{metadata.get('name', '')}"
        raise BadObject(what, tuple(_told(finding) for finding in _findings(model, error))) from error


def from_file(model: type[M], text: str, file: str) -> M:
    """The one object of a file, read strictly; raises `BadObject` with file, line and column of every problem."""
    read = list(documents(text, file))
    if len(read) != 1:
        raise BadObject(file, (f"holds {len(read)} objects where one is expected",))
    document = read[0]
    if isinstance(document, Problem):
        raise BadObject(file, (str(document),))
    findings = document.findings
    if not findings:
        try:
            return model.model_validate_json(json.dumps(document.data), strict=True, extra="forbid", by_name=False)
        except ValidationError as error:
            findings = tuple(_findings(model, error))
    raise BadObject(file, tuple(str(document.problem(finding)) for finding in _placed(document, findings)))


def any_from_file(text: str, file: str) -> BaseModel:
    """The one object of a file, of whichever kind of the group it says; raises `BadObject`."""
    first = next(iter(documents(text, file)), None)
    said = first.data.get("kind") if isinstance(first, Document) and isinstance(first.data, dict) else None
    models = {kind.resource.kind: kind.model for kind in KINDS}
    if not isinstance(said, str) or said not in models:
        near = suggestion(said, tuple(models)) if isinstance(said, str) else f" (known: {', '.join(models)})"
        raise BadObject(file, (f"{said or 'no kind'} is no kind of trimtab.dev.{near}",))
    return from_file(models[said], text, file)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(child) for key, child in value.items() if child is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(child) for child in value]
    return value


def _findings(model: type[BaseModel], error: ValidationError) -> Iterator[Finding]:
    for item in error.errors(include_url=False):
        path: Path = tuple(item["loc"])
        match item["type"]:
            case "extra_forbidden":
                yield Finding(path, _unknown(model, path), on_key=True)
            case "missing":
                yield Finding(path, f"{path[-1]} is missing")
            case "enum" | "literal_error" if isinstance(item.get("input"), str):
                options = item["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
                yield Finding(path, f"{item['input'][:40]} is not known here.{suggestion(item['input'], options)}")
            case _ if isinstance(item.get("input"), bool) and "bool" not in item["type"]:
                hint = 'YAML reads a bare Off, On, Yes or No as true or false: quote it, "Off"'
                yield Finding(path, f"{item['msg'].removeprefix('Value error, ')}. {hint}")
            case _:
                yield Finding(path, item["msg"].removeprefix("Value error, "))


def _unknown(model: type[BaseModel], path: Path) -> str:
    """The sentence about a field that does not exist, with the nearest that does."""
    top: dict[str, Schema] = {name: {} for name in ("apiVersion", "kind", "metadata", "status")}
    top["metadata"] = {"properties": {str(field.alias): {} for field in Metadata.model_fields.values()}}
    node: Schema = {"properties": top}
    spec = model.model_fields["spec"].annotation
    if isinstance(spec, type) and issubclass(spec, BaseModel):
        top["spec"] = structural(spec)
    for part in path[:-1]:
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
    return f"{path[-1]} is no field here.{suggestion(str(path[-1]), tuple(node.get('properties', {})))}"


def _placed(document: Document, findings: tuple[Finding, ...]) -> Iterator[Finding]:
    """Findings whose path the text knows: pydantic adds a word for the member of a union it tried."""
    seen: set[tuple[Path, str]] = set()
    for finding in findings:
        path = finding.path
        while path and path not in document.values and path[:-1] not in document.values:
            path = path[:-1]
        if (path, finding.message) not in seen:
            seen.add((path, finding.message))
            yield Finding(path, finding.message, finding.offset, finding.on_key)


def _told(finding: Finding) -> str:
    return f"{dotted(finding.path)}: {finding.message}" if finding.path else finding.message
