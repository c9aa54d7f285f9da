"""What was recorded since a time is found without reading the whole log."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("events_recorded_at", "events", ["recorded_at"])
