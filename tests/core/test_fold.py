"""An incident is a fold: never raises, replays the same, and takes only what makes sense."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.accept import accept
from controller.core.events import (
    Answered,
    Applied,
    Asked,
    Checked,
    Claimed,
    Closed,
    Decided,
    Escalated,
    Event,
    Expired,
    HandedOver,
    Intended,
    Learned,
    NotApplied,
    NothingFits,
    Opened,
    Proposed,
    Superseded,
    UndoAsked,
    Undone,
    Verdict,
    Verified,
    Via,
)
from controller.core.incident import Incident, begin, evolve, fold
from controller.core.pending import pending
from controller.core.routes import Route
from remediations.plan import Outcome
from tests.core import samples
from tests.core.samples import Tale, at
from tests.core.strategies import EVENTS, NOW, built


@given(built(Opened), st.lists(EVENTS, max_size=30))
def test_reading_the_log_never_raises(opened: Opened, events: list[Event]) -> None:
    """Whatever stands there, in whatever order, is folded; and what is to be done next can be asked."""
    incident = fold(enumerate([opened, *events], start=1))

    assert incident is not None
    assert incident.number == len(events) + 1
    assert pending(incident, NOW) == pending(incident, NOW)


@given(st.sampled_from(sorted(samples.ALL)), st.lists(EVENTS, max_size=10))
def test_events_that_do_not_fit_never_raise_in_any_real_story(name: str, events: list[Event]) -> None:
    incident = samples.ALL[name]().incident
    for event in events:
        accept(incident, event)
        incident = evolve(incident, event)
        pending(incident, NOW)


@given(st.lists(EVENTS.filter(lambda event: not isinstance(event, Opened)), max_size=5))
def test_a_log_that_does_not_begin_is_no_incident(events: list[Event]) -> None:
    assert fold(enumerate(events, start=1)) is None


@pytest.mark.parametrize("name", sorted(samples.ALL))
def test_the_same_events_make_the_same_incident_at_every_cut(name: str) -> None:
    """A crash after any event and a replay continue where the log ends."""
    numbered = samples.ALL[name]().numbered
    whole = fold(numbered)
    for cut in range(1, len(numbered)):
        incident = fold(numbered[:cut])
        assert incident is not None
        for number, event in numbered[cut:]:
            incident = replace(evolve(incident, event), number=number)
        assert incident == whole


# What is refused, in words


def answer(tale: Tale, verdict: Verdict = Verdict.APPROVE, time: str = "14:06:00", digest: str = "") -> Answered:
    return Answered(at(time), digest or tale.digest, verdict, "noor", Via.PAGE, "no")


def intended(tale: Tale, step: int = 0, undo: bool = False, digest: str = "") -> Intended:
    return Intended(at("14:06:00"), "key", digest or tale.digest, step, 1, epoch=7, undo=undo)


def asking(tale: Tale) -> Asked:
    return Asked(at("14:06:00"), tale.digest, at("14:20:00"), ("mara",))


def proposed(tale: Tale) -> Proposed:
    return next(event for event in reversed(tale.events) if isinstance(event, Proposed))


def acting() -> Tale:
    return samples.asked().answered().applied()


def proposing() -> Tale:
    return Tale().opened().proposed()


REFUSALS: list[tuple[str, Callable[[], Tale], Callable[[Tale], Event], str]] = [
    ("opened twice", samples.asked, lambda t: t.events[0], "the incident is already open"),
    ("a second answer", lambda: samples.asked().answered(), answer, "mara has already answered: Approve"),
    (
        "a rejection after an approval",
        lambda: samples.asked().answered(),
        lambda t: answer(t, Verdict.REJECT),
        "mara has already answered: Approve",
    ),
    ("an answer at the very end", samples.asked, lambda t: answer(t, time="14:17:41"), "the question has expired"),
    ("an answer after expiry", samples.expired, lambda t: answer(t, time="14:18:00"), "the question is over: expired"),
    (
        "an answer to another plan",
        samples.asked,
        lambda t: answer(t, digest="0" * 16),
        "that plan is not asked about (any more)",
    ),
    ("an answer nobody asked for", proposing, answer, "that plan is not asked about (any more)"),
    (
        "an answer to a superseded plan",
        samples.superseded,
        answer,
        "the question is over: the template was changed by helm",
    ),
    (
        "expiry before its time",
        samples.asked,
        lambda t: Expired(at("14:10:00"), t.digest),
        "the question has not expired",
    ),
    (
        "expiry of what was answered",
        lambda: samples.asked().answered(),
        lambda t: Expired(at("14:20:00"), t.digest),
        "mara has already answered: Approve",
    ),
    (
        "escalation of what was answered",
        lambda: samples.asked().answered(),
        lambda t: Escalated(at("14:12:41"), t.digest, "group:sre-oncall"),
        "mara has already answered: Approve",
    ),
    ("a second question", samples.asked, asking, "the question is already open"),
    ("a question the gate does not ask", proposing, asking, "the gate does not ask"),
    (
        "a question that is over at once",
        lambda: proposing().decided(),
        lambda t: Asked(at("14:06:00"), t.digest, at("14:06:00"), ("mara",)),
        "it would expire before it is asked",
    ),
    (
        "a decision on another plan",
        samples.asked,
        lambda t: Decided(at("14:06:00"), "0" * 16, Route.AUTO, ()),
        "the plan is not the current one",
    ),
    ("s21: a write without a decision", proposing, intended, "the gate did not open"),
    ("s21: a write on a question", samples.asked, intended, "the gate did not open"),
    (
        "s21: a write on an answer without a decision",
        lambda: samples.asked().answered(),
        intended,
        "the gate did not open",
    ),
    ("s21: a write that waits", samples.frozen, intended, "the gate did not open"),
    ("s21: a write that is refused", samples.paused, intended, "the gate did not open"),
    (
        "a write of another plan",
        samples.unsettled,
        lambda t: intended(t, digest="0" * 16),
        "another write is not settled yet",
    ),
    ("s20: the same step again", acting, intended, "that plan was carried out already"),
    (
        "a second step",
        lambda: proposing().decided(Route.AUTO),
        lambda t: intended(t, 1),
        "a plan is one write",
    ),
    (
        "an undo before anything was done",
        samples.asked,
        lambda t: intended(t, undo=True),
        "nothing was done that could be undone",
    ),
    ("an undo of the irreversible", acting, lambda t: intended(t, undo=True), "nothing was done that could be undone"),
    ("an undo done twice", samples.harmful, lambda t: intended(t, undo=True), "it is already undone"),
    (
        "a claim by an older leader",
        samples.unsettled,
        lambda t: Claimed(at("14:06:00"), "INC-2041/0/1", 6, "1"),
        "a newer leader has it",
    ),
    ("a claim of nothing", samples.asked, lambda t: Claimed(at("14:06:00"), "key", 7, "1"), "that write is not open"),
    ("an effect of nothing", acting, lambda t: Applied(at("14:06:00"), "INC-2041/0/1", "2"), "that write is not open"),
    (
        "a refusal of nothing",
        acting,
        lambda t: NotApplied(at("14:06:00"), "INC-2041/0/1", "gone", "gone"),
        "that write is not open",
    ),
    ("a plan while a write is open", samples.unsettled, proposed, "a write is not settled yet"),
    (
        "no plan while a write is open",
        samples.unsettled,
        lambda t: NothingFits(at("14:06:00"), ("none",)),
        "a write is not settled yet",
    ),
    (
        "an end while a write is open",
        samples.unsettled,
        lambda t: Closed(at("14:06:00"), "over"),
        "a write is not settled yet",
    ),
    (
        "a plan voided under an open write",
        samples.unsettled,
        lambda t: Superseded(at("14:06:00"), t.digest, "changed"),
        "a write is not settled yet",
    ),
    ("a plan while an effect is judged", acting, proposed, "an effect is not judged yet"),
    (
        "a plan voided that is not open",
        acting,
        lambda t: Superseded(at("14:06:00"), "0" * 16, "x"),
        "that plan is not open",
    ),
    (
        "a verdict on what was not done",
        samples.asked,
        lambda t: Verified(at("14:06:00"), t.digest, Outcome.EFFECTIVE, ""),
        "that plan was not carried out",
    ),
    (
        "a look at what was not done",
        samples.asked,
        lambda t: Checked(at("14:06:00"), t.digest, True, ""),
        "that plan was not carried out",
    ),
    (
        "a second verdict",
        samples.repaired,
        lambda t: Verified(at("14:20:00"), t.digest, Outcome.HARMFUL, ""),
        "it is already judged: Effective",
    ),
    (
        "an undo asked of the irreversible",
        samples.repaired,
        lambda t: UndoAsked(at("14:20:00"), t.digest, "noor", Via.CLI),
        "rollback cannot be undone by automation",
    ),
    (
        "an undo asked twice",
        samples.undo_asked,
        lambda t: UndoAsked(at("14:21:00"), t.digest, "mara", Via.CLI),
        "noor has already asked for it",
    ),
    (
        "an undo asked after it",
        samples.harmful,
        lambda t: UndoAsked(at("14:21:00"), t.digest, "mara", Via.CLI),
        "it is already undone",
    ),
    (
        "undone twice",
        samples.harmful,
        lambda t: Undone(at("14:21:00"), t.digest, True, "", "mara"),
        "it is already undone",
    ),
    (
        "handed over twice",
        samples.unplanned,
        lambda t: HandedOver(at("14:06:00"), ("again",)),
        "it is already with a person",
    ),
    ("handed over without a word", samples.asked, lambda t: HandedOver(at("14:06:00"), ()), "nobody is told why"),
    (
        "anything after the end",
        samples.cleared,
        lambda t: HandedOver(at("14:20:00"), ("x",)),
        "the incident is over (no symptom for 2 min)",
    ),
]


@pytest.mark.parametrize(("name", "tale", "event", "words"), REFUSALS, ids=[refusal[0] for refusal in REFUSALS])
def test_what_makes_no_sense_is_refused_in_words(
    name: str, tale: Callable[[], Tale], event: Callable[[Tale], Event], words: str
) -> None:
    told = tale()

    assert accept(told.incident, event(told)) == words


def test_nothing_is_appended_to_an_incident_that_never_began() -> None:
    assert accept(None, HandedOver(NOW, ("x",))) == "there is no such incident"
    assert accept(None, samples.asked().events[0]) is None


def test_an_incident_that_is_over_still_takes_a_persons_undo_and_what_was_learned() -> None:
    tale = samples.undoable().closed()
    tale.add(
        UndoAsked(at("14:20:00"), tale.digest, "noor", Via.CLI),
        intended(tale, undo=True),
        Claimed(at("14:20:01"), "key", 7, "4720"),
        Applied(at("14:20:01"), "key", "4721"),
        Undone(at("14:20:01"), tale.digest, True, "256Mi again", "noor"),
    )
    learned = next(event for event in samples.repaired().events if isinstance(event, Learned))

    assert accept(tale.incident, learned) is None
    assert tale.incident.action is not None
    assert tale.incident.action.undone is not None
    assert pending(tale.incident, at("14:21:00")) == ()


# What the fold says


def of(tale: Tale) -> Incident:
    return tale.incident


def test_s20_the_first_answer_stands_whatever_comes_later() -> None:
    tale = samples.asked().answered()
    later = evolve(tale.incident, answer(tale, Verdict.REJECT))

    assert later.approved == tale.incident.approved
    assert later.rejected is None


def test_what_was_carried_out_or_refused_is_not_tried_again() -> None:
    assert of(samples.refused_write()).tried == ("crash-loop-after-rollout#0",)
    assert of(samples.ineffective()).tried == ("crash-loop-after-rollout#0",)
    assert "oom-raise-memory-limit#0" in of(samples.harmful()).tried
    assert of(samples.repaired()).tried == ()


def test_what_a_person_took_back_before_its_verdict_is_not_tried_again() -> None:
    tale = Tale("INC-3", samples.SEARCH).opened().proposed(samples.limits_plan()).decided(Route.AUTO).applied(by="")
    tale.add(Undone(at("14:06:00"), tale.digest, True, "256Mi again", "noor"))

    assert tale.incident.tried == ("oom-raise-memory-limit#0",)
    assert tale.incident.proposal is None
    assert not tale.incident.verifying


def test_a_hand_over_before_an_action_does_not_silence_the_one_after_it() -> None:
    tale = Tale().opened().proposed().add(HandedOver(at("14:02:50"), ("nobody may answer",)))
    tale.decided(Route.AUTO, time="14:04:00").applied(by="")

    assert tale.incident.handed_over == ()
    tale.verified(Outcome.INEFFECTIVE, "still crashing")
    assert accept(tale.incident, HandedOver(at("14:14:00"), ("it had no effect",))) is None


def test_a_state_that_goes_on_keeps_its_beginning_and_a_gap_ends_it() -> None:
    tale = acting()
    tale.add(
        Checked(at("14:06:00"), tale.digest, True, "well"),
        Checked(at("14:07:00"), tale.digest, True, "well, errors up", worse=True),
        Checked(at("14:08:00"), tale.digest, True, "well, errors up", worse=True),
    )
    action = tale.incident.action
    assert action is not None
    assert (action.held_since, action.worse_since) == (at("14:06:00"), at("14:07:00"))

    tale.add(Checked(at("14:09:00"), tale.digest, None, "cannot be told"))
    action = tale.incident.action
    assert action is not None
    assert (action.held_since, action.worse_since) == (None, None)


def test_a_broken_beginning_is_no_incident() -> None:
    assert begin(HandedOver(NOW, ("x",))) is None
    assert fold([]) is None
    assert of(samples.asked()).opened_at + timedelta(seconds=1) == at("14:02:41")
