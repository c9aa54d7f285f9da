"""What every Metrics adapter promises, run on each: in memory, and on a real Prometheus behind a proxy that tampers."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import pytest

from controller.errors import BadQuery
from controller.ports import Metrics, Paths, Samples, Unavailable
from detectors.series import Problem

CONSTANT = "contract_gauge"
"""Two series, `name="a"` at 1 and `name="b"` at 2, scraped for longer than the look-back."""

ABSENT = "contract_absent"
BROKEN = "sum(((contract_gauge"


class Trouble(StrEnum):
    DOWN = "down"
    SLOW = "slow"
    ERROR_500 = "500"
    BUSY_503 = "503"
    NOT_JSON = "not-json"
    CUT_OFF = "cut-off"
    NAN = "nan"
    INFINITE = "infinite"
    STALE = "stale"
    WARNED = "warned"
    TWICE = "twice"
    CLOCK_OFF = "clock-off"
    SCRAPES_STOPPED = "scrapes-stopped"
    RESTARTED = "restarted"


NO_ANSWER = [Trouble.DOWN, Trouble.SLOW, Trouble.ERROR_500, Trouble.BUSY_503, Trouble.NOT_JSON, Trouble.CUT_OFF]
NAMED = [
    (Trouble.NAN, {Problem.NOT_FINITE}),
    (Trouble.INFINITE, {Problem.NOT_FINITE}),
    (Trouble.STALE, {Problem.STALE}),
    (Trouble.WARNED, {Problem.WARNED, Problem.PARTIAL}),
    (Trouble.TWICE, {Problem.DUPLICATE}),
    (Trouble.CLOCK_OFF, {Problem.CLOCK_SKEW}),
    (Trouble.SCRAPES_STOPPED, {Problem.STALE}),
    (Trouble.RESTARTED, {Problem.RECOVERING}),
]


class Stage(Protocol):
    """One adapter with a server behind it that can be put into trouble."""

    metrics: Metrics
    now: Callable[[], datetime]
    step: timedelta

    def trouble(self, kind: Trouble) -> None: ...


async def instant(stage: Stage, query: str = CONSTANT) -> Samples | Unavailable:
    return await stage.metrics.instant(query, stage.now())


async def recent(stage: Stage, query: str = CONSTANT) -> Paths | Unavailable:
    end = stage.now()
    return await stage.metrics.range(query, end - 4 * stage.step, end, stage.step)


class MetricsContract:
    """Subclasses give the fixture `stage`."""

    async def test_a_healthy_server_gives_values_labels_and_no_problem(self, stage: Stage) -> None:
        answer = await instant(stage)

        assert isinstance(answer, Samples)
        assert answer.health.healthy, answer.health
        assert {s.labels["name"]: s.value for s in answer.samples} == {"a": 1.0, "b": 2.0}
        assert all(abs(s.at - stage.now()) < timedelta(seconds=5) for s in answer.samples)

    async def test_a_range_lies_on_the_asked_grid(self, stage: Stage) -> None:
        answer = await recent(stage)

        assert isinstance(answer, Paths)
        assert answer.health.healthy, answer.health
        assert {len(p.values) for p in answer.paths} == {5}
        assert {p.labels["name"]: p.values[-1] for p in answer.paths} == {"a": 1.0, "b": 2.0}

    async def test_an_empty_answer_is_missing_not_healthy(self, stage: Stage) -> None:
        for answer in (await instant(stage, ABSENT), await recent(stage, ABSENT)):
            assert not isinstance(answer, Unavailable)
            assert Problem.MISSING in answer.health.problems

    async def test_a_query_that_cannot_be_parsed_is_the_askers_error(self, stage: Stage) -> None:
        with pytest.raises(BadQuery):
            await instant(stage, BROKEN)
        with pytest.raises(BadQuery):
            await recent(stage, BROKEN)

    @pytest.mark.parametrize("kind", NO_ANSWER)
    async def test_no_answer_is_unavailable_with_a_reason_never_empty(self, stage: Stage, kind: Trouble) -> None:
        stage.trouble(kind)

        for answer in (await instant(stage), await recent(stage)):
            assert isinstance(answer, Unavailable), answer
            assert answer.reason

    @pytest.mark.parametrize(("kind", "problems"), NAMED, ids=[kind for kind, _ in NAMED])
    async def test_bad_data_is_named(self, stage: Stage, kind: Trouble, problems: set[Problem]) -> None:
        stage.trouble(kind)

        answer = await instant(stage)

        assert isinstance(answer, Samples)
        assert answer.health.problems >= problems, answer.health
        assert all(abs(sample.value) < float("inf") for sample in answer.samples)
        assert (answer.undefined > 0) is (kind is Trouble.NAN)
