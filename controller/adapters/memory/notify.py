"""Notify in memory: who would have been paged. For tests and the lab."""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.errors import NotifyUnavailable
from controller.ports import Notice


@dataclass
class MemoryNotify:
    """A pager that keeps what it got: `sent` is every delivery, `open` the alerts that nobody has closed, by key."""

    down: str = ""
    sent: list[Notice] = field(default_factory=list)
    open: dict[str, Notice] = field(default_factory=dict)

    async def send(self, notice: Notice) -> None:
        """Deliver; the same key again changes the alert, `resolved` closes it."""
        if self.down:
            raise NotifyUnavailable(f"The pager did not answer: {self.down}", "Clear `down`.")
        self.sent.append(notice)
        if notice.resolved:
            self.open.pop(notice.key, None)
        else:
            self.open[notice.key] = notice

    async def close(self) -> None:
        """Nothing to release."""
