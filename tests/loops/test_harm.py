"""Whose doing it is when things get worse after a repair: told on the lab, where pods really run out of memory."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.v1alpha1.kinds import REMEDIATION
from controller.core.events import Applied, Checked, Event, Undone, Verified
from controller.demo.playing import Playing, open_lab
from controller.kinds import AUTOSCALERS, DEPLOYMENTS
from controller.lab.scenario import Scenario
from controller.ports import Listed, Person
from remediations.memory import autoscaler
from remediations.plan import Outcome
from tests.lab.settings import lab_settings
from tests.loops.stage import MINUTE, Stage
from tests.loops.test_incidents import raised

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEAK: dict[str, Any] = {"kind": "leak", "service": "profiles", "perMinute": "30Mi", "spread": "12%", "upTo": "330Mi"}
SLOW_TO_START = {"median": "50s", "sigma": 0.1}


def scenario(*faults: dict[str, Any], room: str = "2Gi", **service: Any) -> Scenario:
    """Sessions pile up until the containers are killed, again and again; half as much memory more is enough."""
    profiles = {
        "name": "profiles",
        "replicas": 6,
        "load": {"rate": 60, "noise": {"sd": 0.02}},
        "memory": {"base": "120Mi", "request": "128Mi", "limit": "256Mi"},
        "start": SLOW_TO_START,
        "maxSurge": 1,
        "maxUnavailable": 1,
        "versions": {"v12": {}},
        "running": "v12",
        **service,
    }
    nodes = [{"count": 3, "name": "node", "cpu": "8", "memory": room}]
    told = {"name": "memory", "history": "1d", "nodes": nodes, "services": [profiles]}
    return Scenario.load(yaml.safe_dump({**told, "faults": [{**LEAK, "at": "1m"}, *faults]}))


async def played(folder: Path, story: Scenario, lasting: timedelta) -> tuple[list[Event], Playing]:
    """The incident's events, with every question answered yes after five seconds."""
    async with open_lab(
        lab_settings(folder, "shop", scrape_interval=15.0, baseline_seconds=3600.0),
        story,
        7,
        BEGIN,
        people=[Person("mara")],
    ) as playing:

        async def approve() -> None:
            for item in playing.lab.objects.all(REMEDIATION, "shop"):
                if "decision" not in item["spec"]:
                    decision = {"verdict": "Approve", "digest": item["spec"]["digest"], "by": "mara"}
                    playing.lab.objects.merge(
                        REMEDIATION, "shop", item["metadata"]["name"], {"spec": {"decision": decision}}
                    )

        playing.clock.attended = lambda: False
        playing.clock.every("approve", timedelta(seconds=5), approve)
        await playing.clock.run(BEGIN + lasting)
        rows = await playing.program.parts.store.follow(0)
        return [row.event for row in rows if row.stream.startswith("incident:")], playing


def of(events: Iterable[Event], *kinds: type) -> list[Any]:
    return [event for event in events if isinstance(event, kinds)]


WORSE_MEANWHILE = {**LEAK, "at": "5m20s", "perMinute": "200Mi"}
OUTAGE = {"kind": "dependency-outage", "service": "profiles", "at": "9m", "failing": 0.3}
FULL = {"room": "600Mi", "maxSurge": 0, "memory": {"base": "120Mi", "request": "256Mi", "limit": "256Mi"}}


def limit(playing: Playing) -> str:
    (deployment,) = playing.lab.objects.all(DEPLOYMENTS, "shop")
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"])


async def test_what_the_old_pods_do_while_they_are_replaced_is_no_harm_of_the_change(tmp_path: Path) -> None:
    """A quarter of the requests fails and most pods restart before the last of them is gone; then all is well."""
    events, playing = await played(tmp_path, scenario(WORSE_MEANWHILE), timedelta(minutes=20))

    (applied,), (verified,) = of(events, Applied), of(events, Verified)
    (first,) = [look for look in of(events, Checked) if look.rolled_out][:1]
    assert first.at - applied.at > timedelta(minutes=2), "it was worse for longer than harm has to last"
    assert verified.outcome is Outcome.EFFECTIVE
    assert of(events, Undone) == []
    assert limit(playing) == "384Mi"


@pytest.mark.parametrize(
    ("fault", "service"),
    [((), FULL), ((OUTAGE,), {})],
    ids=["the new pods find no room", "errors that stay after the rollout"],
)
async def test_s25_a_limit_that_does_harm_is_taken_back(
    tmp_path: Path, fault: tuple[dict[str, Any], ...], service: dict[str, Any]
) -> None:
    events, playing = await played(tmp_path, scenario(*fault, **service), timedelta(minutes=14))

    (applied, *_), (verified,), (undone,) = of(events, Applied), of(events, Verified), of(events, Undone)
    assert verified.outcome is Outcome.HARMFUL
    assert verified.at - applied.at < timedelta(minutes=6)
    assert undone.restored
    assert limit(playing) == "256Mi"


@pytest.mark.parametrize(
    ("autoscaled", "outcome"), [(True, Outcome.EFFECTIVE), (False, Outcome.INEFFECTIVE)], ids=["autoscaled", "by hand"]
)
async def test_s24_fewer_replicas_are_a_success_only_where_an_autoscaler_wants_fewer(
    autoscaled: bool, outcome: Outcome
) -> None:
    """The load falls while the new limit is on trial."""
    async with Stage() as stage:
        hpa = autoscaler("shop", "checkout" if autoscaled else "another", least=2)
        stage.program.cache.take(AUTOSCALERS, None, Listed((hpa,)))
        await raised(stage)
        stage.scale(2)
        await stage.run(16 * MINUTE)

        assert [event.outcome for event in await stage.events(Verified)] == [outcome]
        assert stage.memory() == "384Mi"
