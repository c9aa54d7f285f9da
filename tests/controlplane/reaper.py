"""Ends what a killed test run leaves behind.

A process of its own: it reads `pid start-time` lines (`-pid` forgets one) from its standard input, which only the test
run holds. When the run ends in whatever way, SIGKILL included, the input closes and every process still listed is
killed. The start time is compared, so that a recycled process id is left alone. Runs alone, without the project on its
path.
"""

import os
import signal
import sys
from pathlib import Path


def started(pid: int) -> str | None:
    """The start time of a process in clock ticks since boot, or None when it is gone or only waits to be collected."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


def main() -> None:
    """Remember until the input ends, then end what is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listed: dict[int, str] = {}
    for line in sys.stdin:
        pid, _, since = line.strip().partition(" ")
        if pid.startswith("-"):
            listed.pop(int(pid[1:]), None)
        else:
            listed[int(pid)] = since
    for pid, since in listed.items():
        if started(pid) == since:
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
