import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.rights import (
    CLUSTER,
    OBSERVE,
    READ,
    ForbiddenNamespace,
    ForbiddenRight,
    Rule,
    ServiceAccount,
    acting_rules,
    merged,
    own,
    roles,
    rules_for,
)
from remediations.base import Right
from remediations.registry import shipped
from runbooks.load import library

US = ServiceAccount("trimtab", "trimtab")
ACT = acting_rules(library(), shipped())
WORKLOADS = {"", "apps", "batch", "autoscaling", "policy"}


def test_s11_observing_holds_no_verb_that_changes_a_workload() -> None:
    assert {verb for rule in (*OBSERVE, *CLUSTER) if rule.group in WORKLOADS for verb in rule.verbs} == set(READ)


@pytest.mark.parametrize("rule", [*OBSERVE, *CLUSTER, *own("trimtab"), *ACT], ids=str)
def test_s17_no_rule_holds_a_wildcard_a_secret_or_a_way_in(rule: Rule) -> None:
    words = {rule.group, *rule.resources, *rule.verbs}

    assert "*" not in words
    assert words.isdisjoint({"secrets", "pods/exec", "pods/attach", "serviceaccounts/token", "escalate", "impersonate"})
    assert rule.why


def test_s17_acting_takes_nothing_but_to_patch_workloads_and_autoscalers_and_list_versions() -> None:
    assert {(rule.group, *rule.resources, rule.verbs) for rule in ACT} <= {
        ("apps", "daemonsets", ("patch",)),
        ("apps", "deployments", ("patch",)),
        ("apps", "replicasets", ("list",)),
        ("apps", "statefulsets", ("patch",)),
        ("autoscaling", "horizontalpodautoscalers", ("get", "patch")),
    }


def test_the_rules_follow_the_runbooks() -> None:
    rollbacks = [runbook for runbook in library() if {step.remediation for step in runbook.spec.steps} == {"rollback"}]

    assert rollbacks
    assert {rule.resources for rule in rules_for(rollbacks, shipped())} == {("deployments",), ("replicasets",)}
    assert rules_for([], shipped()) == ()


@pytest.mark.parametrize(
    "right",
    [
        Right("", "secrets", ("get",)),
        Right("", "pods/exec", ("create",)),
        Right("", "pods/ephemeralcontainers", ("patch",)),
        Right("", "serviceaccounts/token", ("create",)),
        Right("", "serviceaccounts", ("impersonate",)),
        Right("", "nodes/proxy", ("get",)),
        Right("apps", "*", ("patch",)),
        Right("*", "deployments", ("patch",)),
        Right("apps", "deployments", ("*",)),
        Right("apps", "deployments", ()),
        Right("apps", "deployments", ("deletecollection",)),
        Right("apps", "deployments/*", ("patch",)),
        Right("rbac.authorization.k8s.io", "roles", ("update",)),
        Right("admissionregistration.k8s.io", "validatingadmissionpolicies", ("delete",)),
        Right("trimtab.dev", "remediations", ("approve",)),
    ],
    ids=str,
)
def test_s17_a_remediation_from_outside_cannot_ask_for_more_than_trimtab_takes(right: Right) -> None:
    with pytest.raises(ForbiddenRight, match="remediation evil asks for"):
        merged([("evil", right)])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["one", "two"]),
            st.builds(
                Right,
                group=st.sampled_from(["apps", "", "autoscaling"]),
                resource=st.sampled_from(["deployments", "pods", "pods/eviction"]),
                verbs=st.lists(st.sampled_from(["get", "patch", "create"]), min_size=1, max_size=3).map(tuple),
            ),
        )
    )
)
def test_merged_rules_grant_what_was_asked_and_nothing_else(needs: list[tuple[str, Right]]) -> None:
    asked = {(right.group, right.resource, verb) for _, right in needs for verb in right.verbs}
    granted = [
        (rule.group, resource, verb) for rule in merged(needs) for resource in rule.resources for verb in rule.verbs
    ]

    assert sorted(granted) == sorted(asked)


def test_roles_bind_the_account_in_each_namespace_once() -> None:
    written = roles(ACT, ["shop", "bank", "shop"], US)

    assert [(each["kind"], each["metadata"]["namespace"]) for each in written] == [
        ("Role", "bank"), ("RoleBinding", "bank"), ("Role", "shop"), ("RoleBinding", "shop"),
    ]  # fmt: skip
    assert written[1]["subjects"] == [{"kind": "ServiceAccount", "namespace": "trimtab", "name": "trimtab"}]


@pytest.mark.parametrize("namespace", ["kube-system", "kube-public", "kube-node-lease", "trimtab"])
def test_s18_no_role_is_written_where_trimtab_never_acts(namespace: str) -> None:
    with pytest.raises(ForbiddenNamespace, match=namespace):
        roles(ACT, ["shop", namespace], US)
