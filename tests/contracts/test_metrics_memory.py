"""The metrics contract on the in-memory adapter."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.adapters.memory.metrics import MemoryMetrics
from controller.core.reading import RawSample, Said
from controller.lab.scraping import Fault
from tests.contracts.metrics_contract import BROKEN, CONSTANT, MetricsContract, Trouble

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def valued(value: float) -> Callable[[Sequence[RawSample]], Sequence[RawSample]]:
    return lambda samples: [replace(sample, value=value) for sample in samples]


def faults(now: datetime) -> Mapping[Trouble, Fault]:
    """Every trouble as a fault of a server that is played."""
    return {
        Trouble.DOWN: Fault(down="connection refused"),
        Trouble.SLOW: Fault(down="no answer within 10 s"),
        Trouble.ERROR_500: Fault(down="status 500"),
        Trouble.BUSY_503: Fault(down="status 503"),
        Trouble.NOT_JSON: Fault(down="not JSON"),
        Trouble.CUT_OFF: Fault(down="broke off"),
        Trouble.NAN: Fault(mangle=valued(math.nan)),
        Trouble.INFINITE: Fault(mangle=valued(math.inf)),
        Trouble.STALE: Fault(late=5 * MINUTE),
        Trouble.WARNED: Fault(said=Said(("fetching series from store failed",))),
        Trouble.TWICE: Fault(mangle=lambda samples: [*samples, *(replace(s, value=s.value + 1) for s in samples)]),
        Trouble.CLOCK_OFF: Fault(clock_off=10 * MINUTE),
        Trouble.SCRAPES_STOPPED: Fault(scraped_until=now - 2 * MINUTE),
        Trouble.RESTARTED: Fault(started=now - 2 * MINUTE),
    }


class MemoryStage:
    def __init__(self) -> None:
        self.now = lambda: NOW
        self.step = MINUTE
        self.memory = MemoryMetrics(self.now)
        self.metrics = self.memory
        self.memory.program(CONSTANT, constant)
        self.memory.refuse(BROKEN)

    def trouble(self, kind: Trouble) -> None:
        self.memory.fault = faults(NOW)[kind]


def constant(at: datetime) -> Iterable[tuple[Mapping[str, str], float]]:
    return [({"name": "a"}, 1.0), ({"name": "b"}, 2.0)]


class TestMemoryMetrics(MetricsContract):
    @pytest.fixture
    def stage(self) -> MemoryStage:
        return MemoryStage()
