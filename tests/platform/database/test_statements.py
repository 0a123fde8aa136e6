"""Statements that the driver executes directly mean the same on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Boolean, Date, bindparam, text

from adsum.platform.database.columns import Instant, Json
from adsum.platform.database.engine import Database, RejectedRows, StorageOutage
from adsum.platform.database.statements import Statement
from adsum.schools.tables import schools
from tests.support.schools import make_bare_school
from tests.support.statements import queries_logged, statements_sent

pytestmark = pytest.mark.both_databases

DAY, TIME = date(2024, 12, 25), datetime(2024, 12, 25, 8, 30, tzinfo=UTC)
KINDS: dict[str, Any] = {"day": Date, "moment": Instant, "flag": Boolean, "no_day": Date, "content": Json}
ECHO = Statement(
    lambda dialect: (
        text(
            "SELECT CAST(:day AS date) AS day, CAST(:moment AS timestamptz) AS moment, CAST(:flag AS boolean) AS flag, "
            "CAST(:no_day AS date) AS no_day, jsonb_build_object('a', 1) AS content"
            if dialect == "postgresql"
            else "SELECT :day AS day, :moment AS moment, :flag AS flag, :no_day AS no_day, "
            "json_object('a', 1) AS content"
        )
        .bindparams(*(bindparam(name, type_=kind()) for name, kind in KINDS.items() if name != "content"))
        .columns(**KINDS)
    )
)
RENAME = Statement(lambda _: text("UPDATE schools SET name = :name"))
ADD = Statement(lambda _: text("INSERT INTO schools (id, name, time_zone) VALUES (:id, 'A', 'UTC')"))
MISSING = Statement(lambda _: text("SELECT 1 FROM missing"))


async def name_of_school(database: Database) -> str:
    async with database.autocommit_read() as connection:
        return str((await connection.execute(schools.select())).one().name)


async def test_values_are_converted_in_both_directions(database: Database) -> None:
    given = {"day": DAY, "moment": TIME, "flag": True, "no_day": None}
    with statements_sent(database) as sent:
        async with database.autocommit_read() as connection:
            rows = await ECHO.fetch_all(connection, given)
            await queries_logged()
    assert [tuple(row) for row in rows] == [(DAY, TIME, True, None, {"a": 1})]
    assert len(sent) == 1


async def test_a_statement_for_many_rows_and_one_without_rows(database: Database) -> None:
    async with database.transaction() as connection:
        await ADD.execute_many(connection, [{"id": 1}, {"id": 2}])
        assert await RENAME.fetch_all(connection, {"name": "B"}) == []
    async with database.autocommit_read() as connection:
        assert [row.name for row in await connection.execute(schools.select())] == ["B", "B"]


async def test_errors_are_outages_or_rejected_rows(database: Database) -> None:
    with pytest.raises(RejectedRows):
        async with database.transaction() as connection:
            await ADD.execute_many(connection, [{"id": 1}, {"id": 1}])
    with pytest.raises(StorageOutage):
        async with database.autocommit_read() as connection:
            await MISSING.fetch_all(connection, {})
    async with database.autocommit_read() as connection:
        assert (await connection.execute(schools.select())).all() == []


async def test_a_cancelled_statement_writes_nothing_and_leaves_no_transaction(database: Database) -> None:
    async with database.transaction() as connection:
        await make_bare_school(connection)
    before = await name_of_school(database)

    async def rename() -> None:
        async with database.transaction() as connection:
            await RENAME.fetch_all(connection, {"name": "cancelled"})
            await asyncio.Event().wait()

    for steps in range(12):
        renaming = asyncio.create_task(rename())
        for _ in range(steps):
            await asyncio.sleep(0)
        renaming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await renaming
        assert await name_of_school(database) == before
        async with database.transaction() as connection:
            assert await RENAME.fetch_all(connection, {"name": before}) == []


async def test_connections_are_kept_and_returned(database: Database) -> None:
    kept = database.admission.kept
    async with database.autocommit_read() as connection:
        await ECHO.fetch_all(connection, {"day": DAY, "moment": TIME, "flag": True, "no_day": None})
    assert kept == [connection]
    async with database.transaction() as again:
        assert (again, kept) == (connection, [])
        await database.admission.close()
    assert kept == [], "a closed database keeps no connection"
