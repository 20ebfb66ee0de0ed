"""Alembic's entry: runs migrations on the connection that `open_database` gives."""

from alembic import context

from drivetrain.server.database.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
