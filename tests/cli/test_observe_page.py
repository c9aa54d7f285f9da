"""docs/how-to/observe.md shows what the commands and the chat really say."""

import asyncio
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from controller.adapters.slack.blocks import blocks, render_text
from controller.api.v1alpha1.servicepolicy import ServicePolicy
from controller.cli import status as glance
from controller.cli.asking import Address
from controller.cli.screen import Screen
from controller.core.events import Event
from controller.core.report import Report, report
from controller.core.report_text import message
from controller.core.report_text import render_text as report_text
from controller.settings import Settings
from tests.cli.test_documentation import blocks as fenced
from tests.core import samples
from tests.core.test_report import rollout, would_hold
from tests.layout import ROOT
from tests.web.memory import BASKET, furnished
from tests.web.served import served

pytestmark = pytest.mark.checkout

PAGE = ROOT / "docs/how-to/observe.md"
LINK = "https://trimtab.example/report"


def week() -> Report:
    """A first week in Observe: two rollouts that broke, a floor on three mornings, three new versions."""
    early = timedelta(days=-2)
    baskets = [
        replace(event, at=event.at + early) for event in samples.renamed(samples.observed(BASKET), "INC-1").events
    ]
    streams: Mapping[str, Sequence[Event]] = {
        "incident:INC-1": baskets,
        "incident:INC-2": samples.renamed(samples.observed(), "INC-2").events,
        f"floor:{samples.CHECKOUT.key}": [would_hold(replicas, day) for day, replicas in ((3, 7), (2, 9), (1, 8))],
        f"rollout:{samples.CHECKOUT.key}": [*rollout("v41", "promote"), *rollout("v42", "hold")],
    }
    return report(streams, samples.DAY - timedelta(days=6), samples.DAY + timedelta(days=1), 14)


def test_the_page_shows_what_trimtab_status_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "token").write_text("token-of-mara")
    out = io.StringIO()
    with served(furnished()) as server:
        address = Address(server.url, tmp_path / "token")
        asyncio.run(glance.status(Screen(out=out), Settings(), address, "", samples.at("14:06:00")))

    assert f"```\n$ trimtab status\n{out.getvalue()}```" in PAGE.read_text()


def test_the_page_shows_what_trimtab_report_says() -> None:
    assert f"```\n$ trimtab report\n{report_text(week())}\n```" in PAGE.read_text()


def test_the_page_shows_what_slack_shows() -> None:
    assert f"```\n{render_text(blocks(message(week(), LINK)))}\n```" in PAGE.read_text()


def test_the_policy_on_the_page_is_one() -> None:
    (policy,) = (yaml.safe_load(text) for text in fenced(PAGE, "yaml"))

    assert ServicePolicy.model_validate(policy).spec.target.match_labels == {"tier": "front"}
