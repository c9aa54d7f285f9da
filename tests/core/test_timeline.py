import json
import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from markdown_it import MarkdownIt

from controller.core.events import Alternative, Event, Noted, NothingFits, Proposed, Superseded, decode
from controller.core.timeline import Tone, places, row_of, story
from controller.core.timeline_text import render_markdown, render_text
from tests.core import samples
from tests.core.samples import Tale, at

TOLD = """\
checkout crash-looped after v42; rolled back to v41 by mara; verified after 8 min.

14:00:12  rollout      v41 → v42 (by helm)
14:02:40  detected     7 of 12 pods restart · errors 4.1 % (expected 0.1–0.3 %, p = 3·10⁻⁹) · data healthy
14:02:41  diagnosed    bad rollout 0.93 · dependency 0.04 · node 0.02
                       why: all failing pods are v42, none of v41; v41 ran 6 d without a restart
14:02:41  proposed     crash-loop-after-rollout@3: roll back to v41 · rather than restart-errors-without-change@1 0.41
                       why: objects.crashLooping.count = 7 · changes.rollout.age = 2 min
14:02:41  decided      ask: 0.87, at least 0.78; acts alone from 0.90 (n = 21; abnormal 0.99, cause 0.93)
14:02:41  asked        mara, noor, until 14:17 UTC
14:05:03  approved     by mara in Slack, plan DIGEST
14:05:04  applied      1 effect · the plan still held (uid, generation 17, template)
14:08:00  cleared      no symptom left · data healthy
14:13:10  verified     errors 0.2 % for 5 min, 12/12 ready → effective
14:13:10  learned      this runbook 19/21 → 20/22 · at least 0.78 → 0.79

next: trimtab explain INC-2041 --output markdown · trimtab incidents export INC-2041 --as runbook-test"""


def test_the_story_is_told_in_rows_of_one_voice() -> None:
    tale = samples.repaired()
    told = story(tale.numbered)

    assert told is not None
    assert render_text(told, 120) == TOLD.replace("DIGEST", f"{tale.digest[:4]}…")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("asked", "checkout crash-loops after v42; a person is asked whether to roll back to v41, until 14:17 UTC."),
        (
            "rejected",
            "checkout crash-loops after v42; mara rejected the rollback: v42 carries the fix for the invoice job.",
        ),
        ("expired", "checkout crash-loops after v42; a person has to take it: nobody answered in time."),
        ("superseded", "checkout crash-loops after v42; the plan is void: the template was changed by helm."),
        ("frozen", "checkout crash-loops after v42; waits to roll back to v41: freeze black-friday until 22:00 UTC."),
        ("paused", "checkout crash-loops after v42; nothing is done: automation is paused: network maintenance."),
        ("observed", "checkout crash-loops after v42; observed only; would have asked whether to roll back to v41."),
        (
            "harmful",
            (
                "search runs out of memory after v42; memory limit raised to 384Mi by trimtab alone, "
                "which made it worse; taken back."
            ),
        ),
        (
            "undo_asked",
            (
                "search ran out of memory after v42; memory limit raised to 384Mi by mara; verified after 8 min; "
                "noor wants it taken back."
            ),
        ),
        (
            "ineffective",
            (
                "checkout crash-loops after v42; rolled back to v41 by mara without effect; "
                "a person has to take it: the rollback had no effect."
            ),
        ),
        (
            "refused_write",
            "checkout crash-loops after v42; not carried out: deployments.apps is forbidden for this account.",
        ),
        ("unsettled", "checkout crash-loops after v42; a write is on its way and not settled yet."),
        (
            "unplanned",
            (
                "checkout crash-loops after v42; a person has to take it: "
                "crash-loop-after-rollout: no version that still exists was seen healthy for long enough."
            ),
        ),
        ("cleared", "checkout crash-looped after v42; over after 5 min: no symptom for 2 min."),
    ],
)
def test_every_state_has_its_own_answer_line(name: str, answer: str) -> None:
    told = story(samples.ALL[name]().numbered)

    assert told is not None
    assert told.headline == answer


@pytest.mark.parametrize(
    ("name", "word", "text", "tone"),
    [
        ("expired", "escalated", "to group:sre-oncall as well", Tone.WAITING),
        ("expired", "expired", "nobody answered until 14:17 UTC; plan DIGEST will not be carried out", Tone.BAD),
        ("expired", "handed over", "to a person: nobody answered in time", Tone.WAITING),
        ("rejected", "rejected", "by mara in Slack, plan DIGEST: v42 carries the fix for the invoice job", Tone.BAD),
        (
            "superseded",
            "superseded",
            "plan DIGEST: the template was changed by helm; nothing of it is written any more",
            Tone.WAITING,
        ),
        (
            "paused",
            "decided",
            (
                "do nothing: automation is paused: network maintenance; also 0.87, at least 0.78; acts alone from 0.90 "
                "(n = 21; abnormal 0.99, cause 0.93)"
            ),
            Tone.WAITING,
        ),
        (
            "observed",
            "observed",
            (
                "would have asked whether to roll back to v41: 0.87, at least 0.78; acts alone from 0.90 "
                "(n = 21; abnormal 0.99, cause 0.93)"
            ),
            Tone.WAITING,
        ),
        ("unplanned", "no plan", f"no runbook fits: {samples.unplanned().incident.nothing_fits[0]}", Tone.WAITING),
        ("harmful", "checked", "worse than before: errors 9.7 %, 3.9 % before", Tone.BAD),
        ("harmful", "verified", "errors 9.7 %, 3.9 % before → harmful", Tone.BAD),
        ("harmful", "undone", "after harm: the memory limit is 256Mi again", Tone.PLAIN),
        ("undo_asked", "undo asked", "by noor on the command line", Tone.WAITING),
        ("ineffective", "applied", "1 effect · settled by reading after no answer", Tone.PLAIN),
        (
            "ineffective",
            "learned",
            "this runbook 19/21 → 19/22 · at least 0.78 → 0.74 · counted against it: ineffective",
            Tone.BAD,
        ),
        (
            "refused_write",
            "not applied",
            "no effect · deployments.apps is forbidden for this account (Forbidden)",
            Tone.BAD,
        ),
        ("unsettled", "applying", "the write is committed to, not settled yet", Tone.WAITING),
        ("cleared", "closed", "no symptom for 2 min", Tone.PLAIN),
    ],
)
def test_what_went_otherwise_is_never_silent(name: str, word: str, text: str, tone: Tone) -> None:
    """S33: blocked, expired, failed, paused each have a row with their reason."""
    tale = samples.ALL[name]()
    told = story(tale.numbered)

    assert told is not None
    assert (word, text.replace("DIGEST", f"{tale.digest[:4]}…" if "DIGEST" in text else ""), tone) in {
        (row.word, row.text, row.tone) for row in told.rows
    }


def test_every_kind_of_event_has_a_row_or_is_silent_on_purpose() -> None:
    """A kind added to the union and forgotten here fails this test (and the type checker)."""
    seen: dict[type, bool] = {}
    for make in samples.ALL.values():
        events = make().events
        for index, event in enumerate(events):
            shown = row_of(event, events, index) is not None
            seen[type(event)] = seen.get(type(event), False) or shown
    # Streams of their own: floors and rollouts.
    for line in (Path(__file__).parent / "golden" / "events.jsonl").read_text(encoding="utf-8").splitlines():
        stored = json.loads(line)
        if stored["kind"].startswith(("floor-", "rollout-", "judged")):
            event = decode(stored["kind"], stored["version"], stored["body"])
            seen[type(event)] = row_of(event, [event], 0) is not None
    program = Noted(at("14:00:00"), "paused", "automation is paused")
    assert row_of(program, [program], 0) is not None

    without_row = {kind.__name__ for kind in get_args(Event)} - {kind.__name__ for kind, shown in seen.items() if shown}
    # an intent shows while it is open, a late fact below; the rest is SILENT
    assert without_row == {"Claimed", "RevisionHealthy", "Ignored", "Noted"}


def test_a_late_fact_has_a_row_that_says_why_it_changed_nothing() -> None:
    from controller.core.events import Ignored

    event = Ignored(at("14:06:00"), "an answer", "mara has already answered: Approve", "noor")
    row = row_of(event, [event], 0)

    assert row is not None
    assert row.text == "an answer (by noor): mara has already answered: Approve"


def test_doing_nothing_is_not_told_as_a_rival_of_the_plan() -> None:
    """It always is one, and has no record that could be set beside."""
    (proposed,) = [event for event in samples.repaired().events if isinstance(event, Proposed)]
    with_nothing = replace(proposed, alternatives=(*proposed.alternatives, Alternative("do nothing", 0.0, "no answer")))
    told, as_before = (row_of(event, [event], 0) for event in (with_nothing, proposed))

    assert told == as_before
    assert told is not None
    assert told.text.endswith("rather than restart-errors-without-change@1 0.41")


def test_the_same_decision_again_is_told_once() -> None:
    once = samples.frozen()
    twice = Tale(events=[*once.events, once.events[-1]])

    first, second = story(once.numbered), story(twice.numbered)
    assert first is not None
    assert second is not None
    assert second.rows == first.rows


def test_rows_stand_in_the_order_of_their_times() -> None:
    told = story(samples.repaired().numbered)

    assert told is not None
    assert [row.at for row in told.rows] == sorted(row.at for row in told.rows)
    assert told.rows[0].word == "rollout"


def test_a_story_over_midnight_shows_the_date() -> None:
    tale = samples.asked()
    tale.add(Superseded(at("14:04:00") + timedelta(days=1), tale.digest, "the object is gone"))
    told = story(tale.numbered)

    assert told is not None
    assert "11-20 14:02:40  detected" in render_text(told)
    assert "11-21 14:04:00  superseded" in render_text(told)


def test_a_stream_without_a_beginning_is_no_story() -> None:
    assert story(((1, samples.asked().events[-1]),)) is None


@pytest.mark.parametrize("name", samples.ALL)
@pytest.mark.parametrize("width", [40, 80, 150])
def test_the_text_of_any_story_is_complete_at_any_width(name: str, width: int) -> None:
    told = story(samples.ALL[name]().numbered)
    assert told is not None
    text = render_text(told, width)

    for row in told.rows:
        assert row.word in text
        assert all(part in text for part in row.text.split())


@pytest.mark.parametrize("name", samples.ALL)
def test_hints_name_only_commands_that_exist(name: str) -> None:
    from controller.cli.commands import app

    told = story(samples.ALL[name]().numbered)
    assert told is not None
    for hint in told.next:
        program, *arguments = shlex.split(hint)
        assert program == "trimtab"
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[arguments.pop(0)]
        command.make_context(command.name, arguments)  # raises on an option or argument that is not there


def test_an_undo_is_offered_exactly_where_it_is_declared_and_still_to_be_had() -> None:
    def offered(tale: Tale) -> bool:
        told = story(tale.numbered)
        return told is not None and f"trimtab undo {tale.id} -n shop" in told.next

    assert offered(samples.undoable())
    assert not offered(samples.repaired())
    assert not offered(samples.undo_asked())
    assert not offered(samples.harmful())


def test_hostile_text_stays_text_in_markdown() -> None:
    told = story(samples.hostile().numbered)
    assert told is not None
    html = MarkdownIt("commonmark").enable("table").render(render_markdown(told))

    assert "<script" not in html
    assert "<a " not in html
    assert html.count("<h") == 2  # the title and the plan, none from outside
    assert "\x1b" not in html


def test_the_markdown_tells_what_the_text_tells() -> None:
    told = story(samples.repaired().numbered)
    assert told is not None
    export = render_markdown(told)

    assert all(f"**{row.word}**" in export for row in told.rows)
    assert "```diff" in export
    assert "registry.test/checkout:v41" in export


def test_runbooks_that_do_not_fit_are_counted_in_the_story_and_each_told_below_it() -> None:
    """At three in the morning nobody reads six reasons in one line."""
    reasons = ("a: when is false (x 1)", "b: when cannot be told: y missing", "b: step 1 was tried and did not help")
    tale = Tale().opened().add(NothingFits(at("14:02:41"), reasons))

    told = story(tale.numbered)

    assert told is not None
    row = next(row for row in told.rows if row.word == "no plan")
    assert (row.text, row.details) == ("none of 2 runbooks fits", reasons)
    text = " ".join(render_text(told, 80).split())
    assert all(f"· {reason}" in text for reason in reasons)
    assert render_markdown(told).count("<br>· ") == len(reasons)
    assert told.next[-1] == f"trimtab incidents export {told.id} --as runbook-test"


def test_what_answers_is_named_apart_from_what_reads_the_log() -> None:
    """The one acts as whoever runs it, on that person's machine; the other runs where the log is."""
    told = story(samples.asked().numbered)
    assert told is not None
    answering, reading = places(told.next)

    assert [command.split()[1] for command in answering] == ["approve", "reject"]
    assert [command.split()[1] for command in reading] == ["plan", "explain"]
    line = 'on your machine: trimtab approve INC-2041 -n shop · trimtab reject INC-2041 -n shop --reason "…"'
    assert line in render_text(told, 120)
