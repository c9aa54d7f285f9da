"""Brings the schema up to date, and refuses one that a newer program made.

One transaction under one lock: two replicas that start together migrate once, and a kill leaves the old schema or the
new one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text

from controller import migrations
from controller.adapters.database.tables import store
from controller.core.chain import GENESIS
from controller.errors import StoreUnusable

MIGRATION_LOCK = 0x7472696D746162
"""PostgreSQL's advisory locks are numbers: "trimtab" in ASCII."""


def migrate(connection: Connection, new_id: Callable[[], str]) -> None:
    """Apply every step that is missing and give a new store its identity. Call it inside a writing transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATION_LOCK})
    config = configuration()
    refuse_newer(connection, config)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.execute(select(store.c.one)).first() is None:
        connection.execute(insert(store).values(one=1, id=new_id(), epoch=0, sequence=0, head=GENESIS))


def refuse_other(connection: Connection) -> None:
    """Raise StoreUnusable unless the schema is exactly this program's; for readers, who must not migrate."""
    config = configuration()
    refuse_newer(connection, config)
    if (
        MigrationContext.configure(connection).get_current_revision()
        != ScriptDirectory.from_config(config).get_current_head()
    ):
        raise StoreUnusable("The store has not been set up by this version yet", "Start `trimtab run` on it once.")


def refuse_newer(connection: Connection, config: Config) -> None:
    """Raise StoreUnusable when the store stands at a revision that this program does not have."""
    script = ScriptDirectory.from_config(config)
    known = {step.revision for step in script.walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise StoreUnusable(
            f"The store has schema {', '.join(sorted(unknown))}, this trimtab knows up to {script.get_current_head()}",
            "Run the newer trimtab that wrote it, or restore a backup from before the upgrade.",
        )


def configuration() -> Config:
    """Alembic's settings without a file: the steps lie in the package, in a checkout and in the wheel alike."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
