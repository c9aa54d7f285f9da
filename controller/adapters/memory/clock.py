"""The Clock in virtual time: it stands still until a test or the lab moves it, and then everything happens in one
fixed order.

It promises that `advance` visits each due time once, sleepers before jobs and jobs in the order in which they were
added, and goes on only when every started job has ended or sleeps on this clock. Work that is neither a job nor
asleep here gets a few turns of the event loop, no more.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from controller.virtual import VirtualTime, turns

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualClock(VirtualTime):
    """A Clock that `advance` moves."""

    def __init__(self, begin: datetime = BEGIN) -> None:
        super().__init__(begin)

    async def advance(self, duration: timedelta = timedelta()) -> None:
        """Move on, stopping at every time at which something is due."""
        end = self._now + duration
        while (due := self._next()) is not None and due <= end:
            self._now = max(self._now, due)
            await self._happen()
        self._now = end
        await turns()

    async def _others(self) -> None:
        await turns()
