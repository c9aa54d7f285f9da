"""The fleet's error shares: what their history is made of, and at which times its points stand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from controller.adapters.memory.metrics import MemoryMetrics
from controller.core.alerts import Known
from controller.core.presets import PRESETS
from controller.core.reading import Said, Trust
from controller.observe.fleet import POINTS, Fleet, Grid, Source, line
from controller.observe.past import EPOCH
from detectors.results import Abstention, Detection
from detectors.series import Problem, Series, Workload

NOW = datetime(2026, 11, 20, 12, 0, 10, tzinfo=UTC)
SCRAPE = timedelta(seconds=15)
GRID = Grid.over(timedelta(days=1), SCRAPE)
PRESET = PRESETS["istio"]
FLEET = Source(PRESET)
ME, OTHER = (Workload("shop", "Deployment", name) for name in ("checkout", "search"))
KNOWN = Known(frozenset((ME, OTHER)), {})
OWN = Source(query="sum(rate(failed[2m])) / sum(rate(all[2m]))", workload=ME)


class Here:
    """Workers that work at once."""

    async def run(self, work: Callable[[Any], Any], argument: Any) -> Any:
        return work(argument)


def labels(workload: Workload) -> dict[str, str]:
    return {
        "destination_service_namespace": workload.namespace,
        "destination_workload_namespace": workload.namespace,
        "destination_workload": workload.name,
    }


def share(at: datetime) -> float:
    """A share that moves, and tells when it was."""
    return 0.01 + 0.001 * ((at - EPOCH) / GRID.step % 7)


@dataclass
class Stand:
    """A fleet of two before a metrics server; rounds of 15 s."""

    now: datetime = NOW
    metrics: MemoryMetrics = field(init=False)
    fleet: Fleet = field(init=False)
    spoil: Callable[[datetime, float], float] = lambda at, value: value
    own: Callable[[datetime], float] = share

    def __post_init__(self) -> None:
        self.metrics = MemoryMetrics(lambda: self.now, Trust(scrape_interval=SCRAPE, look_back=GRID.window))
        self.fleet = Fleet(self.metrics, Here(), GRID)
        self.metrics.program(PRESET.load(GRID.window), lambda at: [(labels(w), 10.0) for w in (ME, OTHER)])
        self.metrics.program(
            PRESET.failures(GRID.window),
            lambda at: [(labels(ME), 10.0 * share(at)), (labels(OTHER), self.spoil(at, 10.0 * share(at)))],
        )
        self.metrics.program(OWN.query, lambda at: [({}, self.own(at))])

    async def round(self, source: Source = FLEET, rounds: int = 1) -> Detection | Abstention:
        for _ in range(rounds):
            self.now += SCRAPE
            workloads = frozenset((ME, OTHER)) if source is FLEET else frozenset((ME,))
            await self.fleet.ask({source: workloads}, KNOWN, self.now)
        return self.fleet.judged[ME].answer

    def history(self, source: Source = FLEET, workload: Workload = ME) -> Series:
        """What its band is made from."""
        past = self.fleet.histories[source]
        return line(workload, past, ({}, self.fleet.judged[ME].health), self.now)


def stands_at_its_time(history: Series) -> None:
    for number, value in enumerate(history.values):
        if math.isfinite(value):
            assert value == pytest.approx(share(history.start + number * history.step))


async def test_a_day_is_asked_for_at_once_and_every_point_stands_at_its_time() -> None:
    stand = Stand()
    assert isinstance(await stand.round(), Detection)
    history = stand.history()

    assert np.isfinite(history.values[:-1]).sum() == POINTS
    stands_at_its_time(history)
    assert abs(history.end - stand.now) <= GRID.step


@pytest.mark.parametrize("minutes", [1, 130, 1200], ids=["now", "hours ago", "most of a day ago"])
async def test_one_value_that_is_no_number_costs_nobody_else_their_history(minutes: int) -> None:
    """Not even the workload that it belongs to loses more than the point."""
    stand = Stand()
    bad = NOW - timedelta(minutes=minutes)
    stand.spoil = lambda at, value: math.nan if abs(at - bad) < GRID.step else value
    await stand.round()

    assert np.isfinite(stand.history().values[:-1]).sum() == POINTS
    assert np.isfinite(stand.history(workload=OTHER).values[:-1]).sum() >= POINTS - 2


async def test_more_failures_than_requests_cost_nobody_else_their_history() -> None:
    """A counter that was reset between two scrapes."""
    stand = Stand()
    bad = NOW - timedelta(hours=3)
    stand.spoil = lambda at, value: 30.0 if abs(at - bad) < GRID.step else value
    await stand.round()

    assert np.isfinite(stand.history().values[:-1]).sum() == POINTS
    other = stand.history(workload=OTHER).values
    assert np.isfinite(other[:-1]).sum() >= POINTS - 2
    assert np.nanmax(other) < 0.1


async def test_quiet_stretches_of_an_own_query_stay_missing_and_end_nothing() -> None:
    """0 / 0 at night: what was before and after stands at its own time."""
    stand = Stand()
    begin, end = NOW - timedelta(hours=9), NOW - timedelta(hours=3)
    stand.own = lambda at: math.nan if begin <= at < end else share(at)
    assert isinstance(await stand.round(OWN), Detection)

    history = stand.history(OWN)
    stands_at_its_time(history)
    assert np.isfinite(history.values[:-1]).sum() == POINTS - timedelta(hours=6) / GRID.step


async def test_a_history_that_ended_a_while_ago_is_not_taken_for_one_that_ends_now() -> None:
    """Quiet for two hours, then requests again: the newest value stands two hours behind the last."""
    stand = Stand()
    await stand.round(OWN)
    quiet = stand.now
    stand.own = lambda at: share(at) if at <= quiet else math.nan
    stand.now += timedelta(hours=2)
    assert isinstance(await stand.round(OWN), Abstention)
    history = stand.history(OWN)
    stands_at_its_time(history)
    gone = history.values[-round(timedelta(hours=2) / GRID.step) : -1]
    assert np.isnan(gone).all()


async def test_an_outage_of_prometheus_leaves_the_old_values_at_their_time() -> None:
    stand = Stand()
    await stand.round()
    stand.metrics.fault = replace(stand.metrics.fault, down="refused")
    stand.now += timedelta(hours=1)
    answer = await stand.round()

    assert isinstance(answer, Abstention)
    assert Problem.UNAVAILABLE in answer.problems
    stands_at_its_time(stand.history())
    assert abs(stand.history().end - stand.now) <= GRID.step


async def test_an_empty_answer_with_a_warning_is_not_a_day_without_requests() -> None:
    """At the start a part of the stores is missing: nothing comes, and the server says so."""
    stand = Stand()
    stand.metrics.fault = replace(stand.metrics.fault, said=Said(("some stores did not answer",)))
    query = PRESET.load(GRID.window)
    stand.metrics.program(query, lambda at: [])
    await stand.round(rounds=8)
    stand.metrics.program(query, lambda at: [(labels(w), 10.0) for w in (ME, OTHER)])
    stand.metrics.fault = replace(stand.metrics.fault, said=Said())

    assert isinstance(await stand.round(), Detection)
    assert np.isfinite(stand.history().values[:-1]).sum() == POINTS
