"""Who owns which field: `metadata.managedFields` as the API server keeps it, read and played.

Promises the rules of server-side apply for maps (a list is one field): an apply conflicts with every other manager that
owns a field which it wants otherwise, force takes the field from them, a field that is no longer applied goes when
nobody else owns it, and a plain write takes what it changes. Pure; the adapters in memory and in the lab play an API
server with it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from remediations.cluster import Object
from remediations.plan import Held, PatchOp
from remediations.pointer import applied, held, pointer_to, same_held, tokens, with_parents

OURS = "trimtab"
"""Every field manager of trimtab is called so, or begins so (`trimtab-floor`)."""

Operation: TypeAlias = Literal["Apply", "Update"]
Entry: TypeAlias = dict[str, Any]

_BOOKKEEPING = ("status",)
_METADATA = ("annotations", "labels")


@dataclass(frozen=True, slots=True)
class Taken:
    """An unforced apply wants otherwise what these managers own."""

    owners: tuple[str, ...]
    pointer: str


def is_ours(manager: str) -> bool:
    """Whether this field manager is one of trimtab's."""
    return manager == OURS or manager.startswith(f"{OURS}-")


def only_ours(obj: Object, pointer: str) -> bool:
    """Whether the field is trimtab's alone. An apply of an equal value meets no conflict and makes its manager one more
    owner: a field that is shared was taken back.
    """
    owners = owners_of(obj, pointer)
    return bool(owners) and all(is_ours(owner) for owner in owners)


def owners_of(obj: Object, pointer: str) -> tuple[str, ...]:
    """The managers that own the field, trimtab's own included, in the order of their entries."""
    return tuple(
        dict.fromkeys(str(entry["manager"]) for entry in entries_of(obj) if _owns(entry.get("fieldsV1") or {}, pointer))
    )


def entries_of(obj: Object) -> list[Entry]:
    """The entries of `metadata.managedFields`, as copies."""
    return copy.deepcopy([entry for entry in obj["metadata"].get("managedFields") or () if entry.get("manager")])


def entries_without_ours(obj: Object) -> list[Entry] | None:
    """What is left of `managedFields` without trimtab; None when there is nothing of it."""
    found = entries_of(obj)
    others = [entry for entry in found if not is_ours(entry["manager"])]
    return None if len(others) == len(found) else others


def written(before: Object, after: dict[str, Any], manager: str, now: datetime) -> dict[str, Any]:
    """`after` with its fields assigned as by a plain write: what it changed is the manager's alone, what it removed is
    nobody's.
    """
    old, new = leaves(before), leaves(after)
    changed = [pointer for pointer, value in new.items() if pointer not in old or old[pointer] != value]
    entries = _without(entries_of(before), [*changed, *(pointer for pointer in old if pointer not in new)])
    return _with_entries(after, _granted(entries, manager, "Update", changed, before, now))


def applied_by(
    before: Object, patch: Iterable[PatchOp], manager: str, now: datetime, *, force: bool
) -> dict[str, Any] | Taken:
    """The object after a server-side apply of what these operations set (a `remove` sets nothing)."""
    wanted = {op.path: op for op in patch if op.op != "remove"}
    entries = entries_of(before)
    for pointer, op in wanted.items():
        stands = held(before, pointer)
        others = owners_of_entries(entries, pointer, but=(manager, "Apply"))
        if others and not force and (not stands.present or stands.value != op.value):
            return Taken(others, pointer)
    mine = next((entry for entry in entries if _is(entry, manager, "Apply")), None)
    given_up = [p for p in _pointers((mine or {}).get("fieldsV1") or {}) if p not in wanted]
    gone = [
        p for p in given_up if not owners_of_entries(entries, p, but=(manager, "Apply")) and held(before, p).present
    ]
    after = applied(before, [PatchOp("remove", p) for p in gone])
    after = applied(after, with_parents(after, [PatchOp("add", p, op.value) for p, op in wanted.items()]))
    differing = [p for p in wanted if not same_held(held(before, p), held(after, p))]
    if mine is not None and not differing and not gone and set(_pointers(mine["fieldsV1"])) == set(wanted):
        return _with_entries(after, entries)  # what changes nothing leaves the entry's time alone
    entries = [entry for entry in entries if not _is(entry, manager, "Apply")]
    entries = _without(entries, [*differing, *gone])
    return _with_entries(after, _granted(entries, manager, "Apply", list(wanted), before, now))


def owners_of_entries(entries: Iterable[Entry], pointer: str, but: tuple[str, str]) -> tuple[str, ...]:
    """The managers of these entries that own the field, but for one."""
    return tuple(
        dict.fromkeys(e["manager"] for e in entries if not _is(e, *but) and _owns(e.get("fieldsV1") or {}, pointer))
    )


def leaves(obj: Object) -> dict[str, Any]:
    """Every field that somebody can own with its value: spec, labels and annotations; a list is one."""
    found: dict[str, Any] = {}
    roots: dict[str, Any] = {key: obj["metadata"][key] for key in _METADATA if obj["metadata"].get(key)}
    for key, value in roots.items():
        _collect(("metadata", key), value, found)
    for key, value in obj.items():
        if key not in {"metadata", "apiVersion", "kind", *_BOOKKEEPING}:
            _collect((key,), value, found)
    return found


def _collect(path: tuple[str, ...], value: Any, found: dict[str, Any]) -> None:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            _collect((*path, key), inner, found)
    elif value is not None:
        found[pointer_to(*path)] = value


def _owns(fields: Mapping[str, Any], pointer: str) -> bool:
    here: Any = fields
    for token in tokens(pointer):
        here = here.get(f"f:{token}")
        if here is None:
            return False
        if not here:
            return True
    return True


def _pointers(fields: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[str]:
    found: list[str] = []
    for key, inner in fields.items():
        if key == ".":
            continue
        here = (*path, key.removeprefix("f:"))
        found += _pointers(inner, here) if any(k != "." for k in inner) else [pointer_to(*here)]
    return found


def _is(entry: Entry, manager: str, operation: str) -> bool:
    return (entry["manager"], entry["operation"]) == (manager, operation) and not entry.get("subresource")


def _without(entries: Iterable[Entry], pointers: Iterable[str]) -> list[Entry]:
    """The entries after these fields were taken from them; one that owns nothing is none."""
    lost, kept = set(pointers), list[Entry]()
    for entry in entries:
        left = [pointer for pointer in _pointers(entry.get("fieldsV1") or {}) if pointer not in lost]
        if left:
            kept.append({**entry, "fieldsV1": _fields(left)})
    return kept


def _granted(
    entries: list[Entry], manager: str, operation: Operation, pointers: list[str], about: Object, now: datetime
) -> list[Entry]:
    mine = next((entry for entry in entries if _is(entry, manager, operation)), None)
    owned = [*_pointers((mine or {}).get("fieldsV1") or {}), *pointers]
    if not owned or (mine is not None and not set(pointers) ^ set(_pointers(mine["fieldsV1"]))):
        return entries
    made = {
        "manager": manager,
        "operation": operation,
        "apiVersion": about.get("apiVersion", ""),
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "fieldsType": "FieldsV1",
        "fieldsV1": _fields(owned),
    }
    return [*(entry for entry in entries if entry is not mine), made]


def _fields(pointers: Iterable[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for pointer in pointers:
        here = made
        for token in tokens(pointer):
            here = here.setdefault(f"f:{token}", {})
    return made


def _with_entries(obj: dict[str, Any], entries: list[Entry]) -> dict[str, Any]:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": {**metadata, **({"managedFields": entries} if entries else {})}}


def document_of(patch: Iterable[PatchOp]) -> dict[str, Any]:
    """The smallest object in which these operations' values stand."""
    made: dict[str, Any] = {}
    for op in patch:
        made = applied(made, with_parents(made, [PatchOp("add", op.path, op.value)]))
    return made


def restoring(obj: Object, step_patch: Iterable[PatchOp], ours: Iterable[Held]) -> tuple[PatchOp, ...]:
    """Of the operations that give values back, those whose value is still ours: the same, and nobody else's too. What
    is only taken away has to be the same.
    """
    standing = {one.pointer for one in ours if same_held(one, held(obj, one.pointer))}
    return tuple(op for op in step_patch if op.path in standing and (op.op == "remove" or only_ours(obj, op.path)))
