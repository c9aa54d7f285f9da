"""The exact change as people read it: a unified diff of YAML."""

from __future__ import annotations

import difflib
import json
from typing import Any

import yaml


def unified(before: Any, after: Any, name: str, context: int = 3) -> str:
    """A unified diff of two documents as YAML with sorted keys; empty when they are equal."""
    lines = difflib.unified_diff(
        _lines(before), _lines(after), fromfile=f"{name} (now)", tofile=f"{name} (then)", n=context, lineterm=""
    )
    return "\n".join(lines)


def _lines(document: Any) -> list[str]:
    plain = json.loads(json.dumps(document))  # shared parts would become YAML anchors
    return yaml.safe_dump(plain, sort_keys=True, allow_unicode=True, width=120).splitlines()
