"""What can be wrong with a metrics server, as a value; the adapters in memory and over the lab play one with it.

Promises that a faulty server shows its fault the way a real one would: in its pulse, in its warnings, in the samples it
gives, or by giving none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from controller.core.reading import Pulse, RawSample, Said, Trust, read_pulse
from detectors.series import DataHealth

Missed: TypeAlias = tuple[datetime, datetime]
"""From the last sample before nothing was scraped to the first after it; to now while it lasts."""


def untouched(samples: Sequence[RawSample]) -> Sequence[RawSample]:
    """No fault in the data."""
    return samples


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the server. The default is: nothing.

    `down` refuses every call with that reason, `clock_off` moves the server's clock, `scraped_until` ends its scrapes,
    `started` is when it began with empty hands, `late` ages every sample, `mangle` changes the samples of each answer.
    """

    down: str = ""
    said: Said = field(default_factory=Said)
    clock_off: timedelta = timedelta()
    scraped_until: datetime | None = None
    started: datetime | None = None
    late: timedelta = timedelta()
    mangle: Callable[[Sequence[RawSample]], Sequence[RawSample]] = untouched

    def silent(self, at: datetime, trust: Trust) -> bool:
        """Whether nothing was ever stored that a rate at this time could be made of."""
        ended = self.scraped_until is not None and at > self.scraped_until + trust.look_back
        return ended or (self.started is not None and at < self.started)

    def health(self, now: datetime, trust: Trust, missed: Sequence[Missed] = ()) -> DataHealth:
        """The pulse as a server with this fault would show it, which `missed` scrapes at these times."""
        newest = min([now, self.scraped_until or now, *(since for since, until in missed if until >= now)])
        oldest = max(now - trust.look_back, self.started or now - trust.look_back)
        lost = sum((overlap(one, (oldest, newest)) for one in missed), timedelta())
        scrapes = max(0, int((newest - oldest - lost) / trust.scrape_interval))
        begin = (oldest, oldest + 2 * trust.scrape_interval)
        full = oldest <= now - trust.look_back and newest >= oldest
        full = full and not any(since <= begin[0] and until >= begin[1] for since, until in missed)
        return read_pulse(Pulse(now + self.clock_off, now - newest, scrapes, full), now, trust)


def overlap(one: Missed, other: Missed) -> timedelta:
    """How long both last together."""
    return max(timedelta(), min(one[1], other[1]) - max(one[0], other[0]))
