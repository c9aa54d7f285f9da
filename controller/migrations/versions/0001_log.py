"""The log, its reservations, its outbox, named numbers, and the one row that says which store this is."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

wide = sa.BigInteger().with_variant(sa.Integer, "sqlite")
instant = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
first = sa.text("number = 1")

APPEND_ONLY = {
    "sqlite": [
        """
        CREATE TRIGGER events_never_change BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'events are append-only'); END
        """,
        """
        CREATE TRIGGER events_never_go BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events are append-only'); END
        """,
    ],
    "postgresql": [
        """
        CREATE FUNCTION events_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$
        """,
        """
        CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events
        FOR EACH STATEMENT EXECUTE FUNCTION events_append_only()
        """,
    ],
}
"""Against mistakes; against somebody with the rights of the owner there is the hash chain."""


def upgrade() -> None:
    op.create_table(
        "store",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.CheckConstraint("one = 1", name="store_has_one_row"),
    )
    op.create_table(
        "events",
        sa.Column("sequence", wide, primary_key=True, autoincrement=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("recorded_at", instant, nullable=False),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.UniqueConstraint("stream", "number", name="events_stream_number"),
    )
    op.create_index("events_first_of_stream", "events", ["sequence"], sqlite_where=first, postgresql_where=first)
    op.create_table(
        "reservations",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("units", sa.Float(53), nullable=False),
        sa.Column("at", instant, nullable=False),
    )
    op.create_index("reservations_scope_at", "reservations", ["scope", "at"])
    op.create_table(
        "outbox",
        sa.Column("id", wide, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", instant, nullable=True),
        sa.UniqueConstraint("kind", "key", name="outbox_kind_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "numbers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    for statement in APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)
