"""Free ports of 127.0.0.1 that nobody else on this machine is given at the same time.

A port is drawn from below the kernel's ephemeral range, so that no outgoing connection takes it, and reserved by a lock
file until this process ends: two test runs, or two workers of one run, never start servers on the same port. The same
port can be used again for the same server (restart), which is why it is a reservation and not a bound socket.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

from tests.controlplane.errors import FixtureError

_RANGE = range(20_000, 32_000)
_held: list[int] = []


def free_port() -> int:
    """A port that nobody listens on and that stays reserved for this process until it ends."""
    folder = Path(tempfile.gettempdir()) / f"trimtab-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    drawn = random.SystemRandom()
    for _ in range(1_000):
        port = drawn.choice(_RANGE)
        if _reserve(folder / str(port)):
            if _nobody_listens(port):
                return port
            os.close(_held.pop())
    raise FixtureError(f"no free port between {_RANGE.start} and {_RANGE.stop} on 127.0.0.1; end what listens there")


def _reserve(lock: Path) -> bool:
    handle = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    _held.append(handle)
    return True


def _nobody_listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
