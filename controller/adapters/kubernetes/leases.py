"""The Leases port on a real API server: one coordination.k8s.io/v1 Lease, compared and swapped.

Promises that a write is refused by the server unless the Lease is still at the version that was read. Decides nothing
about who may hold it. An instance belongs to one event loop: the thread that renews opens its own by `open_leases`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.adapters.kubernetes.answers import Answer, demand, refused
from controller.adapters.kubernetes.client import Api, path_of
from controller.adapters.kubernetes.config import Connection
from controller.adapters.kubernetes.kinds import LEASES
from controller.failpoints import around
from controller.ports import LeaseState

MANAGER = {"fieldManager": "trimtab"}


class KubernetesLeases:
    """The Lease `namespace/name`, over an `Api` of its own, which `close` closes."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._collection = path_of(LEASES, namespace)
        self._path = path_of(LEASES, namespace, name)
        self._seen: Mapping[str, Any] = {}

    async def read(self) -> LeaseState | None:
        """The Lease, read once: whoever renews has its own rhythm of trying again."""
        answer = await self._api.get(self._path, attempts=1)
        if answer.names_object:
            return None
        return self._kept(demand("get", self._path, answer))

    async def write(self, state: LeaseState) -> LeaseState | None:
        """Create or replace; None when it is no longer what was read."""
        body = self._body(state)
        if state.version:
            async with around("leases.replace"):
                answer = await self._api.send("PUT", self._path, body, MANAGER)
        else:
            async with around("leases.create"):
                answer = await self._api.send("POST", self._collection, body, MANAGER)
        if answer.status == 409 or (state.version and answer.names_object):
            return None
        if not answer.ok:
            raise refused("write", self._path, answer)
        return self._kept(answer)

    async def close(self) -> None:
        """Release connections."""
        await self._api.close()

    def _kept(self, answer: Answer) -> LeaseState:
        self._seen = answer.body
        return state_of(answer.body)

    def _body(self, state: LeaseState) -> dict[str, Any]:
        """The whole Lease, with what others have put on the version that is replaced (labels, owners)."""
        same = state.version and self._seen.get("metadata", {}).get("resourceVersion") == state.version
        metadata: dict[str, Any] = copy.deepcopy(dict(self._seen["metadata"])) if same else {}
        metadata |= {"name": self._name, "namespace": self._namespace, "annotations": dict(state.annotations)}
        if state.version:
            metadata["resourceVersion"] = state.version
        metadata.pop("managedFields", None)
        return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec_of(state)}


async def open_leases(connection: Connection, namespace: str, name: str) -> KubernetesLeases:
    """The Lease over a connection of its own, for the event loop that calls."""
    return KubernetesLeases(await Api.open(connection), namespace, name)


def state_of(lease: Mapping[str, Any]) -> LeaseState:
    """A Lease object as the port knows it."""
    spec, metadata = lease.get("spec") or {}, lease["metadata"]
    renewed = spec.get("renewTime")
    return LeaseState(
        holder=str(spec.get("holderIdentity") or ""),
        renewed_at=datetime.fromisoformat(renewed) if renewed else None,
        duration=timedelta(seconds=int(spec.get("leaseDurationSeconds") or 0)),
        transitions=int(spec.get("leaseTransitions") or 0),
        annotations=dict(metadata.get("annotations") or {}),
        version=str(metadata["resourceVersion"]),
    )


def spec_of(state: LeaseState) -> dict[str, Any]:
    """The spec of a state. A duration of zero is left out, because the API wants more than zero."""
    seconds = round(state.duration.total_seconds())
    return {
        "holderIdentity": state.holder,
        "leaseTransitions": state.transitions,
        **({"leaseDurationSeconds": seconds} if seconds > 0 else {}),
        **({"renewTime": micro_time(state.renewed_at)} if state.renewed_at else {}),
    }


def micro_time(at: datetime) -> str:
    """RFC 3339 with six digits, as MicroTime wants it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
