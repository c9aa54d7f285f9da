"""Exit codes, and which one an error ends with."""

from __future__ import annotations

from enum import IntEnum

CODES = "0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 degraded"


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    DEGRADED = 5
