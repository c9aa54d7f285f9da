"""What Alembic runs: the steps that are missing, on the connection and in the transaction that the caller gives it.

The caller (`adapters/database/schema.py`) holds the lock and commits, so that two programs starting at once, or one
that is killed halfway, leave either the old schema or the new one.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
