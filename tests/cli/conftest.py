"""A command line with no settings but those a test gives, and the logging of the test process as it was."""

import asyncio
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from controller.adapters.database import open_database
from controller.ports import Commit, Committed
from tests.cli.run import Trimtab
from tests.core.samples import Tale


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands configure logging for their process, which here is everybody's."""
    for name in [name for name in os.environ if name.startswith(("TRIMTAB_", "KUBE"))]:
        if name != "TRIMTAB_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.delenv("COLUMNS", raising=False)
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**configured)


@pytest.fixture
def trimtab(tmp_path: Path) -> Trimtab:
    """The command line over an empty folder."""
    return Trimtab(
        {
            "TRIMTAB_DATABASE_URL": f"sqlite:///{tmp_path}/trimtab.db",
            "TRIMTAB_SECRETS": str(tmp_path / "secrets"),
            "KUBECONFIG": str(tmp_path / "no-kubeconfig"),
            "TRIMTAB_HTTP_PORT": "1",
        },
        tmp_path,
    )


def stored(folder: Path, *tales: Tale) -> None:
    """A log that holds these stories."""

    async def fill() -> None:
        store = await open_database(f"sqlite:///{folder}/trimtab.db")
        try:
            for tale in tales:
                commit = Commit(f"incident:{tale.id}", 0, tuple(tale.events))
                assert isinstance(await store.commit(commit, tale.events[-1].at), Committed)
        finally:
            await store.close()

    asyncio.run(fill())
