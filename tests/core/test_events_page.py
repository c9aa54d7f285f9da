"""docs/reference/events.md and docs/explanation/gate.md say what the code says."""

import dataclasses
import re
from pathlib import Path

import pytest

from controller.core import blockers, decide
from controller.core.facts import Facts
from tests.core.strategies import KINDS
from tests.core.test_decide import BLOCKERS

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[2]


def test_every_event_is_on_its_page_with_its_version_words_and_fields() -> None:
    """To mend it: one row a kind, the words are the docstring's."""
    page = (ROOT / "docs/reference/events.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    expected = []
    for kind in KINDS:
        fields = ", ".join(f"`{f.name}`" for f in dataclasses.fields(kind) if f.name not in ("kind", "at"))
        words = " ".join((kind.__doc__ or "").split())
        name = kind.__dataclass_fields__["kind"].default
        expected.append(f"| `{name}` | {kind.version} | {words} | {fields} |")

    assert rows == expected


def test_the_page_of_the_gate_names_every_blocker() -> None:
    page = (ROOT / "docs/explanation/gate.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z-]+)`", page))
    from_facts = {code for name, _, code, _ in BLOCKERS if name != "findings"}

    assert from_facts <= named
    assert {"budget"} <= named


def test_the_modules_it_speaks_of_are_there() -> None:
    page = (ROOT / "docs/explanation/gate.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:controller|tests)/[a-z_/]+\.py)`", page):
        assert (ROOT / path).is_file(), path
    assert decide.decide.__module__ == "controller.core.decide"
    assert len(dataclasses.fields(Facts)) == len({name for name, *_ in BLOCKERS})
    assert blockers.FRUITLESS_AT_MOST == 3
