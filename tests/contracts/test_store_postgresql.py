"""The store contract on a real PostgreSQL, with two replicas."""

from collections.abc import AsyncIterator, Sequence

import pytest

from controller.adapters.database import open_database
from controller.ports import Store
from tests.contracts.store_contract import StoreContract


class TestPostgreSQLStore(StoreContract):
    @pytest.fixture
    async def store(self, postgres_url: str) -> AsyncIterator[Store]:
        store = await open_database(postgres_url)
        yield store
        await store.close()

    @pytest.fixture
    async def peers(self, store: Store, postgres_url: str) -> AsyncIterator[Sequence[Store]]:
        other = await open_database(postgres_url)
        yield (store, other)
        await other.close()
