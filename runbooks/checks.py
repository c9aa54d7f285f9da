"""What a model cannot see: conditions, steps and tests of a runbook, read from its raw data.

Promises to look at everything it can reach even where the rest is broken, so that a file's problems are told at once.
The data may have any shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pydantic import JsonValue, ValidationError

from remediations.registry import Registry
from runbooks import expression, given, wording
from runbooks.causes import CAUSES
from runbooks.problem import Finding, Path, suggestion
from runbooks.schema import VERSION_ANNOTATION

_VERSION_DIGITS = 9


def findings(data: Mapping[str, JsonValue], remediations: Registry) -> Iterator[Finding]:
    """Everything wrong with one runbook besides its shape."""
    yield from _metadata(_mapping(data.get("metadata")), data.get("kind"))
    spec = _mapping(data.get("spec"))
    cause = spec.get("cause")
    if isinstance(cause, str) and cause not in CAUSES:
        yield Finding(
            ("spec", "cause"), f"{cause[:60]!r} is not a cause that is diagnosed.{suggestion(cause, tuple(CAUSES))}"
        )
    for name in ("when", "whenNot"):
        yield from _condition(spec.get(name), ("spec", name))
    for index, condition in enumerate(_list(_mapping(spec.get("verify")).get("all"))):
        yield from _condition(condition, ("spec", "verify", "all", index))
    names = []
    for index, step in enumerate(_list(spec.get("steps"))):
        path: Path = ("spec", "steps", index)
        for name, parameters in _mapping(step).items():
            if name != "timeout":
                names.append(name)
                yield from _step(name, parameters, path, _list(spec.get("targets")), remediations)
    yield from _order(names, remediations)
    for index, test in enumerate(_list(spec.get("tests"))):
        yield from _test(_mapping(test), ("spec", "tests", index), names, remediations)
    yield from _repeated_tests(_list(spec.get("tests")))


def _metadata(metadata: Mapping[str, JsonValue], kind: JsonValue) -> Iterator[Finding]:
    version = _mapping(metadata.get("annotations")).get(VERSION_ANNOTATION)
    if isinstance(version, str) and not _is_version(version):
        path: Path = ("metadata", "annotations", VERSION_ANNOTATION)
        yield Finding(path, f"{version[:40]!r} is not a version: write a whole number from 1, in quotes")
    if kind == "ClusterRunbook" and metadata.get("namespace") is not None:
        yield Finding(("metadata", "namespace"), "a ClusterRunbook has no namespace; a Runbook has")


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _VERSION_DIGITS and int(text) > 0


def _condition(text: JsonValue, path: Path) -> Iterator[Finding]:
    if isinstance(text, str):
        for fault in expression.faults(text):
            yield Finding(path, fault.message, offset=fault.offset)


def _step(
    name: str, parameters: JsonValue, path: Path, targets: list[JsonValue], remediations: Registry
) -> Iterator[Finding]:
    if name not in remediations:
        message = f"{name} is not a remediation.{suggestion(name, remediations.names)}"
        yield Finding((*path, name), message, on_key=True)
        return
    remediation = remediations[name]
    if isinstance(parameters, dict):
        try:
            remediation.parameters.model_validate_json(json.dumps(parameters))
        except ValidationError as error:
            yield from wording.findings(error, remediation.parameters, (*path, name))
    for index, kind in enumerate(targets):
        if isinstance(kind, str) and kind not in remediation.targets:
            message = f"{name} does not act on {kind}.{suggestion(kind, tuple(sorted(remediation.targets)))}"
            yield Finding(("spec", "targets", index), message)


def _order(names: list[str], remediations: Registry) -> Iterator[Finding]:
    """Cheapest reversible step first (S27): nothing that can be undone stands after something that cannot."""
    final: str | None = None
    for index, name in enumerate(names):
        if name not in remediations:
            continue
        if remediations[name].irreversible:
            final = name
        elif final is not None:
            yield Finding(("spec", "steps", index), f"{name} can be undone and {final} cannot: put {name} before it")


def _test(test: Mapping[str, JsonValue], path: Path, names: list[str], remediations: Registry) -> Iterator[Finding]:
    yield from given.findings(_mapping(test.get("given")), (*path, "given"))
    expected = test.get("expect")
    here = (*path, "expect")
    if not isinstance(expected, dict):
        if expected != "nothing" and "expect" in test:
            yield Finding(here, f"{str(expected)[:40]!r} cannot be expected: write nothing, or {{step: NAME}}")
        return
    step = expected.get("step")
    if not isinstance(step, str):
        return
    if step not in names:
        yield Finding((*here, "step"), f"{step} is not a step of this runbook.{suggestion(step, tuple(names))}")
    elif step in remediations:
        known = wording.fields(remediations[step].parameters)
        for name in expected:
            if name != "step" and name not in known:
                yield Finding((*here, name), f"{step} has no parameter {name}.{suggestion(name, known)}", on_key=True)


def _repeated_tests(tests: list[JsonValue]) -> Iterator[Finding]:
    seen = set()
    for index, test in enumerate(tests):
        name = _mapping(test).get("name")
        if isinstance(name, str) and name in seen:
            yield Finding(("spec", "tests", index, "name"), f"another test is called {name!r}")
        elif isinstance(name, str):
            seen.add(name)


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
