"""A command line with no settings but those a test gives."""

import asyncio
import os
from pathlib import Path

import pytest

from controller.adapters.database import open_database
from controller.ports import Commit, Committed
from tests.cli.run import Trimtab
from tests.core.samples import Tale


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine."""
    for name in [name for name in os.environ if name.startswith(("TRIMTAB_", "KUBE"))]:
        if name != "TRIMTAB_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.delenv("COLUMNS", raising=False)


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
