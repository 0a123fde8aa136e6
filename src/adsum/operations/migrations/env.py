"""Alembic's environment: runs the migrations on the connection of `adsum.platform.database.schema`."""

from alembic import context

from adsum.operations.migrations.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
