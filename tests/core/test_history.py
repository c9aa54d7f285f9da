"""The record, labels, recurrence, undo, harm, backoff; replay gives the same bit for bit (S29, S30)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.accept import accept
from controller.core.confidence import Tally
from controller.core.events import (
    Applied,
    Closed,
    Event,
    Intended,
    Opened,
    Proposed,
    RevisionHealthy,
    UndoAsked,
    Undone,
    Verified,
    Via,
)
from controller.core.history import BACKOFF, FRUITLESS_WITHIN, History
from controller.core.labels import RECURRENCE, labels
from controller.core.routes import Route
from detectors.series import Workload
from remediations.cluster import HealthyRevision
from remediations.plan import Outcome
from remediations.templates import digest
from tests.core import samples
from tests.core.samples import CHECKOUT, SEARCH, SYMPTOMS, Tale, at, history

RUNBOOK = "crash-loop-after-rollout"
HOUR = timedelta(hours=1)


def shifted(tale: Tale, id: str, by: timedelta, workload: Workload | None = None) -> Tale:
    """The same story at another time, under another name."""
    events: list[Event] = []
    for event in tale.events:
        moved = replace(event, at=event.at + by)
        if isinstance(moved, Opened):
            moved = replace(moved, incident=id, workload=workload or moved.workload)
        events.append(moved)
    return Tale(id, workload or tale.workload, events)


def judged(outcome: Outcome, id: str, by: timedelta = timedelta(), workload: Workload | None = None) -> Tale:
    tale = samples.asked().answered().applied().verified(outcome)
    return shifted(tale.closed(), id, by, workload)


def good(count: int, workload: Workload = CHECKOUT) -> list[Tale]:
    """So many good outcomes, far enough apart not to be recurrences."""
    return [judged(Outcome.EFFECTIVE, f"INC-{n}", n * 2 * RECURRENCE, workload) for n in range(count)]


@pytest.mark.parametrize(
    ("tale", "good_", "why"),
    [
        (samples.repaired(), True, "effective"),
        (samples.ineffective(), False, "ineffective"),
        (samples.harmful(), False, "harmful"),
        (samples.rejected(), False, "rejected by mara"),
    ],
    ids=["effective", "ineffective", "harmful", "rejected"],
)
def test_a_label_says_whether_acting_was_right(tale: Tale, good_: bool, why: str) -> None:
    (label,) = labels(tale.events)

    assert (label.good, label.why, label.digest) == (good_, why, tale.digest)


@pytest.mark.parametrize(
    "tale",
    [
        samples.asked(),
        samples.expired(),
        samples.superseded(),
        samples.cleared(),
        judged(Outcome.INCONCLUSIVE, "INC-1"),
    ],
    ids=["nobody answered yet", "nobody answered", "superseded", "went away", "inconclusive"],
)
def test_s30_silence_is_no_label(tale: Tale) -> None:
    assert labels(tale.events) == ()


def undone_by(person: str, before_verdict: bool) -> Tale:
    tale = Tale("INC-3", SEARCH).opened().proposed(samples.limits_plan()).decided(Route.AUTO).applied(by="")
    if not before_verdict:
        tale.verified()
    return tale.add(Undone(at("14:20:00"), tale.digest, True, "256Mi again", person))


@pytest.mark.parametrize("before_verdict", [True, False], ids=["before its verdict", "after it was called effective"])
def test_what_a_person_takes_back_was_wrong(before_verdict: bool) -> None:
    (label,) = labels(undone_by("noor", before_verdict).events)

    assert (label.good, label.why) == (False, "undone by noor")


def test_what_automation_takes_back_is_labelled_by_its_outcome_alone() -> None:
    assert labels(undone_by("", before_verdict=True).events) == ()


def later(tale: Tale, by: timedelta, id: str = "INC-9") -> Tale:
    return shifted(Tale(id, tale.workload).opened(), id, by)


@pytest.mark.parametrize(
    ("after", "good_"), [(HOUR, False), (23 * HOUR, False), (25 * HOUR, True)], ids=["1 h", "23 h", "25 h"]
)
def test_the_same_trouble_soon_again_turns_a_good_label_bad(after: timedelta, good_: bool) -> None:
    record = history(samples.repaired(), later(samples.repaired(), after))

    (label,) = record.labels_of(RUNBOOK)
    assert label.good is good_
    assert (label.why == "recurred") is not good_


V41, V43 = (
    digest(samples.template("registry.test/checkout:v41")),
    digest(samples.template("registry.test/checkout:v43")),
)


@pytest.mark.parametrize(
    ("ran", "good_"),
    [(V41, False), (V43, True), ("", False)],
    ids=["what it went back to", "the next release", "the log does not say"],
)
def test_a_rollback_is_not_to_blame_for_the_next_bad_release(ran: str, good_: bool) -> None:
    opened = Tale("INC-9").opened().events[0]
    assert isinstance(opened, Opened)
    again = shifted(Tale("INC-9", CHECKOUT, [replace(opened, template=ran)]), "INC-9", HOUR)

    (label,) = history(samples.repaired(), again).labels_of(RUNBOOK)

    assert label.template == V41
    assert label.good is good_


def test_a_recurrence_stays_one_whatever_is_said_later() -> None:
    first = samples.repaired()
    record = history(first, later(first, HOUR))
    record.add(10_000, f"incident:{first.id}", Closed(at("20:00:00"), "late"))

    assert [label.why for label in record.labels_of(RUNBOOK)] == ["recurred"]


def test_other_trouble_or_another_workload_is_no_recurrence() -> None:
    other = Tale("INC-8").opened(symptoms=(replace(SYMPTOMS[0], code="oom-killed"),))
    elsewhere = Tale("INC-9", SEARCH).opened()
    record = history(samples.repaired(), shifted(other, "INC-8", HOUR), shifted(elsewhere, "INC-9", HOUR))

    assert [label.good for label in record.labels_of(RUNBOOK)] == [True]


def test_21_good_outcomes_here_earn_auto_and_one_bad_one_takes_it_back() -> None:
    record = history(*good(21))
    assert record.confidence(RUNBOOK, CHECKOUT, 1.0, 1.0).lower >= 0.90

    worse = history(*good(21), judged(Outcome.INEFFECTIVE, "INC-99", timedelta(days=100)))
    assert worse.confidence(RUNBOOK, CHECKOUT, 1.0, 1.0).lower < 0.90


def test_another_service_borrows_and_then_owns() -> None:
    record = history(*good(40))
    borrowed = record.confidence(RUNBOOK, SEARCH, 1.0, 1.0)

    assert borrowed.n == 40
    assert borrowed.lower < record.confidence(RUNBOOK, CHECKOUT, 1.0, 1.0).lower


def test_the_newest_good_incidents_are_cited() -> None:
    record = history(*good(5), judged(Outcome.INEFFECTIVE, "INC-99", timedelta(days=100)))

    assert record.similar(RUNBOOK) == ("INC-4", "INC-3", "INC-2")


def test_s29_one_harm_demotes_at_once_until_it_was_right_again() -> None:
    harm = judged(Outcome.HARMFUL, "INC-50", timedelta(days=100))
    assert history(*good(21)).harmed(RUNBOOK) is None
    assert history(*good(21), harm).harmed(RUNBOOK) == "INC-50"

    again = judged(Outcome.EFFECTIVE, "INC-51", timedelta(days=110))
    assert history(*good(21), harm, again).harmed(RUNBOOK) is None


def test_s26_failures_without_effect_are_counted_for_four_hours() -> None:
    plan = samples.rollback_plan()
    tales = [judged(Outcome.INEFFECTIVE, f"INC-{n}", n * HOUR) for n in range(3)]
    record, last = history(*tales), at("14:13:10") + 2 * HOUR

    assert len(record.without_effect(CHECKOUT, plan.remediation, last)) == 3
    assert len(record.without_effect(CHECKOUT, plan.remediation, at("14:13:10") + FRUITLESS_WITHIN + HOUR)) == 2
    assert record.without_effect(SEARCH, plan.remediation, last) == ()
    assert record.without_effect(CHECKOUT, "restart", last) == ()


@pytest.mark.parametrize("outcome", [Outcome.INEFFECTIVE, Outcome.INCONCLUSIVE, Outcome.HARMFUL])
def test_s23_everything_but_success_backs_off_and_doubles(outcome: Outcome) -> None:
    one = history(judged(outcome, "INC-1"))
    two = history(judged(outcome, "INC-1"), judged(outcome, "INC-2", HOUR))

    assert one.backoff_until(CHECKOUT, "rollback", at("14:14:00")) == at("14:13:10") + BACKOFF
    assert two.backoff_until(CHECKOUT, "rollback", at("15:14:00")) == at("15:13:10") + 2 * BACKOFF
    assert history(samples.repaired()).backoff_until(CHECKOUT, "rollback", at("14:14:00")) is None


def test_versions_seen_healthy_are_remembered_newest_last() -> None:
    record, stream = History(), f"workload:{CHECKOUT.key}"
    revisions = [HealthyRevision(f"rs-{n}", f"checkout-v{n}", at("10:00:00"), at("11:00:00")) for n in (40, 41)]
    for sequence, revision in enumerate(revisions, start=1):
        record.add(sequence, stream, RevisionHealthy(at("11:00:00"), revision))

    assert record.with_healthy(samples.world()).healthy == tuple(revisions)
    assert record.healthy_known(CHECKOUT, revisions[1])
    assert not record.healthy_known(CHECKOUT, revisions[0])
    assert not record.healthy_known(SEARCH, revisions[1])


def test_an_open_incident_is_known_until_it_is_over() -> None:
    assert history(samples.asked()).open == {CHECKOUT.key: "INC-2041"}
    assert history(samples.cleared()).open == {}


def test_an_undo_asked_after_the_end_is_not_forgotten() -> None:
    tale = samples.undo_asked().closed(time="14:21:00")
    assert [one.incident for one in history(tale).unfinished[SEARCH.key]] == ["INC-2042"]

    done = samples.undo_asked()
    done.add(Undone(at("14:22:00"), done.digest, True, "256Mi again", "noor"))
    assert history(done).unfinished == {}


def test_an_undo_of_what_another_action_has_replaced_is_over() -> None:
    """As older logs have it: the wish came while the other one was being written."""
    tale = writing_another()
    tale.events.append(UndoAsked(at("14:21:00"), limits_digest(tale), "noor", Via.CLI))
    assert SEARCH.key in history(tale).unfinished

    tale.add(Applied(at("14:21:01"), "INC-2042/second", "4713"))
    assert history(tale).unfinished == {}


def test_an_undo_is_not_taken_in_while_another_change_is_written() -> None:
    """The write would replace the action, and the wish with it."""
    tale = writing_another()
    asked = UndoAsked(at("14:21:00"), limits_digest(tale), "noor", Via.CLI)
    assert accept(tale.incident, asked) == "another change is being written just now: look what comes of it"


def test_nothing_new_is_written_before_what_a_person_wants_back_is_taken_back() -> None:
    tale = writing_another()
    intended = tale.events.pop()
    tale.add(UndoAsked(at("14:21:00"), limits_digest(tale), "noor", Via.CLI))
    assert accept(tale.incident, intended) == "the change before it has still to be taken back"


def writing_another() -> Tale:
    """A limit was raised without effect; now a rollback is being written."""
    tale = Tale("INC-2042", SEARCH).opened().proposed(samples.limits_plan()).decided().asked().answered()
    tale.applied().verified(Outcome.INEFFECTIVE).proposed(samples.rollback_plan(SEARCH)).decided(Route.AUTO)
    return tale.add(Intended(at("14:20:00"), "INC-2042/second", tale.digest, 0, 1, epoch=7))


def limits_digest(tale: Tale) -> str:
    return next(event.plan.digest for event in tale.events if isinstance(event, Proposed))


ALL = [samples.ALL[name]() for name in sorted(samples.ALL)]


def rows(tales: Sequence[Tale]) -> list[tuple[int, str, Event]]:
    flat = [(f"incident:{index}", event) for index, tale in enumerate(tales) for event in tale.events]
    return [(sequence, stream, event) for sequence, (stream, event) in enumerate(flat, start=1)]


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=6), st.data())
def test_s29_a_replay_reproduces_the_record_bit_for_bit(tales: list[Tale], data: st.DataObject) -> None:
    """Read at once, in two goes, or with rows that come twice: the same record and the same thresholds."""
    log = rows(tales)
    cut = data.draw(st.integers(0, len(log)))
    whole, halves = History(), History()
    for row in log:
        whole.add(*row)
    for row in (*log[:cut], *log[: min(cut, 3)], *log[cut:]):
        halves.add(*row)

    assert whole == halves
    for name in {label.runbook for group in whole.judged.values() for label in group}:
        assert whole.confidence(name, CHECKOUT, 0.9, 0.9) == halves.confidence(name, CHECKOUT, 0.9, 0.9)


@given(st.lists(st.tuples(st.sampled_from(ALL), st.integers(0, 30)), min_size=1, max_size=8))
def test_the_record_answers_as_if_every_label_were_read(drawn: list[tuple[Tale, int]]) -> None:
    """The indexes are a shortcut and nothing else: order, recurrences and sums are those of all labels."""
    record = history(*(shifted(tale, f"INC-{n}", hours * HOUR) for n, (tale, hours) in enumerate(drawn)))
    order = list(record.streams)
    labels_ = [label for stream in order for label in record.judged.get(stream, ())]

    for name in {label.runbook for label in labels_}:
        of_it = sorted((label for label in labels_ if label.runbook == name), key=lambda label: label.at)
        assert list(record.labels_of(name)) == of_it
        for workload in (CHECKOUT, SEARCH):
            elsewhere, here = record.record.tallies(name, workload)
            assert here == Tally(
                sum(label.good for label in of_it if label.workload == workload),
                sum(label.workload == workload for label in of_it),
            )
            assert elsewhere + here == Tally(sum(label.good for label in of_it), len(of_it))


def test_a_verdict_counts_once_however_often_it_is_read() -> None:
    tale = samples.repaired()
    verdict = next(event for event in tale.events if isinstance(event, Verified))
    proposal = next(event for event in tale.events if isinstance(event, Proposed))

    assert len(labels((*tale.events, proposal, verdict))) == 1
