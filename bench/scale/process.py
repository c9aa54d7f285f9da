"""Processes as the kernel counts them: a process with all of its children, its CPU seconds, its memory.

Linux only. Memory is what the processes would take on a machine of their own: of what is theirs alone (anonymous and
shared memory) the proportional part (`Pss_Anon`, `Pss_Shmem` of `/proc/PID/smaps_rollup`), which counts pages that they
share with each other once; of each mapped file the most that one of them has in memory (`Rss` less `Anonymous` of
`/proc/PID/smaps`). The kernel's own `Pss` would give a part of the files' pages to whoever else runs the same Python.
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
    """Memory of the family, wherever else its files are mapped; see the module."""
    own, files = 0, dict[str, int]()
    for process in family(root):
        own += _own(process)
        for mapping, size in _files(process):
            files[mapping] = max(files.get(mapping, 0), size)
    return own + sum(files.values())


def _ticks(process: int) -> int:
    with suppress(*GONE):
        # The name in parentheses may hold spaces; utime, stime, cutime, cstime are fields 14 to 17 of proc(5).
        fields = (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))
    return 0


def _own(process: int) -> int:
    """Proportional bytes of what belongs to no file."""
    with suppress(*GONE):
        lines = (PROC / str(process) / "smaps_rollup").read_text().splitlines()
        return sum(_bytes(line) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    return 0


def _files(process: int) -> Iterator[tuple[str, int]]:
    """What is mapped of each file (place in it and length, device, inode), and how many bytes of it are in memory."""
    with suppress(*GONE):
        mapping, resident = "", 0
        for line in (PROC / str(process) / "smaps").read_text().splitlines():
            name, *rest = line.split()
            if name == "Rss:":
                resident = _bytes(line)
            elif name == "Anonymous:" and mapping:
                yield mapping, resident - _bytes(line)
            elif not name.endswith(":"):
                _, offset, device, inode, *_ = rest
                begin, end = (int(part, 16) for part in name.split("-"))
                mapping = f"{offset}+{end - begin} {device} {inode}" if inode != "0" else ""


def _bytes(line: str) -> int:
    """`Rss:   12 kB`."""
    return int(line.split()[1]) * 1024
