"""Event loop lag: how late the loop is. A metric, and part of readiness."""

from __future__ import annotations

import asyncio

from prometheus_client import Gauge

LAG = Gauge("trimtab_event_loop_lag_seconds", "How late the event loop ran its last beat.")
BEAT = 0.25
TOO_LATE = 2.0


class Pulse:
    """Beats four times a second and remembers how late the last beats were."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def beat(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(BEAT)
            late = max(0.0, loop.time() - before - BEAT)
            self.seconds = max(late, self.seconds * 0.8)
            LAG.set(late)

    @property
    def too_late(self) -> bool:
        """True when the loop hangs: whoever asks for readiness should be sent elsewhere."""
        return self.seconds > TOO_LATE
