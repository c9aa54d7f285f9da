"""A real Prometheus that scrapes a small exporter each second, and a proxy before it that tampers with what it says."""

import http.server
import json
import os
import shutil
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.ports import free_port
from tests.controlplane.process import Process

Body = dict[str, Any]


@dataclass
class Reply:
    """What goes over the wire."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0
    announced: int | None = None


Tamper = Callable[[Reply], Reply]


def untouched(reply: Reply) -> Reply:
    return reply


class Serving:
    """A threaded HTTP server on its own port; `respond` makes a reply of path and request headers."""

    def __init__(self, respond: Callable[[str, Mapping[str, str]], Reply]) -> None:
        stopped = self.stopped = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                reply = respond(self.path, dict(self.headers.items()))
                stopped.wait(reply.pause)
                try:
                    self.send_response(reply.status)
                    self.send_header("Content-Length", str(reply.announced or len(reply.body)))
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(reply.body)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                if reply.announced:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.port = free_port()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Proxy(Serving):
    """Forwards to `upstream`, remembers paths and headers, and lets `tamper` change each reply."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.tamper: Tamper = untouched
        self.paths: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        super().__init__(self._forward)

    def _forward(self, path: str, headers: Mapping[str, str]) -> Reply:
        self.paths.append(path)
        self.headers.append(headers)
        try:
            with urllib.request.urlopen(self.upstream + path, timeout=10) as response:
                reply = Reply(response.status, response.read())
        except urllib.error.HTTPError as error:
            with error:
                reply = Reply(error.code, error.read())
        return self.tamper(reply)


class RealPrometheus:
    """Scrapes itself (`up`) and an exporter each second; `metrics` is the exporter's page. With `twins` the exporter is
    scraped once for each of them: what two servers would have put into one store.
    """

    def __init__(
        self, folder: Path, prefix: str = "", options: Mapping[str, Any] | None = None, twins: tuple[str, ...] = ()
    ) -> None:
        self.metrics = 'contract_gauge{name="a"} 1\ncontract_gauge{name="b"} 2\n'
        self.exporter = Serving(lambda path, headers: self.page(path))
        self.port, self.prefix = free_port(), prefix
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [
                {
                    "job_name": "test",
                    "static_configs": [
                        {"targets": [f"127.0.0.1:{self.exporter.port}"], "labels": labels}
                        for labels in ([{"prometheus_replica": twin, "__param_twin": twin} for twin in twins] or [{}])
                    ],
                }
            ],
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yml").write_text(json.dumps(config))
        argv: list[str | Path] = [
            shutil.which("prometheus") or "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--web.external-url=http://127.0.0.1:{self.port}{prefix}",
        ]
        if options:
            (folder / "web.yml").write_text(json.dumps(options))
            argv.append(f"--web.config.file={folder}/web.yml")
        self.secured = bool(options)
        self.process = Process("prometheus", argv, log=folder / "log", ready=self._ready, cwd=folder)
        self.process.start()

    def page(self, path: str) -> Reply:
        """What the exporter answers now; `path` names the twin that asks, if there are any."""
        return Reply(200, self.metrics.encode())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def query(self, promql: str) -> list[Body]:
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": promql})
        with urllib.request.urlopen(self.url + path, timeout=5) as response:
            result: list[Body] = json.load(response)["data"]["result"]
            return result

    def wait_until_scraped(self, seconds: int) -> None:
        """Return once the look-back of `seconds` is full, from its beginning."""
        deadline = time.monotonic() + 60
        while not self.query(f"count_over_time(up[2s] offset {seconds}s)"):
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def _ready(self) -> bool:
        if self.secured:
            return "Server is ready" in self.process.log.read_text()
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=1) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def close(self) -> None:
        self.process.stop()
        self.exporter.close()


def require_prometheus() -> None:
    """Skip with one sentence, or fail under CI=true."""
    if shutil.which("prometheus") is None:
        message = "no `prometheus` on PATH: run `make tools`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@contextmanager
def prometheus(folder: Path, prefix: str = "", options: Mapping[str, Any] | None = None) -> Iterator[RealPrometheus]:
    require_prometheus()
    server = RealPrometheus(folder, prefix, options)
    try:
        yield server
    finally:
        server.close()


def edited(change: Callable[[Body], None]) -> Tamper:
    """A tamper that changes the JSON in place."""

    def tamper(reply: Reply) -> Reply:
        body = json.loads(reply.body)
        if reply.status == 200:
            change(body)
        return Reply(reply.status, json.dumps(body).encode())

    return tamper


def results(body: Body) -> list[Body]:
    found: list[Body] = body["data"]["result"]
    return found


def every_sample(change: Callable[[list[Any]], None]) -> Tamper:
    """A tamper that changes each `[time, value]` pair of an answer that is not the pulse."""

    def change_body(body: Body) -> None:
        for item in results(body):
            if "pulse" not in item["metric"]:
                for pair in item.get("values") or [item["value"]]:
                    change(pair)

    return edited(change_body)
