"""One step as one JSON Patch: locked in front, with the parents that an `add` needs and that are not there.

Pure. Promises that a parent is made only where nothing (or null) stands in a map; a list never grows on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from remediations.plan import PatchOp
from remediations.pointer import BadPatch, applied, pointer_to, tokens, value_at


def locked(
    patch: Sequence[PatchOp], uid: str, resource_version: str, document: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The request body; what an `add` lacks is looked for in `document`. Raises `BadPatch` as `with_parents` does."""
    ops = with_parents(patch, document) if any(op.op == "add" for op in patch) else patch
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version},
        *(_as_json(op) for op in ops),
    ]


def with_parents(patch: Iterable[PatchOp], document: Mapping[str, Any]) -> tuple[PatchOp, ...]:
    """The operations, each `add` preceded by the empty maps it needs; raises `BadPatch` when one does not fit."""
    made: list[PatchOp] = []
    here: Any = document
    for op in patch:
        steps = (*_parents(op, here), op)
        here = applied(here, steps)
        made.extend(steps)
    return tuple(made)


def _parents(op: PatchOp, document: Any) -> Iterator[PatchOp]:
    if op.op != "add":
        return
    path = tokens(op.path)
    for depth in range(1, len(path)):
        pointer = pointer_to(*path[:depth])
        if value_at(document, pointer) is not None:
            continue
        if not isinstance(value_at(document, pointer_to(*path[: depth - 1])), Mapping):
            raise BadPatch(f"add {op.path}: there is no place {path[depth - 1]!r} in a list")
        yield from (PatchOp("add", pointer_to(*path[:deeper]), {}) for deeper in range(depth, len(path)))
        return


def _as_json(op: PatchOp) -> dict[str, Any]:
    without_value: dict[str, Any] = {"op": op.op, "path": op.path}
    return without_value if op.op == "remove" else {**without_value, "value": op.value}
