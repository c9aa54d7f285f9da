"""Kubernetes objects as YAML for people: lists indented, nothing aliased, keys in the order they were written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def to_yaml(value: Any) -> str:
    """One document."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def documents(objects: Iterable[Mapping[str, Any]]) -> str:
    """Several objects, as kubectl applies them."""
    return "---\n".join(to_yaml(dict(each)) for each in objects)
