"""The scale bench: what the shipped program costs at 100, 1,000 and (in full) 10,000 services.

`start_seconds`: from the start of the process `trimtab run` until it is ready and leads: imports, the store opened and
migrated, watches listed, the Lease taken, the log read; `start_cpu_seconds`: the CPU time in it, which a busy machine
changes less. `cpu_seconds_per_round_N`: user and system time of all of its processes from the beginning of one round to
the beginning of another, by the number of rounds between: everything that happens in that time is in it, Lease, log
and page included. `queries_per_round_N`: questions to Prometheus in the same time. `resident_mb_N`: memory of all of
its processes at the end, as `process.py` counts it.

The first rounds, which ask for two weeks of history and forecast everything for the first time, are left out. From then
on a load is forecast every five minutes: a bench that ends sooner counts that as what it costs here and now, by the
shipped function on a part of the loads, spread over the rounds of five minutes.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.card import Asked, Card, Figure, PassedOver, Say
from bench.scale.forecasting import EVERY, seconds_each
from bench.scale.process import PROC, cpu_seconds, resident_bytes
from bench.scale.replica import Failed, Replica, Told, patience_with, replica

MEGABYTE: Final = 1e6
START_AT_MOST, RESIDENT_100_AT_MOST, CPU_1000_AT_MOST = 3.0, 350.0, 5.0
CPU_10000_AT_MOST, RESIDENT_10000_AT_MOST = 15.0, 1.5 * 1024**3 / MEGABYTE
"""60 s of CPU a minute is 15 s for each of its four rounds (BENCHMARKS.md 7)."""
SHIPPED_ROUND: Final = 15.0
LONGEST: Final = 200
"""Characters of a failure in the notes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: the sizes, one after the other or `together`, and those that may be too large for the machine;
    how often it is started, how many rounds are left out at least and how many counted, how long a round is, and how
    far history goes back. Four rounds are one of demand.
    """

    sizes: tuple[int, ...] = (100, 1000)
    together: bool = False
    large: tuple[int, ...] = ()
    starts: int = 0
    skipped: int = 2
    rounds: int = 4
    round_seconds: float = SHIPPED_ROUND
    days: float = 14.0

    @property
    def settings(self) -> Mapping[str, str]:
        """Shipped, unless the rounds are shorter here."""
        if self.round_seconds == SHIPPED_ROUND:
            return {}
        return {
            "TRIMTAB_ROUND_SECONDS": f"{self.round_seconds:g}",
            "TRIMTAB_DEMAND_SECONDS": f"{4 * self.round_seconds:g}",
        }


FULL: Final = Plan(large=(10_000,), starts=5, rounds=20)
QUICK: Final = Plan(together=True, round_seconds=4.0, days=4.0)


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds until it leads, and the CPU time among them."""

    seconds: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What one size costs. `forecasts` counts the times that all loads were forecast within the rounds counted."""

    services: int
    start: Start
    cpu: float
    queries: float
    resident: float
    rounds: int
    forecasts: int
    unknown: tuple[str, ...]

    def cpu_per_round(self, each: float) -> float:
        """With forecasts at their share, `each` being the CPU seconds of one."""
        once = each * self.services
        return max(0.0, self.cpu - self.forecasts * once) / self.rounds + once * SHIPPED_ROUND / EVERY


@dataclass(frozen=True, slots=True)
class Scale:
    """See the module."""

    name: str = "scale"
    about: str = "start, memory, CPU and queries by number of services."
    full: Plan = FULL
    quick: Plan = QUICK
    proc: Path = PROC

    def run(self, asked: Asked, say: Say) -> Card:
        """Measure on this machine; raises PassedOver where the kernel does not count memory so."""
        if not (self.proc / "self/smaps_rollup").exists():
            raise PassedOver("scale reads /proc/PID/smaps_rollup, which is not here: run it on Linux")
        plan = self.quick if asked.quick else self.full
        starts = [start(plan, asked.seed, say) for _ in range(plan.starts)]
        groups = [plan.sizes] if plan.together else [(size,) for size in plan.sizes]
        costs = [cost for sizes in groups for cost in side_by_side(sizes, plan, asked.seed, say)]
        failed = []
        for size in plan.large:
            try:
                costs += side_by_side((size,), plan, asked.seed, say)
            except Failed as error:
                failed.append(f"not measured: {str(error)[:LONGEST]}")
        each = seconds_each(asked.seed)
        # The first was started before anything else ran.
        counted = starts or [costs[0].start]
        return Card(
            self.name,
            asked.seed,
            figures(counted, costs, each),
            notes=(*notes(plan, counted, costs, each), *failed),
        )


SCALE: Final = Scale()


def start(plan: Plan, seed: int, say: Say) -> Start:
    """One start, with nothing else of ours running."""
    size = plan.sizes[0]
    say(f"starting with {size} services")
    with replica(size, seed, plan.settings, plan.days) as one:
        return started(one)


def started(one: Replica) -> Start:
    """How long it took to lead."""
    return Start(one.leading_after(), cpu_seconds(one.pid))


def side_by_side(sizes: tuple[int, ...], plan: Plan, seed: int, say: Say) -> list[Cost]:
    """Every size at the same time, each started when the one before leads: what is measured is each family's own."""
    with ExitStack() as stack, ThreadPoolExecutor(len(sizes)) as threads:
        running = []
        for size in sizes:
            say(f"running {size:,} services")
            one = stack.enter_context(replica(size, seed, plan.settings, plan.days))
            running.append((one, started(one)))
        return list(threads.map(lambda pair: cost(pair[0], pair[1], plan), running))


def cost(one: Replica, start: Start, plan: Plan) -> Cost:
    """Follow one replica until it has settled, then through the rounds that count."""
    wait(one, lambda: one.settled(plan.skipped))
    first = len(one.told().rounds)
    began = at_round(one, first)
    ended = at_round(one, first + plan.rounds)
    told = one.told()
    (since, asked), (until, asked_then) = told.rounds[first], told.rounds[first + plan.rounds]
    return Cost(
        services=one.services,
        start=start,
        cpu=ended - began,
        queries=(asked_then - asked) / plan.rounds,
        resident=resident_bytes(one.pid) / MEGABYTE,
        rounds=plan.rounds,
        forecasts=forecasts(told, since, until),
        unknown=tuple(told.unknown),
    )


def forecasts(told: Told, since: float, until: float) -> int:
    """How often a grid point of the loads' history came in a time: everything is forecast after each."""
    return sum(since <= at < until and step == EVERY for at, step in told.ranges)


def at_round(one: Replica, count: int) -> float:
    """CPU seconds at the moment when one more than `count` rounds have begun."""
    wait(one, lambda: len(one.told().rounds) > count)
    return cpu_seconds(one.pid)


def wait(one: Replica, until: Callable[[], bool]) -> None:
    """Look again and again; raises Failed when the program ends or nothing comes of it."""
    end = time.monotonic() + patience_with(one.services)
    while not until():
        if one.process.poll() is not None or time.monotonic() > end:
            raise Failed(f"{one.services} services: the rounds do not come: {one.last_words()}")
        time.sleep(0.1)


def figures(starts: list[Start], costs: list[Cost], each: float) -> Mapping[str, Figure]:
    """By name."""
    found = {
        "start_seconds": Figure(median(one.seconds for one in starts), "s", at_most=START_AT_MOST),
        "start_cpu_seconds": Figure(median(one.cpu for one in starts), "s"),
    }
    cpu_bounds = {1000: CPU_1000_AT_MOST, 10_000: CPU_10000_AT_MOST}
    resident_bounds = {100: RESIDENT_100_AT_MOST, 10_000: RESIDENT_10000_AT_MOST}
    for one in costs:
        n = one.services
        found[f"resident_mb_{n}"] = Figure(one.resident, "MB", at_most=resident_bounds.get(n))
        found[f"cpu_seconds_per_round_{n}"] = Figure(one.cpu_per_round(each), "s", at_most=cpu_bounds.get(n))
        found[f"queries_per_round_{n}"] = Figure(one.queries)
    return found


def notes(plan: Plan, starts: list[Start], costs: list[Cost], each: float) -> Iterator[str]:
    """What the figures rest on."""
    yield "stood in, and not counted: the API server and Prometheus, at the other end of local HTTP connections."
    yield "the shipped ones: trimtab run, its clients, SQLite, page and worker processes; settings but for addresses,"
    yield f"Istio's preset, and rounds of {plan.round_seconds:g} s (shipped: {SHIPPED_ROUND:g} s)."
    if plan.round_seconds < SHIPPED_ROUND:
        yield "what runs by the second (Lease, log, page) counts less in shorter rounds: the full run tells."
        yield f"{plan.days:g} days of history instead of 14, so that the rounds that count come sooner."
    yield "a service: a Deployment of 3 pods, 2 ReplicaSets, in turn an autoscaler or a policy."
    yield "one pod of 300 has its status written each second."
    yield f"{plan.rounds} rounds counted; the sizes ran {'together' if plan.together else 'one after the other'}."
    made = ", ".join(f"{one.services:,} services {one.forecasts} times" for one in costs)
    yield f"a forecast costs {1000 * each:.1f} ms of CPU; all were made in the rounds counted: {made}."
    yield f"starts: {', '.join(f'{one.seconds:.2f} s' for one in starts)}, the median counts."
    where = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    yield f"machine: {where}, load {os.getloadavg()[0]:.1f}."
    for query in sorted({query for one in costs for query in one.unknown}):
        yield f"the stand-in has no series for: {query}"
