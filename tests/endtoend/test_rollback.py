"""A bad rollout, from the fault to the label: seen, asked about, gone back once, verified from metrics of live pods."""

import re

import pytest

from tests.controlplane.api import Json
from tests.controlplane.slack import SlackServer
from tests.controlplane.waiting import wait_for
from tests.endtoend.process import Trimtab
from tests.endtoend.story import CRASHING, GOOD, Story


@pytest.mark.timeout(300)
def test_a_bad_rollout_is_asked_about_in_slack_gone_back_once_and_verified(
    story: Story, trimtab: Trimtab, slack_server: SlackServer
) -> None:
    """By the shipped runbook, which wants a minute of health."""
    story.healthy(trimtab)
    story.workloads.rollout("checkout", CRASHING)
    asked = story.asked()
    question = slack_server.wait_message(lambda message: "approve" in message.action_ids)
    assert story.effects == []

    slack_server.click(question, "approve", "U1")
    outcome = story.outcome(asked)

    assert outcome == "Effective"
    (effect,) = story.effects
    assert (effect.verb, effect.gvr.resource, effect.name) == ("patch", "deployments", "checkout")
    assert story.image == GOOD
    assert story.denied == []
    _one_message_tells_the_outcome(slack_server, question.ts)
    _one_incident_with_its_cause_is_explained(trimtab, asked)
    _kubectl_shows_a_row(story, asked)


def _one_message_tells_the_outcome(slack: SlackServer, ts: str) -> None:
    (message,) = wait_for(
        "the message tells the outcome",
        lambda: [one for one in slack.messages if not one.ephemeral_for],
        until=lambda found: "verified" in found[0].plain,
    )
    assert message.ts == ts
    assert "Rolled back to v41 by @mara" in message.plain
    assert not {"approve", "reject"} & set(message.action_ids)


def _one_incident_with_its_cause_is_explained(trimtab: Trimtab, asked: Json) -> None:
    incident = asked["spec"]["incident"]
    told = trimtab.cli("explain", incident)
    assert told.code == 0, told.problem
    rows = dict(re.findall(r"^\d\d:\d\d:\d\d  (\w+) +(.*)$", told.out, re.MULTILINE))
    assert rows["rollout"].startswith("v41 → v42-crash")
    assert rows["diagnosed"].startswith("bad rollout")
    assert "roll back to v41" in rows["proposed"]
    assert "mara in Slack" in rows["approved"]
    assert rows["applied"].startswith("1 effect")
    assert "effective" in rows["verified"]
    assert rows["learned"].startswith("this runbook 0/0 → 1/1")
    listed = trimtab.cli("incidents", "--all", "--output", "json")
    assert listed.out.count(f'"{incident}"') == 1


def _kubectl_shows_a_row(story: Story, asked: Json) -> None:
    shown = story.release.plane.kubectl("get", "remediations", f"--namespace={story.namespace}")
    head, row = (re.split(r" {2,}", line.strip()) for line in shown.splitlines())
    assert head == ["NAME", "ROUTE", "DECISION", "OUTCOME", "TARGET", "RUNBOOK", "AGE"]
    name = asked["metadata"]["name"]
    assert row[:-1] == [name, "Ask", "Approve mara", "Effective", "Deployment/checkout", "crash-loop-after-rollout@1"]
