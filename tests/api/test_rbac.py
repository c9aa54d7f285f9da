from typing import Any

import pytest
import yaml

from controller.api.manifest import documents
from controller.api.rbac import Nowhere, roles_for
from controller.api.rights import ForbiddenNamespace, ServiceAccount
from remediations.registry import shipped
from runbooks.load import load_text
from runbooks.schema import Runbook

US = ServiceAccount("trimtab", "trimtab")
RUNBOOK = """apiVersion: trimtab.dev/v1alpha1
kind: {kind}
metadata: {metadata}
spec:
  summary: Restart it.
  targets: [{target}]
  when: objects.notReady.count > 0
  cause: process in a bad state
  steps: [{{{step}}}]
  verify: {{within: 10m, all: [replicas.ready >= replicas.desired]}}
"""


@pytest.fixture
def own() -> tuple[Runbook, ...]:
    """One that restarts StatefulSets of `bank`, and one for the cluster that rolls Deployments back."""
    texts = (
        RUNBOOK.format(
            kind="Runbook", metadata="{name: one, namespace: bank}", target="StatefulSet", step="restart: {}"
        ),
        RUNBOOK.format(
            kind="ClusterRunbook", metadata="{name: two}", target="Deployment", step="rollback: {to: lastHealthy}"
        ),
    )
    loaded = load_text("---\n".join(texts), "own.yaml")
    assert loaded.problems == ()
    return loaded.runbooks


def granted(written: list[dict[str, Any]]) -> dict[str, set[tuple[str, str]]]:
    return {
        each["metadata"]["namespace"]: {
            (resource, verb) for rule in each["rules"] for resource in rule["resources"] for verb in rule["verbs"]
        }
        for each in written
        if each["kind"] == "Role"
    }


def test_s17_each_namespace_gets_what_its_runbooks_need_and_no_more(own: tuple[Runbook, ...]) -> None:
    assert granted(roles_for(own, ["shop", "bank"], US, shipped())) == {
        "bank": {("statefulsets", "patch"), ("deployments", "patch"), ("replicasets", "list")},
        "shop": {("deployments", "patch"), ("replicasets", "list")},
    }


def test_a_runbook_of_one_namespace_needs_nothing_elsewhere(own: tuple[Runbook, ...]) -> None:
    assert granted(roles_for(own[:1], ["shop"], US, shipped())) == {"bank": {("statefulsets", "patch")}}


def test_the_printed_roles_are_yaml_that_binds_the_account(own: tuple[Runbook, ...]) -> None:
    written = roles_for(own, ["shop"], US, shipped())

    assert list(yaml.safe_load_all(documents(written))) == written
    assert [each["subjects"][0]["name"] for each in written if "subjects" in each] == ["trimtab", "trimtab"]


def test_a_runbook_for_anywhere_needs_to_be_told_where(own: tuple[Runbook, ...]) -> None:
    with pytest.raises(Nowhere, match="two names no namespace"):
        roles_for(own, [], US, shipped())


def test_s18_no_right_is_printed_where_trimtab_never_acts(own: tuple[Runbook, ...]) -> None:
    with pytest.raises(ForbiddenNamespace, match="kube-system"):
        roles_for(own, ["kube-system"], US, shipped())
