"""docs/explanation/lab.md says what the lab does."""

import re
from pathlib import Path

import pytest

from controller.lab.faults import KINDS
from controller.lab.parts import Effect

pytestmark = pytest.mark.checkout

PAGE = Path("docs/explanation/lab.md")


def test_every_fault_is_explained_and_no_other() -> None:
    table = re.findall(r"^\| (`[^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = set(re.findall(r"`([^`]+)`", " ".join(table)))

    assert named == set(KINDS)


def test_everything_a_version_may_do_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert not [name for name in _aliases() if f"`{name}`" not in text]


def _aliases() -> list[str]:
    return [field.alias or name for name, field in Effect.model_fields.items()]
