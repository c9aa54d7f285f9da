"""The demo from its beginning to its end: every story ends as it should, and none does whose repair did not happen.

Two runs of the shipped program on the whole fleet: as it is, and with every repair swallowed by the lab.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from controller.cli.demo import OPENING, begin
from controller.cli.screen import Screen
from controller.demo.run import Wishes

STORIES = {
    "scaling": ("auto", "effective", True),
    "canary": ("auto", "effective", True),
    "incident": ("ask", "effective", True),
    "control": ("none", "none", True),
    "handover": ("hand_over", "none", False),
}
REPAIRED = {"checkout", "profiles", "storefront"}


class Run:
    """What one run left behind."""

    def __init__(self, code: int, told: str, complained: str, document: Mapping[str, Any]) -> None:
        self.code, self.told, self.complained, self.document = code, told, complained, document

    def stories(self) -> dict[str, tuple[str, str, bool]]:
        return {one["kind"]: (one["route"], one["outcome"], one["verified"]) for one in self.document["stories"]}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """As a user would without a terminal: the command in a process of its own, 60 columns wide."""
    file = tmp_path_factory.mktemp("demo") / "demo.json"
    command = [
        str(Path(sys.executable).parent / "trimtab"),
        "demo",
        "--until-done",
        "--approve-all",
        "--json",
        str(file),
    ]
    environment = {**os.environ, "COLUMNS": "60", "TRIMTAB_ROUND_SECONDS": "not a number"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)
    return Run(ended.returncode, ended.stdout, ended.stderr, json.loads(file.read_text() or "{}"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every repair is answered as if it were in, and is not."""
    file = tmp_path_factory.mktemp("demo") / "demo.json"
    screen = Screen(out=StringIO(), err=StringIO())
    wishes = Wishes(until_done=True, approve_all=True, suppress=lambda step: step.workload.name in REPAIRED)
    code = begin(wishes, screen, file)
    asyncio.set_event_loop(None)
    return Run(code, screen.out.getvalue(), screen.err.getvalue(), json.loads(file.read_text()))  # type: ignore[attr-defined]  # the StringIOs from above


def test_every_story_ends_as_it_should(good: Run) -> None:
    assert good.stories() == STORIES
    assert good.code == 0, good.complained


def test_the_document_is_exactly_what_was_promised(good: Run) -> None:
    figures = ["pod_hours", "pod_hours_hpa", "slo_minutes_lost", "slo_minutes_lost_hpa", "events"]
    assert list(good.document) == ["stories", *figures]
    for story in good.document["stories"]:
        assert list(story) == ["name", "kind", "route", "outcome", "verified", "seconds_to_recover"]
        recovered = story["kind"] in {"canary", "incident"}
        assert (story["seconds_to_recover"] is not None) == recovered
    assert good.document["pod_hours"] > good.document["pod_hours_hpa"] > 0
    assert good.document["slo_minutes_lost"] < good.document["slo_minutes_lost_hpa"]
    assert good.document["events"] > 50


def test_it_is_told_within_sixty_columns_without_colour(good: Run) -> None:
    lines = good.told.splitlines()
    links = [line for line in lines if "/enter?ticket=" in line]

    assert " ".join(OPENING.split()[:12]) in " ".join(good.told.split())
    assert len(links) == 1
    assert max(len(line) for line in lines if line not in links) <= 60
    assert "\x1b" not in good.told
    for service in ("storefront", "checkout", "profiles", "search", "catalog"):
        assert re.search(rf"^✔ {service}: ", good.told, re.MULTILINE), service
    assert good.complained == ""


def test_a_variable_meant_for_a_cluster_has_no_say(good: Run) -> None:
    assert good.code == 0


@pytest.mark.parametrize("kind", ["scaling", "canary", "incident"])
def test_a_repair_that_did_not_happen_does_not_verify(broken: Run, kind: str) -> None:
    route, outcome, verified = broken.stories()[kind]

    assert route == STORIES[kind][0], "the gate decides the same: it is the world that does not heal"
    assert outcome != "effective"
    assert verified is False


def test_a_run_that_did_not_end_as_it_should_fails_and_says_which_story(broken: Run) -> None:
    assert broken.code == 1
    names = {one["name"] for one in broken.document["stories"] if one["kind"] in {"scaling", "canary", "incident"}}
    assert all(f"{name}: this did not end as it should" in broken.complained for name in names)


def test_the_other_stories_do_not_mind(broken: Run) -> None:
    assert {kind: broken.stories()[kind] for kind in ("control", "handover")} == {
        kind: STORIES[kind] for kind in ("control", "handover")
    }


FULL_HOUSE = """\
name: a full house
nodes:
  - {count: 1, cpu: "1", memory: 2Gi}
services:
  - name: storefront
    replicas: 3
    load: {trace: nasa-http-jul95.csv.gz, peak: 1500, smooth: 10m, begins: 1995-07-21T10:30:00Z}
    cpu: {request: 250m}
    start: {median: 90s}
    autoscaler: {min: 3, max: 24, requestsPerPod: 42}
"""


def test_a_floor_whose_pods_fit_on_no_node_is_not_verified_however_well_it_was_written(tmp_path: Path) -> None:
    file, scenario = tmp_path / "demo.json", tmp_path / "full.yaml"
    scenario.write_text(FULL_HOUSE)
    screen = Screen(out=StringIO(), err=StringIO())
    code = begin(Wishes(until_done=True, approve_all=True, scenario=scenario), screen, file)
    asyncio.set_event_loop(None)

    floor = next(one for one in json.loads(file.read_text())["stories"] if one["kind"] == "scaling")
    assert (floor["route"], floor["outcome"], floor["verified"]) == ("auto", "ineffective", False)
    assert code == 1
    assert "that were not ready" in screen.err.getvalue()  # type: ignore[attr-defined]  # the StringIO from above
