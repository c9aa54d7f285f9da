"""Objects in memory, as an API server keeps them: versions, generations, uids, and everyone who follows.

Ships for the lab and for tests; `MemoryResources` and `MemoryWatch` are two doors to one `MemoryObjects`. Keeps no
schema: what a CRD would refuse is accepted. Trouble is set and taken back by `fail` and `recover`. Belongs to one
thread; followers are told by calls, in order.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from controller.errors import ApiUnavailable, Denied, KindUnknown
from controller.ports import Changed, Deleted, Listed, ResourceKind, Suspect

Key: TypeAlias = tuple[str, str]
"""Namespace (empty for none) and name."""


LOCKS = frozenset({"uid", "resourceVersion"})
"""Metadata that is a precondition when a patch names it."""


@dataclass(frozen=True, slots=True)
class Back:
    """The server answers again: list anew."""


Heard: TypeAlias = Changed | Deleted | Suspect | Back


class MemoryObjects:
    """All objects of one imagined API server. `unserved` kinds are unknown to it."""

    def __init__(self) -> None:
        self.unserved: set[ResourceKind] = set()
        self._objects: dict[ResourceKind, dict[Key, dict[str, Any]]] = {}
        self._followers: dict[ResourceKind, list[Callable[[Heard], None]]] = {}
        self._version = 0
        self._trouble = ""

    def fail(self, reason: str) -> None:
        """From now on every call is refused for `reason`, and every watch is suspect."""
        self._trouble = reason
        self._tell_all(Suspect(reason))

    def recover(self) -> None:
        """Answer again; every watch lists anew."""
        self._trouble = ""
        self._tell_all(Back())

    def all(self, kind: ResourceKind, namespace: str | None = None) -> tuple[Mapping[str, Any], ...]:
        """Copies of the objects of a kind, by name."""
        found = sorted(self._of(kind).items())
        return tuple(copy.deepcopy(one) for (where, _), one in found if namespace in {None, where})

    def get(self, kind: ResourceKind, namespace: str | None, name: str) -> Mapping[str, Any] | None:
        """A copy of one object, None when it is not there."""
        return copy.deepcopy(self._of(kind).get((namespace or "", name)))

    def add(self, kind: ResourceKind, object: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Store a new object with a uid of its own; None when its name is taken."""
        metadata = object["metadata"]
        key = (metadata.get("namespace") or "", metadata["name"])
        if key in self._of(kind):
            return None
        made: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind, **copy.deepcopy(dict(object))}
        made["metadata"] |= {"uid": f"uid-{self._version + 1}", "generation": 1}
        return self._stored(kind, key, made)

    def put(self, kind: ResourceKind, object: Mapping[str, Any]) -> str:
        """Store a whole object as its own controller made it, uid and generation included; its new resourceVersion."""
        metadata = object["metadata"]
        key = (metadata.get("namespace") or "", metadata["name"])
        self._version += 1
        version = str(self._version)
        stored = {**metadata, "resourceVersion": version}
        made = {"apiVersion": kind.api_version, "kind": kind.kind, **object, "metadata": stored}
        self._objects.setdefault(kind, {})[key] = made
        if self._followers.get(kind):
            self._tell(kind, Changed(copy.deepcopy(made)))
        return version

    def take_away(self, kind: ResourceKind, namespace: str | None, name: str) -> None:
        """Remove an object as its own controller does, whatever trouble callers have; quiet when it is not there."""
        gone = self._objects.get(kind, {}).pop((namespace or "", name), None)
        if gone is not None:
            self._version += 1
            gone["metadata"]["resourceVersion"] = str(self._version)
            self._tell(kind, Deleted(gone))

    def peek(self, kind: ResourceKind, namespace: str | None, name: str) -> Mapping[str, Any] | None:
        """One object as it is stored, not to be changed; for the lab itself, whatever trouble callers have."""
        return self._objects.get(kind, {}).get((namespace or "", name))

    def merge(
        self, kind: ResourceKind, namespace: str | None, name: str, patch: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """A JSON merge patch (RFC 7386); None when the object is not there, `Denied` when locked to another state."""
        key = (namespace or "", name)
        before = self._of(kind).get(key)
        if before is None:
            return None
        lock = {key: patch["metadata"][key] for key in LOCKS & set(patch.get("metadata") or {})}
        if lock.items() - before["metadata"].items():
            raise Denied(f"patch {name}: Conflict: the object has been modified", "Read it again.")
        after: dict[str, Any] = merged(before, patch)
        if after == before:
            return copy.deepcopy(before)
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] += 1
        return self._stored(kind, key, after)

    def remove(self, kind: ResourceKind, namespace: str | None, name: str) -> None:
        """Delete; quiet when it is not there."""
        gone = self._of(kind).pop((namespace or "", name), None)
        if gone is not None:
            self._version += 1
            gone["metadata"]["resourceVersion"] = str(self._version)
            self._tell(kind, Deleted(gone))

    @contextmanager
    def followed(self, kind: ResourceKind, hear: Callable[[Heard], None]) -> Iterator[None]:
        """`hear` is told what happens to a kind from now on."""
        self._followers.setdefault(kind, []).append(hear)
        try:
            yield
        finally:
            self._followers[kind].remove(hear)

    def _of(self, kind: ResourceKind) -> dict[Key, dict[str, Any]]:
        if self._trouble:
            raise ApiUnavailable(f"The API server in memory: {self._trouble}", "Call recover().")
        if kind in self.unserved:
            raise KindUnknown(f"The API server in memory does not know {kind.api_version} {kind.kind}", "Serve it.")
        return self._objects.setdefault(kind, {})

    def _stored(self, kind: ResourceKind, key: Key, object: dict[str, Any]) -> Mapping[str, Any]:
        self._version += 1
        object["metadata"]["resourceVersion"] = str(self._version)
        self._of(kind)[key] = object
        self._tell(kind, Changed(copy.deepcopy(object)))
        return copy.deepcopy(object)

    def _tell(self, kind: ResourceKind, heard: Heard) -> None:
        for hear in tuple(self._followers.get(kind, ())):
            hear(heard)

    def _tell_all(self, heard: Heard) -> None:
        for kind in self._followers:
            self._tell(kind, heard)

    def listed(self, kind: ResourceKind, namespace: str | None) -> Listed:
        """The full state of a scope, as a watch begins with."""
        return Listed(self.all(kind, namespace))


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386: maps are merged, null removes, everything else replaces."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    result = dict(copy.deepcopy(target)) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
