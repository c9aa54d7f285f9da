"""The store contract on a SQLite file."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from controller.adapters.database import open_database
from controller.ports import Store
from tests.contracts.store_contract import StoreContract


class TestSQLiteStore(StoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        store = await open_database(f"sqlite:///{tmp_path}/trimtab.sqlite3")
        yield store
        await store.close()

    @pytest.fixture
    def peers(self, store: Store) -> Sequence[Store]:
        """SQLite serves one replica."""
        return (store, store)
