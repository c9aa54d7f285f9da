"""The report says what happened, no more: nothing observed is counted as done, nothing unjudged as a success."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from controller.core.events import (
    Applied,
    Bearing,
    Closed,
    Decided,
    Event,
    FloorEnded,
    FloorHeld,
    FloorJudged,
    FloorProposed,
    Judged,
    Opened,
    RolloutBegan,
)
from controller.core.report import Report, report
from controller.core.report_parts import Fate, Mark, Way
from controller.core.report_text import as_json, facts, groups, headline, message, render_markdown, render_text
from controller.core.rollout import NAMELESS
from controller.core.routes import Lifts, Reason, Route, blocker
from detectors.series import Workload
from remediations.plan import Outcome
from tests.core import samples
from tests.core.samples import DAY, Tale

BEGIN, END = DAY - timedelta(days=6), DAY + timedelta(days=1)
ONLY = Reason(Route.REFUSE, "observe", "the policy observes only", Lifts.NOBODY)


def of(*tales: Tale, watched: int | None = None) -> Report:
    """The week that holds these stories."""
    streams = {
        f"incident:INC-{number}": samples.renamed(tale, f"INC-{number}").events
        for number, tale in enumerate(tales, start=1)
    }
    return report(streams, BEGIN, END, watched)


def would(route: Route) -> Tale:
    """Observed, and what the gate would have answered."""
    return Tale().opened(observe_only=True).proposed().decided(Route.REFUSE, ONLY, would=route)


def named(found: Report) -> dict[str, str]:
    return dict(facts(found))


@pytest.mark.parametrize(
    ("tales", "said"),
    [
        pytest.param((), "Last week I saw nothing break.", id="empty week"),
        pytest.param((would(Route.AUTO),) * 4, "Last week I would have acted 4 times.", id="observe only"),
        pytest.param(
            (would(Route.AUTO), would(Route.ASK), would(Route.ASK)),
            "Last week I would have acted once and asked twice.",
            id="some of it would have been asked",
        ),
        pytest.param((samples.observed(),), "Last week I would have asked once whether to act.", id="cold start"),
        pytest.param(
            (would(Route.REFUSE),),
            "Last week I saw 1 incident and changed nothing.",
            id="refused even so",
        ),
        pytest.param((samples.repaired(), samples.repaired()), "Last week I acted twice.", id="acted"),
        pytest.param(
            (samples.repaired(), would(Route.AUTO)), "Last week I acted once, and would have acted once.", id="both"
        ),
        pytest.param(
            (samples.rejected(), samples.expired()), "Last week I asked twice and changed nothing.", id="asked in vain"
        ),
        pytest.param(
            (samples.cleared(),),
            "Last week I saw 1 incident and changed nothing.",
            id="over by itself",
        ),
    ],
)
def test_the_first_sentence_says_what_was_done_and_what_would_have_been(tales: tuple[Tale, ...], said: str) -> None:
    assert headline(of(*tales)) == said


def test_in_observe_nothing_was_done_and_that_is_said() -> None:
    found = of(would(Route.AUTO), samples.observed())

    assert named(found)["Did"] == "nothing"
    assert named(found)["Would have"] == "acted alone: 1 × rollback; asked first: 1 × rollback (only observed)"
    assert found.of(Way.ALONE, Way.APPROVED) == ()
    assert "Came of it" not in named(found)


def test_who_said_yes_and_what_came_of_it_are_counted() -> None:
    found = of(samples.repaired(), samples.undoable(), samples.harmful(), samples.ineffective(), samples.rejected())

    assert named(found)["Did"] == "1 × new limit alone; 2 × rollback, 1 × new limit approved by mara"
    assert named(found)["Asked"] == "4 questions: 3 approved by mara, 1 rejected by mara"
    assert named(found)["Came of it"] == "2 helped, 1 without effect, 1 made it worse, 1 taken back"
    assert named(found)["Left to people"] == "1 incident"


def test_what_nobody_judged_yet_is_no_success() -> None:
    (deed,) = of(samples.asked().answered().applied()).deeds

    assert deed.outcome is None
    assert [line.mark for line in of(samples.asked().answered().applied()).lines] == [Mark.VERIFYING]
    assert named(of(samples.asked().answered().applied()))["Came of it"] == "1 not judged yet"


def test_the_write_that_took_an_action_back_is_no_second_action() -> None:
    (deed,) = of(samples.harmful()).deeds

    assert (deed.way, deed.outcome, deed.undone) == (Way.ALONE, Outcome.HARMFUL, True)


def test_one_plan_decided_again_and_again_is_counted_once() -> None:
    tale = would(Route.ASK)
    tale.decided(Route.REFUSE, ONLY, would=Route.AUTO, time="14:09:00").decided(
        Route.REFUSE, ONLY, would=Route.ASK, time="14:12:00"
    )

    (deed,) = of(tale).deeds

    assert deed.way is Way.WOULD_ACT


@pytest.mark.parametrize(
    ("make", "fate"),
    [
        (samples.asked, Fate.OPEN),
        (samples.repaired, Fate.APPROVED),
        (samples.rejected, Fate.REJECTED),
        (samples.expired, Fate.EXPIRED),
        (samples.superseded, Fate.VOID),
    ],
)
def test_every_question_has_a_fate(make: Callable[[], Tale], fate: Fate) -> None:
    assert [question.fate for question in of(make()).questions] == [fate]


def moved(tale: Tale, by: timedelta) -> list[Event]:
    return [replace(event, at=event.at + by) for event in tale.events]


def test_what_happened_before_or_after_is_another_weeks() -> None:
    week = timedelta(days=7)
    streams = {
        "incident:INC-1": moved(samples.repaired(), -week),
        "incident:INC-2": moved(samples.repaired(), week),
    }

    assert report(streams, BEGIN, END).quiet
    assert len(report(streams, BEGIN - week, END - week).deeds) == 1


def test_a_past_week_reads_the_same_however_late_it_is_asked_for() -> None:
    tale = samples.repaired()
    streams = {"incident:INC-2041": tale.events}
    middle = samples.at("14:06:00")
    before = [event for event in tale.events if event.at < middle]

    assert report(streams, BEGIN, middle) == report({"incident:INC-2041": before}, BEGIN, middle)


def test_an_old_incident_that_only_ends_is_no_news() -> None:
    tale = samples.cleared()
    events = [
        event if isinstance(event, Closed) else replace(event, at=event.at - 8 * timedelta(days=1))
        for event in tale.events
    ]

    assert report({"incident:INC-1": events}, BEGIN, END).quiet


def test_a_log_that_began_within_the_week_says_so() -> None:
    assert named(of(samples.repaired()))["Period"] == (
        "Sat 14 Nov 00:00 to Sat 21 Nov 00:00 UTC; the log begins Fri 20 Nov 14:00"
    )


def test_the_most_urgent_service_comes_first() -> None:
    found = of(samples.harmful(), samples.repaired(), samples.expired())

    assert [str(group.workload) for group in groups(found)] == ["shop/checkout", "shop/search"]
    assert [line.mark for line in found.lines if line.workload == samples.SEARCH] == [Mark.BAD]


def test_somebody_who_may_read_nothing_learns_nothing() -> None:
    found = of(samples.repaired(), samples.rejected(), watched=7)

    nothing = found.only(())
    assert (nothing.deeds, nothing.questions, nothing.lines, nothing.watched) == ((), (), (), None)
    assert found.only({"shop"}) == replace(found, watched=None)


def test_a_bad_week_is_cut_for_the_chat_and_says_how_much_is_left_out() -> None:
    found = of(*(samples.repaired() for _ in range(9)))
    text = dict(message(found, "https://trimtab.test/report").facts)["shop/checkout"]

    assert text.count("rolled back to v41") == 5
    assert text.endswith("and 4 before that")
    assert message(found, "https://trimtab.test/report").footer == "all of it: https://trimtab.test/report"
    assert render_text(found).count("rolled back to v41") == 9


def test_a_quiet_week_does_not_claim_more_than_was_seen() -> None:
    found = of(watched=12)

    assert found.quiet
    assert "12 workloads watched. What cannot be seen is not in here" in render_text(found)
    assert named(found)["Did"] == "nothing"
    assert "12 workloads watched" in message(found).footer


@pytest.mark.parametrize("name", samples.ALL)
def test_every_story_becomes_one_line(name: str) -> None:
    found = of(samples.ALL[name]())

    (line,) = found.lines
    assert line.text in render_text(found)
    assert as_json(found)["incidents"] == 1


def test_hostile_text_stays_text_in_markdown_and_terminal() -> None:
    found = of(samples.hostile())

    assert "<script>" not in render_markdown(found)
    assert "\x1b" not in render_text(found)


def test_the_numbers_for_programs_are_those_for_people() -> None:
    found = as_json(of(samples.repaired(), samples.harmful(), would(Route.AUTO), would(Route.ASK)))

    assert (found["acted"], found["acted_alone"]) == (2, 1)
    assert (found["would_have_acted"], found["would_have_asked"]) == (1, 1)
    assert found["questions"] == {"approved": 1, "rejected": 0, "expired": 0, "void": 0, "open": 0}
    assert found["outcomes"]["Effective"] == 1


HPA = Workload("shop", "HorizontalPodAutoscaler", "checkout", "autoscaling/v2")


def would_hold(replicas: int, day: int, clock: str = "08:00:00") -> FloorProposed:
    return FloorProposed(samples.at(clock, DAY - timedelta(days=day)), samples.CHECKOUT, HPA, "default", replicas, 3)


def held(replicas: int, day: int, clock: str = "08:00:00") -> FloorHeld:
    return FloorHeld(
        samples.at(clock, DAY - timedelta(days=day)), samples.CHECKOUT, HPA, "u", "shop/checkout@1", replicas, 3
    )


def floors(*events: Event) -> Report:
    return report({f"floor:{samples.CHECKOUT.key}": events}, BEGIN, END)


def test_a_floor_that_would_have_been_held_counts_once_a_day() -> None:
    found = floors(would_hold(6, 2), would_hold(9, 2, "09:00:00"), would_hold(4, 2, "12:00:00"), would_hold(7, 1))

    assert headline(found) == "Last week I would have acted twice."
    assert [deed.text for deed in found.deeds] == [
        "hold a floor of 9 (its own minimum is 3)",
        "hold a floor of 7 (its own minimum is 3)",
    ]
    assert [line.text for line in found.lines] == ["would have held a floor on 2 days, up to 9 (its own minimum is 3)."]
    assert found.lines[0].mark is Mark.WOULD
    assert named(found)["Would have"] == "acted alone: 2 × floor (only observed)"


def test_raising_a_floor_is_an_action_that_nobody_judges_and_lowering_is_none() -> None:
    found = floors(held(6, 1), held(9, 1, "09:00:00"), held(5, 1, "12:00:00"), held(4, 0))

    assert headline(found) == "Last week I acted once."
    assert named(found)["Did"] == "1 × floor alone"
    assert "Came of it" not in named(found)
    assert [line.text for line in found.lines] == ["floor raised on 1 day, up to 9 (its own minimum is 3)."]


def test_a_floor_that_was_already_there_is_no_action() -> None:
    assert floors(replace(held(6, 1), found=True)).quiet


def test_whoever_took_the_field_back_is_named() -> None:
    ended = FloorEnded(samples.at("10:00:00"), samples.CHECKOUT, "shop/checkout@1", "TakenBack", "kubectl-edit", 6)

    (line,) = floors(held(6, 1), ended).lines

    assert line.text.endswith("; taken back by kubectl-edit, and left alone since.")
    assert line.mark is Mark.BAD


def test_a_floor_that_the_gate_held_back_says_why() -> None:
    spent = blocker("budget-spent", "pod-hours of shop are spent", Lifts.TIME)
    waits = Decided(samples.at("08:00:00"), "d", Route.WAIT, (spent,))

    (line,) = floors(held(6, 1), waits).lines

    assert line.text.endswith("held back 1 × by the gate: pod-hours of shop are spent.")


def rollout(version: str, *verdicts: str) -> list[Event]:
    at = samples.at("09:00:00")
    began = RolloutBegan(at, samples.CHECKOUT, at, version, version, version, "old", "old", "v41")
    judged = [Judged(at, samples.CHECKOUT, version, version, verdict, "") for verdict in verdicts]  # type: ignore[arg-type]  # the kinds of verdicts
    return [began, *judged]


def test_new_versions_are_counted_by_their_last_verdict() -> None:
    stream = [*rollout("v42", "hold", "promote"), *rollout("v43", "hold", "roll-back"), *rollout("v44")]
    found = report({f"rollout:{samples.CHECKOUT.key}": stream}, BEGIN, END)

    assert named(found)["Rollouts"] == "3 new versions: 1 not worse, 1 worse, 1 never compared"
    assert found.only(()).rollouts == ()
    assert found.only(found.namespaces).rollouts == found.rollouts


def applied(at: datetime) -> list[Event]:
    """An incident of checkout in which something was written."""
    opened = Opened(at - timedelta(minutes=1), "INC-1", samples.CHECKOUT, (), {})
    return [opened, Applied(at, "INC-1/0/0", "1")]


@pytest.mark.parametrize(
    ("version", "minutes", "counted"),
    [
        (NAMELESS[1], 1, False),
        (NAMELESS[1], -1, True),
        (NAMELESS[1], 30, True),
        ("v42", 1, True),
    ],
    ids=["our own write", "somebody's before it", "somebody's later", "an image of somebody's"],
)
def test_what_we_wrote_is_no_new_version_of_the_service(version: str, minutes: float, counted: bool) -> None:
    """A memory limit raised makes new pods of the same program."""
    wrote = samples.at("09:00:00") - timedelta(minutes=minutes)
    streams = {f"rollout:{samples.CHECKOUT.key}": rollout(version, "promote"), "incident:INC-1": applied(wrote)}

    assert bool(report(streams, BEGIN, END).rollouts) is counted


def worth(bearing: Bearing, day: int) -> FloorJudged:
    at = samples.at("09:00:00", DAY - timedelta(days=day))
    return FloorJudged(at, samples.CHECKOUT, 6, bearing, at - timedelta(minutes=8), at, 3, 420.0, 400.0, at, at)


def test_a_floor_of_which_only_the_gate_speaks_in_the_stretch_is_told_by_the_name_of_its_stream() -> None:
    spent = blocker("budget-spent", "pod-hours of shop are spent", Lifts.TIME)

    (line,) = floors(Decided(samples.at("08:00:00"), "d", Route.WAIT, (spent,))).lines

    assert (line.workload, line.text) == (
        samples.CHECKOUT,
        "held back 1 × by the gate: pod-hours of shop are spent.",
    )


def test_what_floors_were_worth_is_counted() -> None:
    found = floors(held(6, 2), worth(Bearing.IN_TIME, 2), worth(Bearing.IN_TIME, 1), worth(Bearing.NOT_NEEDED, 0))

    assert named(found)["Floors"] == "held 3 floors: 2 in time, 1 not needed"
    (line,) = found.lines
    assert line.text == (
        "floor raised on 1 day, up to 6 (its own minimum is 3); held 3 floors: 2 in time, 1 not needed."
    )
    assert line.mark is Mark.ACTED
    assert as_json(found)["floors"] == {"in-time": 2, "not-needed": 1}


def test_a_floor_that_was_late_is_a_line_to_look_at() -> None:
    (line,) = floors(held(6, 1), worth(Bearing.LATE, 1)).lines

    assert (line.mark, line.text.endswith("held 1 floor: 1 late.")) == (Mark.BAD, True)
