"""The reference page of the rights: every rule of the chart's roles and why it is there."""

from __future__ import annotations

from collections.abc import Iterable

from controller.api.rights import CLUSTER, OBSERVE, Rule, acting_rules, own
from remediations.registry import shipped
from runbooks.load import library

INTRODUCTION = """\
# Rights

<!-- Written by make crds from the code in controller/api. Do not edit. -->

What the account of trimtab may, and why. No rule holds a wildcard, a secret, a way into a container, a token, or a
right over rights, and none to act is for `kube-system` or trimtab's own namespace. The program never writes RBAC.
"""

ACTING = """\
While `act.namespaces` is empty there is no rule here: trimtab observes. `trimtab rbac --runbooks DIR` prints what
runbooks of your own need besides.
"""

ADMISSION = """\
## What the rights alone would allow, and the admission policies take away

`patch deployments` can mount any secret of its namespace. So a ValidatingAdmissionPolicy holds trimtab's account,
whatever else is bound to it:

- it creates nothing that runs, and changes no Pod, Job, CronJob or ReplicaSet
- of a Deployment, StatefulSet or DaemonSet it changes no service account, token mounting, volume, host setting, host
  port, node, runtime class, pull secret or securityContext, of the pod or of a container; a container that it adds
  has no securityContext
- it makes no workload read a secret, as a variable, that the workload did not read before

A rollback that would need one of these is refused, and a person takes over.

A second policy guards the answers. Only trimtab writes a Remediation and its status. `spec.decision` is set once, by
whoever it names in `by`, who needs the verb `approve` on `remediations` there, and never by trimtab itself. The same
holds for the annotation `trimtab.dev/undo`, by which a person asks to take a change back.

## People

| ClusterRole | may | given to |
|---|---|---|
| `trimtab-approver` | answer Remediations | `approvers`, in `act.namespaces` |
| `trimtab-viewer` | read every kind | whoever holds `view` |
| `trimtab-author` | write ServicePolicies, Runbooks, PlannedEvents | whoever holds `admin` |
| `trimtab-pauser` | pause and resume | nobody: bind it yourself |

`rbac.bindApprovers` and `rbac.aggregate` turn the giving off.
"""


def page() -> str:
    """The whole page, in Markdown."""
    parts = [
        INTRODUCTION,
        _table("In every watched namespace", OBSERVE),
        _table("Once in the cluster", CLUSTER),
        _table("In its own namespace", own("the release's name")),
        _table("In each of `act.namespaces`", acting_rules(library(), shipped()), "for"),
        ACTING,
        ADMISSION,
    ]
    return "\n".join(parts)


def _table(title: str, rules: Iterable[Rule], why: str = "why") -> str:
    rows = [f"| {rule.group or 'core'} | {_resources(rule)} | {', '.join(rule.verbs)} | {rule.why} |" for rule in rules]
    return "\n".join([f"## {title}", "", f"| group | resource | verbs | {why} |", "|---|---|---|---|", *rows, ""])


def _resources(rule: Rule) -> str:
    named = f" named {', '.join(rule.names)}" if rule.names else ""
    return ", ".join(f"`{resource}`" for resource in rule.resources) + named
