"""A bad rollout, from the fault to the label: seen, asked about in Slack, gone back once, verified from metrics."""

from tests.controlplane.slack import SlackServer
from tests.endtoend.process import Trimtab
from tests.endtoend.story import CRASHING, GOOD, Story


def test_a_bad_rollout_is_asked_about_in_slack_gone_back_once_and_verified(
    story: Story, trimtab: Trimtab, slack_server: SlackServer
) -> None:
    story.quick_runbook()
    story.healthy()
    story.settled(trimtab)

    story.workloads.rollout("checkout", CRASHING)
    question = slack_server.wait_message(lambda message: "approve" in message.action_ids, timeout=90)
    asked = story.asked()
    assert story.effects == []
    slack_server.click(question, "approve", "U1")
    outcome = story.outcome(asked["metadata"]["name"])

    assert outcome == "Effective"
    (effect,) = story.effects
    assert (effect.verb, effect.gvr.resource, effect.name) == ("patch", "deployments", "checkout")
    assert story.image() == GOOD
    assert story.denied == []
