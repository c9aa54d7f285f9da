"""What a run came to: which stories went astray, and the document for programs."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.demo.document import Unwritable, opened
from controller.demo.reading import Ending, Kind
from controller.demo.result import Cost, Result
from controller.demo.stories import STORIES, Story

SCALING = next(story for story in STORIES if story.kind is Kind.SCALING)
WELL = Ending("auto", "effective", verified=True, by="trimtab")


def result(held: float, bare: float, story: Story = SCALING, found: Ending = WELL) -> Result:
    """A run with these minutes outside of the objectives, with the floor and without it."""
    return Result(((story, found),), Cost(65.0, held), Cost(61.0, bare), 139, 7)


def test_a_floor_that_saved_nothing_is_not_as_it_should_be() -> None:
    assert result(16, 34).astray == ()
    assert result(34, 34).astray == (SCALING,)
    assert result(35, 34).astray == (SCALING,)
    assert "34 with the floor, 34 without it" in result(34, 34).why_not(SCALING, WELL)


def test_a_floor_that_nothing_was_expected_of_may_save_nothing_but_not_cost_minutes() -> None:
    story = replace(SCALING, expects=None)

    assert result(34, 34, story).astray == ()
    assert result(35, 34, story).astray == (story,)


def test_minutes_are_the_floors_business_and_no_other_storys() -> None:
    story = next(story for story in STORIES if story.kind is Kind.CANARY)

    assert result(35, 34, story).astray == ()


def test_a_no_is_told_as_the_reason() -> None:
    story = next(story for story in STORIES if story.kind is Kind.INCIDENT)
    refused = Ending("ask", refused=True)

    assert result(16, 34, story, refused).why_not(story, refused) == "you said no, so nothing was done"


DOCUMENT: dict[str, Any] = {"stories": [], "events": 139}


def test_the_document_is_whole_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "demo.json"
    file.write_text("of an earlier run")

    with pytest.raises(KeyboardInterrupt), opened(file):
        raise KeyboardInterrupt
    assert file.read_text() == "of an earlier run"

    with opened(file) as write:
        assert file.read_text() == "of an earlier run"
        write(DOCUMENT)
    assert json.loads(file.read_text()) == DOCUMENT
    assert list(tmp_path.iterdir()) == [file], "and nothing is left beside it"


def test_a_run_that_was_ended_leaves_no_document(tmp_path: Path) -> None:
    with opened(tmp_path / "demo.json"):
        pass

    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_document_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    link.symlink_to(real)
    with opened(link) as write:
        write(DOCUMENT)

    assert link.is_symlink()
    assert json.loads(real.read_text()) == DOCUMENT


@pytest.mark.parametrize("place", ["nowhere/demo.json", "file/demo.json", ""], ids=["absent", "no folder", "a folder"])
def test_a_document_that_cannot_be_written_is_said_before_anything_begins(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unwritable, match="cannot be written"), opened(tmp_path / place):
        raise AssertionError("it begins all the same")


def test_a_device_is_written_to_and_stays_one() -> None:
    with opened(Path("/dev/null")) as write:
        write(DOCUMENT)

    assert Path("/dev/null").is_char_device()


def test_the_reader_of_a_named_pipe_gets_the_document(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_text)
        with opened(pipe) as write:
            write(DOCUMENT)
        assert json.loads(read.result()) == DOCUMENT


def test_the_reader_of_a_shells_pipe_gets_the_document() -> None:
    """As behind `--json /dev/stdout | jq`."""
    reading, writing = os.pipe()
    with opened(Path(f"/dev/fd/{writing}")) as write:
        write(DOCUMENT)

    assert json.loads(os.read(reading, 10_000)) == DOCUMENT
    os.close(reading)
    os.close(writing)


def test_a_document_that_finds_no_room_says_so() -> None:
    with pytest.raises(Unwritable, match="No space left"), opened(Path("/dev/full")) as write:
        write(DOCUMENT)


def test_an_error_of_the_run_is_not_blamed_on_the_document(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), opened(tmp_path / "demo.json"):
        raise PermissionError(errno.EACCES, "another file")
