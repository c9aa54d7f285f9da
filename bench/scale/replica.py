"""The program under test, as people run it: a process `trimtab run` beside its stand-ins, in an empty folder.

Nothing of the program is replaced: its Kubernetes client, its Prometheus client, its SQLite store, its page and its
worker processes are the shipped ones. Only what is at the other end of their connections is ours.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

import bench

ROOT: Final = Path(bench.__file__).resolve().parents[1]
"""Where `bench` is imported from."""
LOOK: Final = 0.05
DEADLINE: Final = 600.0
DEADLINE_EACH: Final = 0.18
"""Seconds for each service to wait at most: half an hour for 10,000."""
QUIET: Final = 2.0
"""Seconds without a question for history after which there is none to come."""
FORECAST: Final = "trimtab_forecast_peak{"
"""The metric that is there once loads have been forecast."""


class Failed(RuntimeError):
    """The program under test ended, or did not come up."""


@dataclass(frozen=True, slots=True)
class Told:
    """When each round began (monotonic seconds) and how many queries had been asked by then; when histories were asked
    for, with their steps; queries that the stand-in has no series for.
    """

    rounds: list[tuple[float, int]]
    ranges: list[tuple[float, float]]
    unknown: list[str]


@dataclass(frozen=True, slots=True)
class Replica:
    """One running replica of `services` services."""

    services: int
    process: subprocess.Popen[bytes]
    standin: str
    page: str
    log: Path
    started: float

    @property
    def pid(self) -> int:
        """Of its main process."""
        return self.process.pid

    def leading_after(self) -> float:
        """Wait until it is ready and leads; seconds since its process was started."""
        patience = patience_with(self.services)
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failed(f"trimtab run ended with {self.process.returncode}: {self.last_words()}")
            if self._leads():
                return time.monotonic() - self.started
            time.sleep(LOOK)
        raise Failed(f"trimtab run does not lead after {patience:g} s: {self.last_words()}")

    def _leads(self) -> bool:
        if not answer(f"{self.page}/readyz"):
            return False
        return "\ntrimtab_leader 1.0" in answer(f"{self.page}/metrics")

    def told(self) -> Told:
        """What its Prometheus was asked so far."""
        return Told(**json.loads(answer(f"{self.standin}/told")))

    def settled(self, after: int) -> bool:
        """Whether so many rounds have begun, all history is there, and every load has been forecast once."""
        told = self.told()
        quiet = not told.ranges or time.monotonic() - told.ranges[-1][0] > QUIET
        return len(told.rounds) > after and quiet and f"\n{FORECAST}" in answer(f"{self.page}/metrics")

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]


def patience_with(services: int) -> float:
    """Seconds to wait for one step of so many services."""
    return max(DEADLINE, DEADLINE_EACH * services)


def answer(address: str) -> str:
    """The text at an address, empty while there is none."""
    try:
        with urllib.request.urlopen(address, timeout=10) as response:  # noqa: S310 -- our own http address
            return str(response.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


@contextmanager
def standins(services: int, seed: int, days: float) -> Iterator[str]:
    """The far ends in a process of their own; their address."""
    said = {"--services": services, "--seed": seed, "--days": days}
    words = [str(word) for pair in said.items() for word in pair]
    command = [sys.executable, "-m", "bench.scale.standin", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            if not port:
                raise Failed("the stand-ins did not start")
            yield f"http://127.0.0.1:{int(port)}"
        finally:
            process.stdin.close()
            ended(process)


@contextmanager
def replica(services: int, seed: int, settings: Mapping[str, str], days: float = 14.0) -> Iterator[Replica]:
    """`trimtab run` over its stand-ins with so many days of history; ended and cleaned up afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-scale-")))
        standin = stack.enter_context(standins(services, seed, days))
        port = free_port()
        (folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig(standin)), encoding="utf-8")
        log = stack.enter_context((folder / "log").open("wb"))
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "controller", "run"],
            cwd=folder,
            env={**plain_environment(), **own_settings(folder, standin, port), **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Replica(services, process, standin, f"http://127.0.0.1:{port}", folder / "log", started)
        finally:
            process.send_signal(signal.SIGTERM)
            ended(process)


def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that was told to end; kill one that does not."""
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def plain_environment() -> dict[str, str]:
    """Ours without what would be a setting, point at a real cluster, or keep Python from its compiled files."""
    prefixes = ("TRIMTAB_", "KUBERNETES_", "KUBECONFIG", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def own_settings(folder: Path, standin: str, port: int) -> dict[str, str]:
    """The settings that the stand-ins need; everything else is as it ships."""
    said = {
        "KUBECONFIG": str(folder / "kubeconfig"),
        "IDENTITY": "scale",
        "HTTP_PORT": str(port),
        "PROMETHEUS_URL": f"{standin}/prometheus",
        "DATABASE_URL": f"sqlite:///{folder / 'trimtab.db'}",
        "SECRETS": str(folder),
        "LOG_FORMAT": "json",
        "POLICY_DEFAULTS": json.dumps({"preset": "istio"}),
    }
    return {f"TRIMTAB_{name}": value for name, value in said.items()}


def kubeconfig(address: str) -> dict[str, Any]:
    """The way to the stand-in."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "scale",
        "clusters": [{"name": "scale", "cluster": {"server": address}}],
        "users": [{"name": "scale", "user": {"token": "scale"}}],
        "contexts": [{"name": "scale", "context": {"cluster": "scale", "user": "scale"}}],
    }
