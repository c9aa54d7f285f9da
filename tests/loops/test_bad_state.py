"""The shipped restart, told on the lab: containers whose disks fill at different paces fail most of what they get."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from controller.core.events import Applied, Diagnosed, HandedOver, NothingFits, Proposed, Verified
from controller.lab.scenario import Scenario
from remediations.plan import Outcome
from tests.loops.test_harm import of, played

FILLING = {"kind": "disk-filling", "service": "images", "perMinute": "50Mi", "failing": 0.6, "at": "1m"}
OUTAGE = {"kind": "dependency-outage", "service": "images", "at": "15m", "failing": 0.3}


def scenario(fault: dict[str, Any]) -> Scenario:
    images = {"name": "images", "replicas": 6, "load": {"rate": 60, "noise": {"sd": 0.02}}, "start": {"median": "15s"}}
    alert = {"name": "HighErrorRate", "service": "images", "errors": 0.05, "window": "1m", "for": "30s"}
    told = {"name": "disks", "history": "1d", "services": [images], "faults": [fault], "alerts": [alert]}
    return Scenario.load(yaml.safe_dump(told))


async def test_a_few_pods_that_fail_while_the_others_serve_well_are_restarted(tmp_path: Path) -> None:
    events, _ = await played(tmp_path, scenario(FILLING), timedelta(minutes=28))

    proposed, *_ = of(events, Proposed)
    assert proposed.runbook.startswith("restart-errors-without-change@")
    assert proposed.confidence.cause > 0.9
    cause = [event for event in of(events, Diagnosed) if event.at <= proposed.at][-1].causes[0]
    assert cause.name == "process in a bad state"
    assert re.fullmatch(r"1 of 6 pods gives 9\d % of the failed requests", cause.reason)
    assert len(of(events, Applied)) == 1
    assert [event.outcome for event in of(events, Verified)] == [Outcome.EFFECTIVE]


async def test_pods_that_all_fail_alike_are_not_restarted(tmp_path: Path) -> None:
    """What they depend on fails: for a person."""
    events, _ = await played(tmp_path, scenario(OUTAGE), timedelta(minutes=20))

    assert of(events, Proposed, Applied) == []
    assert of(events, Diagnosed)[-1].causes[0].name == "dependency"
    assert any("signals.errors.pods 6, signals.errors.podsOf 6" in told for told in of(events, NothingFits)[-1].reasons)
    assert len(of(events, HandedOver)) == 1
