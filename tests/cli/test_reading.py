"""What is read from the log: human first, JSON and Markdown beside it, without colour, on sixty columns."""

from pathlib import Path

import pytest
import yaml

from controller.cli.exits import Exit
from controller.core.timeline import story
from controller.core.timeline_text import render_markdown, render_text
from runbooks.check import run_tests
from runbooks.template import template
from tests.cli.conftest import stored
from tests.cli.run import Trimtab
from tests.core import samples
from tests.core.samples import renamed


@pytest.fixture
def told(trimtab: Trimtab) -> Trimtab:
    """A log with a repaired incident, an open question, a hostile one, and one that is over."""
    stored(
        trimtab.folder,
        renamed(samples.repaired(), "INC-1"),
        renamed(samples.asked(), "INC-2"),
        renamed(samples.hostile(), "INC-3"),
        renamed(samples.cleared(), "INC-4"),
    )
    return trimtab


@pytest.mark.parametrize("name", ["INC-1", "inc-1", "1", "INC-0001"])
def test_an_incident_is_found_however_it_is_written(told: Trimtab, name: str) -> None:
    expected = story(renamed(samples.repaired(), "INC-1").numbered)
    assert expected is not None

    answer = told("explain", name)

    assert answer.code is Exit.OK
    assert answer.out == render_text(expected) + "\n"


def test_an_incident_that_is_not_there_is_not_found(told: Trimtab) -> None:
    answer = told("explain", "INC-77")

    assert (answer.code, answer.out) == (Exit.NOT_FOUND, "")
    assert "there is no incident INC-77 → `trimtab incidents` lists them" in answer.err


def test_markdown_and_json_tell_the_same_story(told: Trimtab) -> None:
    expected = story(renamed(samples.repaired(), "INC-1").numbered)
    assert expected is not None

    assert told("explain", "1", "--output", "markdown").out == render_markdown(expected)
    found = told("explain", "1", "-o", "json").json
    assert (found["id"], found["headline"]) == ("INC-1", expected.headline)
    assert [row["text"] for row in found["rows"]] == [row.text for row in expected.rows]


@pytest.mark.parametrize("command", ["explain 2", "incidents --all", "explain 3"])
def test_sixty_columns_are_enough(told: Trimtab, command: str) -> None:
    answer = told(*command.split(), COLUMNS="60")

    assert answer.code is Exit.OK
    assert max(len(line) for line in answer.out.splitlines()) <= 60


@pytest.mark.parametrize("command", ["explain 3", "plan 3", "incidents --all", "incidents export 3 --as markdown"])
def test_nothing_foreign_steers_the_terminal(told: Trimtab, command: str) -> None:
    answer = told(*command.split())

    assert not [character for character in answer.out if ord(character) < 32 and character != "\n"]
    assert "\u202e" not in answer.out


def test_the_plan_is_shown_whole(told: Trimtab) -> None:
    shown, found = told("plan", "INC-2"), told("plan", "INC-2", "-o", "json").json

    assert found["diff"] in shown.out
    assert found["digest"] in shown.out


def test_incidents_that_are_over_are_listed_on_demand(told: Trimtab) -> None:
    everything = {one["id"] for one in told("incidents", "--all", "-o", "json").json["incidents"]}
    open_ones = {one["id"] for one in told("incidents", "-o", "json").json["incidents"]}

    assert everything == {"INC-1", "INC-2", "INC-3", "INC-4"}
    assert open_ones == everything - {"INC-4"}
    assert len(told("incidents", "--all", "--limit", "1", "-o", "json").json["incidents"]) == 1


def test_an_empty_log_is_told_as_empty(trimtab: Trimtab) -> None:
    stored(trimtab.folder)

    assert trimtab("incidents").out.startswith("no open incident")
    assert trimtab("audit", "verify").code is Exit.OK


def test_without_a_log_the_place_where_it_is_is_named(trimtab: Trimtab) -> None:
    answer = trimtab("incidents", TRIMTAB_NAMESPACE="ops")

    assert answer.code is Exit.FAILED
    assert "kubectl -n ops exec deploy/trimtab -- trimtab incidents" in answer.err


def test_reading_needs_no_lock_and_writes_nothing(told: Trimtab) -> None:
    """The program has its log open while `kubectl exec` reads beside it."""
    import asyncio

    from controller.adapters.database import open_database

    async def beside() -> Exit:
        store = await open_database(f"sqlite:///{told.folder}/trimtab.db")
        try:
            before = await store.identity()
            answer = await asyncio.to_thread(told, "explain", "1")
            assert await store.identity() == before
        finally:
            await store.close()
        return answer.code

    assert asyncio.run(beside()) is Exit.OK


def test_a_log_somebody_edited_fails_the_audit(told: Trimtab) -> None:
    import sqlite3

    assert told("audit", "verify").code is Exit.OK
    with sqlite3.connect(told.folder / "trimtab.db") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE events SET body = replace(body, 'mara', 'eve') WHERE body LIKE '%mara%'")
    database.close()

    answer = told("audit", "verify")

    assert answer.code is Exit.FAILED
    assert "✖" in answer.out


def test_a_head_kept_elsewhere_that_is_no_link_fails_the_audit(told: Trimtab) -> None:
    assert told("audit", "verify", "--head", "f" * 64).code is Exit.FAILED
    head = told("audit", "verify", "-o", "json").json["head"]
    assert told("audit", "verify", "--head", head).code is Exit.OK


@pytest.mark.parametrize(
    ("tale", "expect"),
    [(samples.repaired, {"step": "rollback"}), (samples.asked, {"step": "rollback"}), (samples.rejected, "nothing")],
    ids=["it helped", "still open", "rejected"],
)
def test_an_incident_becomes_a_runbook_test(trimtab: Trimtab, tale: object, expect: object) -> None:
    assert callable(tale)
    stored(trimtab.folder, renamed(tale(), "INC-1"))

    (case,) = yaml.safe_load(trimtab("incidents", "export", "1", "--as", "runbook-test").out)

    assert case["expect"] == expect
    assert case["given"]["objects"]["crashLooping"] == {"count": 7, "share": 0.583}


def test_an_exported_test_runs_in_the_runbook_it_came_from(trimtab: Trimtab, tmp_path: Path) -> None:
    tale = renamed(samples.repaired(), "INC-1")
    stored(trimtab.folder, tale)
    (case,) = yaml.safe_load(trimtab("incidents", "export", "1", "--as", "runbook-test").out)
    book = yaml.safe_load(template("mine"))
    case["given"].setdefault("changes", {})["rollout"] = {"age": "2m", "previousAlsoFailed": False}
    book["spec"]["tests"].append(case)
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(book))

    report = run_tests([file])

    assert report.ok, report
    assert len(report.tested[0].results) == 3
