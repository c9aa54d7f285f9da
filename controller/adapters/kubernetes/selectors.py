"""Label selectors, as the API server reads them.

Promises that a missing selector selects nothing. An empty one selects everything, as policy/v1 defines for disruption
budgets; a workload's own selector is required by the API to say something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether an object with these labels is selected."""
    if selector is None:
        return False
    exact = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in exact.items()) and all(
        _holds(rule, labels) for rule in selector.get("matchExpressions") or ()
    )


def query_of(selector: Mapping[str, Any]) -> str:
    """The selector as a `labelSelector` parameter."""
    exact = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*exact, *(_term(rule) for rule in selector.get("matchExpressions") or ())])


def _holds(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = rule["key"], rule.get("values") or ()
    match rule["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case unknown:
            raise ValueError(f"A selector uses the operator {unknown!r}, which Kubernetes does not have")


def _term(rule: Mapping[str, Any]) -> str:
    key, values = rule["key"], ",".join(rule.get("values") or ())
    match rule["operator"]:
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "Exists":
            return str(key)
        case "DoesNotExist":
            return f"!{key}"
        case unknown:
            raise ValueError(f"A selector uses the operator {unknown!r}, which Kubernetes does not have")
