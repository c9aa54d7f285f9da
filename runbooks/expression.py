"""CEL behind one adapter: conditions over the facts of `evidence.py`.

Promises that an unknown name is an error with its place and the nearest known word, that a condition naming a fact
nobody knows never holds, and that evaluation never raises. Its deadline is by construction, not by clock: text of at
most 1 kB with at most 32 commas, and the library's own bounds of 10,000 iterations and 32 levels; so an answer never
depends on how busy the machine is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeAlias, assert_never

from cel_expr_python import cel

from remediations.quantity import MI, binary
from runbooks.duration import format_duration
from runbooks.evidence import FACTS, Evidence, Type, Value
from runbooks.problem import suggestion

MAX_LENGTH = 1024
MAX_COMMAS = 32
MAX_ITEMS = 1000
LONGEST = timedelta(days=3650)
FUNCTIONS = ("duration", "size", "startsWith", "endsWith", "contains", "matches", "all", "exists", "exists_one")

_TYPES: dict[Type, Any] = {
    "bool": cel.Type.BOOL,
    "int": cel.Type.INT,
    "double": cel.Type.DOUBLE,
    "string": cel.Type.STRING,
    "duration": cel.Type.DURATION,
    "list": cel.Type.List(cel.Type.STRING),
}
_BYTES = frozenset(fact.name for fact in FACTS if fact.unit == "bytes")
_KNOWN = {fact.name: fact for fact in FACTS}
_ENVIRONMENT = cel.NewEnv(variables={fact.name: _TYPES[fact.type] for fact in FACTS})
_LITERAL = re.compile(
    r"""//[^\n]*
    | [rR][bB]?(?:\"{3}.*?\"{3} | '{3}.*?'{3} | "[^"\n]*" | '[^'\n]*')
    | [bB]?(?:\"{3}.*?\"{3} | '{3}.*?'{3} | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*')
    """,
    re.DOTALL | re.VERBOSE,
)
_REFERENCE = re.compile(r"[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*", re.ASCII)
_DURATION = re.compile(r"""(?<![\w.])duration\(\s*("[^"\\\n]*"|'[^'\\\n]*')\s*\)""")
_FAULT = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '([^']*)'")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an expression, and where: an offset in characters."""

    offset: int
    message: str


@dataclass(frozen=True, slots=True)
class Holds:
    """The condition is true, and every fact it names is known."""


@dataclass(frozen=True, slots=True)
class Fails:
    """The condition is false, and every fact it names is known."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Facts it names are missing (or not readable as their type), in order of appearance: nothing can be said."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """Evaluating it went wrong (a division by zero, too much work): an error, never an answer."""

    message: str


Truth: TypeAlias = Holds | Fails | Unknown | Broken


@dataclass(frozen=True, slots=True)
class Known:
    """A fact with the value it had: the "why" of a decision."""

    name: str
    value: Value

    def __str__(self) -> str:
        if isinstance(self.value, int) and self.name in _BYTES:
            return f"{self.name} {memory(self.value)}"
        return f"{self.name} {shown(self.value)}"


def shown(value: Value) -> str:
    """A fact's value for people: `2m`, `0.6`, `yes`, `HighErrors, Slow`."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value)
        case float():
            return f"{value:.4g}"
        case timedelta():
            return format_duration(value)
        case str():
            return value
        case tuple():
            return ", ".join(value) or "none"
        case _:
            assert_never(value)


def memory(size: int) -> str:
    """Bytes for people, in the unit that they were written in: `256Mi`, `500M`; what is even in none is rounded."""
    if size % MI == 0 or size < MI:
        return binary(size)
    return f"{size // 10**6}M" if size % 10**6 == 0 else f"about {size / MI:.0f}Mi"


def uses(text: str) -> tuple[str, ...]:
    """The facts an expression names, in order of appearance, each once."""
    names = (fact for _, name in _references(text) for fact in [_fact(name)] if fact is not None)
    return tuple(dict.fromkeys(names))


def faults(text: str) -> tuple[Fault, ...]:
    """Everything wrong with an expression; empty when it can be evaluated to true or false."""
    compiled = _compiled(text)
    return compiled if isinstance(compiled, tuple) else ()


def evaluate(text: str, evidence: Evidence) -> Truth:
    """Whether it holds. Any fact it names that is missing makes it Unknown, whatever the others say."""
    compiled = _compiled(text)
    if isinstance(compiled, tuple):
        return Broken(compiled[0].message)
    names = uses(text)
    data = {name: value for name in names if (value := _readable(name, evidence)) is not None}
    missing = tuple(name for name in names if name not in data)
    if missing:
        return Unknown(missing)
    try:
        answer = compiled.eval(data=data)
        plain = answer.plain_value() if answer.type() == cel.Type.BOOL else None
    except (RuntimeError, TypeError, ValueError) as error:
        return Broken(_first_line(error))
    if plain is None:
        return Broken(_first_line(answer))
    return Holds() if plain else Fails()


def known(text: str, evidence: Evidence) -> tuple[Known, ...]:
    """The facts an expression names, with their values; the missing ones are left out."""
    return tuple(Known(name, evidence[name]) for name in uses(text) if _readable(name, evidence) is not None)


@lru_cache(maxsize=2048)
def _compiled(text: str) -> Any:
    """The compiled expression (the library publishes no types), or the tuple of its faults."""
    early = tuple(_early(text))
    if early:
        return early
    try:
        compiled = _ENVIRONMENT.compile(text)
    except (RuntimeError, TypeError, ValueError) as error:
        return tuple(_translated(text, str(error)))
    if compiled.return_type() != cel.Type.BOOL:
        return (Fault(0, f"gives {compiled.return_type().name().lower()}, not true or false"),)
    return compiled


def _early(text: str) -> Iterator[Fault]:
    if not text.strip():
        yield Fault(0, "is empty")
    elif len(text.encode("utf-8", "surrogatepass")) > MAX_LENGTH:
        yield Fault(0, f"is longer than {MAX_LENGTH} bytes")
    elif "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        yield Fault(0, "holds characters that are not text")
    else:
        code = _code(text)
        if code.count(",") > MAX_COMMAS:
            yield Fault(0, f"holds more than {MAX_COMMAS} commas")
        if "`" in code:
            yield Fault(code.index("`"), "` quotes names, and no fact needs that")
        yield from _bad_durations(text, code)


def _bad_durations(text: str, code: str) -> Iterator[Fault]:
    """CEL reads durations only when it evaluates; a wrong one should be known before."""
    for found in _DURATION.finditer(text):
        if code[found.start()] == " ":
            continue  # inside a string or a comment
        try:
            value = _ENVIRONMENT.compile(found.group()).eval(data={})
        except RuntimeError:
            value = None
        if value is None or value.type() == cel.Type.ERROR:
            yield Fault(found.start(1), f'{found.group(1)} is not a duration: write it like "30s", "5m" or "1h30m"')


def _translated(text: str, error: str) -> Iterator[Fault]:
    """The compiler's errors in our words, each once, at the start of the name it is about."""
    seen = set()
    for line, column, message in _FAULT.findall(error):
        fault = _in_our_words(text, _offset(text, int(line), int(column)), message)
        if fault not in seen:
            seen.add(fault)
            yield fault
    if not seen:
        yield Fault(0, _first_line(error))


def _in_our_words(text: str, offset: int, message: str) -> Fault:
    if undeclared := _UNDECLARED.match(message):
        name = undeclared.group(1)
        start = next((at for at, full in _references(text) if full.startswith(name) and at <= offset), offset)
        return Fault(start, unknown_name(name) if not _called(text, offset) else _unknown_function(name))
    if overload := _OVERLOAD.match(message):
        operator, types = overload.group(1).strip("_"), overload.group(2)
        hint = ": write whole numbers like 1.0" if {"double", "int"} <= set(re.findall(r"\w+", types)) else ""
        return Fault(offset, f"{operator} cannot take {types}{hint}")
    if "<EOF>" in message:
        return Fault(offset, "the expression ends too early")
    return Fault(offset, message.split(" expecting ", maxsplit=1)[0])


def unknown_name(name: str) -> str:
    """`objects.crashLoping does not exist. Did you mean …? (known: …)`: up to the first wrong part."""
    parts = name.split(".")
    for depth, part in enumerate(parts):
        prefix = "".join(f"{p}." for p in parts[:depth])
        children = _children(prefix)
        if part not in children:
            return f"{prefix}{part} does not exist.{suggestion(part, children, prefix, shown=3)}"
    return f"{name} is a group of facts, not a fact.{suggestion('', _children(f'{name}.'), shown=5)}"


def _unknown_function(name: str) -> str:
    return f"{name} is not a function.{suggestion(name, FUNCTIONS)}"


def _children(prefix: str) -> tuple[str, ...]:
    below = (name[len(prefix) :].split(".")[0] for name in _KNOWN if name.startswith(prefix))
    return tuple(dict.fromkeys(below))


def _called(text: str, offset: int) -> bool:
    return text[offset:].lstrip().startswith("(")


def _offset(text: str, line: int, column: int) -> int:
    """The library's line and column as an offset: the last dot of a dotted name, or behind a function's name."""
    lines = text.split("\n")
    return min(sum(len(part) + 1 for part in lines[: line - 1]) + column - 1, max(len(text) - 1, 0))


def _code(text: str) -> str:
    """The text with strings and comments blanked, so that offsets stay."""
    return _LITERAL.sub(lambda found: " " * len(found.group()), text)


def _references(text: str) -> Iterator[tuple[int, str]]:
    for found in _REFERENCE.finditer(_code(text)):
        yield found.start(), re.sub(r"\s+", "", found.group())


def _fact(reference: str) -> str | None:
    """The fact a dotted reference begins with: `alerts.names` for `alerts.names.exists`."""
    parts = reference.split(".")
    prefixes = (".".join(parts[:depth]) for depth in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in _KNOWN), None)


def _readable(name: str, evidence: Evidence) -> object | None:
    """The value as its declared type, None when it is missing, not a number, or of another type."""
    value = evidence.get(name)
    match _KNOWN[name].type:
        case "bool":
            return value if isinstance(value, bool) else None
        case "int":
            return value if isinstance(value, int) and _whole(value) else None
        case "double":
            return _finite(value)
        case "string":
            return value if _text(value) else None
        case "duration":
            return value if isinstance(value, timedelta) and abs(value) <= LONGEST else None
        case "list":
            items = list(value) if isinstance(value, tuple) and len(value) <= MAX_ITEMS else None
            return items if items is not None and all(_text(item) for item in items) else None


def _whole(value: int) -> bool:
    return not isinstance(value, bool) and -(2**63) <= value < 2**63


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _text(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= MAX_LENGTH
        and not any("\ud800" <= letter <= "\udfff" for letter in value)
    )


def _first_line(error: object) -> str:
    return str(error).splitlines()[0][:200] if str(error) else "went wrong"
