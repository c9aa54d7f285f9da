"""Metrics in memory: programmed answers under the same rules of trust as a real server (`core.reading`).

Ships for the lab and for tests. A query is known by its text; one that was never programmed is answered with nothing,
which is `Problem.MISSING`, as a real server would. Faults are values, set and taken back by `fault`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

import numpy as np

from controller.core.reading import RawPath, RawSample, Trust, points, read_instant, read_range
from controller.errors import BadQuery
from controller.lab.scraping import Fault
from controller.ports import Paths, Samples, Unavailable

Source: TypeAlias = Callable[[datetime], Iterable[tuple[Mapping[str, str], float]]]
"""What a query answers at a time: labels and value of every series."""


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
        return replace(samples, health=self.fault.health(self._now(), self._trust) | samples.health)

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
        return Paths(paths.start, paths.step, paths.paths, self.fault.health(self._now(), self._trust) | paths.health)

    async def close(self) -> None:
        """Nothing to release."""

    def _samples(self, query: str, at: datetime) -> Sequence[RawSample]:
        if query in self._bad:
            raise BadQuery(f"the server refuses the query `{query}`", "correct the PromQL")
        fault, source = self.fault, self._sources.get(query)
        if source is None or fault.silent(at, self._trust):
            return ()
        return fault.mangle([RawSample(labels, value, at - fault.late) for labels, value in source(at)])
