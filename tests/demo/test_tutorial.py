"""The tutorial is what happens: its commands run one after the other, in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.layout import ROOT

pytestmark = [pytest.mark.checkout, pytest.mark.timeout(300)]

PAGE = ROOT / "docs/tutorial/index.md"
SCENARIO = "shop.yaml"


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def commands() -> Iterator[str]:
    """Every line that the tutorial has a reader type, besides make."""
    for block in blocks("sh"):
        yield from block.splitlines()


def test_the_tutorial_can_be_followed_to_its_end(tmp_path: Path) -> None:
    """Each command ends well, knowing nothing but what the ones before it left behind."""
    (scenario,) = blocks("yaml")
    (tmp_path / SCENARIO).write_text(scenario)
    program = [sys.executable, "-m", "controller"]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("TRIMTAB_")}
    said: dict[str, str] = {}
    for line in commands():
        word, *rest = shlex.split(line)
        if word == "export":
            name, _, value = rest[0].partition("=")
            surroundings[name] = value
            continue
        assert word == "trimtab", line
        run = subprocess.run(
            [*program, *rest], cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, f"{line}\n{run.stdout}\n{run.stderr}"
        said[line] = run.stdout

    assert "rolled back" in said["trimtab explain INC-1"]
    assert "none of" in said["trimtab explain INC-3"]
    assert "expect: nothing" in said["trimtab incidents export INC-3 --as runbook-test"]
    assert "acted alone, effective" in said[next(line for line in said if "--scenario" in line)]


def test_the_page_has_commands_to_follow() -> None:
    assert sum(line.startswith("trimtab ") for line in commands()) >= len(["demo", "explain", "report", "runbook"])
