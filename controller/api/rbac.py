"""`trimtab rbac --runbooks DIR`: the Roles that runbooks of one's own need, as YAML to read and apply.

Prints, and never applies: the program writes no RBAC. A runbook that names its namespace needs its rights there only;
one that names none needs them wherever trimtab may act.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from controller.api.manifest import documents
from controller.api.rights import ServiceAccount, roles, rules_for
from controller.errors import Terminal
from remediations.registry import Registry
from runbooks.load import load_paths
from runbooks.schema import Runbook

ROLE = "trimtab-runbooks"


class BadRunbooks(Terminal):
    """The folder holds no runbook, or one with a mistake; nothing is printed for half of them."""


def rbac(paths: Iterable[Path], namespaces: Iterable[str], account: ServiceAccount, registry: Registry) -> str:
    """Roles and RoleBindings as YAML.

    Raises `BadRunbooks`, `controller.api.rights.ForbiddenRight` and `ForbiddenNamespace`.
    """
    paths = tuple(paths)
    loaded = load_paths(paths, registry)
    if loaded.problems:
        raise BadRunbooks("; ".join(str(problem) for problem in loaded.problems), "mend them: trimtab runbook lint")
    if not loaded.runbooks:
        raise BadRunbooks(f"no runbook in {', '.join(str(path) for path in paths)}", "name a folder of *.yaml files")
    by_namespace = _by_namespace(loaded.runbooks, tuple(namespaces))
    written = [
        role
        for namespace in sorted(by_namespace)
        for role in roles(rules_for(by_namespace[namespace], registry), [namespace], account, ROLE)
    ]
    names = ", ".join(sorted(runbook.name for runbook in loaded.runbooks))
    return f"# The rights that {names} need. Read them, then: kubectl apply -f -\n{documents(written)}"


def _by_namespace(runbooks: Iterable[Runbook], everywhere: tuple[str, ...]) -> dict[str, list[Runbook]]:
    found: dict[str, list[Runbook]] = {}
    for runbook in runbooks:
        own = (runbook.metadata.namespace,) if runbook.metadata.namespace else everywhere
        if not own:
            raise BadRunbooks(
                f"{runbook.name} names no namespace, and none is given",
                "say where trimtab may act: --namespace NAME, or act.namespaces in the settings",
            )
        for namespace in own:
            found.setdefault(namespace, []).append(runbook)
    return found
