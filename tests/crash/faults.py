"""What goes wrong, one fault per remediation, and the quick runbook that names it (a floor needs none)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.controlplane.workloads import Workloads
from tests.crash.fault import NAME, Fault
from tests.crash.floors import Floor
from tests.crash.load import Load
from tests.crash.replica import Replica

VERIFY = {
    "within": "2m",
    "for": "1s",
    "all": ["replicas.ready >= replicas.desired", "replicas.updated >= replicas.desired"],
}


class CrashLoop(Fault):
    """A rollout of a version that exits at once."""

    remediation = "rollback"

    def prepare(self, workloads: Workloads, load: Load | None) -> None:
        workloads.deploy(NAME, "registry.test/checkout:v41", wait=True)

    def strike(self, workloads: Workloads) -> None:
        workloads.rollout(NAME, "registry.test/checkout:v42-crash")


class OutOfMemory(Fault):
    """A version that needs more memory than its limit. One pod: each that comes and goes moves the resourceVersion,
    and on a slow machine three would win against the write three times.
    """

    remediation = "limits"

    def prepare(self, workloads: Workloads, load: Load | None) -> None:
        workloads.deploy(NAME, "registry.test/checkout:v41-oom-160Mi", replicas=1, memory="128Mi")


class BadState(Fault):
    """Everything looks well, but an alert fires until the pods are new."""

    remediation = "restart"

    def prepare(self, workloads: Workloads, load: Load | None) -> None:
        workloads.deploy(NAME, "registry.test/checkout:v41", wait=True)

    def tell(self, workloads: Workloads, replica: Replica) -> None:
        template = workloads.deployment(NAME)["spec"]["template"]["metadata"].get("annotations") or {}
        restarted = "kubectl.kubernetes.io/restartedAt" in template
        replica.alert(workloads.namespace, NAME, firing=not restarted)


FAULTS: Mapping[str, Fault] = {fault.remediation: fault for fault in (CrashLoop(), OutOfMemory(), BadState(), Floor())}


@dataclass(frozen=True)
class Book:
    """One runbook: when it fits, and what it does."""

    name: str
    when: str
    cause: str
    step: dict[str, object]


BOOKS = (
    Book(
        "crash-loop-after-rollout",
        "objects.crashLooping.count >= 1 && changes.rollout.onlyNewFails",
        "bad rollout",
        {"rollback": {"to": "lastHealthy"}},
    ),
    Book("oom-raise-memory-limit", "objects.oomKilled.count >= 2", "memory limit too low", {"limits": {"factor": 1.5}}),
    Book("restart-errors-without-change", "alerts.firing", "dependency", {"restart": {}}),
)
"""Under the names of the shipped ones, which they outrank: the same steps, verified within seconds."""


def write_runbooks(folder: Path) -> Path:
    """The folder for TRIMTAB_RUNBOOKS."""
    folder.mkdir(parents=True, exist_ok=True)
    for book in BOOKS:
        spec = {
            "summary": f"Repair {book.cause}.",
            "targets": ["Deployment"],
            "when": book.when,
            "cause": book.cause,
            "steps": [book.step],
            "verify": VERIFY,
        }
        runbook = {
            "apiVersion": "trimtab.dev/v1alpha1",
            "kind": "ClusterRunbook",
            "metadata": {"name": book.name, "annotations": {"trimtab.dev/version": "9"}},
            "spec": spec,
        }
        (folder / f"{book.name}.yaml").write_text(yaml.safe_dump(runbook))
    return folder
