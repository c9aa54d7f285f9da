"""The Resources port on a real API server: trimtab's own objects, Events, and plain reads of any kind.

Promises to write nothing outside the group trimtab.dev and Events, whatever it is asked: that is a programming error
and raises `NotOurs` before anything is sent. Workloads are changed through `cluster.py` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.adapters.kubernetes.answers import demand
from controller.adapters.kubernetes.client import MERGE_PATCH, Api, path_of
from controller.adapters.kubernetes.events import EventLog
from controller.errors import NotOurs
from controller.failpoints import around
from controller.ports import ResourceKind

GROUP = "trimtab.dev"
STRICT = {"fieldManager": "trimtab", "fieldValidation": "Strict"}


class KubernetesResources:
    """Objects through one `Api`, which `close` closes. Events are written through `events`."""

    def __init__(self, api: Api, events: EventLog) -> None:
        self._api = api
        self._events = events

    async def list(self, kind: ResourceKind, namespace: str | None = None) -> tuple[Mapping[str, Any], ...]:
        """All objects."""
        return (await self._api.list(kind, namespace))[1]

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> Mapping[str, Any] | None:
        """One object or None."""
        path = path_of(kind, namespace, name)
        answer = await self._api.get(path)
        return None if answer.names_object else demand("get", path, answer).body

    async def create(self, kind: ResourceKind, object: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Create; None when the name is taken."""
        ours(kind)
        path = path_of(kind, object["metadata"].get("namespace"))
        body = {"apiVersion": kind.api_version, "kind": kind.kind, **object}
        async with around("resources.create"):
            answer = await self._api.send("POST", path, body, STRICT)
        if answer.status == 409 and answer.reason == "AlreadyExists":
            return None
        return demand("create", path, answer).body

    async def patch(
        self, kind: ResourceKind, namespace: str | None, name: str, patch: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """Merge into metadata and spec; None when it is gone."""
        ours(kind)
        path = path_of(kind, namespace, name)
        async with around("resources.patch"):
            answer = await self._api.send("PATCH", path, dict(patch), STRICT, content_type=MERGE_PATCH)
        return None if answer.names_object else demand("patch", path, answer).body

    async def patch_status(
        self, kind: ResourceKind, namespace: str | None, name: str, status: Mapping[str, Any]
    ) -> None:
        """Merge into the status; quiet when it is gone."""
        ours(kind)
        path = path_of(kind, namespace, name, "status")
        body = {"status": dict(status)}
        async with around("resources.patch_status"):
            answer = await self._api.send("PATCH", path, body, STRICT, content_type=MERGE_PATCH)
        if not answer.names_object:
            demand("patch", path, answer)

    async def delete(self, kind: ResourceKind, namespace: str | None, name: str) -> None:
        """Delete; quiet when it is gone."""
        ours(kind)
        path = path_of(kind, namespace, name)
        async with around("resources.delete"):
            answer = await self._api.send("DELETE", path, {"propagationPolicy": "Background"})
        if not answer.names_object:
            demand("delete", path, answer)

    async def record(self, regarding: Mapping[str, Any], reason: str, note: str, warning: bool, action: str) -> None:
        """Write an Event."""
        await self._events.record(regarding, reason, note, warning=warning, action=action)

    async def close(self) -> None:
        """Release connections."""
        await self._api.close()


def ours(kind: ResourceKind) -> None:
    """Raise `NotOurs` unless objects of this kind are trimtab's own."""
    if kind.group != GROUP:
        raise NotOurs(
            f"Resources was asked to write {kind.api_version} {kind.kind}, which is not trimtab's own",
            "Workloads are changed through Cluster.apply.",
        )
