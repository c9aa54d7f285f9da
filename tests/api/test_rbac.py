from pathlib import Path

import pytest
import yaml

from controller.api.rbac import BadRunbooks, rbac
from controller.api.rights import ForbiddenNamespace, ServiceAccount
from remediations.registry import shipped

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
def folder(tmp_path: Path) -> Path:
    """One that restarts StatefulSets of `bank`, and one for the cluster that rolls Deployments back."""
    own = RUNBOOK.format(
        kind="Runbook", metadata="{name: one, namespace: bank}", target="StatefulSet", step="restart: {}"
    )
    wide = RUNBOOK.format(
        kind="ClusterRunbook", metadata="{name: two}", target="Deployment", step="rollback: {to: lastHealthy}"
    )
    (tmp_path / "one.yaml").write_text(own)
    (tmp_path / "two.yaml").write_text(wide)
    return tmp_path


def rules(text: str) -> dict[str, set[tuple[str, str]]]:
    return {
        each["metadata"]["namespace"]: {
            (resource, verb) for rule in each["rules"] for resource in rule["resources"] for verb in rule["verbs"]
        }
        for each in yaml.safe_load_all(text)
        if each["kind"] == "Role"
    }


def test_each_namespace_gets_what_its_runbooks_need_and_no_more(folder: Path) -> None:
    assert rules(rbac([folder], ["shop", "bank"], US, shipped())) == {
        "bank": {("statefulsets", "patch"), ("deployments", "patch"), ("replicasets", "list")},
        "shop": {("deployments", "patch"), ("replicasets", "list")},
    }


def test_the_printed_roles_bind_the_account(folder: Path) -> None:
    bindings = [each for each in yaml.safe_load_all(rbac([folder], ["shop"], US, shipped())) if "subjects" in each]

    assert [each["subjects"][0]["name"] for each in bindings] == ["trimtab", "trimtab"]


def test_a_runbook_for_anywhere_needs_to_be_told_where(folder: Path) -> None:
    with pytest.raises(BadRunbooks, match="two names no namespace"):
        rbac([folder], [], US, shipped())


def test_s18_no_right_is_printed_where_trimtab_never_acts(folder: Path) -> None:
    with pytest.raises(ForbiddenNamespace, match="kube-system"):
        rbac([folder], ["kube-system"], US, shipped())


def test_a_runbook_with_a_mistake_gets_no_rights(folder: Path) -> None:
    (folder / "three.yaml").write_text("kind: Runbok")

    with pytest.raises(BadRunbooks, match=r"three\.yaml"):
        rbac([folder], ["shop"], US, shipped())


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(BadRunbooks):
        rbac([tmp_path], ["shop"], US, shipped())
