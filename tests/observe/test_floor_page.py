"""The floor's page says what the code does."""

import re
from pathlib import Path

import pytest

from controller.settings import Settings
from detectors.forecast.leadtime import lead_time

PAGE = Path(__file__).parents[2] / "docs/explanation/floor.md"
pytestmark = pytest.mark.checkout


def rows(heading: str) -> list[tuple[str, str]]:
    text = PAGE.read_text(encoding="utf-8").partition(heading)[2]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table is not None
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table.group().splitlines()]
    return [(row[0], row[1]) for row in cells[2:]]


def test_the_settings_have_the_defaults_that_the_page_names() -> None:
    said = rows("## Settings")

    assert len(said) == 5
    for name, default in said:
        assert float(default) == Settings.model_fields[name].default


@pytest.mark.parametrize(("row", "starts"), [(0, []), (1, [30.0] * 3), (2, [30.0] * 20)])
def test_the_lead_times_are_those_that_come_out(row: int, starts: list[float]) -> None:
    _, said = rows("## The lead time")[row]

    assert said == f"{lead_time(starts).bound.total_seconds():.0f} s"
