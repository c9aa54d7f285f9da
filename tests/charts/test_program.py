"""The program itself, with the rights and the settings that the chart gives it, and nothing else."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.charts.chart import Helm, Json, one
from tests.charts.fixtures import SHOP
from tests.charts.test_rendering import environment
from tests.controlplane.audit import denied, effects, used_verbs
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.ports import free_port
from tests.controlplane.process import Process
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads

pytestmark = [pytest.mark.controlplane, pytest.mark.checkout]


@contextmanager
def running(plane: ControlPlane, helm: Helm, values: Json, release: str, namespace: str, folder: Path) -> Iterator[str]:
    """The program as the chart's Deployment starts it; gives the account's username."""
    objects = helm.render(values, release=release, namespace=namespace)
    deployment = one(objects, "Deployment")
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    settings, port = folder / "settings.yaml", free_port()
    settings.write_text(one(objects, "ConfigMap")["data"]["settings.yaml"])
    env = environment(deployment["spec"]) | {
        "TRIMTAB_SETTINGS_FILE": str(settings),
        "TRIMTAB_SECRETS": str(folder / "secrets"),
        "TRIMTAB_DATABASE_URL": f"sqlite:///{folder}/trimtab.db",
        "TRIMTAB_HTTP_HOST": "127.0.0.1",
        "TRIMTAB_HTTP_PORT": str(port),
        "TRIMTAB_KUBECONFIG": str(plane.service_account_kubeconfig(namespace, account)),
        "TRIMTAB_ROUND_SECONDS": "1",
        "TRIMTAB_ACTING_ROUND_SECONDS": "1",
    }
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    command = [sys.executable, "-m", "controller", *container["args"]]
    probe = container["readinessProbe"]["httpGet"]["path"]
    program = Process("trimtab", command, log=folder / "log", env=env, ready=answers(f"http://127.0.0.1:{port}{probe}"))
    program.start()
    try:
        yield f"system:serviceaccount:{namespace}:{account}"
    finally:
        program.stop()


def recorded(log: Path) -> set[str]:
    """The kinds of events that the program has put into its log of incidents."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return {line["kind"] for line in lines if line["event"] == "recorded"}


def answers(url: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return requests.get(url, timeout=2).status_code == 200
        except requests.RequestException:
            return False

    return ask


@pytest.mark.parametrize(
    ("values", "release", "namespace"),
    [({}, "watcher", "watching"), ({"watch.namespaces": [SHOP]}, "narrow", "narrowing")],
    ids=["everywhere", "one namespace"],
)
def test_s11_s17_as_installed_the_program_sees_a_fault_changes_nothing_and_is_never_refused(
    charted: ControlPlane, helm: Helm, tmp_path: Path, fresh: str, values: Json, release: str, namespace: str
) -> None:
    """No effect on a burning service, no 403, and no watch that the chart grants stays unused."""
    workloads = Workloads(charted.api, SHOP)
    workloads.deploy(fresh, f"registry.test/{fresh}:v42-crash")
    since = charted.audit.mark()

    with running(charted, helm, values, release, namespace, tmp_path) as user:
        wait_for("the fault is an incident", lambda: "opened" in recorded(tmp_path / "log"))
        wait_for("it has looked around", lambda: "diagnosed" in recorded(tmp_path / "log"))
        used = {(each.group, each.resource, each.verb) for each in used_verbs(charted.audit, user)}

    assert effects(charted.audit, since=since, user=user) == []
    assert denied(charted.audit, user, since=since) == []
    granted = {
        (rule["apiGroups"][0], resource, verb)
        for role in ("observe", "cluster")
        for rule in one(helm.render(), "ClusterRole", f"trimtab-{role}")["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {each for each in granted if each[2] == "watch"} <= used
    workloads.delete(fresh)
