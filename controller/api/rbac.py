"""What `trimtab rbac --runbooks DIR` prints: the Roles that runbooks of one's own need.

A runbook that names its namespace needs its rights there only; one that names none needs them wherever trimtab may
act. Printed for an administrator to read and apply: the program writes no RBAC.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.api.rights import ServiceAccount, roles, rules_for
from controller.errors import Terminal
from remediations.registry import Registry
from runbooks.schema import Runbook

ROLE = "trimtab-runbooks"
"""Another name than the chart's own role, so that neither overwrites the other."""


class Nowhere(Terminal):
    """A runbook names no namespace, and nobody said where trimtab may act."""


def roles_for(
    runbooks: Iterable[Runbook], everywhere: Iterable[str], account: ServiceAccount, registry: Registry
) -> list[dict[str, Any]]:
    """A Role and its RoleBinding for each namespace; `everywhere` is where runbooks without one act.

    Raises `Nowhere`, `controller.api.rights.ForbiddenRight` and `ForbiddenNamespace`.
    """
    by_namespace: dict[str, list[Runbook]] = {}
    wide = tuple(everywhere)
    for runbook in runbooks:
        own = (runbook.metadata.namespace,) if runbook.metadata.namespace else wide
        if not own:
            raise Nowhere(
                f"{runbook.name} names no namespace, and none is given", "--namespace NAMESPACE, or set act_namespaces"
            )
        for namespace in own:
            by_namespace.setdefault(namespace, []).append(runbook)
    return [
        role
        for namespace, there in sorted(by_namespace.items())
        for role in roles(rules_for(there, registry), [namespace], account, ROLE)
    ]
