"""The far end of Prometheus for the scale bench: answers the shipped queries with one series a service.

Knows a query by its shape: the labels it sums by, whether it asks for failures, for alerts or for the pulse. Values
follow a day with noise, from the seed; there are sixteen courses, dealt out in turn. Whatever it does not know has no
series, as a Prometheus without that exporter would say. Counts every query; its time is not counted.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from bench.scale.objects import Service
from controller.core.alerts import ALERTS_QUERY
from controller.core.presets import PRESETS

COURSES: Final = 16
DAY: Final = 86_400.0
FAILED_SHARE: Final = 0.002
SUMMED: Final = re.compile(r"sum by \(([^)]*)\)")
PRESET: Final = PRESETS["istio"]
"""The preset that the bench's settings and policies name."""


@dataclass(slots=True)
class Told:
    """What was asked: how many queries so far, when each round began (monotonic seconds) with the count then, and when
    histories were asked for, with their steps.
    """

    queries: int = 0
    rounds: list[tuple[float, int]] = field(default_factory=list)
    ranges: list[tuple[float, float]] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Answers:
    """One Prometheus that has scraped for so many days."""

    services: tuple[Service, ...]
    seed: int
    days: float = 14.0
    told: Told = field(default_factory=Told)

    def routes(self) -> list[web.RouteDef]:
        """The HTTP API, under a path prefix."""
        return [
            web.route("*", "/prometheus/api/v1/query", self.instant),
            web.route("*", "/prometheus/api/v1/query_range", self.range),
            web.get("/told", self.report),
        ]

    async def report(self, _: web.Request) -> web.Response:
        """For the bench: what was asked so far."""
        told = self.told
        return web.json_response({"rounds": told.rounds, "ranges": told.ranges, "unknown": sorted(told.unknown)})

    async def instant(self, request: web.Request) -> web.Response:
        """One evaluation."""
        asked = await parameters(request)
        query, at = asked["query"], float(asked.get("time") or time.time())
        if query == ALERTS_QUERY:
            self.told.rounds.append((time.monotonic(), self.told.queries))
        self.told.queries += 1
        if query == ALERTS_QUERY:
            return vector([({"trimtab": "asked"}, 0.0)], at)
        if "count_over_time(" in query:
            return vector([({"pulse": "age"}, 5.0), ({"pulse": "scrapes"}, 1e6), ({"pulse": "oldest"}, 1.0)], at)
        labels = self.labels(query)
        if labels is None:
            return vector([], at)
        values = [float(self.course(query, index, np.array([at]))[0]) for index in range(COURSES)]
        named = zip(self.services, (values[index % COURSES] for index in range(len(self.services))), strict=True)
        return vector([(labels(service), value) for service, value in named], at)

    async def range(self, request: web.Request) -> web.StreamResponse:
        """One evaluation over a grid, written series by series."""
        self.told.queries += 1
        asked = await parameters(request)
        labels = self.labels(asked["query"])
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        self.told.ranges.append((time.monotonic(), step))
        times = np.asarray(start + step * np.arange(int((end - start) / step + 1e-6) + 1), dtype=np.float64)
        times = times[times >= time.time() - self.days * DAY]
        stamps = [f"{at:.3f}" for at in times]
        courses = [
            ",".join(f'[{at},"{value:.6g}"]' for at, value in zip(stamps, values, strict=True))
            for values in (self.course(asked["query"], index, times) for index in range(COURSES))
        ]
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"status":"success","data":{"resultType":"matrix","result":[')
        for index, service in enumerate(self.services if labels is not None and len(times) else ()):
            head = json.dumps(labels(service) if labels is not None else {})
            text = f'{"," if index else ""}{{"metric":{head},"values":[{courses[index % COURSES]}]}}'
            await response.write(text.encode())
        await response.write(b"]}}")
        return response

    def labels(self, query: str) -> Callable[[Service], Mapping[str, str]] | None:
        """What each service is called in the answer; None for a query that nobody here has an exporter for."""
        found = SUMMED.search(query)
        known = PRESET.total.partition("{")[0] in query or (PRESET.buckets.partition("{")[0] in query)
        if found is None or not known:
            self.told.unknown.add(query[:200])
            return None
        wanted = [label.strip() for label in found[1].split(",")]
        return lambda service: {
            label: service.namespace if "namespace" in label else service.name for label in wanted if label != "le"
        }

    def course(self, query: str, index: int, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Requests per second over a day, or the failed among them."""
        level, phase = 50.0 * (1 + index), index / COURSES
        noise = np.sin(times * 12.9898 + index * 78.233 + self.seed) * 43758.5453
        wobble = 1.0 + 0.1 * (noise - np.floor(noise) - 0.5)
        load = level * (1.0 + 0.5 * np.sin(2 * np.pi * (times / DAY + phase))) * wobble
        failed = any(selector in query for selector in PRESET.failed)
        return np.asarray(load * FAILED_SHARE if failed else load, dtype=np.float64)


async def parameters(request: web.Request) -> Mapping[str, str]:
    """From the address or the form."""
    form = await request.post() if request.method == "POST" else {}
    return {**request.query, **{name: str(value) for name, value in form.items()}}


def vector(samples: Iterable[tuple[Mapping[str, str], float]], at: float) -> web.Response:
    """An instant answer."""
    result = [{"metric": dict(labels), "value": [at, f"{value:.6g}"]} for labels, value in samples]
    return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})
