"""One replica as a process that a test may let die: each start with its own armed failpoint, or with none.

Unlike `tests/endtoend/process.py` it needs no chart: the settings are those that make the loop quick, and every replica
is a user of its own, so that the audit log says which of them wrote.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from tests.controlplane.ports import free_port
from tests.controlplane.process import Process
from tests.controlplane.waiting import wait_for

HOME = "trimtab-crash"
"""The namespace the replicas run in: their Leases are there."""
APPROVER = "mara"
QUICK: Mapping[str, str] = {
    "TRIMTAB_NAMESPACE": HOME,
    "TRIMTAB_LEASE_SECONDS": "4",
    "TRIMTAB_RENEW_SECONDS": "1",
    "TRIMTAB_ROUND_SECONDS": "1",
    "TRIMTAB_ACTING_ROUND_SECONDS": "0.5",
    "TRIMTAB_CLEAR_AFTER_SECONDS": "2",
    "TRIMTAB_HEALTHY_REVISION_SECONDS": "1",
    "TRIMTAB_WORKERS": "0",
    "TRIMTAB_ALERTMANAGER_TOKEN_REQUIRED": "false",
    "TRIMTAB_SECRETS": "/nonexistent",
    "TRIMTAB_LOG_FORMAT": "json",
    "TRIMTAB_PEOPLE": json.dumps({"approvers": [f"user:{APPROVER}"]}),
}
"""Seconds where people have minutes; nothing of what is promised depends on them."""


class Replica:
    """One replica called `identity`, which is also its user at the API server."""

    def __init__(
        self,
        folder: Path,
        identity: str,
        env: Mapping[str, str],
        argv: Sequence[str] = (sys.executable, "-m", "controller", "run"),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.identity = identity
        self.port = free_port()
        self.log = folder / f"{identity}.log"
        self.hits = folder / f"{identity}.hits"
        self._folder, self._argv = folder, argv
        self._env = {**QUICK, **env, "TRIMTAB_IDENTITY": identity, "TRIMTAB_HTTP_PORT": str(self.port)}
        self._process: Process | None = None

    def start(self, armed: str = "") -> "Replica":
        """Start it, with one failpoint armed or none; does not wait."""
        failing = {
            "TRIMTAB_FAILPOINTS": "1" if armed else "0",
            "TRIMTAB_FAILPOINT": armed,
            "TRIMTAB_FAILPOINT_LOG": str(self.hits),
        }
        self._process = Process(self.identity, self._argv, log=self.log, env={**self._env, **failing}, cwd=self._folder)
        self._process.start(wait=False)
        return self

    @property
    def process(self) -> Process:
        """The process; it must have been started."""
        assert self._process is not None, f"{self.identity} was never started"
        return self._process

    @property
    def running(self) -> bool:
        """Whether it lives; a stopped one does."""
        return self._process is not None and self._process.running

    @property
    def awake(self) -> bool:
        """Whether it lives and is not stopped."""
        if not self.running:
            return False
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] not in {"T", "t", "Z"}

    def died(self, by: signal.Signals) -> None:
        """Make sure that it ended by this signal, and not by an error of its own."""
        code = self.process.ended
        assert code == -by, f"{self.identity} ended with {code}, not by {by.name}; see {self.log}"

    @property
    def hit(self) -> tuple[str, ...]:
        """The failpoints that struck, oldest first, with their visit: `cluster.apply.before 1`."""
        if not self.hits.exists():
            return ()
        words = (line.split(" ") for line in self.hits.read_text().splitlines())
        return tuple(f"{place} {visit}" for place, _, visit, _ in words)

    def wait_hit(self, timeout: float = 90.0) -> str:
        """The failpoint, once it has struck."""
        return wait_for(f"a failpoint strikes {self.identity}", lambda: self.hit, timeout=timeout)[-1]

    def ready(self) -> bool:
        """The readiness probe."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2, proxies={"http": ""}).ok
        except requests.RequestException:
            return False

    def alert(self, namespace: str, deployment: str, *, firing: bool) -> None:
        """Tell it of an alert as Alertmanager does; nobody there to hear it is no error (it is told again)."""
        labels = {"alertname": "Failing", "severity": "critical", "namespace": namespace, "deployment": deployment}
        one = {
            "status": "firing" if firing else "resolved",
            "labels": labels,
            "annotations": {},
            "startsAt": "2026-01-01T00:00:00Z",
        }
        try:
            requests.post(
                f"http://127.0.0.1:{self.port}/v1/alerts",
                json={"version": "4", "alerts": [one]},
                timeout=10,
                proxies={"http": ""},
            )
        except requests.RequestException:
            return

    def entries(self, event: str) -> list[dict[str, Any]]:
        """Its log entries of this event."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        os.kill(self.process.pid, signal.SIGTERM)

    def end(self) -> None:
        """End it whatever it does, stopped or not."""
        if self._process is not None:
            self._process.kill()
