"""What Observe says it would have done, and how often a decision is worth a line in the log."""

from datetime import datetime, timedelta

import pytest

from controller.core.decide import Refuse
from controller.core.events import Decided
from controller.core.routes import Lifts, Reason, Route, blocker
from controller.loops.propose import worth_recording
from controller.loops.would import would

NOW = datetime.fromisoformat("2026-11-20T14:00:00+00:00")
OBSERVE = Reason(Route.REFUSE, "observe", "the policy observes only", Lifts.NOBODY)
NO_RIGHT = blocker("not-permitted", "no right", Lifts.PERSON)
COLD = Reason(Route.ASK, "cold-start", "0 verified outcomes", Lifts.APPROVAL)
FLOOR = blocker("floor", "only 1 of 2 would stay ready", Lifts.NOBODY)


@pytest.mark.parametrize(
    ("reasons", "route"),
    [
        pytest.param((OBSERVE,), Route.AUTO, id="nothing-else"),
        pytest.param((OBSERVE, COLD), Route.ASK, id="cold-start"),
        pytest.param((OBSERVE, NO_RIGHT, COLD), Route.ASK, id="rights-are-left-out-on-purpose"),
        pytest.param((OBSERVE, COLD, FLOOR), Route.REFUSE, id="forbidden-anyway"),
        pytest.param((NO_RIGHT, COLD), None, id="not-observing"),
    ],
)
def test_observing_says_what_would_have_been_done_with_the_rights_to_it(
    reasons: tuple[Reason, ...], route: Route | None
) -> None:
    assert would(Refuse(reasons)) is route


@pytest.mark.parametrize(
    ("route", "reasons", "later", "worth"),
    [
        pytest.param(Route.ASK, (COLD,), 0, True, id="another-route-at-once"),
        pytest.param(Route.REFUSE, (OBSERVE, COLD), 600, False, id="the-same-again"),
        pytest.param(Route.REFUSE, (OBSERVE, FLOOR), 59, False, id="a-reason-that-flaps"),
        pytest.param(Route.REFUSE, (OBSERVE, FLOOR), 60, True, id="other-reasons-a-minute-later"),
    ],
)
def test_reasons_that_come_and_go_do_not_fill_the_log(
    route: Route, reasons: tuple[Reason, ...], later: int, worth: bool
) -> None:
    before = Decided(NOW, "7f3a", route if route is not Route.ASK else Route.REFUSE, (OBSERVE, COLD))
    decision = Refuse(reasons, route)

    assert worth_recording(before, decision, NOW + timedelta(seconds=later)) is worth


def test_the_first_decision_is_always_recorded() -> None:
    assert worth_recording(None, Refuse((OBSERVE,)), NOW)
