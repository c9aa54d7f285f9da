"""helm test: the hook's own command as a local process, with the hook's account and settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.charts.chart import Helm, Json, one
from tests.charts.fixtures import SHOP, VALUES
from tests.controlplane.cluster import ControlPlane

pytestmark = [pytest.mark.controlplane, pytest.mark.checkout]

WITHOUT_PROMETHEUS = {key: value for key, value in VALUES.items() if key != "prometheus.url"}
NARROW = {"watch.namespaces": [SHOP]}


def hook(plane: ControlPlane, helm: Helm, values: Json, release: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what the hook's pod would run."""
    name, namespace = release.split("/")
    objects = helm.render(values, release=name, namespace=namespace)
    pod = one(objects, "Pod")["spec"]
    (container,) = pod["containers"]
    (folder / "settings.yaml").write_text(one(objects, "ConfigMap")["data"]["settings.yaml"])
    env = os.environ | {each["name"]: each.get("value", "pod-name") for each in container["env"]}
    env |= {
        "TRIMTAB_KUBECONFIG": str(plane.service_account_kubeconfig(namespace, pod["serviceAccountName"])),
        "TRIMTAB_SETTINGS_FILE": str(folder / "settings.yaml"),
        "TRIMTAB_SECRETS": str(folder),
        "TRIMTAB_DATABASE_URL": f"sqlite:///{folder}/doctor.db",
    }
    assert container["command"] == ["trimtab"]
    command = [sys.executable, "-m", "controller", *container["args"]]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("values", "release"),
    [({}, "watcher/watching"), (NARROW, "narrow/narrowing"), (WITHOUT_PROMETHEUS, "trimtab/trimtab")],
    ids=["as it ships", "watching one namespace", "acting"],
)
def test_s17_helm_test_passes_where_every_right_is_needed_and_granted(
    charted: ControlPlane, helm: Helm, tmp_path: Path, values: Json, release: str
) -> None:
    done = hook(charted, helm, values, release, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    needed, granted = (done.stdout.partition(f" {word}")[0].split()[-1] for word in ("needed", "granted"))
    assert needed == granted
    assert "0 unused" in done.stdout


def test_helm_test_fails_and_names_what_does_not_answer(charted: ControlPlane, helm: Helm, tmp_path: Path) -> None:
    done = hook(charted, helm, VALUES | {"prometheus.url": "http://127.0.0.1:9"}, "trimtab/trimtab", tmp_path)

    assert done.returncode == 5
    assert "✖ Prometheus" in done.stdout
