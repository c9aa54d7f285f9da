"""The Store on SQLite and PostgreSQL. See `store.py` for what it promises."""

from controller.adapters.database.open import open_database
from controller.adapters.database.store import DatabaseStore

__all__ = ["DatabaseStore", "open_database"]
