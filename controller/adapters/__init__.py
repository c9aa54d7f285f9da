"""One third-party client a module, each behind a port of `controller.ports`; none knows another."""

from controller.ports import Store

MEMORY = "memory:"


async def open_store(url: str, *, read_only: bool = False) -> Store:
    """The store at `sqlite:///path`, `postgresql://…` or `memory:` (gone with the process), ready for use.

    `read_only` looks into a SQLite file beside the program that owns it. Raises StoreUnavailable or StoreUnusable.
    """
    if url.strip() == MEMORY:
        from controller.adapters.memory.store import MemoryStore  # noqa: PLC0415 -- only the store that is asked for

        return MemoryStore()
    from controller.adapters.database import open_database  # noqa: PLC0415 -- SQLAlchemy takes long to import

    return await open_database(url, read_only=read_only)
