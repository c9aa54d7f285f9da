"""The reference page of the kinds: every field, as its schema says it.

Promises that the page holds nothing that the CRDs do not; a test compares it with what this module writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controller.api.crd import schema
from controller.api.shapes import CustomKind
from controller.api.structural import RULES, Schema
from controller.api.v1alpha1.kinds import KINDS
from controller.api.v1alpha1.servicepolicy import Remediation
from controller.core.policy import Policy

INTRODUCTION = """\
# Kinds

<!-- Written by make crds from the code in controller/api. Do not edit. -->

Group `trimtab.dev`, version `v1alpha1`. `kubectl get trimtab -A` lists every namespaced object.

A field that is left out is the inert choice: it observes, asks, or selects nothing. The API server drops fields that
it does not know unless it is asked for strict validation (`kubectl apply --validate=strict`, the default of kubectl),
so a misspelt field is a field left out, and never a permission.

An empty, null or missing selector means nothing. Only AutomationPause differs: no namespaces means all of them,
because stopping is the safe side.

YAML reads a bare `Off` as false: write `mode: "Off"`.
"""


def defaults(policy: Policy) -> str:
    """What holds while nobody writes anything else, read from the code that applies it."""
    budgets = policy.budgets
    window, open_for = budgets.window.total_seconds() / 3600, policy.expires_after.total_seconds() / 60
    rows = {
        f"actions that may begin within {window:g} h": (
            f"{budgets.per_namespace} in a namespace, {budgets.per_cluster} in the cluster"
        ),
        "actions under way on one workload": "1",
        "acting alone, a repair": (
            f"never before {policy.min_verified} verified outcomes of the runbook, "
            "and never while `automaticAbove` is left out"
        ),
        "acting alone, a floor or the rollback of a worse version": (
            "never while `scaling.mode` or `canary.mode` is left out; then within a stated bound: "
            "between the owner's minimum and the cap, or at most `falseRollback` of good versions"
        ),
        "asking": f"from an estimate of {Remediation().review_above} % (`reviewAbove`)",
        "a question stays open": f"{open_for:g} minutes (`expires` of the runbook), and is never executed later",
    }
    return "\n".join(
        ["## Defaults", "", "| what | default |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items()), ""]
    )


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([INTRODUCTION, defaults(Policy()), *(_kind(kind) for kind in KINDS)])


def _kind(kind: CustomKind) -> str:
    resource, written = kind.resource, schema(kind)
    scope = "in a namespace" if resource.namespaced else "for the whole cluster"
    lines = [
        f"## {resource.kind}",
        "",
        written["description"].split("\n")[0],
        "",
        f"`kubectl get {resource.plural}`, short {', '.join(f'`{name}`' for name in kind.short_names)}; {scope}.",
        f"Columns: {', '.join(column.name for column in kind.columns)}.",
        "",
    ]
    for rule in written.get(RULES, []):
        lines += [f"- {rule['message']}"]
    lines += [""] if written.get(RULES) else []
    lines += ["| field | value | meaning |", "|---|---|---|"]
    for part in ("spec", "status"):
        if part in written["properties"]:
            lines += [
                _row(*field)
                for field in _fields(part, written["properties"][part], part in written.get("required", []))
            ]
    return "\n".join([*lines, ""])


def _fields(path: str, node: Schema, required: bool) -> Iterator[tuple[str, Schema, bool]]:
    yield path, node, required
    for name, child in node.get("properties", {}).items():
        yield from _fields(f"{path}.{name}", child, name in node.get("required", []))
    if "properties" in node.get("items", {}):
        for name, child in node["items"]["properties"].items():
            yield from _fields(f"{path}[].{name}", child, name in node["items"].get("required", []))


def _row(path: str, node: Schema, required: bool) -> str:
    meaning = [str(node.get("description", "")), *(f"{_sentence(rule['message'])}" for rule in node.get(RULES, []))]
    value = _value(node) + (", required" if required else "")
    return f"| `{path}` | {_cell(value)} | {_cell(' '.join(part for part in meaning if part))} |"


def _sentence(message: str) -> str:
    return f"{message[0].upper()}{message[1:]}."


def _value(node: Schema) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if "enum" in node:
        return ", ".join(f"`{option}`" for option in node["enum"])
    match node.get("type"):
        case "array":
            return f"list of {_value(node['items'])}{_limits(node, 'minItems', 'maxItems')}"
        case "object" if "additionalProperties" in node:
            return f"map to {_value(node['additionalProperties'])}{_limits(node, 'minProperties', 'maxProperties')}"
        case "string" if node.get("format") == "date-time":
            return "time"
        case "string":
            return f"string{_limits(node, 'minLength', 'maxLength')}"
        case "integer" | "number" as name:
            return f"{name}{_limits(node, 'minimum', 'maximum')}"
        case None:
            return "any"
        case name:
            return str(name)


def _limits(node: Schema, low: str, high: str) -> str:
    least, most = node.get(low), node.get(high)
    if least is None and most is None:
        return ""
    if least is None:
        return f" (≤ {_number(most)})"
    return f" ({_number(least)}–{_number(most)})" if most is not None else f" (≥ {_number(least)})"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and value < 1e6 else f"{int(value)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
