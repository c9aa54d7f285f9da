"""Leases in memory: one Lease, compared and swapped, for any number of candidates in any number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from controller.errors import ApiUnavailable
from controller.ports import LeaseState


class MemoryLease:
    """The Lease itself: what every candidate's `MemoryLeases` reads and writes. `trouble` makes every call fail."""

    def __init__(self) -> None:
        self.trouble = ""
        self._state: LeaseState | None = None
        self._version = 0
        self._lock = threading.Lock()

    def current(self) -> LeaseState | None:
        """The state as it is."""
        with self._held():
            return self._state

    def swap(self, state: LeaseState) -> LeaseState | None:
        """Store it if the Lease is still at `state.version` (empty: not there); None when it is not."""
        with self._held():
            if (self._state.version if self._state else "") != state.version:
                return None
            self._version += 1
            self._state = replace(state, annotations=dict(state.annotations), version=str(self._version))
            return self._state

    def remove(self) -> None:
        """Delete it, as `kubectl delete lease` would."""
        with self._lock:
            self._state = None

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._lock:
            if self.trouble:
                raise ApiUnavailable(f"The Lease in memory: {self.trouble}", "Clear its trouble.")
            yield


class MemoryLeases:
    """One candidate's view of a `MemoryLease`."""

    def __init__(self, lease: MemoryLease) -> None:
        self._lease = lease

    async def read(self) -> LeaseState | None:
        """The Lease, None when there is none."""
        return self._lease.current()

    async def write(self, state: LeaseState) -> LeaseState | None:
        """Create or replace; None when somebody was faster."""
        return self._lease.swap(state)

    async def close(self) -> None:
        """Nothing to release."""
