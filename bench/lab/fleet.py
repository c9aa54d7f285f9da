"""The fleet that is played: twenty services that call each other, each with a day, noise and an autoscaler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import yaml

from controller.lab.scenario import Scenario

SERVICES: Final = 20
GATES: Final = 5
"""Services that load comes to from outside; each calls two more, and those one each."""


def fleet(count: int = SERVICES) -> Scenario:
    """As a scenario file would say it."""
    body = {
        "name": "bench",
        "summary": "A fleet of no particular shop.",
        "history": "1d",
        "nodes": [{"count": 10, "cpu": 32, "memory": "128Gi"}],
        "services": list(services(count)),
    }
    return Scenario.load(yaml.safe_dump(body, sort_keys=False) + "\n", "bench")


def services(count: int) -> Iterator[dict[str, Any]]:
    """Service n calls n + 5 and, where it is a gate, n + 10 as well."""
    for number in range(count):
        calls = [number + GATES, *([number + 2 * GATES] if number < GATES else [])]
        load = {"rate": 80 + 40 * number, "daily": "40%", "weekly": "20%", "noise": {"sd": 0.1}}
        yield {
            "name": f"service-{number}",
            "calls": [{"to": f"service-{to}", "per": 0.8} for to in calls if to < count],
            "capacity": 50,
            "replicas": 4,
            "start": {"median": "30s"},
            "autoscaler": {"min": 2, "max": 40, "cpu": 60},
            "minAvailable": "50%",
            "versions": {"v1": {}, "v2": {}},
            "running": "v1",
            **({"load": load} if number < GATES else {}),
        }
