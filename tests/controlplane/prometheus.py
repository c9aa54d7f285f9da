"""A real Prometheus of one's own: scraping fast, with weeks of history behind it, with rules, and with mTLS if asked.

History is computed relative to now and imported as blocks (`promtool tsdb create-blocks-from openmetrics`); retention
is 30 days, or the older half would be dropped at the first look.
"""

import math
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import requests
import yaml

from tests.controlplane.certificates import Authority, Pair
from tests.controlplane.errors import FixtureError, MissingTool
from tests.controlplane.ports import free_port
from tests.controlplane.process import Process
from tests.controlplane.traffic import BUCKETS, Traffic, mean, shares
from tests.controlplane.waiting import wait_for

Sample = tuple[dict[str, str], float]
_LATELY = 900.0


@dataclass(frozen=True)
class History:
    """What a service went through before now: its `traffic` over `days`, one sample every `step` seconds.

    It had `replicas` all the time, or with `per_pod` (requests per second) as many more as an autoscaler would give it.
    Without `latency` nobody measured how fast it was, which is three quarters of the samples. Rates over less than two
    steps find nothing: the last quarter of an hour can be sampled every `lately` seconds.
    """

    namespace: str
    deployment: str
    traffic: Traffic = field(default_factory=Traffic)
    days: float = 14.0
    step: float = 60.0
    replicas: int = 3
    seed: int = 1
    per_pod: float | None = None
    latency: bool = True
    lately: float | None = None

    def times(self, now: float) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """When it was sampled, up to one step before `now`."""
        begin, step = now - self.days * 86_400, self.lately or self.step
        coarse = np.arange(begin, now - step, self.step)
        if self.lately is None:
            return coarse
        fine = np.arange(max(begin, now - _LATELY), now - step, step)
        return np.concatenate([coarse[coarse < fine[0]], fine])

    def replicas_at(self, at: float) -> int:
        """How many pods it had."""
        if self.per_pod is None:
            return self.replicas
        return max(self.replicas, math.ceil(self.traffic.rate(at) / self.per_pod))


@dataclass(frozen=True)
class Rule:
    """An alerting rule, or with `record` a recording one."""

    name: str
    expr: str
    hold: str = "0s"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    record: bool = False


RULES = (
    Rule(
        "PodCrashLooping",
        "max by (namespace, pod) "
        '(max_over_time(kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff"}[15s])) > 0',
        "3s",
        {"severity": "critical"},
    ),
    Rule(
        "HighErrorRate",
        'sum by (namespace, deployment) (rate(http_requests_total{code=~"5.."}[15s]))'
        " / sum by (namespace, deployment) (rate(http_requests_total[15s])) > 0.02",
        "3s",
        {"severity": "critical"},
    ),
)


def program(name: str) -> Path:
    """A program of the Debian packages prometheus and prometheus-alertmanager."""
    found = shutil.which(name)
    if found is None:
        raise MissingTool(
            f"{name} is not here: `apt-get install prometheus prometheus-alertmanager` (or `make tools` as root)."
        )
    return Path(found)


class Prometheus:
    """One server in `folder`. `tls` makes it ask for a client certificate, which is then `client`."""

    def __init__(
        self,
        folder: Path,
        targets: Sequence[str],
        *,
        history: Sequence[History] = (),
        rules: Sequence[Rule] = RULES,
        alertmanagers: Sequence[str] = (),
        path_prefix: str = "",
        external_labels: Mapping[str, str] | None = None,
        scrape_every: str = "1s",
        tls: bool = False,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}{path_prefix}"
        self.ca_file: Path | None = None
        self.client: Pair | None = None
        self._history = history
        self._source = f'job="job-0",instance="{_host(targets[0])}"' if targets else 'job="job-0",instance="none"'
        self._session = requests.Session()
        self._session.trust_env = False
        folder.mkdir(parents=True, exist_ok=True)
        self._write_config(targets, alertmanagers, external_labels or {}, scrape_every)
        self._write_rules(rules)
        web = self._tls() if tls else []
        self.process = Process(
            "prometheus",
            [
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=30d",
                f"--web.listen-address=127.0.0.1:{self.port}",
                f"--web.external-url={self.url}",
                "--rules.alert.resend-delay=2s",
                "--web.enable-lifecycle",
                "--web.enable-admin-api",
                "--log.level=warn",
                *web,
            ],
            log=folder / "prometheus.log",
            ready=lambda: self._get("/-/ready") == 200,
        )

    def start(self, history: Sequence[History] = ()) -> "Prometheus":
        """Import the history, and more of it, and start; returns when it answers queries."""
        program("promtool")
        self._history = (*self._history, *history)
        if self._history:
            self._import()
        self.process.start()
        return self

    def stop(self) -> None:
        """End it, and return when it is gone."""
        self.process.stop()
        self._session.close()

    def query(self, promql: str, at: float | None = None) -> list[Sample]:
        """The instant vector of an expression: labels and value of each series."""
        asked = {"query": promql, **({"time": str(at)} if at is not None else {})}
        answer = self._session.get(f"{self.url}/api/v1/query", params=asked, timeout=30)
        body = answer.json()
        if body["status"] != "success":
            raise FixtureError(f"{promql}: {body['error']}")
        return [(entry["metric"], float(entry["value"][1])) for entry in body["data"]["result"]]

    def value(self, promql: str, at: float | None = None) -> float | None:
        """The value of an expression with one series; None when there is none."""
        found = self.query(promql, at)
        return found[0][1] if found else None

    def wait_for(
        self, promql: str, until: Callable[[list[Sample]], bool] = bool, timeout: float = 60.0
    ) -> list[Sample]:
        """The first answer that `until` accepts; without it the first that is not empty."""
        return wait_for(promql, lambda: self.query(promql), until=until, timeout=timeout, every=0.25)

    def alerts(self, **labels: str) -> list[dict[str, str]]:
        """The labels of what fires and carries `labels`."""
        chosen = "".join(f', {name}="{value}"' for name, value in labels.items())
        return [found for found, _ in self.query(f'ALERTS{{alertstate="firing"{chosen}}}')]

    def reload(self, rules: Sequence[Rule]) -> None:
        """Put other rules in force."""
        self._write_rules(rules)
        self._session.post(f"{self.url}/-/reload", timeout=10).raise_for_status()

    def _get(self, path: str) -> int:
        try:
            return self._session.get(self.url + path, timeout=2).status_code
        except requests.RequestException:
            return 0

    def _tls(self) -> list[str]:
        authority = Authority(self.folder / "pki", "ca")
        server = authority.server("prometheus", ("127.0.0.1", "localhost"))
        self.client, self.ca_file = authority.client("scraper"), authority.cert
        self._session.verify, self._session.cert = str(self.ca_file), (str(self.client.cert), str(self.client.key))
        config = {
            "cert_file": str(server.cert),
            "key_file": str(server.key),
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": str(self.ca_file),
        }
        (self.folder / "web.yml").write_text(yaml.safe_dump({"tls_server_config": config}))
        return [f"--web.config.file={self.folder / 'web.yml'}"]

    def _write_config(
        self, targets: Sequence[str], alertmanagers: Sequence[str], labels: Mapping[str, str], every: str
    ) -> None:
        jobs = [
            {"job_name": f"job-{number}", "static_configs": [{"targets": [_host(target)]}], "honor_labels": True}
            for number, target in enumerate(targets)
        ]
        config: dict[str, Any] = {
            "global": {
                "scrape_interval": every,
                "scrape_timeout": every,
                "evaluation_interval": every,
                "external_labels": dict(labels),
            },
            "rule_files": [str(self.folder / "rules.yml")],
            "scrape_configs": jobs,
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [_host(one)]}]} for one in alertmanagers]},
        }
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def _write_rules(self, rules: Sequence[Rule]) -> None:
        groups = [{"name": "tests", "rules": [_rule(rule) for rule in rules]}]
        (self.folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))

    def _import(self) -> None:
        text = self.folder / "history.txt"
        with text.open("w") as out:
            out.writelines(history_lines(self._history, time.time(), self._source))
        command = [
            str(program("promtool")),
            "tsdb",
            "create-blocks-from",
            "--max-block-duration=720h",
            "-q",
            "openmetrics",
        ]
        data = self.folder / "data"
        done = subprocess.run([*command, str(text), str(data)], capture_output=True, text=True, check=False)
        text.unlink()
        if done.returncode != 0:
            raise FixtureError(f"promtool ended with {done.returncode}: {done.stderr[-2000:]}{done.stdout[-2000:]}")


def history_lines(histories: Sequence[History], now: float, source: str) -> Iterator[str]:
    """OpenMetrics text of what the exporter would have shown, up to one step before `now`.

    `source` are the labels job and instance of the exporter, so that the Deployment's series go on as the same ones.
    """
    tables = [_table(history, now, source) for history in histories]
    for name, kind in _FAMILIES.items():
        yield f"# TYPE {name} {kind}\n"
        for table in tables:
            for series, times, values in table:
                if _family(series) == name:
                    yield from (f"{series} {value:.6g} {at:.3f}\n" for at, value in zip(times, values, strict=True))
    yield "# EOF\n"


_FAMILIES = {
    "http_requests": "counter",
    "http_request_duration_seconds": "histogram",
    "kube_deployment_spec_replicas": "gauge",
    "kube_deployment_status_replicas_available": "gauge",
}

_Series = tuple[str, "np.ndarray[Any, np.dtype[np.float64]]", "np.ndarray[Any, np.dtype[np.float64]]"]


def _family(series: str) -> str:
    name = series.partition("{")[0]
    for end in ("_total", "_bucket", "_sum", "_count"):
        name = name.removesuffix(end)
    return name


def _table(history: History, now: float, source: str) -> list[_Series]:
    """The series of one service: counters of one pod that is gone by now, gauges of the Deployment."""
    drawn = np.random.default_rng(history.seed)
    times = history.times(now)
    traffic = history.traffic
    expected = np.array([traffic.total(start, end) for start, end in pairwise(times)])
    asked = drawn.poisson(np.maximum(expected, 0)).astype(np.float64)
    failed = drawn.binomial(asked.astype(np.int64), traffic.errors).astype(np.float64)
    total, bad = _summed(asked), _summed(failed)
    service = f'namespace="{history.namespace}",deployment="{history.deployment}",{source}'
    pod = f'{service},pod="{history.deployment}-before-now"'
    series: list[_Series] = [
        (f'http_requests_total{{{pod},code="200"}}', times, total - bad),
        (f'http_requests_total{{{pod},code="500"}}', times, bad),
    ]
    if history.latency:
        for edge, part in zip(BUCKETS, shares(traffic.median), strict=True):
            le = "+Inf" if math.isinf(edge) else str(edge)
            series.append((f'http_request_duration_seconds_bucket{{{pod},le="{le}"}}', times, total * part))
        series.append((f"http_request_duration_seconds_sum{{{pod}}}", times, total * mean(traffic.median)))
        series.append((f"http_request_duration_seconds_count{{{pod}}}", times, total))
    replicas = np.array([float(history.replicas_at(at)) for at in times])
    series.append((f"kube_deployment_spec_replicas{{{service}}}", times, replicas))
    series.append((f"kube_deployment_status_replicas_available{{{service}}}", times, replicas))
    return series


def _summed(parts: "np.ndarray[Any, np.dtype[np.float64]]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.concatenate([[0.0], np.cumsum(parts)])


def _rule(rule: Rule) -> dict[str, Any]:
    kind = "record" if rule.record else "alert"
    body: dict[str, Any] = {kind: rule.name, "expr": rule.expr, "labels": dict(rule.labels)}
    return body if rule.record else {**body, "for": rule.hold, "annotations": dict(rule.annotations)}


def _host(url: str) -> str:
    return url.removeprefix("http://").partition("/")[0]
