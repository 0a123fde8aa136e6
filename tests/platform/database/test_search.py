"""Search by words, and the migration that fills its column."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import Connection, select, text

from adsum.operations.migrations import tables
from adsum.platform.database import schema
from adsum.platform.database.engine import Database
from adsum.platform.database.search import mentions
from tests.support.schools import make_bare_school, make_student

PEOPLE = {
    "S-1": ("Sof\u00eda", "O\u2019N\u00fa\u00f1ez"),
    "S-2": ("Anna-Lena", "M\u00fcller"),
    "S-3": ("S\u00f8ren", "\u0141ukasz"),
    "S-4": ("100%", "under_score"),
    "S-5": ("Jose\u0301", "Stra\u00dfer"),
    "S-6": ("\u592a\u90ce", "\u5c71\u7530"),
}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("Sofia", ["S-1"]),
        ("SOF\u00cdA", ["S-1"]),
        ("o'nunez", ["S-1"]),
        ("O\u2018N\u00fa\u00f1ez", ["S-1"]),
        ("onunez", ["S-1"]),
        ("O'N\u00fa\u00f1ez, Sof\u00eda", ["S-1"]),
        ("Sof\u00eda O'N\u00fa\u00f1ez", ["S-1"]),
        ("M\u00fcller, Anna Lena", ["S-2"]),
        ("anna-lena mueller", ["S-2"]),
        ("Anna\u2010Lena MULLER", ["S-2"]),
        ("Soren", ["S-3"]),
        ("soeren lukasz", ["S-3"]),
        ("%", ["S-4"]),
        ("_", ["S-4"]),
        ("jos\u00e9 strasser", ["S-5"]),
        ("jose stra\u00dfer", ["S-5"]),
        ("\u5c71\u7530\u3000\u592a\u90ce", ["S-6"]),
        ("s-5", ["S-5"]),
        ("Sofia Muller", []),
        (" , ", sorted(PEOPLE)),
    ],
)
async def test_people_are_found_however_their_names_are_typed(database: Database, words: str, found: list[str]) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        for source_id, (given, family) in PEOPLE.items():
            await make_student(connection, school_id, given=given, family=family, source_id=source_id)
        s = tables.students.c
        rows = await connection.scalars(select(s.source_id).where(mentions(words, s.search_text)).order_by(s.source_id))
        assert list(rows) == found


def up_to_0012(connection: Connection) -> None:
    command.upgrade(schema._config(connection), "0012")  # pyright: ignore[reportPrivateUsage]


async def test_a_migration_fills_the_column_of_existing_rows(unmigrated: Database) -> None:
    async with unmigrated.transaction() as connection:
        await connection.run_sync(up_to_0012)
        await connection.execute(text("INSERT INTO schools (id, name, time_zone) VALUES (1, 'A', 'UTC')"))
        insert = text(
            "INSERT INTO students (id, school_id, source_id, given_name, family_name) "
            "VALUES (:id, 1, :source_id, :given, :family)"
        )
        named = {"given": "Sof\u00eda", "family": "N\u00fa\u00f1ez"}
        people = [{"id": number, "source_id": f"s-{number}", **named} for number in range(1, 6_002)]
        people[-1]["source_id"] = " s-6001\u3000"
        await connection.execute(insert, people)
    await schema.migrate(unmigrated)
    async with unmigrated.snapshot() as connection:
        s = tables.students.c
        found = await connection.scalars(select(s.id).where(mentions("nunez, sofia s-6001", s.search_text)))
        assert list(found) == [6_001]
        texts = [await connection.scalar(select(s.search_text).where(s.id == each)) for each in (6_000, 6_001)]
        assert texts[1] == (texts[0] or "").replace("s-6000", "s-6001")
        filled = select(s.id).where(s.search_text != "")
        assert len((await connection.scalars(filled)).all()) == 6_001
