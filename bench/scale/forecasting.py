"""What one forecast costs: the shipped function on loads of the bench's own shape, in this process."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from bench.scale.objects import services
from bench.scale.prometheus import Answers
from controller.observe.demand import forecast_batch
from controller.observe.past import POINTS, STEP
from detectors.base import Horizon
from detectors.series import Series, Signal, Workload

EVERY: Final = STEP.total_seconds()
"""Seconds between two forecasts of one load: a new point of its history each."""
SAMPLE: Final = 32


def seconds_each(seed: int) -> float:
    """CPU seconds of one forecast, over a sample, the first batch (which imports) left out."""
    begin = datetime(2026, 1, 5, tzinfo=UTC)
    times = np.asarray(begin.timestamp() + EVERY * np.arange(POINTS), dtype=np.float64)
    horizon = Horizon(timedelta(minutes=10), 0.9)
    answers = Answers(services(SAMPLE), seed)
    batch = tuple(
        (workload, Series(workload, Signal.LOAD, begin, STEP, answers.course("", index, times), "requests/s"), horizon)
        for index, service in enumerate(answers.services)
        for workload in [Workload(service.namespace, "Deployment", service.name)]
    )
    forecast_batch(batch[:1])
    started = time.process_time()
    forecast_batch(batch)
    return (time.process_time() - started) / len(batch)
