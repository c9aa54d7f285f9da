"""What a Remediation shows is what people were asked, also after they have answered."""

from typing import Any

from controller.core.events import Proposed
from controller.runtime.shown import status
from tests.core import samples


def shown(tale: samples.Tale) -> dict[str, Any]:
    proposed = next(event for event in tale.events if isinstance(event, Proposed))
    return dict(status(tale.incident, proposed, tale.events, 1))


def test_a_question_keeps_its_route_after_it_was_approved_and_carried_out() -> None:
    asked, repaired = shown(samples.asked()), shown(samples.repaired())

    assert (asked["route"], asked["answer"]) == ("Ask", "")
    assert (repaired["route"], repaired["answer"], repaired["outcome"]) == ("Ask", "Approve mara", "Effective")
    assert repaired["reasons"] == asked["reasons"]


def test_a_plan_that_was_refused_shows_the_refusal() -> None:
    assert shown(samples.paused())["route"] == "Refuse"
