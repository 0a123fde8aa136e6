"""Alembic's environment: runs the migrations on the connection of `adsum.platform.database.schema`."""

from alembic import context

from adsum.operations.migrations.tables import metadata

connection = context.config.attributes["connection"]
if connection.dialect.name == "sqlite" and not connection.in_transaction():
    # SQLAlchemy does not see the transaction that `adsum.platform.database.engine` has begun. Alembic would commit it.
    connection.begin()
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
