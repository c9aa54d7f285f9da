"""One story: a namespace, its workloads, what is read of trimtab's objects there, and the judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.controlplane.api import MERGE_PATCH
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

    # The judge

    @property
    def effects(self) -> list[Effect]:
        """What trimtab changed here."""
        return effects(self.release.plane.audit, since=self.since, user=ACCOUNT, namespace=self.namespace)

    @property
    def denied(self) -> list[Verb]:
        """What trimtab was refused, anywhere, since the story began."""
        return denied(self.release.plane.audit, ACCOUNT, since=self.since)

    # The service

    def healthy(self, trimtab: Trimtab, name: str = "checkout", image: str = GOOD, memory: str = "128Mi") -> None:
        """A service that has run well for long enough to be gone back to."""
        self.workloads.deploy(name, image, 4, memory=memory, wait=True)
        known = f"{self.namespace}/Deployment/{name}"
        wait_for(
            f"{name} is known to be healthy",
            lambda: trimtab.logged("version known healthy", workload=known),
            every=0.25,
        )

    def broken(self, trimtab: Trimtab, **verify: Any) -> Json:
        """A service whose newest version crash-loops, and the question about it."""
        self.apply(rollback_runbook(**verify))
        self.healthy(trimtab)
        self.workloads.rollout("checkout", CRASHING)
        return self.asked()

    def container(self, name: str = "checkout") -> Json:
        """The container of the template."""
        (found,) = self.workloads.deployment(name)["spec"]["template"]["spec"]["containers"]
        return dict(found)

    @property
    def image(self) -> str:
        """The image that the template names."""
        return str(self.container()["image"])

    # trimtab's objects

    def apply(self, body: Json) -> Json:
        """Create an object here."""
        return self.release.plane.api.create({"apiVersion": API, **body}, self.namespace)

    def remediations(self) -> list[Json]:
        """The Remediations, oldest first."""
        found = self.release.plane.api.list(API, "remediations", self.namespace)
        return sorted(found, key=lambda item: str(item["metadata"]["creationTimestamp"]))

    def remediation(self, name: str) -> Json:
        """One Remediation as it is."""
        return self.release.plane.api.get(API, "remediations", name, self.namespace)

    def asked(self, timeout: float = 240.0) -> Json:
        """The Remediation that waits for an answer, once it is there."""
        return self.becomes("a question", open_question, timeout)

    def becomes(self, what: str, accept: Callable[[Json], bool], timeout: float = 120.0) -> Json:
        """The newest Remediation that `accept` likes, once there is one."""
        return wait_for(what, lambda: [one for one in self.remediations() if accept(one)], timeout=timeout, every=0.25)[
            -1
        ]

    def outcome(self, asked: Json, timeout: float = 300.0) -> str:
        """What became of it, once that is known."""
        name = asked["metadata"]["name"]
        return wait_for(
            f"the outcome of {name}",
            lambda: str((self.remediation(name).get("status") or {}).get("outcome") or ""),
            timeout=timeout,
            every=0.25,
        )

    def executed(self, asked: Json) -> Effect:
        """The one write that followed an approval, once it is there."""
        wait_for(
            "the approval is carried out",
            lambda: condition(self.remediation(asked["metadata"]["name"]), "Executed").get("status") == "True",
            timeout=120,
            every=0.2,
        )
        (effect,) = self.effects
        return effect

    def decide(self, asked: Json, by: str, *, verdict: str = "Approve", kubeconfig: Path | None = None) -> str:
        """`kubectl patch` of the decision; `FixtureError` with what kubectl said when it is refused."""
        decision = {"verdict": verdict, "digest": asked["spec"]["digest"], "by": by}
        return self.release.plane.kubectl(
            "patch",
            "remediation",
            asked["metadata"]["name"],
            f"--namespace={self.namespace}",
            "--type=merge",
            f"--patch={json.dumps({'spec': {'decision': decision}})}",
            kubeconfig=kubeconfig,
        )

    def approve(self, asked: Json) -> None:
        """Mara approves with kubectl."""
        self.decide(asked, "mara", kubeconfig=self.release.person("mara"))

    def mark_namespace(self, **annotations: str | None) -> None:
        """Set annotations of the namespace; None takes one away."""
        notes = {f"trimtab.dev/{name}": value for name, value in annotations.items()}
        self.release.plane.api.patch(
            "v1", "namespaces", self.namespace, {"metadata": {"annotations": notes}}, kind=MERGE_PATCH
        )


def rollback_runbook(within: str = "2m", lasting: str = "3s") -> Json:
    """The shipped runbook for crash loops with shorter times, for one namespace."""
    return runbook(
        "crash-loop-after-rollout",
        "A new version crash-loops; go back to the one that ran.",
        when="objects.crashLooping.count >= 1 && changes.rollout.recent && changes.rollout.onlyNewFails",
        when_not="changes.rollout.previousAlsoFailed",
        cause="bad rollout",
        step={"rollback": {"to": "lastHealthy"}},
        within=within,
        lasting=lasting,
    )


def runbook(
    name: str, summary: str, *, when: str, when_not: str, cause: str, step: Json, within: str, lasting: str
) -> Json:
    """A Runbook of one step."""
    return {
        "kind": "Runbook",
        "metadata": {"name": name},
        "spec": {
            "summary": summary,
            "targets": ["Deployment"],
            "when": when,
            "whenNot": when_not,
            "cause": cause,
            "steps": [{**step, "timeout": "1m"}],
            "verify": {
                "within": within,
                "for": lasting,
                "all": ["replicas.ready >= replicas.desired", "signals.errors.normal"],
            },
        },
    }


def open_question(item: Json) -> bool:
    """Whether a Remediation asks and nobody has answered."""
    status = item.get("status") or {}
    return status.get("route") == "Ask" and not status.get("answer") and not item["spec"].get("decision")


def condition(item: Json, kind: str) -> Json:
    """One condition of a status; empty when it is not there."""
    found = (item.get("status") or {}).get("conditions") or []
    return next((one for one in found if one["type"] == kind), {})


def reasons(item: Json) -> set[str]:
    """The reason codes of a Remediation's decision."""
    return {reason["code"] for reason in (item.get("status") or {}).get("reasons") or ()}
