"""Processes as the kernel counts them: a process with all of its children, its CPU seconds, its proportional memory.

Linux only: `/proc/PID/smaps_rollup` gives PSS, in which memory that processes share is counted once, in parts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TICK: Final = os.sysconf("SC_CLK_TCK")
GONE: Final = (FileNotFoundError, ProcessLookupError)


def family(root: int) -> Iterator[int]:
    """The process and everything that descends from it."""
    yield root
    with suppress(*GONE):
        for task in (PROC / str(root) / "task").iterdir():
            with suppress(*GONE):
                for child in (task / "children").read_text().split():
                    yield from family(int(child))


def cpu_seconds(root: int) -> float:
    """User and system time of the family so far, children that have ended and were waited for included."""
    return sum(_ticks(process) for process in family(root)) / TICK


def resident_bytes(root: int) -> int:
    """PSS of the family."""
    return sum(_proportional(process) for process in family(root))


def _ticks(process: int) -> int:
    with suppress(*GONE):
        # The name in parentheses may hold spaces; utime, stime, cutime, cstime are fields 14 to 17 of proc(5).
        fields = (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))
    return 0


def _proportional(process: int) -> int:
    with suppress(*GONE):
        for line in (PROC / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
