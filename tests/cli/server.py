"""The program beside the command line: one process on a cluster with the chart installed, and the people who answer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.charts.chart import Helm
from tests.charts.fixtures import SHOP, VALUES
from tests.cli.run import Trimtab
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads
from tests.endtoend.process import Trimtab as Program

Json = dict[str, Any]
QUICK = {
    "TRIMTAB_ROUND_SECONDS": "2",
    "TRIMTAB_ACTING_ROUND_SECONDS": "1",
    "TRIMTAB_HEALTHY_REVISION_SECONDS": "2",
    "TRIMTAB_CLEAR_AFTER_SECONDS": "5",
    "TRIMTAB_POLICY_DEFAULTS__MODE": "Approve",
    "TRIMTAB_PROMETHEUS_URL": "",
    "TRIMTAB_BUDGETS__NAMESPACE": "100",
    "TRIMTAB_BUDGETS__CLUSTER": "100",
    "TRIMTAB_LEASE_SECONDS": "4",
    "TRIMTAB_RENEW_SECONDS": "1",
    "TRIMTAB_WORKERS": "0",
}


class Place:
    """A cluster where trimtab may act in `shop`, and command lines for whoever stands before it."""

    def __init__(self, plane: ControlPlane, helm: Helm, folder: Path) -> None:
        self.plane, self.folder = plane, folder
        self.workloads = Workloads(plane.api, SHOP)
        self._objects = helm.render(VALUES)
        self._account = plane.service_account_kubeconfig("trimtab", "trimtab")

    def program(self, name: str, env: Mapping[str, str] | None = None) -> Program:
        """One process with its own store."""
        return Program(self.folder / name, self._objects, self._account, identity=name, env={**QUICK, **(env or {})})

    def person(self, user: str, group: str | None = None) -> Trimtab:
        """The command line of somebody with a kubeconfig and nothing else."""
        return Trimtab({"KUBECONFIG": str(self.plane.user_kubeconfig(user, group))}, self.folder)

    def broken(self, program: Program, name: str) -> Json:
        """A crash-looping rollout after a healthy version, until its Remediation asks; returns that object."""
        self.workloads.deploy(name, f"registry.test/{name}:v41", 3, wait=True)
        key = f"{SHOP}/Deployment/{name}"
        wait_for("its version is known healthy", lambda: program.logged("version known healthy", workload=key))
        self.workloads.rollout(name, f"registry.test/{name}:v42-crash")
        return self.asked(name)

    def asked(self, name: str) -> Json:
        """The Remediation of a workload that waits for an answer."""
        found = wait_for(f"{name} asks", lambda: self._asking(name), timeout=90)
        assert found is not None
        return found

    def _asking(self, name: str) -> Json | None:
        for item in self.plane.api.list("trimtab.dev/v1alpha1", "remediations", SHOP):
            status = item.get("status") or {}
            if item["spec"]["target"]["name"] == name and status.get("route") == "Ask" and not status.get("answer"):
                return item
        return None

    def remediation(self, item: Json) -> Json:
        """It, as it is now."""
        found: Json = self.plane.api.get("trimtab.dev/v1alpha1", "remediations", item["metadata"]["name"], SHOP)
        return found


def condition(item: Json, kind: str) -> Json:
    """One condition of a Remediation; fails when it is not there."""
    (found,) = [one for one in item["status"]["conditions"] if one["type"] == kind]
    return dict(found)
