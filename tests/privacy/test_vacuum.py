"""No file of the database keeps the names of an erased student."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.dialects import postgresql

from adsum.accounts.access import system_caller
from adsum.operations.pruning import LogTruncation
from adsum.platform.clock import system_clock
from adsum.platform.database.columns import metadata
from adsum.roster.tables import students
from tests.attendance.corrections.conftest import Register
from tests.privacy.traces import NOTE, erase, student_of, tables_after, with_traces_everywhere
from tests.support.live import ROOT
from tests.support.statements import statements_sent


@pytest.mark.parametrize("reads_meanwhile", [False, True])
async def test_no_file_contains_the_names_of_an_erased_student(
    register: Register, tmp_path: Path, reads_meanwhile: bool
) -> None:
    """Neither the name of the student, nor that of a merged record, nor a name before a change."""
    database, names = register.adsum.database, ["Xylanthe", "Quorvane", NOTE]
    if database.is_postgres:
        pytest.skip("Postgres has no files of the data folder")
    for name in names[:2]:
        async with database.transaction() as connection:
            is_student = students.c.id == student_of(register)
            await connection.execute(update(students).where(is_student).values(given_name=name))
    await with_traces_everywhere(register)
    assert [name for name in names if not found_in(tmp_path, name)] == []

    async with database.snapshot() if reads_meanwhile else nullcontext() as reader:
        if reader is not None:
            await reader.execute(select(students))
        assert (await erase(register.api, student_of(register))).is_success
        assert bool(found_in(tmp_path, NOTE)) is reads_meanwhile
    await LogTruncation(database, system_clock).truncate_if_due()

    assert [found_in(tmp_path, name) for name in names] == [[], [], []]


def found_in(folder: Path, name: str) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if name.encode() in path.read_bytes()]


def documented_vacuum() -> list[str]:
    page = (ROOT / "docs" / "how-to" / "student-data.md").read_text(encoding="utf-8")
    return re.findall(r"`(VACUUM \(FULL[^`]*)`", page)


async def test_the_documented_vacuum_names_every_table_with_texts_about_a_student(register: Register) -> None:
    await with_traces_everywhere(register)
    with statements_sent(register.adsum.database) as erased:
        await register.adsum.student_data.erase(student_of(register), system_caller())

    # Of schools and sessions an erasure changes a lock and a fence.
    # The only text of an announcement is its type.
    changed = tables_after("DELETE FROM|UPDATE", erased) - {"schools", "sessions", "announcements"}
    texts = ("VARCHAR", "TEXT", "JSON")
    with_texts = {
        table.name
        for table in metadata.sorted_tables
        if table.name in changed
        and any(column.type.compile(postgresql.dialect()).startswith(texts) for column in table.c)
    }
    assert {"students", "student_holds", "idempotency_keys"} <= with_texts
    assert with_texts - set(re.findall(r"\w+", " ".join(documented_vacuum()))) == set()


async def test_the_documented_vacuum_removes_names_from_the_statistics_of_postgres(register: Register) -> None:
    """They are samples of each column, which deleting rows leaves as they are."""
    database = register.adsum.database
    if not database.is_postgres:
        pytest.skip("SQLite has statistics of indexes only")
    samples = text("SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE tablename = 'students'")
    async with database.transaction() as connection:
        is_student = students.c.id == student_of(register)
        await connection.execute(update(students).where(is_student).values(given_name="Xylanthe"))
    async with database.autocommit_read() as connection:
        await connection.execute(text("ANALYZE students"))
        assert "Xylanthe" in repr((await connection.execute(samples)).all())
    await register.adsum.student_data.erase(student_of(register), system_caller())

    async with database.autocommit_read() as connection:
        for statement in documented_vacuum():
            await connection.execute(text(statement))
        assert "Xylanthe" not in repr((await connection.execute(samples)).all())
