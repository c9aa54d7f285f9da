"""JSON pointers (RFC 6901) and the three operations of a JSON Patch (RFC 6902) that a plan may use.

Promises to change no argument: `applied` answers with a new document. Declared pointers may hold `*` for one whole
token, because the place of a container in its list is not known beforehand; an exact pointer never does.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from remediations.plan import Held, PatchOp

ANY = "*"


class BadPatch(ValueError):
    """An operation that does not fit the document, or a pointer that is none; the API server would answer 422."""


def tokens(pointer: str) -> tuple[str, ...]:
    """The unescaped reference tokens of a pointer; raises `BadPatch` when it does not begin with a slash."""
    if pointer == "":
        return ()
    if not pointer.startswith("/"):
        raise BadPatch(f"{pointer!r} is no JSON pointer: it must be empty or begin with a slash")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/"))


def pointer_to(*path: str | int) -> str:
    """The pointer through these keys and indices, escaped."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def held(document: Any, pointer: str) -> Held:
    """What stands at the pointer, absence included; the value is a copy."""
    here = document
    for token in tokens(pointer):
        if isinstance(here, Mapping) and token in here:
            here = here[token]
        elif isinstance(here, list) and token.isdecimal() and int(token) < len(here):
            here = here[int(token)]
        else:
            return Held(pointer, None, present=False)
    return Held(pointer, copy.deepcopy(here))


def value_at(document: Any, pointer: str, default: Any = None) -> Any:
    """The value at the pointer, or `default` when nothing stands there."""
    found = held(document, pointer)
    return found.value if found.present else default


def same(one: Any, other: Any) -> bool:
    """Equal as the API server stores them: a member that is null is a member that is not there.

    What `without_nulls` of both would say, told at the first difference: templates are compared at every look.
    """
    if one == other:
        return True
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key, value in one.items():
            if not same(value, other.get(key)):
                return False
        return all(value is None or key in one for key, value in other.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return False


def without_nulls(value: Any) -> Any:
    """A copy without the members that are null."""
    if isinstance(value, Mapping):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def same_held(one: Held, other: Held) -> bool:
    """Both absent, or both present with the same value."""
    return one.present == other.present and (not one.present or same(one.value, other.value))


def covers(declared: str, pointer: str) -> bool:
    """True when `pointer` lies at or under `declared`, where `*` in the latter stands for any one token."""
    wanted, actual = tokens(declared), tokens(pointer)
    return len(actual) >= len(wanted) and all(
        want in (ANY, got) for want, got in zip(wanted, actual[: len(wanted)], strict=True)
    )


def applied(document: Any, patch: Iterable[PatchOp]) -> Any:
    """A new document with every operation done in order; raises `BadPatch` and does none when one does not fit."""
    result = copy.deepcopy(document)
    for op in patch:
        result = _operated(result, op)
    return result


def _operated(document: Any, op: PatchOp) -> Any:
    path = tokens(op.path)
    if not path:
        raise BadPatch("a plan never replaces a whole object")
    *parents, last = path
    parent = document
    for token in parents:
        parent = _child(parent, token, op)
    if isinstance(parent, dict):
        if op.op != "add" and last not in parent:
            raise BadPatch(f"{op.op} {op.path}: nothing stands there")
        if op.op == "remove":
            del parent[last]
        else:
            parent[last] = copy.deepcopy(op.value)
    elif isinstance(parent, list):
        _operate_on_list(parent, last, op)
    else:
        raise BadPatch(f"{op.op} {op.path}: its parent is a plain value")
    return document


def _child(parent: Any, token: str, op: PatchOp) -> Any:
    if isinstance(parent, dict) and token in parent:
        return parent[token]
    if isinstance(parent, list) and token.isdecimal() and int(token) < len(parent):
        return parent[int(token)]
    raise BadPatch(f"{op.op} {op.path}: nothing stands at {token!r} on the way")


def _operate_on_list(items: list[Any], last: str, op: PatchOp) -> None:
    if last == "-" and op.op == "add":
        items.append(copy.deepcopy(op.value))
        return
    end = len(items) + (1 if op.op == "add" else 0)
    if not last.isdecimal() or int(last) >= end:
        raise BadPatch(f"{op.op} {op.path}: no such place in a list of {len(items)}")
    if op.op == "add":
        items.insert(int(last), copy.deepcopy(op.value))
    elif op.op == "remove":
        del items[int(last)]
    else:
        items[int(last)] = copy.deepcopy(op.value)


def with_parents(document: Any, patch: Iterable[PatchOp]) -> tuple[PatchOp, ...]:
    """The operations, each `add` preceded by the empty maps it needs; raises `BadPatch` when one does not fit.

    A list never grows on the way: a container that is not there is not made up.
    """
    made: list[PatchOp] = []
    for op in patch:
        steps = (*_missing_parents(op, document), op)
        document = applied(document, steps)
        made.extend(steps)
    return tuple(made)


def _missing_parents(op: PatchOp, document: Any) -> Iterator[PatchOp]:
    path = tokens(op.path)
    if op.op != "add":
        return
    for depth in range(1, len(path)):
        if value_at(document, pointer_to(*path[:depth])) is not None:
            continue
        if isinstance(value_at(document, pointer_to(*path[: depth - 1])), list):
            raise BadPatch(f"add {op.path}: no place {path[depth - 1]!r} in the list")
        yield from (PatchOp("add", pointer_to(*path[:deeper]), {}) for deeper in range(depth, len(path)))
        return
