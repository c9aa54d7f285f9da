"""The files that wait longest begin first when several workers share the work, so that none of them is left for last.

Only the order of files: within them tests keep the random order they have.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.layout import ROOT

SLOWEST = ("endtoend", "crash", "charts", "demo")
"""Folders of tests that play whole stories, the slowest first."""


def rank(file: Path) -> int:
    """How early a file begins: a folder's place in `SLOWEST`, everything else after them."""
    folder = file.relative_to(ROOT / "tests").parts[0]
    return SLOWEST.index(folder) if folder in SLOWEST else len(SLOWEST)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """After the random order is made; with one worker there is nothing to share."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.path))
