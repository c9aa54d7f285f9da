"""One story: a namespace, its workloads, what is read of trimtab's objects there, and the judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.controlplane.audit import Effect, Mark, Verb, denied, effects
from tests.controlplane.waiting import wait_for
from tests.controlplane.workloads import Workloads
from tests.endtoend.process import Trimtab
from tests.endtoend.release import ACCOUNT, Release

Json = dict[str, Any]
API = "trimtab.dev/v1alpha1"
GOOD, CRASHING = "registry.test/checkout:v41", "registry.test/checkout:v42-crash"


@dataclass(frozen=True)
class Story:
    """What happens in `namespace` from `since` on."""

    release: Release
    namespace: str
    workloads: Workloads
    since: Mark

    @property
    def effects(self) -> list[Effect]:
        """What trimtab changed here."""
        return effects(self.release.plane.audit, since=self.since, user=ACCOUNT, namespace=self.namespace)

    @property
    def denied(self) -> list[Verb]:
        """What trimtab was refused, anywhere, since the story began."""
        return denied(self.release.plane.audit, ACCOUNT, since=self.since)

    def apply(self, body: Json) -> Json:
        """Create an object here."""
        return self.release.plane.api.create({"apiVersion": API, **body}, self.namespace)

    def remediations(self) -> list[Json]:
        """The Remediations, oldest first."""
        found = self.release.plane.api.list(API, "remediations", self.namespace)
        return sorted(found, key=lambda item: str(item["metadata"]["creationTimestamp"]))

    def asked(self, timeout: float = 90.0) -> Json:
        """The Remediation that waits for an answer, once it is there."""
        return wait_for(
            "a question",
            lambda: [one for one in self.remediations() if open_question(one)],
            timeout=timeout,
            every=0.25,
        )[-1]

    def remediation(self, name: str) -> Json:
        """One Remediation as it is."""
        return self.release.plane.api.get(API, "remediations", name, self.namespace)

    def outcome(self, name: str, timeout: float = 150.0) -> str:
        """What became of it, once that is known."""
        return wait_for(
            f"the outcome of {name}",
            lambda: str((self.remediation(name).get("status") or {}).get("outcome") or ""),
            timeout=timeout,
            every=0.25,
        )

    def image(self, name: str = "checkout") -> str:
        """The image that the template names."""
        return str(self.workloads.deployment(name)["spec"]["template"]["spec"]["containers"][0]["image"])

    def quick_runbook(self) -> None:
        """The shipped runbook with shorter times, for this namespace."""
        self.apply(
            {
                "kind": "Runbook",
                "metadata": {"name": "crash-loop-after-rollout"},
                "spec": {
                    "summary": "A new version crash-loops; go back to the one that ran.",
                    "targets": ["Deployment"],
                    "when": "objects.crashLooping.count >= 1 && changes.rollout.recent && changes.rollout.onlyNewFails",
                    "whenNot": "changes.rollout.previousAlsoFailed",
                    "cause": "bad rollout",
                    "steps": [{"rollback": {"to": "lastHealthy"}, "timeout": "1m"}],
                    "verify": {
                        "within": "2m",
                        "for": "3s",
                        "all": ["replicas.ready >= replicas.desired", "signals.errors.normal"],
                    },
                },
            }
        )

    def settled(self, trimtab: Trimtab, name: str = "checkout") -> None:
        """Return when trimtab knows the version that runs as one to go back to."""
        wait_for(
            f"{name} is known to be healthy",
            lambda: trimtab.logged("version known healthy", workload=f"{self.namespace}/Deployment/{name}"),
            every=0.25,
        )

    def healthy(self, name: str = "checkout", replicas: int = 4) -> None:
        """A service that has run well for long enough to be gone back to."""
        self.workloads.deploy(name, GOOD, replicas, wait=True)


def open_question(item: Json) -> bool:
    """Whether a Remediation asks and nobody has answered."""
    status = item.get("status") or {}
    return status.get("route") == "Ask" and not status.get("answer") and not item["spec"].get("decision")


def condition(item: Json, kind: str) -> Json:
    """One condition of a status; empty when it is not there."""
    found = (item.get("status") or {}).get("conditions") or []
    return next((one for one in found if one["type"] == kind), {})
