"""A real Alertmanager of one's own, and a receiver that keeps what its webhook delivers."""

import threading
from pathlib import Path
from typing import Any

import requests
import yaml
from aiohttp import web

from tests.controlplane.background import HttpServer, application
from tests.controlplane.ports import free_port
from tests.controlplane.process import Process
from tests.controlplane.prometheus import program


class Receiver:
    """Takes what an Alertmanager sends to its webhook, answering `status`."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
        self._lock = threading.Lock()
        self._server = HttpServer("webhook", lambda: application(self._take), free_port())
        self.url = f"{self._server.url}/alerts"

    def close(self) -> None:
        """Return when the port is free."""
        self._server.close()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        with self._lock:
            self.received.append(body)
        return web.Response(status=self.status)


class Alertmanager:
    """One server in `folder`, delivering within a second to `webhook` (its own `Receiver` without)."""

    def __init__(self, folder: Path, webhook: str | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.receiver = Receiver()
        folder.mkdir(parents=True, exist_ok=True)
        receiver = {
            "name": "webhook",
            "webhook_configs": [{"url": webhook or self.receiver.url, "send_resolved": True}],
        }
        route = {"receiver": "webhook", "group_by": ["..."], "group_wait": "1s", "group_interval": "1s"}
        (folder / "alertmanager.yml").write_text(yaml.safe_dump({"route": route, "receivers": [receiver]}))
        self.process = Process(
            "alertmanager",
            [
                program("prometheus-alertmanager"),
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            log=folder / "alertmanager.log",
            ready=self._ready,
        )

    @property
    def received(self) -> list[dict[str, Any]]:
        """The bodies that its own receiver got, oldest first."""
        return list(self.receiver.received)

    def start(self) -> "Alertmanager":
        """Start; returns when it takes alerts."""
        self.process.start()
        return self

    def stop(self) -> None:
        """End it and its receiver, and return when both are gone."""
        self.process.stop()
        self.receiver.close()

    def _ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/-/ready", timeout=2, proxies={"http": ""}).status_code == 200
        except requests.RequestException:
            return False
