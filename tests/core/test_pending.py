"""What stands to be done, read from the fold alone."""

from collections.abc import Callable

import pytest

from controller.core.events import (
    Applied,
    Claimed,
    Closed,
    HandedOver,
    Intended,
    NotApplied,
    NothingFits,
    Observed,
    Superseded,
    Undone,
)
from controller.core.pending import (
    Apply,
    Ask,
    Command,
    Escalate,
    Expire,
    Page,
    Revert,
    Settle,
    Verify,
    pending,
)
from controller.core.phrases import unfit
from controller.core.routes import Lifts, Reason, Route, blocker
from remediations.plan import Outcome
from tests.core import samples
from tests.core.samples import Tale, at

UNCLEAR = Reason(Route.HAND_OVER, "unclear", "nobody knows", Lifts.PERSON)


def proposing() -> Tale:
    return Tale().opened().proposed()


def acting() -> Tale:
    return samples.asked().answered().applied()


def harmed() -> Tale:
    oom = Tale("INC-3", samples.SEARCH).opened().proposed(samples.limits_plan()).decided(Route.AUTO).applied(by="")
    return oom.verified(Outcome.HARMFUL, "errors 9 %")


def held_back() -> Tale:
    """Approved at 14:05, then a freeze; nothing was written."""
    freeze = blocker("frozen", "freeze", Lifts.TIME, at("22:00:00"))
    return samples.asked().answered().decided(Route.WAIT, freeze, time="14:05:10")


STANDS: list[tuple[str, Callable[[], Tale], str, Callable[[Tale], tuple[Command, ...]]]] = [
    ("before a decision nothing stands", proposing, "14:03:00", lambda t: ()),
    ("a decision to ask asks", lambda: proposing().decided(), "14:03:00", lambda t: (Ask(t.digest),)),
    ("an open question waits", samples.asked, "14:03:00", lambda t: ()),
    ("its path is followed", samples.asked, "14:12:41", lambda t: (Escalate(t.digest, "group:sre-oncall"),)),
    ("its end ends it, first of all", samples.asked, "14:17:41", lambda t: (Expire(t.digest),)),
    ("an unanswered question was handed over, once", samples.expired, "14:18:00", lambda t: ()),
    ("a rejected plan without a new decision waits", samples.rejected, "14:06:00", lambda t: ()),
    ("auto applies", lambda: proposing().decided(Route.AUTO), "14:03:00", lambda t: (Apply(t.digest),)),
    ("waiting waits", samples.frozen, "14:03:00", lambda t: ()),
    ("refusing does nothing", samples.paused, "14:03:00", lambda t: ()),
    ("an approval that is held back waits", held_back, "14:10:00", lambda t: ()),
    (
        "an approval held back too long is asked again",
        lambda: held_back().decided(Route.ASK, time="14:18:00"),
        "14:18:00",
        lambda t: (Ask(t.digest),),
    ),
    (
        "an approval that still counts is not asked again",
        lambda: samples.asked().answered(),
        "14:06:00",
        lambda t: (),
    ),
    (
        "a hand-over pages with its reasons",
        lambda: proposing().decided(Route.HAND_OVER, UNCLEAR),
        "14:03:00",
        lambda t: (Page(("nobody knows",)),),
    ),
    (
        "a hand-over pages once",
        lambda: proposing().decided(Route.HAND_OVER, UNCLEAR).add(HandedOver(at("14:02:50"), ("nobody knows",))),
        "14:03:00",
        lambda t: (),
    ),
    ("an open write comes before everything", samples.unsettled, "14:30:00", lambda t: (Settle(t.incident.intent),)),  # type: ignore[arg-type]  # an unsettled tale has one
    ("what was written is verified", acting, "14:06:00", lambda t: (Verify(t.digest),)),
    ("s25: harm is taken back at once", harmed, "14:13:11", lambda t: (Revert(t.digest, ""),)),
    (
        "s25: harm taken back goes to a person",
        samples.harmful,
        "14:13:12",
        lambda t: (
            Page(
                (
                    "it is worse than before: errors 9.7 %, 3.9 % before",
                    "it was taken back: the memory limit is 256Mi again",
                )
            ),
        ),
    ),
    (
        "s25: harm that could not be taken back goes to a person",
        lambda: harmed().add(Undone(at("14:13:11"), samples.limits_plan().digest, False, "no longer ours")),
        "14:13:12",
        lambda t: (Page(("it is worse than before: errors 9 %", "it could not be taken back: no longer ours")),),
    ),
    (
        "s25: harm of the irreversible goes to a person",
        lambda: acting().verified(Outcome.HARMFUL, "errors 9 %"),
        "14:13:12",
        lambda t: (Page(("it is worse than before: errors 9 %",)),),
    ),
    ("a person's undo is carried out", samples.undo_asked, "14:20:01", lambda t: (Revert(t.digest, "noor"),)),
    (
        "a person's undo is carried out after the end as well",
        lambda: samples.undo_asked().add(Closed(at("14:20:01"), "effective")),
        "14:21:00",
        lambda t: (Revert(t.digest, "noor"),),
    ),
    ("nothing stands once it is over", samples.cleared, "14:20:00", lambda t: ()),
    ("no plan was handed over, once", samples.unplanned, "14:20:00", lambda t: ()),
]


@pytest.mark.parametrize(("name", "tale", "time", "commands"), STANDS, ids=[stand[0] for stand in STANDS])
def test_what_stands(
    name: str, tale: Callable[[], Tale], time: str, commands: Callable[[Tale], tuple[Command, ...]]
) -> None:
    told = tale()

    assert pending(told.incident, at(time)) == commands(told)


def nothing_fits(observe_only: bool = False) -> Tale:
    tale = Tale().opened(observe_only)
    return tale.add(*samples.unplanned().events[3:4])


def test_an_incident_that_no_runbook_fits_may_develop_for_a_minute() -> None:
    tale = nothing_fits()

    assert pending(tale.incident, at("14:03:39")) == ()
    assert pending(tale.incident, at("14:03:40")) == (Page((unfit(tale.incident.nothing_fits),)),)


def test_an_incident_that_is_only_observed_pages_nobody() -> None:
    assert pending(nothing_fits(observe_only=True).incident, at("15:00:00")) == ()


def test_an_incident_without_symptoms_pages_nobody() -> None:
    tale = nothing_fits().add(Observed(at("14:03:00"), (), samples.HEALTHY))

    assert pending(tale.incident, at("15:00:00")) == ()


def test_s25_harm_goes_to_a_person_though_the_undo_was_paged_as_not_settled_before() -> None:
    tale, key = harmed(), "INC-3/0/2"
    tale.add(Intended(at("14:13:11"), key, tale.digest, 0, 2, epoch=7, undo=True), Claimed(at("14:13:11"), key, 7, "1"))
    tale.add(HandedOver(at("14:18:11"), ("a write begun at 14:13 UTC is not settled: Unknown",)))
    tale.add(Applied(at("14:19:00"), key, "2"), Undone(at("14:19:00"), tale.digest, True, "256Mi again"))

    page = Page(("it is worse than before: errors 9 %", "it was taken back: 256Mi again"))
    assert pending(tale.incident, at("14:19:00")) == (page,)


@pytest.mark.parametrize("given_up", [True, False], ids=["given up", "superseded"])
def test_s33_a_settled_write_is_no_longer_what_a_person_has_to_take(given_up: bool) -> None:
    tale = samples.unsettled()
    key, digest = f"{tale.id}/0/1", tale.digest
    tale.add(HandedOver(at("14:10:03"), ("a write begun at 14:05 UTC is not settled: Forbidden",)))
    tale.add(
        NotApplied(at("14:11:00"), key, "Forbidden", "may not patch")
        if given_up
        else Superseded(at("14:11:00"), digest, "the world has changed", key)
    )
    assert tale.incident.handed_over == ()

    tale.add(NothingFits(at("14:11:01"), ("nothing else fits",)))
    assert pending(tale.incident, at("14:12:00")) == (Page((unfit(("nothing else fits",)),)),)


def test_a_write_that_nobody_was_told_about_leaves_an_earlier_hand_over_as_it_is() -> None:
    before, key = ("the rollback had no effect",), "INC-3/0/2"
    tale = harmed().add(HandedOver(at("14:13:10"), before))
    tale.add(
        Intended(at("14:13:11"), key, tale.digest, 0, 2, epoch=7, undo=True),
        NotApplied(at("14:13:12"), key, "Forbidden", "may not"),
    )

    assert tale.incident.handed_over == before
