"""`adsum attendance list` and `export`, run as an operator runs them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from adsum.domain.ids import Batch
from adsum.storage.database import Database
from tests.schools import SchoolIds, make_records, make_school

NO_REDIS = "redis://127.0.0.1:1"


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
async def school(database: Database) -> SchoolIds:
    """Three students, present on two days."""
    async with database.transaction() as connection:
        school = await make_school(connection)
        batches = [Batch(school.class_id, school.session_id, date(2024, 12, day)) for day in (9, 10)]
        await make_records(connection, school.school_id, batches, school.student_ids)
    return school


async def attendance(database_url: str, *arguments: str) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adsum", "attendance", *arguments),
        env={**os.environ, "ADSUM_DATABASE_URL": database_url, "ADSUM_REDIS_URL": NO_REDIS, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def test_list_shows_what_matches_in_json(database_url: str, school: SchoolIds) -> None:
    ended = await attendance(database_url, "list", "--from", "2024-12-10", "--status", "present", "--json")

    assert ended.code == 0, ended.err
    assert [(row["learningDate"], row["studentId"]) for row in json.loads(ended.out)] == [
        ("2024-12-10", student_id) for student_id in school.student_ids
    ]


async def test_list_says_that_there_is_more(database_url: str, school: SchoolIds) -> None:
    ended = await attendance(database_url, "list", "--limit", "2")

    assert len(ended.out.splitlines()) == 3
    assert "there are more than these 2" in ended.err


async def test_export_writes_everything_that_matches_to_stdout(database_url: str, school: SchoolIds) -> None:
    ended = await attendance(database_url, "export", "--student", str(school.student_ids[1]))

    assert ended.code == 0, ended.err
    header, *lines = csv.reader(io.StringIO(ended.out))
    assert header[:2] == ["id", "batchId"]
    assert [line[5] for line in lines] == ["2024-12-09", "2024-12-10"]


async def test_export_writes_a_file_and_says_how_much(database_url: str, school: SchoolIds, tmp_path: Path) -> None:
    ended = await attendance(database_url, "export", "-o", "register.csv", "--json")

    assert json.loads(ended.out) == {"file": "register.csv", "records": 6}
    assert len((tmp_path / "register.csv").read_text(encoding="utf-8").splitlines()) == 7


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["list", "--from", "2025-02-29"], "2025-02-29 is not a day"),
        (["list", "--from", "2024-12-10", "--to", "2024-12-09"], "2024-12-09 is before 2024-12-10"),
        (["list", "--status", "gone"], "'gone' is none of"),
        (["list", "--class", "12abc"], "valid int"),
        (["export", "-o", "no/such/folder/x.csv"], "cannot write"),
    ],
)
async def test_wrong_use_is_refused_with_exit_2(sqlite_url: str, arguments: list[str], complaint: str) -> None:
    ended = await attendance(sqlite_url, *arguments)

    assert ended.code == 2
    assert complaint in ended.err
    assert ended.out == ""
