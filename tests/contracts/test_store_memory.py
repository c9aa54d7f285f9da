"""The store contract in memory."""

from collections.abc import Sequence

import pytest

from controller.adapters.memory.store import MemoryStore
from controller.ports import Store
from tests.contracts.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

    @pytest.fixture
    def peers(self, store: Store) -> Sequence[Store]:
        return (store, store)
