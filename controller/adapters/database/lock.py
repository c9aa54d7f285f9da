"""One process for one SQLite file: a lock that the kernel lets go of when the process ends, however it ends.

SQLite itself would let a second process in, and both would believe they lead. The lock stands on a file of its own
beside the database, because closing any descriptor of the database would drop SQLite's own locks.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from controller.errors import StoreUnavailable


class FileLock:
    """Holds `PATH.lock` until `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.lock")
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock at once or raise StoreUnavailable with its holder."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise StoreUnavailable(
                f"Another process ({holder}) uses {self.path.name.removesuffix('.lock')}: SQLite serves one replica",
                "End it first, or move to PostgreSQL to run more than one replica.",
            ) from None
        except OSError:
            os.close(handle)
            raise
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Let go; quiet when it was never taken. The file stays: removing it would race with the next holder."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
