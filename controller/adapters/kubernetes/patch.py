"""One step as the body of one JSON Patch: uid and resourceVersion are tested in front of its operations. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from remediations.plan import PatchOp
from remediations.pointer import with_parents


def adds(patch: Sequence[PatchOp]) -> bool:
    """Whether it may need parents that are not there, and so a look at the object first."""
    return any(op.op == "add" for op in patch)


def locked(
    patch: Sequence[PatchOp], uid: str, resource_version: str, document: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The request body. A patch that `adds` is fitted to `document`; raises `BadPatch` when it cannot be."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version},
        *(_as_json(op) for op in (with_parents(document, patch) if adds(patch) else patch)),
    ]


def _as_json(op: PatchOp) -> dict[str, Any]:
    without_value: dict[str, Any] = {"op": op.op, "path": op.path}
    return without_value if op.op == "remove" else {**without_value, "value": op.value}
