"""The lab bench: what a week of twenty services costs, on one core.

`lab_week_20_services_cpu_seconds`: user and system time of this process while the fleet's physics (traffic through the
graph, queues, autoscalers, pods, nodes) play seven days in wide ticks of 15 s, as benchmarks in closed loop do where
nothing looks on. `lab_day_20_services_cpu_seconds`: the first of those days. `--quick` plays that day only, and says
what seven like it would cost under a name of its own. Building the lab, with its day of history, is in none of them:
`lab_begin_cpu_seconds`.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bench.card import Asked, Card, Figure, Say
from bench.lab.fleet import SERVICES, fleet
from controller.lab.apiserver import MemoryObjects
from controller.lab.lab import Lab
from controller.lab.scenario import Scenario

WEEK: Final = 7
WEEK_AT_MOST: Final = 20.0
MONDAY: Final = datetime(2026, 1, 5, tzinfo=UTC)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Played:
    """CPU seconds to begin and of each day; what was played in them."""

    begin: float
    days: tuple[float, ...]
    pod_hours: float
    requests: float


@dataclass(frozen=True, slots=True)
class Week:
    """See the module. `days` in full and `--quick`, each as long as `day`."""

    name: str = "lab"
    about: str = "CPU of a week of twenty services in the lab."
    full: int = WEEK
    quick: int = 1
    day: timedelta = DAY

    def run(self, asked: Asked, say: Say) -> Card:
        """Play and measure; in this process, which is one core's work."""
        days = self.quick if asked.quick else self.full
        played = play(fleet(), asked.seed, days, self.day, say)
        return Card(self.name, asked.seed, figures(played), notes=tuple(notes(played, self.day)))


LAB: Final = Week()


def play(scenario: Scenario, seed: int, days: int, day: timedelta, say: Say) -> Played:
    """So many days from a Monday on."""
    began = time.process_time()
    lab = Lab(scenario, seed, MONDAY, MemoryObjects())
    ready = time.process_time()
    spent = []
    for number in range(1, days + 1):
        say(f"playing day {number} of {days}")
        before = time.process_time()
        lab.advance(MONDAY + number * day, coarse=True)
        spent.append(time.process_time() - before)
    score = lab.score
    return Played(ready - began, tuple(spent), score.pod_hours, sum(score.requests.values()))


def figures(played: Played) -> dict[str, Figure]:
    """By name; a week only where one was played."""
    days = played.days
    found = {
        "lab_begin_cpu_seconds": Figure(played.begin, "s"),
        f"lab_day_{SERVICES}_services_cpu_seconds": Figure(days[0], "s"),
    }
    week = f"lab_week_{SERVICES}_services_cpu_seconds"
    if len(days) >= WEEK:
        return {week: Figure(sum(days[:WEEK]), "s", at_most=WEEK_AT_MOST), **found}
    return {f"{week}_extrapolated": Figure(WEEK * sum(days) / len(days), "s", at_most=WEEK_AT_MOST), **found}


def notes(played: Played, day: timedelta) -> Iterator[str]:
    """What the figures rest on."""
    hours = len(played.days) * (day / timedelta(hours=1))
    pods = played.pod_hours / hours
    yield f"{SERVICES} services, {pods:.0f} pods at a time, {played.requests:,.0f} requests; no faults."
    yield "wide ticks (15 s), as where nothing looks on; with a replica of trimtab beside it, ticks are 5 s."
    if len(played.days) < WEEK:
        yield f"extrapolated: seven times what {hours:g} hours cost."
    where = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    yield f"machine: {where}, load {os.getloadavg()[0]:.1f}."
