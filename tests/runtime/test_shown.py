"""What a Remediation shows is what people were asked, also after they have answered."""

from dataclasses import replace
from typing import Any

import pytest

from controller.core.events import (
    Answered,
    Asked,
    Event,
    Expired,
    Ignored,
    Proposed,
    Superseded,
    Verdict,
    Via,
)
from controller.runtime.shown import name_of, rounds, status
from tests.core import samples
from tests.core.samples import at


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


# Asked anew


def anew(*between: Event) -> samples.Tale:
    """Asked about, whatever came of it, and asked about the same plan once more."""
    tale = samples.asked()
    tale.events += between
    tale.events.append(Superseded(at("14:10:00"), tale.digest, "automation is paused"))
    proposed = next(event for event in tale.events if isinstance(event, Proposed))
    tale.events += [replace(proposed, at=at("14:30:00"))]
    tale.decided(time="14:30:00")
    return tale.add(Asked(at("14:30:00"), tale.digest, at("14:45:00"), ("mara", "noor")))


ALICE = Answered(at("14:05:03"), samples.asked().digest, Verdict.APPROVE, "mara", Via.SLACK)
LATE = Expired(at("14:17:41"), samples.asked().digest)
EVE = Ignored(at("14:05:03"), "answered", "eve is not among those who may answer here", "eve", samples.asked().digest)


@pytest.mark.parametrize("before", [ALICE, LATE, EVE], ids=["approved", "expired", "refused"])
def test_a_question_asked_anew_shows_nothing_of_what_was_said_to_the_one_before(before: Event) -> None:
    tale = anew(before)
    now = dict(status(tale.incident, newest(tale), tale.events, 1))

    assert now["answer"] == ""
    assert "decision" not in now
    assert now["conditions"] == []


def test_the_question_before_keeps_its_own_answer_and_says_that_it_was_asked_anew() -> None:
    for between, answer in ((ALICE, "Approve mara"), (EVE, "Asked anew")):
        tale = anew(between)
        first, everything = rounds(newest(tale), tale.events)
        old = status(tale.incident, newest(tale), first, 1, anew=True)

        assert old["answer"] == answer
        assert name_of("INC-2041", newest(tale), first) == f"inc-2041-{tale.digest[:4]}"
        assert name_of("INC-2041", newest(tale), everything) == f"inc-2041-{tale.digest[:4]}-2"


def test_a_refusal_shows_on_the_plan_that_it_was_about() -> None:
    tale = samples.asked()
    other = Ignored(at("14:05:03"), "answered", "that plan is not asked about (any more)", "mara", "0" * 16)
    tale.events.append(other)
    assert shown(tale)["conditions"] == []

    tale.events.append(replace(other, digest=tale.digest))
    (condition,) = shown(tale)["conditions"]
    assert (condition["reason"], condition["message"][:6]) == ("Refused", "mara: ")


def test_an_older_log_does_not_say_about_which_plan_and_means_the_one_that_was_asked() -> None:
    tale = samples.asked()
    tale.events.append(Ignored(at("14:05:03"), "answered", "eve is not among those who may answer here", "eve"))
    (condition,) = shown(tale)["conditions"]
    assert condition["reason"] == "Refused"


def newest(tale: samples.Tale) -> Proposed:
    return next(event for event in reversed(tale.events) if isinstance(event, Proposed))
