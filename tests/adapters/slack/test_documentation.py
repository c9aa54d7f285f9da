"""The how-to shows the question as Slack shows it, made from a real incident's events."""

import pytest

from controller.adapters.slack.blocks import blocks, render_text
from controller.core.budget import Spent
from controller.core.message import Background, message
from controller.core.policy import Policy
from tests.core import samples
from tests.layout import ROOT

pytestmark = pytest.mark.checkout


def rendered(tale: samples.Tale) -> str:
    before = samples.history(samples.renamed(samples.repaired(), "INC-2035"))
    spent = Spent({"actions:namespace:shop": 0.0})
    told = message(tale.numbered, Background(before, Policy(automatic_above=0.9), spent))
    assert told is not None
    return render_text(blocks(told))


@pytest.mark.parametrize("tale", [samples.asked(), samples.repaired()], ids=["question", "outcome"])
def test_the_how_to_shows_what_slack_shows(tale: samples.Tale) -> None:
    page = (ROOT / "docs/how-to/slack.md").read_text()

    assert f"```\n{rendered(tale)}\n```" in page
