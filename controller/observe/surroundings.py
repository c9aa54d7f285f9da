"""What is never a target: our own namespace, kube-system, what serves admission webhooks, Prometheus and the database
(S18).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog

from controller.errors import TrimtabError
from controller.kinds import SERVICES, WEBHOOKS
from controller.ports import Resources
from controller.settings import Settings
from remediations.guards import Protected, Selected

log = structlog.get_logger(__name__)


class Surroundings:
    """The protected targets as last read; None before the first reading, so that nothing is done until it is known."""

    def __init__(self, settings: Settings, resources: Resources) -> None:
        self._settings, self._resources = settings, resources
        self.protected: Protected | None = None

    def _protected(self, services: tuple[Selected, ...]) -> Protected:
        settings = self._settings
        names = (named.partition("/") for named in settings.protected)
        workloads = {
            f"{space}/{kind}/{name}" for space, _, name in names for kind in ("Deployment", "StatefulSet", "DaemonSet")
        }
        return Protected(
            namespaces=frozenset({"kube-system", settings.namespace, *settings.protected_namespaces}),
            workloads=frozenset(workloads),
            services=services,
        )

    async def refresh(self) -> None:
        """Read the webhooks' services, and those that Prometheus and the database are reached by."""
        try:
            wanted = {*self._own()}
            for kind in WEBHOOKS:
                for item in await self._resources.list(kind):
                    wanted.update(webhook_services(item))
            services = [selected for place in sorted(wanted) if (selected := await self._selected(*place)) is not None]
        except TrimtabError as error:
            log.warning("surroundings unreadable", error=str(error))
            return
        self.protected = self._protected(tuple(services))

    def _own(self) -> Iterator[tuple[str, str, str]]:
        """Services inside the cluster that our own settings name: `http://prometheus.monitoring.svc:9090`."""
        for address, what in (
            (self._settings.prometheus_url, "our Prometheus"),
            (self._settings.database(), "our database"),
        ):
            host = urlsplit(address).hostname or ""
            name, _, rest = host.partition(".")
            namespace = rest.split(".")[0] if rest else self._settings.namespace
            if name and not name.isdigit() and host not in ("localhost", "127.0.0.1"):
                yield namespace, name, what

    async def _selected(self, namespace: str, name: str, what: str) -> Selected | None:
        service = await self._resources.get(SERVICES, namespace, name)
        labels: Mapping[str, str] = ((service or {}).get("spec") or {}).get("selector") or {}
        return Selected(namespace, frozenset(labels.items()), what) if labels else None


def webhook_services(item: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(namespace, Service, what it is) of each webhook in a configuration."""
    for webhook in item.get("webhooks") or ():
        service = (webhook.get("clientConfig") or {}).get("service")
        if service:
            yield service["namespace"], service["name"], f"the admission webhook {webhook['name']}"
