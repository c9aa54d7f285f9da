"""Metrics in memory: programmed answers under the same rules of trust as a real server (`core.reading`).

Ships for the lab and for tests. A query is known by its text; one that was never programmed is answered with nothing,
which is `Problem.MISSING`, as a real server would. Faults are values, set and taken back by `fault`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

import numpy as np

from controller.core.reading import Pulse, RawPath, RawSample, Said, Trust, points, read_instant, read_pulse, read_range
from controller.errors import BadQuery
from controller.ports import Paths, Samples, Unavailable
from detectors.series import DataHealth

Source: TypeAlias = Callable[[datetime], Iterable[tuple[Mapping[str, str], float]]]
"""What a query answers at a time: labels and value of every series."""


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


class MemoryMetrics:
    """A programmable server. `now` is our clock."""

    def __init__(self, now: Callable[[], datetime], trust: Trust | None = None) -> None:
        self._now = now
        self._trust = trust or Trust()
        self._sources: dict[str, Source] = {}
        self._bad: set[str] = set()
        self.fault = Fault()

    def program(self, query: str, source: Source) -> None:
        """From now on, `query` is answered from `source`."""
        self._sources[query] = source

    def refuse(self, query: str) -> None:
        """From now on, `query` cannot be parsed."""
        self._bad.add(query)

    async def instant(self, query: str, at: datetime) -> Samples | Unavailable:
        """Evaluate at one time; see the port."""
        if self.fault.down:
            return Unavailable(self.fault.down)
        samples = read_instant(self._samples(query, at), at, self._trust, self.fault.said)
        return Samples(samples.samples, self._health() | samples.health)

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Paths | Unavailable:
        """Evaluate over [start, end]; see the port."""
        if self.fault.down:
            return Unavailable(self.fault.down)
        found: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
        for number in range(points(start, end, step)):
            at = start + number * step
            for sample in self._samples(query, at):
                pair = ((sample.at + self.fault.late).timestamp(), sample.value)
                found.setdefault(frozenset(sample.labels.items()), []).append(pair)
        raw = []
        for key, pairs in found.items():
            table = np.array(pairs, dtype=np.float64)
            raw.append(RawPath(dict(key), table[:, 0], table[:, 1]))
        paths = read_range(raw, start, end, step, self._trust, self.fault.said)
        return Paths(paths.start, paths.step, paths.paths, self._health() | paths.health)

    async def close(self) -> None:
        """Nothing to release."""

    def _samples(self, query: str, at: datetime) -> Sequence[RawSample]:
        if query in self._bad:
            raise BadQuery(f"the server refuses the query `{query}`", "correct the PromQL")
        fault, source = self.fault, self._sources.get(query)
        ended = fault.scraped_until is not None and at > fault.scraped_until + self._trust.look_back
        if source is None or ended or (fault.started is not None and at < fault.started):
            return ()
        return fault.mangle([RawSample(labels, value, at - fault.late) for labels, value in source(at)])

    def _health(self) -> DataHealth:
        """The pulse as a server with this fault would show it."""
        fault, trust, now = self.fault, self._trust, self._now()
        newest = min(now, fault.scraped_until or now)
        oldest = max(now - trust.look_back, fault.started or now - trust.look_back)
        scrapes = max(0, int((newest - oldest) / trust.scrape_interval))
        full = oldest <= now - trust.look_back and newest >= oldest
        return read_pulse(Pulse(now + fault.clock_off, now - newest, scrapes, full), now, trust)
