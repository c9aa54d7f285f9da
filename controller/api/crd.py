"""The CustomResourceDefinitions, as objects and as templates of the chart.

They are templates because Helm never upgrades a `crds/` folder, and carry the keep policy because deleting a CRD
deletes every object of its kind.
"""

from __future__ import annotations

from typing import Any

from controller.api.manifest import to_yaml
from controller.api.shapes import Column, CustomKind
from controller.api.structural import RULES, Schema, structural
from controller.api.v1alpha1.kinds import KINDS

HEADER = "# Written by make crds from the code in controller/api. Do not edit.\n"


def crds() -> list[dict[str, Any]]:
    """Every CRD of the group."""
    return [crd(kind) for kind in KINDS]


def crd(kind: CustomKind) -> dict[str, Any]:
    """One kind's CustomResourceDefinition."""
    resource = kind.resource
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{resource.group}",
            "annotations": {"helm.sh/resource-policy": "keep"},
            "labels": {"app.kubernetes.io/part-of": "trimtab"},
        },
        "spec": {
            "group": resource.group,
            "names": {
                "categories": ["trimtab"],
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "shortNames": list(kind.short_names),
                "singular": resource.kind.lower(),
            },
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [
                {
                    "name": resource.version,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    "schema": {"openAPIV3Schema": schema(kind)},
                    **({"subresources": {"status": {}}} if kind.status else {}),
                }
            ],
        },
    }


def schema(kind: CustomKind) -> Schema:
    """The schema of one kind's objects; metadata is the API server's own."""
    properties: dict[str, Schema] = {
        "apiVersion": {"type": "string", "maxLength": 64},
        "kind": {"type": "string", "maxLength": 64},
        "metadata": {"type": "object"},
        "spec": structural(kind.spec),
    }
    if kind.status:
        properties["status"] = structural(kind.status)
    return {
        "type": "object",
        "description": (kind.model.__doc__ or "").strip(),
        **({RULES: list(kind.rules)} if kind.rules else {}),
        **({"required": ["spec"]} if kind.spec_required else {}),
        "properties": properties,
    }


def template(kind: CustomKind) -> str:
    """The chart's template of one CRD: YAML in which nothing is left for Helm to expand."""
    text = to_yaml(crd(kind)).replace("{{", '{{ "{{" }}')
    return f"{HEADER}{{{{- if .Values.crds.install }}}}\n{text}{{{{- end }}}}\n"


def _column(column: Column) -> dict[str, Any]:
    written: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        written["description"] = column.description
    if column.priority:
        written["priority"] = column.priority
    return written
