"""Metrics from a Prometheus-compatible server (Prometheus, Thanos, Mimir) through `prometheus-api-client`."""

from controller.adapters.prometheus.connection import Connection
from controller.adapters.prometheus.metrics import PrometheusMetrics

__all__ = ["Connection", "PrometheusMetrics"]
