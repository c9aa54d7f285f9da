"""trimtab as a process: started as the chart starts it, waited for, ended by its id; and its command line beside it.

The variables are those of the chart's Deployment, read out of what helm rendered. Only what a pod gives differs: the
kubeconfig with the account's token stands for the mounted one, and paths and the port are ours.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.charts.chart import one
from tests.controlplane.ports import free_port
from tests.controlplane.process import Process

Json = dict[str, Any]
COMMAND = (sys.executable, "-m", "controller")


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    problem: str


class Trimtab:
    """One replica of the release in `objects`, in `folder`. `env` is laid over the chart's variables."""

    def __init__(
        self,
        folder: Path,
        objects: Iterable[Json],
        kubeconfig: Path,
        *,
        identity: str = "trimtab-0",
        database: str = "",
        secrets: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.identity = identity
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "trimtab.log"
        self._folder = folder
        for name, text in (secrets or {}).items():
            path = folder / "secrets" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        objects = list(objects)
        settings = folder / "settings.yaml"
        settings.write_text(one(objects, "ConfigMap")["data"]["settings.yaml"])
        self._env = {
            **_variables(objects),
            "TRIMTAB_SETTINGS_FILE": str(settings),
            "TRIMTAB_SECRETS": str(folder / "secrets"),
            "TRIMTAB_DATABASE_URL": database or f"sqlite:///{folder / 'trimtab.db'}",
            "TRIMTAB_IDENTITY": identity,
            "TRIMTAB_KUBECONFIG": str(kubeconfig),
            "TRIMTAB_HTTP_HOST": "127.0.0.1",
            "TRIMTAB_HTTP_PORT": str(self.port),
            **(env or {}),
        }
        self.process = Process(
            identity, [*COMMAND, "run"], log=self.log, ready=self.ready, env=self._env, cwd=folder, ready_within=90
        )

    def start(self, *, wait: bool = True) -> Trimtab:
        """Start it; returns when its readiness probe passes."""
        self.process.start(wait=wait)
        return self

    def stop(self) -> None:
        """SIGTERM, as the kubelet does, and return when it is gone."""
        self.process.stop()

    def ready(self) -> bool:
        """The readiness probe."""
        try:
            return requests.get(f"{self.url}/readyz", timeout=2, proxies={"http": ""}).status_code == 200
        except requests.RequestException:
            return False

    def logged(self, event: str, **keys: object) -> list[Json]:
        """The log entries of this event with these keys."""
        return [entry for entry in self.entries() if entry.get("event") == event and keys.items() <= entry.items()]

    def entries(self) -> list[Json]:
        """Its log, one entry a line."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def told(self) -> list[tuple[str, Json]]:
        """The event log in its SQLite file, as (stream, event), oldest first; read beside the program."""
        with closing(sqlite3.connect(f"file:{self._folder / 'trimtab.db'}?mode=ro", uri=True, timeout=30)) as store:
            found = store.execute("SELECT stream, kind, body FROM events ORDER BY sequence").fetchall()
        return [(stream, {"kind": kind, **json.loads(body)}) for stream, kind, body in found]

    def cli(self, *arguments: str, kubeconfig: Path | None = None, columns: int = 200) -> Said:
        """`trimtab …` beside the program, as `kubectl exec` would run it; or with a person's own kubeconfig."""
        env = {**os.environ, **self._env, "COLUMNS": str(columns)}
        if kubeconfig is not None:
            env["TRIMTAB_KUBECONFIG"] = str(kubeconfig)
        done = subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=env,
            cwd=self._folder,
            timeout=120,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)


def _variables(objects: Iterable[Json]) -> dict[str, str]:
    (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: str(entry["value"]) for entry in container["env"] if "value" in entry}
