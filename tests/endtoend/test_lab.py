"""One scenario, played twice: on the real control plane and on the lab. What happened is the same.

A version that crash-loops is rolled out, a person approves, it is gone back once and verified. Times differ, and how
often the same thing was looked at; kinds, routes, reasons, plans and outcomes do not. The rollouts loop's verdicts are
left out: the exporter answers 503 for a pod that crashes, the lab sends it nothing, as a Service does.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from controller.api.v1alpha1.kinds import REMEDIATION, RUNBOOK
from controller.core.events import encode
from controller.demo.playing import Playing, open_lab
from controller.demo.settings import LabSettings
from controller.kinds import DEPLOYMENTS
from controller.lab.scenario import Scenario
from controller.ports import Person
from tests.controlplane.waiting import wait_for
from tests.endtoend.process import Trimtab
from tests.endtoend.story import API, CRASHING, GOOD, Story, open_question, rollback_runbook
from tests.lab.settings import lab_settings

Json = Mapping[str, Any]
Log = Sequence[tuple[str, Json]]
Told = tuple[str, tuple[object, ...]]
BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
LASTS = timedelta(minutes=15)
LOOKED_AGAIN = frozenset({"observed", "checked"})
"""How often they come is a matter of time."""


def told(events: Iterable[Json]) -> list[Told]:
    """A stream without times: what each event says, once where it says the same again."""
    said = ((str(event["kind"]), _says(event)) for event in events if not _of_time(event))
    return [one for one, _ in groupby(said)]


def _of_time(event: Json) -> bool:
    """Looked at again; or it waits for scrapes, which a busy machine misses and the lab never does."""
    return event["kind"] in LOOKED_AGAIN or any(
        reason["code"] == "data-unhealthy" for reason in event.get("reasons", ()) if event["kind"] == "decided"
    )


def _says(event: Json) -> tuple[object, ...]:
    match event["kind"]:
        case "opened":
            return tuple(symptom["code"] for symptom in event["symptoms"])
        case "changed":
            return event["what"], event["text"].partition(" (by ")[0]
        case "diagnosed":
            return (event["causes"][0]["name"],)
        case "proposed":
            return event["runbook"], event["plan"]["remediation"], event["plan"]["change"][0]
        case "decided":
            return event["route"], tuple(reason["code"] for reason in event["reasons"])
        case "answered":
            return event["verdict"], event["by"], event["via"]
        case "intended" | "claimed" | "asked":
            return (event.get("by", ""),)
        case kind:
            known = {"applied": "settled", "verified": "outcome", "learned": "runbook"}
            return (event.get(known.get(kind, "reason")),)


def incident(log: Log) -> list[Json]:
    """The events of the one incident."""
    return [event for stream, event in log if stream.startswith("incident:")]


def _closed(log: Log) -> bool:
    return any(event["kind"] == "closed" for event in incident(log))


# On the real control plane


def _really(story: Story, trimtab: Trimtab) -> Log:
    story.apply(rollback_runbook())
    story.healthy(trimtab)
    # A Prometheus that has just started is not believed yet, as is right; the lab's has always run.
    story.release.prometheus.wait_for("count_over_time(up[40s]) >= 35")
    story.workloads.rollout("checkout", CRASHING)
    story.approve(story.asked())
    wait_for("the incident is closed", lambda: _closed(trimtab.told()), timeout=240, every=0.5)
    return trimtab.told()


# On the lab


def _scenario(namespace: str) -> Scenario:
    service = {
        "name": "checkout",
        "namespace": namespace,
        "replicas": 4,
        "load": {"rate": 100, "noise": {"sd": 0.02}},
        "start": {"median": "2s"},
        "versions": {"v41": {}, "v42-crash": {"crashAfter": "1s"}},
        "running": "v41",
    }
    fault = {"kind": "crash-loop", "service": "checkout", "to": "v42-crash", "at": "2m", "by": "kubectl"}
    return Scenario.load(yaml.safe_dump({"name": "same", "history": "1d", "services": [service], "faults": [fault]}))


def _settings(folder: Path, namespace: str) -> LabSettings:
    """What the release runs with, at the pace of a lab that moves in steps of five seconds."""
    return lab_settings(folder, namespace, scrape_interval=5.0, healthy_revision_seconds=30.0, baseline_seconds=600.0)


async def _in_the_lab(namespace: str, folder: Path) -> tuple[Log, Playing]:
    lab = open_lab(_settings(folder, namespace), _scenario(namespace), 7, BEGIN, people=[Person("mara")])
    async with lab as playing:
        metadata = {"name": "crash-loop-after-rollout", "namespace": namespace, "uid": "runbook", "generation": 1}
        playing.lab.objects.add(RUNBOOK, {"apiVersion": API, **rollback_runbook(), "metadata": metadata})

        async def log() -> Log:
            stored = await playing.program.parts.store.follow(0)
            encoded = ((one.stream, encode(one.event)) for one in stored)
            return [(stream, {"kind": kind, **body}) for stream, (kind, _, body) in encoded]

        async def approve() -> None:
            for asked in filter(open_question, map(dict, playing.lab.objects.all(REMEDIATION, namespace))):
                decision = {"verdict": "Approve", "digest": asked["spec"]["digest"], "by": "mara"}
                patch = {"spec": {"decision": decision}}
                playing.lab.objects.merge(REMEDIATION, namespace, asked["metadata"]["name"], patch)

        playing.clock.attended = lambda: False
        playing.clock.every("approve", timedelta(seconds=5), approve)
        await playing.clock.run(BEGIN + LASTS)
        return await log(), playing


async def test_the_same_happens_on_the_lab_and_on_the_real_control_plane(
    story: Story, trimtab: Trimtab, tmp_path: Path
) -> None:
    really = _really(story, trimtab)
    played, playing = await _in_the_lab(story.namespace, tmp_path)

    assert told(incident(played)) == told(incident(really))
    assert [kind for kind, _ in told(incident(really))].count("applied") == 1
    assert len(story.effects) == 1
    assert story.image == GOOD
    (deployment,) = playing.lab.objects.all(DEPLOYMENTS, story.namespace)
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == GOOD


def test_a_comparison_sees_another_route_and_another_outcome() -> None:
    """Otherwise agreement would prove nothing."""
    at = {"at": "2026-11-20T14:00:00Z"}
    later = {"at": "2026-11-20T15:00:00Z"}
    asked, waited = (dict[str, Any](kind="decided", route=route, reasons=[]) for route in (1, 2))
    good, bad = (dict[str, Any](kind="verified", outcome=outcome) for outcome in ("Effective", "Ineffective"))

    assert told([asked | at, good | at]) == told([asked | later, asked | later, {"kind": "checked"}, good | later])
    assert told([asked, good]) != told([waited, good])
    assert told([asked, good]) != told([asked, bad])
    assert told([asked, good]) != told([good])
