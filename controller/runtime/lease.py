"""Leadership: one leader by Lease, renewed from a thread of its own.

Promises that a busy event loop does not cost the lease, and that a leader which could not renew in time says so
before another may take over. DOES NOT promise that an old leader has stopped writing: that is the work of the epoch
in the store and the fence on the target (DESIGN.md section 4). Also carries the store's identity in the Lease's
annotations, so that another or an older store is noticed (S37).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from controller.errors import TrimtabError
from controller.ports import Leases, LeaseState

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """Who we are, how long a silent leader is respected, how often we renew (seconds)."""

    identity: str
    duration: float = 15.0
    renew: float = 5.0


def may_take(state: LeaseState | None, terms: Terms, unchanged_for: float) -> bool:
    """True when the lease is free: absent, given back, ours, or not renewed for its whole duration by *our* monotonic
    clock.

    Other machines' wall clocks are not trusted: what counts is how long we have seen the same version.
    """
    if state is None or not state.holder or state.holder == terms.identity:
        return True
    return unchanged_for >= state.duration.total_seconds()


class Election:
    """Runs for leader in its own thread and own event loop.

    `lead(annotations)` and `lost()` are called in the main loop. `annotations` is asked at every renewal
    (thread-safe, quick).
    """

    def __init__(
        self,
        leases: Callable[[], Awaitable[Leases]],
        terms: Terms,
        annotations: Callable[[], Mapping[str, str]],
        *,
        lead: Callable[[Mapping[str, str]], Awaitable[None]],
        lost: Callable[[], Awaitable[None]],
    ) -> None:
        self._leases, self._terms, self._annotations = leases, terms, annotations
        self._lead, self._lost = lead, lost
        self._main = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._leading_until = 0.0
        self._seen_version = ""
        self._seen_at = 0.0
        self.holder = ""
        self.seen: Mapping[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to run."""
        self._thread.start()

    @property
    def leading(self) -> bool:
        """True while the lease is surely ours, by the monotonic clock; ends before another may take it."""
        return time.monotonic() < self._leading_until

    async def stop(self) -> None:
        """Give the lease back, so that another can lead at once."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 3.0)

    def _run(self) -> None:
        asyncio.run(self._campaign())

    async def _campaign(self) -> None:
        leases = await self._opened()
        was_leading = False
        try:
            while leases is not None and not self._stop.is_set():
                state = await self._round(leases)
                if self.leading and not was_leading and state is not None:
                    self._call(self._lead(state.annotations))
                elif was_leading and not self.leading:
                    self._call(self._lost())
                was_leading = self.leading
                await asyncio.to_thread(self._stop.wait, self._pause(was_leading))
            if was_leading and leases is not None:
                await self._release(leases)
        finally:
            if leases is not None:
                await leases.close()

    async def _opened(self) -> Leases | None:
        """The door to the Lease; tried until it opens, None when the program stops before."""
        while not self._stop.is_set():
            try:
                return await self._leases()
            except Exception:
                log.exception("lease not reached")
                await asyncio.to_thread(self._stop.wait, 2.0)
        return None

    def _pause(self, leading: bool) -> float:
        """Until the next round; a leader that could not renew looks again when its time is over, not later."""
        if not leading:
            return min(2.0, self._terms.renew)
        return min(self._terms.renew, max(0.0, self._leading_until - time.monotonic()))

    def _patience(self) -> float:
        """How long a round may take: a leader's ends with its time, so that it says in time that it leads no more."""
        left = self._leading_until - time.monotonic()
        return min(self._terms.duration / 2, left) if left > 0 else self._terms.duration / 2

    async def _round(self, leases: Leases) -> LeaseState | None:
        """One attempt to take or keep the lease; the state *before* our write, whose annotations the new leader
        compares.
        """
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._patience()):
                state = await leases.read()
                self._observe(state)
                if not may_take(state, self._terms, time.monotonic() - self._seen_at):
                    self._leading_until = 0.0
                    return None
                written = await leases.write(self._ours(state))
        except (TrimtabError, TimeoutError, OSError) as error:
            log.warning("lease not renewed", error=str(error), leading=self.leading)
            return None
        except Exception:
            log.exception("lease round broke", leading=self.leading)
            return None
        if written is None:
            self._leading_until = 0.0
            return None
        self.holder = self._terms.identity
        self._leading_until = started + self._terms.duration * 0.8
        return state or written

    def _observe(self, state: LeaseState | None) -> None:
        version = "" if state is None else state.version
        self.holder = "" if state is None else state.holder
        self.seen = {} if state is None else state.annotations
        if version != self._seen_version:
            self._seen_version, self._seen_at = version, time.monotonic()

    def _ours(self, state: LeaseState | None) -> LeaseState:
        taken = state is None or state.holder != self._terms.identity
        before = state.annotations if state is not None else {}
        return LeaseState(
            holder=self._terms.identity,
            renewed_at=datetime.now(UTC),
            duration=timedelta(seconds=self._terms.duration),
            transitions=(state.transitions if state is not None else 0) + taken,
            annotations={
                key: text for key, text in {**before, **({} if taken else self._annotations())}.items() if text
            },
            version=state.version if state is not None else "",
        )

    async def _release(self, leases: Leases) -> None:
        self._leading_until = 0.0
        try:
            state = await leases.read()
            if state is not None and state.holder == self._terms.identity:
                await leases.write(replace(state, holder="", annotations={**state.annotations, **self._annotations()}))
        except (TrimtabError, OSError) as error:
            log.warning("lease not given back", error=str(error))

    def _call(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await work
            except Exception:
                log.exception("leadership not changed", leading=self.leading)

        asyncio.run_coroutine_threadsafe(run(), self._main)
