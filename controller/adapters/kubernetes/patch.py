"""One step as the body of one request: a JSON Patch that tests uid and resourceVersion in front of its operations, or
what a server-side apply holds, with both as preconditions. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from remediations.fields import document_of
from remediations.plan import PatchOp, Step
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


def holding(step: Step, resource_version: str) -> dict[str, Any] | None:
    """The body of a server-side apply; None when the step takes something away, which an apply cannot say.

    Always with the uid: an apply to a name that is free would make an object, even with a resourceVersion.
    """
    if any(op.op == "remove" for op in step.patch):
        return None
    made = document_of(step.patch)
    lock = {
        "name": step.workload.name,
        "namespace": step.workload.namespace,
        "uid": step.uid,
        "resourceVersion": resource_version,
    }
    made["metadata"] = {**(made.get("metadata") or {}), **lock}
    return {"apiVersion": step.workload.api_version, "kind": step.workload.kind, **made}


def disowned(others: Sequence[Mapping[str, Any]], uid: str, resource_version: str) -> list[dict[str, Any]]:
    """A patch that leaves `managedFields` with these entries only. No entry at all is said as one empty one: an empty
    list would be taken as nothing said.
    """
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version},
        {"op": "replace", "path": "/metadata/managedFields", "value": list(others) or [{}]},
    ]


def _as_json(op: PatchOp) -> dict[str, Any]:
    without_value: dict[str, Any] = {"op": op.op, "path": op.path}
    return without_value if op.op == "remove" else {**without_value, "value": op.value}
