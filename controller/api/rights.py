"""The rights trimtab needs: to read, to keep its own books, and, per remediation, to act.

The one list that the chart's roles, `trimtab rbac` and `trimtab doctor` are made of. Promises that no rule made here
holds a wildcard, a secret, a way into a container, a token or anything that widens rights, whatever a remediation
from outside asks for. Grants nothing itself: the program never writes RBAC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.api.shapes import GROUP
from controller.errors import Terminal
from remediations.base import Right
from remediations.floor import Floor
from remediations.registry import Registry, rights_for
from runbooks.schema import Runbook

READ: Final = ("get", "list", "watch")
SEE: Final = ("list", "watch")


@dataclass(frozen=True, slots=True)
class Rule:
    """One RBAC rule and why it is there. `names` limits it to objects of these names."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str = ""
    names: tuple[str, ...] = ()

    def manifest(self) -> dict[str, Any]:
        """The rule as RBAC writes it."""
        named = {"resourceNames": list(self.names)} if self.names else {}
        return {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)} | named


OBSERVE: Final = (
    Rule("apps", ("daemonsets", "deployments", "statefulsets"), READ, "the workloads"),
    Rule("apps", ("replicasets",), SEE, "their versions"),
    Rule("", ("pods",), SEE, "what crash-loops, is killed for memory, cannot pull its image"),
    Rule("autoscaling", ("horizontalpodautoscalers",), SEE, "who else moves the replicas, and what a floor would be"),
    Rule("policy", ("poddisruptionbudgets",), ("list",), "what may not be disrupted"),
    Rule(GROUP, ("plannedevents", "runbooks", "servicepolicies"), SEE, "what people have written"),
    Rule(GROUP, ("remediations",), (*READ, "create"), "puts a plan before people, and waits for their answer"),
    Rule(
        GROUP,
        ("plannedevents/status", "remediations/status", "runbooks/status", "servicepolicies/status"),
        ("patch",),
        "says what became of them",
    ),
    Rule("events.k8s.io", ("events",), ("create", "patch"), "says what happens where kubectl describe shows it"),
)
"""In every watched namespace. Nothing here changes a workload."""

CLUSTER: Final = (
    Rule("", ("namespaces",), ("get",), "the pause annotation on them"),
    Rule("", ("services",), ("get",), "what Prometheus, the database and admission webhooks run on: never targets"),
    Rule(
        "admissionregistration.k8s.io",
        ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"),
        ("list",),
        "which services answer admission: never targets",
    ),
    Rule(GROUP, ("automationpauses",), ("create", "delete", "list"), "the kill switch, in Slack and on the page too"),
    Rule(GROUP, ("clusterrunbooks",), SEE, "the runbooks of administrators"),
    Rule("authentication.k8s.io", ("tokenreviews",), ("create",), "who is asking"),
    Rule("authorization.k8s.io", ("subjectaccessreviews",), ("create",), "may they"),
)
"""Once in the cluster."""


def own(lease: str) -> tuple[Rule, ...]:
    """In trimtab's own namespace: the Lease by which one replica leads."""
    return (
        Rule("coordination.k8s.io", ("leases",), ("create",), "begins to lead; RBAC cannot limit a create to a name"),
        Rule("coordination.k8s.io", ("leases",), ("get", "update"), "leads", names=(lease,)),
    )


class ForbiddenRight(Terminal):
    """A remediation asks for a right that trimtab never takes."""


class ForbiddenNamespace(Terminal):
    """trimtab never acts in this namespace."""


def rules_for(runbooks: Iterable[Runbook], registry: Registry) -> tuple[Rule, ...]:
    """What the steps of these runbooks need in the namespace of their target, besides reading.

    One rule per group, resource and remediation that needs it, in stable order. Raises `ForbiddenRight`, and
    `remediations.registry.UnknownRemediation` for a step that names none.
    """
    return merged(
        (step.remediation, right)
        for runbook in runbooks
        for step in runbook.spec.steps
        for right in rights_for(registry[step.remediation], runbook.spec.targets)
    )


def acting_rules(runbooks: Iterable[Runbook], registry: Registry) -> tuple[Rule, ...]:
    """What acting takes in all: the steps of these runbooks, and the scaling loop's floor. Raises like `rules_for`."""
    steps = (
        (step.remediation, right)
        for runbook in runbooks
        for step in runbook.spec.steps
        for right in rights_for(registry[step.remediation], runbook.spec.targets)
    )
    return merged((*steps, *((Floor.name, right) for right in Floor.needs)))


def merged(needs: Iterable[tuple[str, Right]]) -> tuple[Rule, ...]:
    """Rights of several remediations as one rule per resource, naming who needs it."""
    verbs: dict[tuple[str, str], set[str]] = {}
    users: dict[tuple[str, str], set[str]] = {}
    for name, right in needs:
        refuse_forbidden(name, right)
        verbs.setdefault((right.group, right.resource), set()).update(right.verbs)
        users.setdefault((right.group, right.resource), set()).add(name)
    return tuple(
        Rule(group, (resource,), tuple(sorted(verbs[group, resource])), ", ".join(sorted(users[group, resource])))
        for group, resource in sorted(verbs)
    )


_FORBIDDEN_GROUPS: Final = frozenset(
    {
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "certificates.k8s.io",
        "rbac.authorization.k8s.io",
        GROUP,
    }
)
_FORBIDDEN_CORE: Final = frozenset({"bindings", "configmaps", "namespaces", "secrets", "serviceaccounts"})
_FORBIDDEN_SUBRESOURCES: Final = frozenset(
    {"attach", "binding", "ephemeralcontainers", "exec", "portforward", "proxy", "token"}
)
_FORBIDDEN_VERBS: Final = frozenset({"approve", "bind", "deletecollection", "escalate", "impersonate", "sign"})


def refuse_forbidden(name: str, right: Right) -> None:
    """Raise `ForbiddenRight` for anything that reads secrets, enters containers, issues tokens or widens rights."""
    resource, _, subresource = right.resource.partition("/")
    forbidden = (
        "*" in (right.group, resource, subresource, *right.verbs)
        or right.group in _FORBIDDEN_GROUPS
        or (right.group == "" and resource in _FORBIDDEN_CORE)
        or subresource in _FORBIDDEN_SUBRESOURCES
        or not _FORBIDDEN_VERBS.isdisjoint(right.verbs)
        or not right.verbs
    )
    if forbidden:
        verbs = ", ".join(right.verbs) or "nothing"
        raise ForbiddenRight(
            f"remediation {name} asks for {verbs} on {right.resource} in group {right.group or 'core'}",
            "trimtab takes no wildcard, secret, way into containers, token or right over rights: remove it",
        )


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The account the program runs as."""

    namespace: str
    name: str

    @property
    def username(self) -> str:
        """As the API server names it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


def roles(
    rules: Sequence[Rule], namespaces: Iterable[str], account: ServiceAccount, name: str = "trimtab-act"
) -> list[dict[str, Any]]:
    """A Role with these rules and its RoleBinding in each namespace; raises `ForbiddenNamespace`."""
    written = []
    for namespace in sorted(set(namespaces)):
        refuse_namespace(namespace, account)
        metadata = {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": "trimtab", "app.kubernetes.io/part-of": "trimtab"},
        }
        written.append(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": metadata,
                "rules": [rule.manifest() for rule in rules],
            }
        )
        written.append(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "namespace": account.namespace, "name": account.name}],
            }
        )
    return written


def refuse_namespace(namespace: str, account: ServiceAccount) -> None:
    """Raise `ForbiddenNamespace` for the places that are never targets (S18)."""
    if namespace in {"kube-system", "kube-public", "kube-node-lease", account.namespace}:
        raise ForbiddenNamespace(
            f"trimtab never acts in namespace {namespace}",
            "take it out of the list: the cluster's own namespaces and trimtab's are never targets",
        )
