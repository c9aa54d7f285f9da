"""The stores that survive a process, by URL."""

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.controlplane)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place for a store: a SQLite file, then a PostgreSQL database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/trimtab.sqlite3"
    return str(request.getfixturevalue("postgres_url"))
