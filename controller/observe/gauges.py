"""Metrics about each workload's demand, for Prometheus to scrape from us."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Gauge

from detectors.series import Workload

LABELS = ("namespace", "kind", "name")
FORECAST_PEAK = Gauge("trimtab_forecast_peak", "Load, in its own unit, that the coming peak should not exceed.", LABELS)
FLOOR_HELD = Gauge("trimtab_floor_held_replicas", "Replicas that a floor is held at.", LABELS)
FLOOR_WANTED = Gauge("trimtab_floor_wanted_replicas", "Replicas that the floor should be at.", LABELS)


def shown(gauge: Gauge, values: Mapping[Workload, float]) -> None:
    """Set the gauge for exactly these workloads: what is not known is absent, not 0."""
    gauge.clear()
    for workload, value in values.items():
        gauge.labels(workload.namespace, workload.kind, workload.name).set(value)
