"""A rolling update to a version that fails a fifth of its requests, judged by the counters of live pods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.controlplane.waiting import wait_for
from tests.endtoend.process import Trimtab
from tests.endtoend.story import GOOD, Story

Json = dict[str, Any]
FAILING = "registry.test/checkout:v42-errors"
SLOWLY = {
    "minReadySeconds": 15,
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
}
"""A pod every quarter of a minute: real rollouts give their judge that time and more."""


def consent(canary: str) -> Json:
    """A policy whose incidents loop merely observes."""
    return {
        "kind": "ServicePolicy",
        "metadata": {"name": "checkout"},
        "spec": {
            "target": {"kind": "Deployment", "name": "checkout"},
            "metrics": {"preset": "http"},
            "canary": {"mode": canary, "falseRollback": "1%"},
            "remediation": {"mode": "Observe"},
        },
    }


def rolls_out(story: Story, trimtab: Trimtab, canary: str) -> str:
    """A service that has run well, and a new version that comes one pod after the other; the workload's key."""
    story.apply(consent(canary))
    story.workloads.deploy("checkout", GOOD, 4, spec=SLOWLY, wait=True)
    key = f"{story.namespace}/Deployment/checkout"
    wait_for("v41 is known to be healthy", lambda: trimtab.logged("version known healthy", workload=key), timeout=120)
    story.workloads.rollout("checkout", FAILING)
    wait_for(
        "v42 is judged to be worse",
        lambda: trimtab.logged("rollout", kind="judged", verdict="roll-back", workload=key),
        timeout=120,
        every=0.25,
    )
    return key


@pytest.mark.timeout(600)
def test_a_version_that_fails_more_is_gone_back_from_alone_once_and_verified(story: Story, trimtab: Trimtab) -> None:
    key = rolls_out(story, trimtab, "Rollback")

    done = story.becomes("an outcome", lambda item: bool((item.get("status") or {}).get("outcome")), timeout=300)

    assert done["status"]["outcome"] == "Effective"
    assert done["spec"]["runbook"] == "regression-after-rollout@1"
    (effect,) = story.effects
    assert (effect.verb, effect.gvr.resource, effect.name) == ("patch", "deployments", "checkout")
    assert story.image == GOOD
    assert story.denied == []
    told = trimtab.cli("explain", done["spec"]["incident"])
    assert "v42-errors fails" in told.out
    assert "e-value" in told.out
    # Going back is no new version.
    wait_for("the rollout is over", lambda: trimtab.logged("rollout", kind="rollout-ended", workload=key))
    assert len(trimtab.logged("rollout", kind="rollout-began", workload=key)) == 1


@pytest.mark.timeout(600)
def test_a_policy_that_observes_its_rollouts_sees_it_and_nothing_is_done(story: Story, trimtab: Trimtab) -> None:
    key = rolls_out(story, trimtab, "Observe")
    shown = story.release.plane.kubectl("get", "servicepolicies", f"--namespace={story.namespace}")
    story.workloads.wait_ready("checkout", timeout=180)
    wait_for("the rollout is over", lambda: trimtab.logged("rollout", kind="rollout-ended", workload=key))

    assert story.effects == []
    assert story.image == FAILING
    assert "v42-errors" in shown
    incidents = trimtab.cli("incidents", "--all", "--output", "json")
    assert "regression-after-rollout" in trimtab.cli("explain", *incident_of(incidents.out, story.namespace)).out


def incident_of(listed: str, namespace: str) -> list[str]:
    """The name of the namespace's incident."""

    found = json.loads(listed)["incidents"]
    return [str(item["id"]) for item in found if item["namespace"] == namespace][:1]
