"""The scale bench: what the shipped program costs at 100, 1,000 and (in full) 10,000 services.

`start_seconds`: from the start of the process `trimtab run` until it is ready and leads: imports, the store opened and
migrated, watches listed, the Lease taken, the log read; `start_cpu_seconds`: the CPU time in it, which a busy machine
changes less. `resident_mb_N`: PSS of all of its processes after the last
round. `cpu_seconds_per_round_N`: user and system time of all of its processes from the beginning of one round to the
beginning of another, by the number of rounds between: everything that happens in that time is in it, Lease, log and
page included. `queries_per_round_N`: requests to Prometheus in the same time. The first rounds, which ask for a day of
history, are not counted.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.card import Asked, Card, Figure, PassedOver, Say
from bench.scale.process import PROC, cpu_seconds, resident_bytes
from bench.scale.replica import DEADLINE, Failed, Replica, replica

MEGABYTE: Final = 1e6
START_AT_MOST, RESIDENT_100_AT_MOST, CPU_1000_AT_MOST = 3.0, 350.0, 5.0
CPU_10000_AT_MOST, RESIDENT_10000_AT_MOST = 15.0, 1.5 * 1024**3 / MEGABYTE
"""60 s of CPU a minute is 15 s for each of its four rounds (BENCHMARKS.md 7)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: the sizes that run side by side and those that run alone, rounds left out and counted."""

    together: tuple[int, ...] = (100, 1000)
    alone: tuple[int, ...] = ()
    starts: int = 1
    skipped: int = 2
    rounds: int = 4
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """All of them."""
        return (*self.together, *self.alone)


FULL: Final = Plan(alone=(10_000,), starts=5, skipped=5, rounds=8)
QUICK: Final = Plan(skipped=1, rounds=1)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one size costs."""

    services: int
    cpu: float
    queries: float
    resident: float
    unanswered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """See the module."""

    name: str = "scale"
    about: str = "start, memory, CPU and queries by number of services."
    full: Plan = FULL
    quick: Plan = QUICK

    def run(self, asked: Asked, say: Say) -> Card:
        """Measure on this machine; raises PassedOver where the kernel does not count PSS."""
        if not (PROC / "self/smaps_rollup").exists():
            raise PassedOver("scale reads /proc/PID/smaps_rollup, which is not here: run it on Linux")
        plan = self.quick if asked.quick else self.full
        start(plan, asked.seed, say)  # compiles what was not, as the image does when it is built; not counted
        starts = tuple(start(plan, asked.seed, say) for _ in range(plan.starts))
        costs = [*side_by_side(plan, asked.seed, say)]
        for size in plan.alone:
            costs += side_by_side(Plan((size,), skipped=plan.skipped, rounds=plan.rounds), asked.seed, say)
        return Card(self.name, asked.seed, figures(starts, costs), notes=tuple(notes(plan, starts, costs)))


SCALE: Final = Scale()


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds until it leads, and the CPU time among them."""

    seconds: float
    cpu: float


def start(plan: Plan, seed: int, say: Say) -> Start:
    """One start, with nothing else of ours running."""
    size = plan.sizes[0]
    say(f"starting with {size} services")
    with replica(size, seed, dict(plan.settings)) as one:
        return Start(one.leading_after(), cpu_seconds(one.pid))


def side_by_side(plan: Plan, seed: int, say: Say) -> list[Cost]:
    """Every size of `together` at the same time: CPU time is each process family's own."""
    with ExitStack() as stack, ThreadPoolExecutor(len(plan.together)) as threads:
        say(f"running {' and '.join(f'{size:,}' for size in plan.together)} services for {plan.rounds} rounds")
        replicas = [stack.enter_context(replica(size, seed, dict(plan.settings))) for size in plan.together]
        return list(threads.map(lambda one: cost(one, plan), replicas))


def cost(one: Replica, plan: Plan) -> Cost:
    """Follow one replica through its rounds."""
    one.leading_after()
    began, first = after_rounds(one, plan.skipped)
    ended, last = after_rounds(one, plan.skipped + plan.rounds)
    resident = resident_bytes(one.pid)
    return Cost(
        services=one.services,
        cpu=(ended - began) / plan.rounds,
        queries=(last - first) / plan.rounds,
        resident=resident / MEGABYTE,
        unanswered=one.unanswered(),
    )


def after_rounds(one: Replica, count: int) -> tuple[float, int]:
    """CPU seconds and queries at the moment when one more than `count` rounds have begun."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        rounds = one.rounds()
        if len(rounds) > count:
            return cpu_seconds(one.pid), rounds[count][1]
        time.sleep(0.1)
    raise Failed(f"no {count + 1} rounds within {DEADLINE:g} s: {one.last_words()}")


def figures(starts: tuple[Start, ...], costs: list[Cost]) -> Mapping[str, Figure]:
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
        found[f"cpu_seconds_per_round_{n}"] = Figure(one.cpu, "s", at_most=cpu_bounds.get(n))
        found[f"queries_per_round_{n}"] = Figure(one.queries)
    return found


def notes(plan: Plan, starts: tuple[Start, ...], costs: list[Cost]) -> Iterator[str]:
    """What the figures rest on."""
    yield (
        "stood in, and not counted: the API server and Prometheus, at the other end of local HTTP connections. "
        "trimtab run, its clients, SQLite, page and workers are the shipped ones"
    )
    yield (
        "a service: one Deployment of 3 pods, 2 ReplicaSets, Istio's preset, every other one with a policy in Observe; "
        "one pod of 300 changes each second"
    )
    yield (
        f"a round is 15 s; {plan.skipped} rounds left out, {plan.rounds} counted; "
        f"sizes {', '.join(map(str, plan.together))} ran at the same time"
    )
    yield f"starts: {', '.join(f'{one.seconds:.2f} s' for one in starts)}, the median counts"
    where = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    yield f"machine: {where}, load {os.getloadavg()[0]:.1f}"
    unanswered = {query for one in costs for query in one.unanswered}
    for query in sorted(unanswered):
        yield f"the stand-in has no series for: {query}"
