"""Migrations that change stored rows."""

from __future__ import annotations

import importlib

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, insert, select

from adsum.platform.database.engine import Database
from adsum.roster.tables import students
from tests.support.schools import make_bare_school


async def test_stored_source_ids_lose_their_blanks_unless_another_row_has_the_id(database: Database) -> None:
    async with database.transaction() as connection:
        school, other = [await make_bare_school(connection, name=name) for name in ("Ahorn", "Buche")]
        stored = [(school, " a"), (school, "b\u3000"), (school, "b "), (school, " c"), (school, "c"), (other, "\ta ")]
        named = {"given_name": "Ada", "family_name": "Byron", "active": True}
        rows = [{"school_id": school_id, "source_id": source_id, **named} for school_id, source_id in stored]
        await connection.execute(insert(students), [*rows, {"school_id": school, "source_id": None, **named}])

        await connection.run_sync(upgrade)

        found = await connection.scalars(select(students.c.source_id).order_by(students.c.id))
        assert list(found) == ["a", "b", "b ", " c", "c", "a", None]


def upgrade(connection: Connection) -> None:
    migration = importlib.import_module("adsum.migrations.versions.0014_source_ids_without_blanks")
    with Operations.context(MigrationContext.configure(connection)):
        migration.upgrade()
