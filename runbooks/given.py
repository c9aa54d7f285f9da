"""The `given:` block of a runbook's test: a nested mapping read as flat evidence.

Promises that every value has the type of its fact, and that a name nobody declared is a finding with the nearest
known word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from pydantic import JsonValue

from runbooks.duration import format_duration, parse_duration
from runbooks.evidence import FACTS, Evidence, Type, Value
from runbooks.expression import unknown_name
from runbooks.problem import Finding, Path

_FACTS = {fact.name: fact for fact in FACTS}
_SAYS: Mapping[Type, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "double": "a number",
    "string": "text",
    "duration": "a duration like 30s, 5m or 1h30m",
    "list": "a list of texts",
}


def evidence(given: Mapping[str, JsonValue]) -> Evidence:
    """Flat evidence of a checked `given:` block; what `findings` complains about is left out."""
    return {name: value for _, name, value in _values(given, ()) if not isinstance(value, Finding)}


def findings(given: Mapping[str, JsonValue], path: Path) -> tuple[Finding, ...]:
    """What is wrong with a `given:` block that stands at `path`."""
    return tuple(value for _, _, value in _values(given, path) if isinstance(value, Finding))


def nested(flat: Evidence) -> dict[str, JsonValue]:
    """Evidence as a `given:` block: how an incident becomes a runbook test. Facts that were not measured stay out."""
    root: dict[str, JsonValue] = {}
    for name, value in flat.items():
        *groups, leaf = name.split(".")
        at = root
        for group in groups:
            below = at.setdefault(group, {})
            assert isinstance(below, dict)
            at = below
        at[leaf] = _written(value)
    return root


def _written(value: Value) -> JsonValue:
    if isinstance(value, timedelta):
        return format_duration(value)
    return list(value) if isinstance(value, tuple) else value


def _values(
    given: Mapping[str, JsonValue], path: Path, prefix: str = ""
) -> Iterator[tuple[Path, str, Value | Finding]]:
    for key, value in given.items():
        name, here = f"{prefix}{key}", (*path, key)
        fact = _FACTS.get(name)
        if fact is not None:
            yield here, name, _read(value, fact.type, name, here)
        elif isinstance(value, Mapping) and any(known.startswith(f"{name}.") for known in _FACTS):
            yield from _values(value, here, f"{name}.")
        else:
            yield here, name, Finding(here, unknown_name(name), on_key=True)


def _read(value: JsonValue, type: Type, name: str, path: Path) -> Value | Finding:
    wrong = Finding(path, f"{name} should be {_SAYS[type]}")
    match type, value:
        case "bool", bool():
            return value
        case (("int" | "double"), bool()):
            return wrong
        case "int", int():
            return value
        case "double", int() | float():
            return value
        case "string", str():
            return value
        case "duration", str():
            try:
                return parse_duration(value)
            except ValueError as error:
                return Finding(path, str(error))
        case "list", list() if all(isinstance(item, str) for item in value):
            return tuple(str(item) for item in value)
        case _:
            return wrong
