"""A cluster with the chart installed, Prometheus before it, and everything a story needs: one namespace per story.

At most one release runs at a time, since all of them share the chart's one Lease.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.charts.chart import Helm, install
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.exporter import Exporter
from tests.controlplane.prometheus import History, Prometheus, Rule
from tests.controlplane.slack import SlackServer
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads
from tests.endtoend.process import Trimtab

Json = dict[str, Any]
ACCOUNT = "system:serviceaccount:trimtab:trimtab"
PEOPLE = "people"
ANNA = f"system:serviceaccount:{PEOPLE}:anna"
"""A person who logs in to the page with a token; `mara` has a client certificate, and is U1 in Slack."""
HISTORY_DAYS = 900 / 86_400
QUICK = {
    "TRIMTAB_ROUND_SECONDS": "3",
    "TRIMTAB_ACTING_ROUND_SECONDS": "1",
    "TRIMTAB_HEALTHY_REVISION_SECONDS": "3",
    "TRIMTAB_BASELINE_SECONDS": "600",
}
"""What takes minutes in production and would take them here. Nothing that decides is loosened."""

RULES = (
    Rule(
        "PodCrashLooping",
        "max by (namespace, pod) "
        '(max_over_time(kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff"}[5s])) > 0',
        "1s",
        {"severity": "critical"},
    ),
    Rule(
        "HighErrorRate",
        'sum by (namespace, deployment) (rate(http_requests_total{code=~"5.."}[5s]))'
        " / sum by (namespace, deployment) (rate(http_requests_total[5s])) > 0.05",
        "2s",
        {"severity": "critical"},
    ),
)


def values(namespaces: list[str], prometheus: str) -> Json:
    """The chart's values for a cluster with approvers, Slack and a Prometheus."""
    return {
        "act.namespaces": namespaces,
        "approvers": ["mara", ANNA, "group:sre-oncall"],
        "groups": {"sre-oncall": ["li"]},
        "prometheus.url": prometheus,
        "prometheus.scrapeInterval": 1,
        "slack.channel": "C1",
        "slack.users": {"U1": "mara"},
        "policyDefaults": {"mode": "Approve", "preset": "http"},
        "budgets.cluster": 100,
        "env": QUICK,
    }


class Release:
    """The chart, installed on `plane` to act in `namespaces`.

    Without a `history`, each namespace has a quarter of an hour of the service checkout behind it. `settings` are laid
    over the chart's values.
    """

    def __init__(
        self,
        plane: ControlPlane,
        helm: Helm,
        folder: Path,
        namespaces: list[str],
        *,
        history: Sequence[History] | None = None,
        settings: Json | None = None,
    ) -> None:
        self.plane = plane
        self.folder = folder
        self.namespaces = namespaces
        self.exporter = Exporter(plane.user_kubeconfig("system:exporter", "system:masters"))
        if history is None:
            history = [History(name, "checkout", days=HISTORY_DAYS, step=1) for name in namespaces]
        self.prometheus = Prometheus(folder / "prometheus", [self.exporter.url], history=history, rules=RULES)
        self.objects = helm.render({**values(namespaces, self.prometheus.url), **(settings or {})})
        self._running: list[Trimtab] = []
        self._starts = 0

    def start(self) -> Release:
        """Install the chart and start Prometheus."""
        self.install()
        self.prometheus.start()
        return self

    def install(self) -> None:
        """Make the namespaces and install the chart; Prometheus is for you to start."""
        for name in ("trimtab", PEOPLE, *self.namespaces):
            self.plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        # The pods of the release are our processes.
        install(self.plane, [found for found in self.objects if found["kind"] not in {"Deployment", "Service"}])

    def close(self) -> None:
        """End everything that was started here."""
        self.end()
        self.prometheus.stop()
        self.exporter.close()

    def end(self) -> None:
        """End every replica, and forget the Lease: the next one comes with a store of its own."""
        for replica in self._running:
            replica.process.stop()
        self._running.clear()
        if self.plane.api.find("coordination.k8s.io/v1", "leases", "trimtab", "trimtab") is not None:
            self.plane.api.delete("coordination.k8s.io/v1", "leases", "trimtab", "trimtab")

    def replica(
        self,
        slack: SlackServer | None = None,
        *,
        identity: str = "trimtab-0",
        database: str = "",
        kubeconfig: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Trimtab:
        """One more replica, not started yet; `end` stops it."""
        self._starts += 1
        secrets = {} if slack is None else {"slack/bot-token": slack.bot_token, "slack/app-token": slack.app_token}
        chat = {"TRIMTAB_SLACK_CHANNEL": ""} if slack is None else {"TRIMTAB_SLACK_API_URL": slack.base_url}
        made = Trimtab(
            self.folder / f"{self._starts:02}-{identity}",
            self.objects,
            kubeconfig or self.plane.service_account_kubeconfig("trimtab", "trimtab"),
            identity=identity,
            database=database,
            secrets=secrets,
            env={**chat, **(env or {})},
        )
        self._running.append(made)
        return made

    def person(self, name: str) -> Path:
        """A person's kubeconfig, by client certificate."""
        return self.plane.user_kubeconfig(name)

    def token(self) -> str:
        """Anna's token for the page."""
        self.plane.service_account_kubeconfig(PEOPLE, "anna")
        return self.plane.token(PEOPLE, "anna")

    @property
    def leader(self) -> str:
        """Who holds the Lease; empty while nobody does."""
        lease = self.plane.api.find("coordination.k8s.io/v1", "leases", "trimtab", "trimtab")
        return "" if lease is None else str(lease["spec"].get("holderIdentity") or "")

    def leads(self, replica: Trimtab, timeout: float = 120.0) -> Trimtab:
        """Return when this replica leads."""
        wait_for(f"{replica.identity} leads", lambda: self.leader == replica.identity, timeout=timeout)
        return replica

    @contextmanager
    def workloads(self, namespace: str) -> Iterator[Workloads]:
        """The workloads of one story, gone afterwards, so that nobody else has to look at them."""
        found = Workloads(self.plane.api, namespace)
        with ExitStack() as after:
            after.callback(self._clear, namespace)
            yield found

    def _clear(self, namespace: str) -> None:
        api = self.plane.api
        for item in api.list("apps/v1", "deployments", namespace):
            api.delete("apps/v1", "deployments", item["metadata"]["name"], namespace, propagationPolicy="Background")
        wait_for("the pods are gone", lambda: not api.list("v1", "pods", namespace), timeout=30)
