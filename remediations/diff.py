"""The exact change as people read it: a unified diff of YAML."""

from __future__ import annotations

import difflib
from typing import Any

import yaml


def unified(before: Any, after: Any, name: str, context: int = 3) -> str:
    """A unified diff of two documents as YAML with sorted keys; empty when they are equal."""
    lines = difflib.unified_diff(
        _lines(before), _lines(after), fromfile=f"{name} (now)", tofile=f"{name} (then)", n=context, lineterm=""
    )
    return "\n".join(lines)


def _lines(document: Any) -> list[str]:
    return yaml.safe_dump(document, sort_keys=True, allow_unicode=True, width=120).splitlines()
