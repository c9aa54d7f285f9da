"""Alerts of the lab: they fire by the rule, and the program reads them by the way it reads a real server's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.lab.metrics import LabMetrics
from controller.core.alerts import ALERTS_QUERY, Known, alerts_of, assign
from controller.core.events import NothingFits, Observed, Opened, Proposed
from controller.demo.playing import open_lab
from controller.demo.reading import Kind
from controller.demo.settings import YOU, lab_settings
from controller.demo.stories import CONSENTS, Story
from controller.lab.lab import Lab
from controller.lab.scenario import BadScenario
from controller.ports import Paths, Samples
from tests.lab.playing import BEGIN, MINUTE, go, lab, scenario, web, workload

RULE = {"name": "ManyFail", "errors": "5%", "window": "2m", "for": "5m"}
OUTAGE = {"kind": "dependency-outage", "service": "web", "at": "10m", "for": "15m", "failing": "20%"}


def stage(*faults: Mapping[str, Any], **rule: Any) -> Lab:
    return lab(scenario(web(), {"name": "store"}, faults=[OUTAGE, *faults], alerts=[{**RULE, **rule}]))


async def fires(on: Lab) -> bool:
    answer = await LabMetrics(on).instant(ALERTS_QUERY, on.now)
    assert isinstance(answer, Samples)
    alerts = alerts_of(answer)
    assert alerts is not None
    found = assign(alerts, Known(frozenset(on.counters.services)))
    assert not found.unmatched
    assert set(found.by_workload) <= {workload()}
    assert all(one.critical for one in alerts)
    return bool(alerts)


async def test_an_alert_fires_once_its_bound_was_passed_all_the_time_and_no_longer() -> None:
    on, seen = stage(), []
    for minutes in (14, 4, 6, 4):
        go(on, minutes)
        seen.append(await fires(on))

    assert seen == [False, True, True, False], "at 14, 18, 24 and 28 minutes, of an outage from 10 to 25"


async def test_a_range_of_alerts_is_many_instants() -> None:
    on = stage()
    go(on, 30)
    paths = await LabMetrics(on).range(ALERTS_QUERY, BEGIN, on.now, MINUTE)
    assert isinstance(paths, Paths)

    (found,) = [one.values for one in paths.paths if one.labels.get("alertname") == "ManyFail"]
    told = [minute for minute, value in enumerate(found) if value == 1.0]
    assert told == list(range(told[0], told[-1] + 1))
    assert 15 <= told[0] <= 17
    assert 25 <= told[-1] <= 27


async def test_a_rule_about_another_service_or_a_higher_bound_is_silent() -> None:
    for rule in ({"service": "store"}, {"errors": "30%"}):
        on = stage(**rule)
        go(on, 20)
        assert not await fires(on)


async def test_a_gap_of_scrapes_begins_the_time_anew() -> None:
    gap = {"kind": "prometheus-outage", "at": "22m", "for": "4m"}
    seen = []
    for faults in ([], [gap]):
        on = lab(scenario(web(), faults=[{**OUTAGE, "for": "1h"}, *faults], alerts=[{**RULE, "for": "10m"}]))
        for minutes in (33, 5):
            go(on, minutes)
            seen.append(await fires(on))

    assert seen == [True, True, False, True]


def test_a_rule_about_nobody_is_a_finding() -> None:
    with pytest.raises(BadScenario, match="there is no service wob"):
        stage(service="wob")


async def test_the_shipped_restart_runbook_fits_once_an_alert_fires(tmp_path: Path) -> None:
    """The first disk is full, all pods are ready and nothing changed: without the alert nothing fits."""
    filling = {"kind": "disk-filling", "service": "web", "at": "8m", "perMinute": "60Mi"}
    full = scenario(web(replicas=6), faults=[filling], alerts=[{**RULE, "window": "1m", "for": "30s"}])
    policy = Story("", Kind.INCIDENT, workload(), policy=CONSENTS).manifest()
    async with open_lab(lab_settings(tmp_path, ["shop"]), full, 7, BEGIN, policies=[policy], people=[YOU]) as playing:
        playing.clock.attended = lambda: False  # nobody answers, and time goes on
        await playing.clock.run(BEGIN + 27 * MINUTE)
        log = [stored.event for stored in await playing.program.parts.store.follow(0)]

    told = [event for event in log if isinstance(event, NothingFits | Proposed)]
    assert isinstance(told[0], NothingFits)
    proposed = [event.runbook for event in told if isinstance(event, Proposed)]
    assert proposed
    assert proposed[0].startswith("restart-errors-without-change@")
    seen = [{symptom.code for symptom in event.symptoms} for event in log if isinstance(event, Opened | Observed)]
    assert seen[:2] == [{"errors"}, {"errors", "alert"}]
