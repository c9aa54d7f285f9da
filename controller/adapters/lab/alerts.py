"""The lab's alerting rules: what its Prometheus would say fires, out of what it has scraped.

Promises that an alert fires as by a rule with `for`: at each evaluation, every 15 s, the share of failed requests over
the window was above the bound, all that time. Where nothing was scraped nothing is above a bound, so that the time
begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from controller.lab.lab import Lab
from controller.lab.latency import Floats
from controller.lab.load import SLOT
from controller.lab.parts import Alert
from detectors.series import Workload


def firing(lab: Lab, times: Floats) -> Iterable[tuple[Mapping[str, str], Floats]]:
    """The series of `ALERTS{alertstate="firing"}` at these times (unix seconds): 1, and NaN where it does not fire."""
    for alert in lab.scenario.alerts:
        fires = _fires(lab, alert, times)
        for place, workload in enumerate(lab.counters.services):
            if alert.service in {None, workload.name}:
                yield _labels(alert, workload), np.where(fires[:, place], 1.0, np.nan)


def _fires(lab: Lab, alert: Alert, times: Floats) -> NDArray[np.bool_]:
    looks = int(np.ceil(alert.lasting / SLOT)) + 1
    evaluated = np.floor(times / SLOT).astype(np.int64)
    first = int(evaluated.min()) - looks + 1
    grid = np.arange(first, int(evaluated.max()) + 1, dtype=np.float64) * SLOT
    table = lab.counters.rate(grid, alert.window)
    above = table.failed > alert.errors * table.requests  # never where either is NaN
    held = np.asarray(np.lib.stride_tricks.sliding_window_view(above, looks, axis=0).all(axis=-1))
    return held[evaluated - looks + 1 - first]


def _labels(alert: Alert, workload: Workload) -> dict[str, str]:
    about = {"namespace": workload.namespace, workload.kind.lower(): workload.name}
    return {"alertname": alert.name, "alertstate": "firing", "severity": alert.severity, **about}
