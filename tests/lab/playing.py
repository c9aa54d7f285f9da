"""Small labs to play with, and short ways to read them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import yaml

from controller.lab.apiserver import MemoryObjects
from controller.lab.lab import Lab
from controller.lab.scenario import Scenario
from detectors.series import Workload
from remediations.cluster import Gone, World

BEGIN = datetime(2026, 11, 20, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def workload(name: str = "web") -> Workload:
    return Workload("shop", "Deployment", name, "apps/v1")


def scaler(name: str = "web") -> Workload:
    return Workload("shop", "HorizontalPodAutoscaler", name, "autoscaling/v2")


def scenario(*services: Mapping[str, Any], faults: Any = (), **said: Any) -> Scenario:
    """A scenario of these services; one `web` of 100 requests/s on four pods when none is given."""
    body = {"name": "test", "history": "1d", "services": list(services or [web()]), "faults": list(faults), **said}
    return Scenario.load(yaml.safe_dump(body, sort_keys=False) + "\n")


def web(**said: Any) -> dict[str, Any]:
    plain = {
        "name": "web",
        "replicas": 4,
        "capacity": 50,
        "load": {"rate": 100, "noise": {"sd": 0.03}},
        "start": {"median": "20s", "sigma": 0.1},
    }
    return {**plain, **said}


def lab(played: Scenario | None = None, seed: int = 7) -> Lab:
    return Lab(played or scenario(), seed, BEGIN, MemoryObjects())


def go(stage: Lab, minutes: float) -> None:
    """Play on."""
    stage.advance(stage.now + timedelta(minutes=minutes))


def world(stage: Lab, about: Workload | None = None) -> World:
    found = stage.look(about or workload())
    assert not isinstance(found, Gone), found
    return found


def error_share(stage: Lab, name: str = "web", window: float = 60.0) -> float:
    table = stage.counters.rate(np.array([stage.now.timestamp()]), window)
    place = stage.counters.services.index(workload(name))
    return float(table.failed[0, place] / table.requests[0, place])


def slower_than(stage: Lab, seconds: float, name: str = "web", window: float = 60.0) -> float:
    """The share of requests that took longer."""
    table = stage.counters.rate(np.array([stage.now.timestamp()]), window)
    place = stage.counters.services.index(workload(name))
    under = table.latency[0, place]
    return 1.0 - float(under[stage.counters.edges.index(seconds)] / under[-1])
