"""Resources in memory: trimtab's own objects and Events in one `MemoryObjects`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from controller.errors import NotOurs
from controller.lab.apiserver import MemoryObjects
from controller.ports import ResourceKind

GROUP = "trimtab.dev"
EVENTS = ResourceKind("events.k8s.io", "v1", "events", "Event")


class MemoryResources:
    """Objects of one imagined API server, under the same refusals as the real one. `now` dates Events."""

    def __init__(self, objects: MemoryObjects, now: Callable[[], datetime]) -> None:
        self._objects = objects
        self._now = now
        self._said: dict[tuple[str, ...], tuple[str, str]] = {}

    async def list(self, kind: ResourceKind, namespace: str | None = None) -> tuple[Mapping[str, Any], ...]:
        """All objects."""
        return self._objects.all(kind, namespace)

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> Mapping[str, Any] | None:
        """One object or None."""
        return self._objects.get(kind, namespace, name)

    async def create(self, kind: ResourceKind, object: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Create, without a status; None when the name is taken."""
        ours(kind)
        return self._objects.add(kind, {key: value for key, value in object.items() if key != "status"})

    async def patch(
        self, kind: ResourceKind, namespace: str | None, name: str, patch: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """Merge into metadata and spec (a status in it is passed over, as with any status subresource)."""
        ours(kind)
        return self._objects.merge(
            kind, namespace, name, {key: value for key, value in patch.items() if key != "status"}
        )

    async def patch_status(
        self, kind: ResourceKind, namespace: str | None, name: str, status: Mapping[str, Any]
    ) -> None:
        """Merge into the status; quiet when it is gone."""
        ours(kind)
        self._objects.merge(kind, namespace, name, {"status": dict(status)})

    async def delete(self, kind: ResourceKind, namespace: str | None, name: str) -> None:
        """Delete; quiet when it is gone."""
        ours(kind)
        self._objects.remove(kind, namespace, name)

    async def record(self, regarding: Mapping[str, Any], reason: str, note: str, warning: bool, action: str) -> None:
        """Begin an Event, or count on the one that says the same."""
        about, at = regarding["metadata"], self._now().isoformat()
        whom = (str(about.get(part, "")) for part in ("namespace", "name", "uid"))
        key = (str(regarding["kind"]), *whom, reason, note, action)
        running = self._objects.get(EVENTS, *self._said[key]) if key in self._said else None
        if running is not None:
            count = running.get("series", {}).get("count", 1) + 1
            self._objects.merge(EVENTS, *self._said[key], {"series": {"count": count, "lastObservedTime": at}})
            return
        namespace = about.get("namespace") or "default"
        self._said[key] = (namespace, f"{about['name']}.{len(self._said) + 1:x}")
        reference = {key: about[key] for key in ("name", "namespace", "uid") if about.get(key)}
        self._objects.add(
            EVENTS,
            {
                "metadata": {"name": self._said[key][1], "namespace": namespace},
                "eventTime": at,
                "reportingController": "trimtab.dev/trimtab",
                "reportingInstance": "memory",
                "reason": reason,
                "action": action,
                "note": note.encode()[:1024].decode(errors="ignore"),
                "type": "Warning" if warning else "Normal",
                "regarding": {"apiVersion": regarding["apiVersion"], "kind": regarding["kind"], **reference},
            },
        )

    async def close(self) -> None:
        """Nothing to release."""


def ours(kind: ResourceKind) -> None:
    """Raise `NotOurs` unless objects of this kind are trimtab's own."""
    if kind.group != GROUP:
        raise NotOurs(
            f"Resources was asked to write {kind.api_version} {kind.kind}, which is not trimtab's own",
            "Workloads are changed through Cluster.apply.",
        )
