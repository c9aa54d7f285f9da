"""What the how-to pages tell people to type exists, and what they tell them to write is accepted."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from controller.api.v1alpha1.servicepolicy import ServicePolicy
from controller.cli.commands import app
from controller.cli.exits import Exit
from controller.reference import leaves
from tests.charts.chart import Helm
from tests.cli.run import Trimtab
from tests.layout import ROOT

pytestmark = pytest.mark.checkout

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "charts/trimtab/templates/NOTES.txt"])
COMMANDS = dict(leaves("trimtab", get_command(app)))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    fences = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [text for fenced, text in fences if fenced == language]


def lines(page: Path) -> list[str]:
    """What a page shows to be typed, line by line; a line that goes on after a backslash is one."""
    return [line.strip() for block in blocks(page, "") for line in block.replace("\\\n", "").splitlines()]


def typed(page: Path) -> Iterator[list[str]]:
    """Every `trimtab …` that a page shows to be typed, in a block or in a line of text."""
    text = page.read_text()
    shown = lines(page) + re.findall(r"`(trimtab [^`\n]+)`", text)
    for line in shown:
        found = re.search(r"(?:^\s*\$?\s*|-- )(trimtab [a-z].*)", line.partition("  #")[0].partition(" | ")[0])
        if found:
            yield shlex.split(found[1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_a_page_shows_exists_with_its_options(page: Path) -> None:
    for shown in typed(page):
        words = [word for word in shown if not set("|…[") & set(word)]
        name = max((known for known in COMMANDS if words[: len(known.split())] == known.split()), key=len, default="")
        assert name, f"{' '.join(words)} is no command"
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"--help"}
        given = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
        assert given <= options, f"{' '.join(words)} has an option that {name} has not"


def test_commands_are_found_in_the_pages() -> None:
    found = {" ".join(words[:2]) for page in PAGES for words in typed(page)}

    assert {"trimtab doctor", "trimtab approve", "trimtab runbook", "trimtab store"} <= found


def test_the_first_runbook_lints_and_its_tests_pass(trimtab: Trimtab, tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "docs/how-to/first-runbook.md", "yaml")
    file = tmp_path / "first.yaml"
    file.write_text(text)

    assert trimtab("runbook", "lint", str(file)).out == "1 runbook, no problems\n"
    assert trimtab("runbook", "test", str(file)).code is Exit.OK


def test_the_first_policy_is_one() -> None:
    (text,) = blocks(ROOT / "docs/how-to/first-policy.md", "yaml")

    assert ServicePolicy.model_validate(yaml.safe_load(text)).spec.remediation.mode == "Approve"


HOWTOS = ("install", "observe", "build-the-image", "first-policy", "floor", "postgresql", "slack", "paging", "page")
HELMED = ["README.md", *(f"docs/how-to/{name}.md" for name in HOWTOS)]


def number(text: str) -> int | str:
    """A value as helm reads it."""
    return int(text) if text.isdigit() else text


@pytest.mark.parametrize("page", HELMED)
def test_what_is_set_on_the_chart_is_a_value_of_it(helm: Helm, page: str) -> None:
    shown = [shlex.split(line) for line in lines(ROOT / page) if line.startswith("helm ") and "--set" in line]
    assert shown

    for words in shown:
        values: dict[str, Any] = {}
        for flag, given in pairwise(words):
            if flag == "--set":
                key, _, value = given.partition("=")
                listed = [number(one) for one in value.strip("{}").split(",")]
                values[key] = listed if value.startswith("{") else number(value)
        assert helm.render(values)
