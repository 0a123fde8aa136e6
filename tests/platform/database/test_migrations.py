"""Migrations that change stored rows."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, func, insert, select, update

from adsum.batches.tables import batch_runs
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch
from adsum.roster.tables import students
from tests.support.runs import inserts, make_run
from tests.support.schools import make_bare_school, make_school


async def test_stored_source_ids_lose_their_blanks_unless_another_row_has_the_id(database: Database) -> None:
    async with database.transaction() as connection:
        school, other = [await make_bare_school(connection, name=name) for name in ("Ahorn", "Buche")]
        stored = [(school, " a"), (school, "b\u3000"), (school, "b "), (school, " c"), (school, "c"), (other, "\ta ")]
        named = {"given_name": "Ada", "family_name": "Byron", "active": True}
        rows = [{"school_id": school_id, "source_id": source_id, **named} for school_id, source_id in stored]
        await connection.execute(insert(students), [*rows, {"school_id": school, "source_id": None, **named}])

        await connection.run_sync(run_in, migration("0014_source_ids_without_blanks").upgrade)

        found = await connection.scalars(select(students.c.source_id).order_by(students.c.id))
        assert list(found) == ["a", "b", "b ", " c", "c", "a", None]


@pytest.mark.parametrize("size", [1, 2, 5, 6])
async def test_all_days_are_summarised_again_for_the_students_without_a_mark(
    database: Database, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    unmarked = migration("0016_unmarked_students")
    monkeypatch.setattr(unmarked, "SLICE", size)
    async with database.transaction() as connection:
        school = await make_school(connection)
        for days in range(5):
            batch = Batch(school.class_id, school.session_id, date(2024, 12, 25) + timedelta(days))
            await make_run(connection, school, inserts(school.student_ids), batch=batch)
        await connection.execute(update(batch_runs).values(summarised=True))

        await connection.run_sync(run_in, unmarked._mark_all_days_stale)

        summarised = select(func.count()).select_from(batch_runs).where(batch_runs.c.summarised)
        assert await connection.scalar(summarised) == 0


def migration(name: str) -> Any:
    return importlib.import_module(f"adsum.migrations.versions.{name}")


def run_in(connection: Connection, step: Callable[[], None]) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        step()
