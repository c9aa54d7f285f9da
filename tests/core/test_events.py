"""Events keep: what was stored is read back, today and by a later program."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from controller.core import events
from controller.core.chain import canonical
from controller.core.events import VERSIONS, Event, Opened, UnknownEvent, decode, encode
from tests.core.strategies import EVENTS, KINDS

GOLDEN = Path(__file__).parent / "golden" / "events.jsonl"
ROWS = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]


@given(EVENTS)
def test_every_event_is_read_back_as_it_was_written(event: Event) -> None:
    kind, version, body = encode(event)

    assert decode(kind, version, json.loads(canonical(body))) == event


def test_every_kind_is_known_by_one_word() -> None:
    assert len(VERSIONS) == len(KINDS)


def test_every_kind_and_version_ever_released_is_in_the_golden_file() -> None:
    """A new kind adds a line; a new version adds a line and keeps the old one, with an upcaster."""
    released = {(row["kind"], row["version"]) for row in ROWS}

    assert released == {(kind, v) for kind, newest in VERSIONS.items() for v in range(1, newest + 1)}


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['kind']}-{row['version']}" for row in ROWS])
def test_what_was_released_is_read_for_ever(row: dict[str, Any]) -> None:
    """The stored body is read into today's event, and says today what it said then."""
    event = decode(row["kind"], row["version"], row["body"])

    assert event.kind == row["kind"]
    if row["version"] == VERSIONS[row["kind"]]:
        assert encode(event) == (row["kind"], row["version"], row["body"])


@pytest.mark.parametrize(
    ("kind", "version"), [("opened", 99), ("opened", 0), ("sang", 1)], ids=["newer", "before the first", "another kind"]
)
def test_an_event_of_a_newer_program_is_an_error_that_says_so(kind: str, version: int) -> None:
    with pytest.raises(UnknownEvent, match=rf"event {kind} version {version} is not known here .* a newer trimtab"):
        decode(kind, version, {})


def test_an_old_version_is_brought_up_to_today_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: version 1 had `service`, version 2 `workload` without its data's health, version 3 is today."""
    body = next(row["body"] for row in ROWS if row["kind"] == "opened")

    def named(old: dict[str, Any]) -> dict[str, Any]:
        return {**{key: value for key, value in old.items() if key != "service"}, "workload": old["service"]}

    def healthy(old: dict[str, Any]) -> dict[str, Any]:
        return {**old, "data": "healthy"}

    upcasters: Mapping[tuple[str, int], Any] = {("opened", 1): named, ("opened", 2): healthy}
    monkeypatch.setattr(events, "UPCASTERS", upcasters)
    monkeypatch.setattr(events, "VERSIONS", {**VERSIONS, "opened": 3})
    oldest = {key: value for key, value in body.items() if key not in ("workload", "data")} | {
        "service": body["workload"]
    }

    told = decode("opened", 1, oldest)
    assert isinstance(told, Opened)
    assert (told.workload.name, told.data) == ("checkout", "healthy")
    assert decode("opened", 2, {**oldest, "workload": body["workload"]} | {"service": 0}).kind == "opened"
    assert decode("opened", 3, body) == told


def test_the_body_that_was_read_is_not_changed_by_reading() -> None:
    body = json.loads(json.dumps(ROWS[0]["body"]))
    decode(ROWS[0]["kind"], ROWS[0]["version"], body)

    assert body == ROWS[0]["body"]
