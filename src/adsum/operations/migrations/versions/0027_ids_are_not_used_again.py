"""Ids of deleted rows are not given to new rows of SQLite

Postgres takes ids from sequences and does so already.
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

TABLES = (
    "absences",
    "api_keys",
    "attendances",
    "class_covers",
    "class_teachers",
    "classes",
    "contradictions",
    "enrolments",
    "school_changes",
    "schools",
    "session_times",
    "sessions",
    "student_merges",
    "students",
    "terms",
    "users",
)
OF_TABLE = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table")
OF_INDEXES = sa.text("SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in TABLES:
            _autoincrement(table)


def _autoincrement(table: str) -> None:
    """Makes the table again from its own definition, as SQLite cannot change a primary key.

    Alembic's batch mode would lose the checks.
    """
    connection = op.get_bind()
    definition = str(connection.scalar(OF_TABLE, {"table": table}))
    indexes = connection.scalars(OF_INDEXES, {"table": table}).all()
    names = [column["name"] for column in sa.inspect(connection).get_columns(table)]
    name, separator, columns = definition.partition("(")
    key = "PRIMARY KEY (id)"
    if name.split() not in (["CREATE", "TABLE", table], ["CREATE", "TABLE", f'"{table}"']) or key not in columns:
        raise ValueError(f"the table {table} has an unknown definition: {definition}")
    connection.exec_driver_sql(
        f"CREATE TABLE new_{table} {separator}" + columns.replace(key, "PRIMARY KEY (id AUTOINCREMENT)")
    )
    old, new = (sa.table(each, *map(sa.column, names)) for each in (table, f"new_{table}"))
    connection.execute(sa.insert(new).from_select(names, sa.select(old).order_by(old.c.id)))
    op.drop_table(table)
    op.rename_table(f"new_{table}", table)
    for index in indexes:
        connection.exec_driver_sql(index)
