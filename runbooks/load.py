"""Files, folders and cluster objects to Runbooks.

Promises that a Runbook that comes from here is complete: its conditions compile, its steps name remediations that
exist with parameters they take, its tests speak of facts that exist. Every problem of a file is told at once, with
its place, and hostile input is a problem like any other, never an exception.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path as FilePath
from typing import Any, assert_never

from pydantic import BaseModel, JsonValue, ValidationError

from remediations.base import Remediation
from remediations.registry import Registry, shipped
from runbooks import checks, wording
from runbooks.problem import Finding, Problem, dotted
from runbooks.schema import Runbook, Step
from runbooks.source import MAX_BYTES, Document, documents

_SERVER_FIELDS = frozenset(
    {
        *("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"),
        *("managedFields", "ownerReferences", "finalizers", "generateName", "selfLink"),
    }
)


@dataclass(frozen=True, slots=True)
class Located:
    """A runbook and where it was written."""

    runbook: Runbook
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading gave: whole runbooks, and every problem found, in the order of the text."""

    found: tuple[Located, ...]
    problems: tuple[Problem, ...]

    @property
    def runbooks(self) -> tuple[Runbook, ...]:
        """The runbooks alone."""
        return tuple(located.runbook for located in self.found)


def load_text(text: str, file: str, remediations: Registry | None = None) -> Loaded:
    """The runbooks of one text, which may hold several YAML documents."""
    known = _remediations(remediations)
    found: list[Located] = []
    problems: list[Problem] = []
    empty = True
    for document in documents(text, file):
        empty = False
        match document:
            case Problem():
                problems.append(document)
            case Document():
                answer = _runbook(document.data, known, document.findings)
                if isinstance(answer, Runbook):
                    found.append(Located(answer, file, document.values[()].start_mark.line + 1))
                else:
                    problems.extend(sorted({document.problem(finding) for finding in answer}))
            case _:
                assert_never(document)
    if empty:
        problems.append(Problem(file, 1, 1, "holds no runbook"))
    return _without_duplicates(found, problems)


def load_path(path: FilePath, remediations: Registry | None = None) -> Loaded:
    """The runbooks of a file, or of every `.yaml` and `.yml` in a folder and below it, in the order of their names."""
    return load_paths((path,), remediations)


def load_paths(paths: Iterable[FilePath], remediations: Registry | None = None) -> Loaded:
    """The runbooks of several files and folders together; one name may stand only once."""
    found: list[Located] = []
    problems: list[Problem] = []
    for path in paths:
        files = _files(path)
        if not files:
            problems.append(Problem(str(path), 0, 0, "holds no .yaml file"))
        for file in files:
            text = _read(file)
            if isinstance(text, Problem):
                problems.append(text)
                continue
            loaded = load_text(text, str(file), remediations)
            found.extend(loaded.found)
            problems.extend(loaded.problems)
    return _without_duplicates(found, problems)


def from_object(object: Mapping[str, Any], remediations: Registry | None = None) -> Runbook | tuple[Problem, ...]:
    """A cluster object's runbook, or what is wrong with it, each problem with its path."""
    try:
        data: JsonValue = json.loads(json.dumps(object))
    except (TypeError, ValueError, RecursionError) as error:
        return (Problem("", 0, 0, f"is not JSON: {error}"),)
    answer = _runbook(data, _remediations(remediations), ())
    if isinstance(answer, Runbook):
        return answer
    return tuple(dict.fromkeys(_unplaced(finding) for finding in answer))


@cache
def library() -> tuple[Runbook, ...]:
    """The shipped runbooks, sorted by name; a broken one is a broken build, hence an exception."""
    folder = resources.files("runbooks") / "library"
    found: list[Runbook] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".yaml"):
            loaded = load_text(entry.read_text(encoding="utf-8"), entry.name)
            if loaded.problems:
                raise ValueError("; ".join(str(problem) for problem in loaded.problems))
            found.extend(loaded.runbooks)
    return tuple(sorted(found, key=lambda runbook: runbook.name))


def parameters(step: Step, remediation: Remediation) -> BaseModel:
    """A step's parameters as the remediation's own model; a loaded runbook's never raise."""
    return remediation.parameters.model_validate_json(json.dumps(dict(step.parameters)))


def _remediations(given: Registry | None) -> Registry:
    return shipped() if given is None else given


def _runbook(data: JsonValue, known: Registry, before: Sequence[Finding]) -> Runbook | tuple[Finding, ...]:
    """The model of one document, or everything that is wrong with it."""
    if not isinstance(data, dict):
        return (*before, Finding((), "is not a runbook: a mapping with apiVersion, kind, metadata and spec is needed"))
    if before:
        return (*before, *_findings(_ours(data), known)[1])
    runbook, findings = _findings(_ours(data), known)
    return runbook if runbook is not None and not findings else findings


def _findings(data: dict[str, JsonValue], known: Registry) -> tuple[Runbook | None, tuple[Finding, ...]]:
    checked = tuple(checks.findings(data, known))
    try:
        return Runbook.model_validate_json(json.dumps(data)), checked
    except ValidationError as error:
        return None, (*wording.findings(error, Runbook), *checked)


def _ours(data: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The object without what only the API server writes."""
    kept = {name: value for name, value in data.items() if name != "status"}
    metadata = kept.get("metadata")
    if isinstance(metadata, dict):
        kept["metadata"] = {name: value for name, value in metadata.items() if name not in _SERVER_FIELDS}
    return kept


def _unplaced(finding: Finding) -> Problem:
    path = dotted(finding.path)
    return Problem("", 0, 0, f"{path}: {finding.message}" if path else finding.message, path)


def _files(path: FilePath) -> tuple[FilePath, ...]:
    if not path.is_dir():
        return (path,)
    return tuple(sorted(file for file in path.rglob("*") if file.suffix in {".yaml", ".yml"} and file.is_file()))


def _read(file: FilePath) -> str | Problem:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            return Problem(str(file), 1, 1, f"is larger than {MAX_BYTES // 1024} KiB")
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        return Problem(str(file), before.count(b"\n") + 1, 1, "is not UTF-8 text")
    except OSError as error:
        return Problem(str(file), 0, 0, f"cannot be read: {error.strerror}")


def _without_duplicates(found: Sequence[Located], problems: Sequence[Problem]) -> Loaded:
    first: dict[tuple[str, str | None, str], Located] = {}
    repeated = []
    for located in found:
        runbook = located.runbook
        key = (runbook.kind, runbook.metadata.namespace, runbook.name)
        if key in first:
            where = f"{first[key].file}:{first[key].line}"
            repeated.append(
                Problem(
                    located.file,
                    located.line,
                    1,
                    f"{runbook.kind} {runbook.name} is already there ({where})",
                    "metadata.name",
                )
            )
        else:
            first[key] = located
    return Loaded(tuple(first.values()), tuple(_told(problems, repeated)))


def _told(*problems: Iterable[Problem]) -> Iterator[Problem]:
    yield from dict.fromkeys(problem for some in problems for problem in some)
