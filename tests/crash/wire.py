"""A wire that keeps one write on its way: sent by the replica, not yet at the API server.

The worst a network can do to a leader that is being replaced, and what no stopping of the process prevents.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.controlplane.api import ApiError
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.proxy import ApiServerProxy, Seen
from tests.crash.replica import HOME


@dataclass(frozen=True)
class Hold:
    """The request waits at the proxy until `release` is set, and is then carried out."""

    release: threading.Event = field(default_factory=threading.Event)


class Wire(ApiServerProxy):
    """An `ApiServerProxy` that can hold writes."""

    async def _special(self, request: web.Request, fault: Any) -> web.StreamResponse:
        if not isinstance(fault, Hold):
            return await super()._special(request, fault)
        await request.read()
        await asyncio.to_thread(fault.release.wait)
        return await self._forward(request)


@dataclass(frozen=True)
class Holding:
    """A wire that holds every write from the `nth` on, for the replica of `kubeconfig`."""

    wire: Wire
    hold: Hold
    kubeconfig: Path
    nth: int

    @property
    def held(self) -> bool:
        """Whether a write is on its way."""
        return written(self.wire) >= self.nth

    def release(self) -> None:
        """Let what is on its way arrive."""
        self.hold.release.set()


@contextmanager
def holding(plane: ControlPlane, folder: Path, identity: str, nth: int = 1) -> Iterator[Holding]:
    """The wire of one replica, whose account is called like itself and may do everything."""
    account = plane.service_account_kubeconfig(HOME, identity)
    _bind(plane, identity)
    wire = Wire(account, plane.ca_file, plane.server, folder / "wire")
    hold = Hold()
    wire.only = lambda seen: writes(seen) and written(wire) >= nth
    wire.mode = hold  # type: ignore[assignment]  # a fault of this proxy alone
    try:
        yield Holding(wire, hold, wire.kubeconfig, nth)
    finally:
        hold.release.set()
        wire.close()


def writes(seen: Seen) -> bool:
    """Whether it would change a Deployment or an autoscaler."""
    target = "/deployments/" in seen.path or "/horizontalpodautoscalers/" in seen.path
    return seen.method == "PATCH" and target and "dryRun" not in seen.query


def written(wire: Wire) -> int:
    """How many such writes have come."""
    return sum(map(writes, wire.requests))


def _bind(plane: ControlPlane, identity: str) -> None:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"crash-{identity}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "namespace": HOME, "name": identity}],
    }
    try:
        plane.api.create(binding)
    except ApiError as error:
        if error.code != 409:
            raise
