"""docs/reference/safety.md names tests that exist, and every rule."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/safety.md"
ROWS = (
    [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| S")] if PAGE.is_file() else []
)


def test_every_rule_has_a_row() -> None:
    assert [row.split(" | ")[0].strip("| ") for row in ROWS] == [f"S{number}" for number in range(1, 38)]


@pytest.mark.parametrize("row", ROWS, ids=[row.split(" | ")[0].strip("| ") for row in ROWS])
def test_every_test_that_is_named_exists(row: str) -> None:
    """And a rule without any test says that it is open."""
    rule, _, tests, still_open = (cell.strip() for cell in row.strip("|").split(" | "))
    named = 0
    for part in tests.split("<br>"):
        if part.strip() == "none":
            continue
        path, *names = re.findall(r"`([^`]+)`", part)
        text = (ROOT / path).read_text(encoding="utf-8")
        for name in names:
            assert re.search(rf"def {name}\(", text), f"{rule}: {path} has no {name}"
            named += 1
    assert named or "open" in still_open


def test_the_other_tests_it_speaks_of_exist() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## Bad data")[2]
    for path in re.findall(r"`(tests/[a-z_/]+(?:\.py)?)`?", text):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`(test_\w+)`", text):
        assert any(f"def {name}(" in file.read_text(encoding="utf-8") for file in (ROOT / "tests").glob("**/test_*.py"))
