"""Prometheus: does it answer, does it scrape, how far back does it remember, and does it count anything twice."""

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
TWINS = ("prometheus_replica", "replica", "__replica__", "receive_replica", "prometheus")
"""Labels by which highly available servers are told apart, as their operators and guides name them."""
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
        oldest, twins = await _oldest(source, at), await _twins(source, trust, at)
    except TrimtabError as error:
        return wrong(SUBJECT, str(error.args[0]), error.remedy or "see that it serves the Prometheus API")
    known = f"oldest sample {lasting(oldest)}" if oldest is not None else "no sample yet"
    text = count(targets, "target") + (f", {targets - up} of them down" if targets > up else "") + f", {known}"
    health = read_pulse(pulse, at, trust)
    if not health.healthy:
        return wrong(
            SUBJECT, f"{text}; {health.detail}", "until then its data counts as unhealthy and nothing acts on it"
        )
    if twins:
        return wrong(
            SUBJECT,
            f"{text}; the same target comes from several servers, which differ by the label {twins}: loads and counts"
            " are added up twice",
            f"name it ({named('prometheus_replica_labels')}), or let the store take twins out",
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


async def _twins(source: Metrics, trust: Trust, now: datetime) -> str:
    """The label by which twins of a target differ, where nobody has declared it; empty when there is none."""
    for label in TWINS:
        if label not in trust.replica_labels:
            twins = await _count(source, f'max(count without ({label}) (up{{{label}!=""}}))', now)
            if twins > 1:
                return label
    return ""


async def _oldest(source: Metrics, now: datetime) -> timedelta | None:
    """How far back `up` reaches, to the step: plain PromQL, which Thanos and Mimir answer too."""
    answer = await source.range("count(up)", now - LONGEST, now, STEP)
    if isinstance(answer, Unavailable) or not answer.paths:
        return None
    first = [index for path in answer.paths for index, value in enumerate(path.values) if math.isfinite(value)]
    return now - (answer.start + min(first) * answer.step) if first else None
