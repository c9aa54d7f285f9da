"""Prometheus: does it answer, does it scrape, and how far back does it remember."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from controller.chart import named
from controller.checkup.finding import Finding, note, well, wrong
from controller.core.reading import Pulse, Trust, read_pulse
from controller.core.words import count, lasting
from controller.errors import TrimtabError
from controller.observe.fleet import POINTS
from controller.ports import Metrics, Unavailable
from detectors.anomaly.baseline import Baseline

SUBJECT = "Prometheus"
LONGEST = timedelta(days=30)
STEP = timedelta(hours=3)
BEGINS = (Baseline().least + Baseline().guard) / POINTS
"""The share of a band's history after which the detector judges at all."""


class Pulsing(Metrics, Protocol):
    """A Metrics adapter that knows its server's own state."""

    async def pulse(self) -> Pulse | Unavailable:
        """Asked now."""
        ...


def no_metrics() -> Finding:
    """No metrics server is set."""
    return note(
        SUBJECT, "none: only object states are seen, no indicator and no alert", f"name one ({named('prometheus_url')})"
    )


async def metrics(source: Pulsing, trust: Trust, baseline: timedelta, now: Callable[[], datetime]) -> Finding:
    """One line on the metrics server."""
    pulse = await source.pulse()
    if isinstance(pulse, Unavailable):
        return wrong(
            SUBJECT,
            pulse.reason,
            f"check its address ({named('prometheus_url')}), its login, and the ports of networkPolicy.egressPorts",
        )
    at = now()
    try:
        targets, up = await _count(source, "count(up)", at), await _count(source, "count(up == 1)", at)
        oldest = await _oldest(source, at)
    except TrimtabError as error:
        return wrong(SUBJECT, str(error.args[0]), error.remedy or "see that it serves the Prometheus API")
    known = f"oldest sample {lasting(oldest)}" if oldest is not None else "no sample yet"
    text = count(targets, "target") + (f", {targets - up} of them down" if targets > up else "") + f", {known}"
    health = read_pulse(pulse, at, trust)
    if not health.healthy:
        return wrong(
            SUBJECT, f"{text}; {health.detail}", "until then its data counts as unhealthy and nothing acts on it"
        )
    if oldest is None or oldest < baseline:
        begins = lasting(baseline * BEGINS)
        return note(SUBJECT, f"{text}; error shares are judged after {begins}, against up to {lasting(baseline)}")
    return well(SUBJECT, text)


async def _count(source: Metrics, query: str, now: datetime) -> int:
    answer = await source.instant(query, now)
    if isinstance(answer, Unavailable) or not answer.samples:
        return 0
    return int(answer.samples[0].value)


async def _oldest(source: Metrics, now: datetime) -> timedelta | None:
    """How far back `up` reaches, to the step: plain PromQL, which Thanos and Mimir answer too."""
    answer = await source.range("count(up)", now - LONGEST, now, STEP)
    if isinstance(answer, Unavailable) or not answer.paths:
        return None
    first = [index for path in answer.paths for index, value in enumerate(path.values) if math.isfinite(value)]
    return now - (answer.start + min(first) * answer.step) if first else None
