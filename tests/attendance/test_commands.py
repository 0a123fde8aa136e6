"""`adsum attendance`, run as an operator runs it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from codecs import BOM_UTF8
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select

from adsum.attendance.schemas import COLUMNS
from adsum.attendance.tables import attendances
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch
from tests.support.commands import commands
from tests.support.schools import SchoolIds, make_records, make_school
from tests.support.workbook import rows_of

NO_REDIS = "redis://127.0.0.1:1"


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database is enough: commands call services, which are tested on both."""
    return sqlite_url


@pytest.fixture
async def school(database: Database) -> SchoolIds:
    """Three students, present on two days."""
    async with database.transaction() as connection:
        school = await make_school(connection)
        batches = [Batch(school.class_id, school.session_id, date(2024, 12, day)) for day in (9, 10)]
        await make_records(connection, school.school_id, batches, school.student_ids)
    return school


async def attendance(database_url: str, *arguments: str, log_level: str = "WARNING") -> Ended:
    adsum = commands(database_url=database_url, redis_url=NO_REDIS, log_level=log_level)
    ended = await asyncio.to_thread(adsum.run, "attendance", *arguments)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


async def test_list_prints_matching_records_as_json(database_url: str, school: SchoolIds) -> None:
    ended = await attendance(database_url, "list", "--from", "2024-12-10", "--status", "present", "--json")

    assert ended.code == 0, ended.err
    assert [(row["learningDate"], row["studentId"]) for row in json.loads(ended.out)] == [
        ("2024-12-10", student_id) for student_id in school.student_ids
    ]


async def test_list_and_export_of_one_school(database_url: str, school: SchoolIds, tmp_path: Path) -> None:
    ours, other = str(school.school_id), str(school.school_id + 1)

    listed = await attendance(database_url, "list", "--school", ours, "--json")
    exported = await attendance(database_url, "export", "--school", ours)

    assert len(json.loads(listed.out)) == 6, listed.err
    assert len(exported.out.splitlines()) == 7, exported.err
    for command in ("list", "export"):
        unknown = await attendance(database_url, command, "--school", other)
        assert (unknown.code, unknown.out, unknown.err) == (1, "", f"adsum: there is no school {other}\n")


async def test_list_in_json_has_the_fields_of_the_api(database_url: str, school: SchoolIds) -> None:
    ended = await attendance(database_url, "list", "--limit", "1", "--json")

    (row,) = json.loads(ended.out)
    assert list(row) == [*COLUMNS, "contradiction"]
    assert row["markedAt"] == "2024-12-25T08:30:00Z"


async def test_list_reports_that_there_are_more_records(database_url: str, school: SchoolIds) -> None:
    ended = await attendance(database_url, "list", "--limit", "2")

    assert len(ended.out.splitlines()) == 3
    assert "there are more than 2 records" in ended.err


async def test_export_writes_all_matching_records_to_stdout(database_url: str, school: SchoolIds) -> None:
    ended = await attendance(database_url, "export", "--student", str(school.student_ids[1]))

    assert ended.code == 0, ended.err
    header, *lines = csv.reader(io.StringIO(ended.out))
    assert header[:2] == ["id", "batchId"]
    assert [line[5] for line in lines] == ["2024-12-09", "2024-12-10"]


async def test_export_writes_a_file_and_reports_the_number_of_records(
    database_url: str, school: SchoolIds, tmp_path: Path
) -> None:
    ended = await attendance(database_url, "export", "-o", "register.csv", "--json")

    assert json.loads(ended.out) == {"file": "register.csv", "records": 6}
    written = (tmp_path / "register.csv").read_bytes()
    assert written.startswith(BOM_UTF8 + b"id,")
    assert len(written.splitlines()) == 7


async def test_export_writes_a_workbook_by_the_ending_of_the_file_or_by_format(
    database_url: str, school: SchoolIds, tmp_path: Path
) -> None:
    to_file = await attendance(database_url, "export", "-o", "register.XLSX", "--json")
    to_stdout = await attendance(database_url, "export", "--format", "xlsx", "-o", "register.csv")

    assert json.loads(to_file.out) == {"file": "register.XLSX", "records": 6}, to_file.err
    assert len(rows_of((tmp_path / "register.XLSX").read_bytes())) == 7
    assert len(rows_of((tmp_path / "register.csv").read_bytes())) == 7
    assert to_stdout.code == 0


async def test_export_logs_its_caller_and_filters(database_url: str, school: SchoolIds) -> None:
    ended = await attendance(database_url, "export", "--class", str(school.class_id), log_level="INFO")

    (line,) = [line for line in ended.err.splitlines() if "list exported" in line]
    assert all(f in line for f in ("actor=system", "list=attendances", f"class_id={school.class_id}")), line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["list", "--from", "2025-02-29"], "2025-02-29 is not a day"),
        (["list", "--from", "2024-12-10", "--to", "2024-12-09"], "2024-12-09 is before 2024-12-10"),
        (["list", "--class", "12abc"], "'12abc' is not a whole number"),
        (["export", "-o", "no/such/folder/x.csv"], "cannot write"),
    ],
)
async def test_usage_errors_exit_with_2(sqlite_url: str, arguments: list[str], complaint: str) -> None:
    ended = await attendance(sqlite_url, *arguments)

    assert ended.code == 2
    assert complaint in ended.err
    assert ended.out == ""


async def test_correct_changes_one_record_and_history_shows_the_change(
    database: Database, database_url: str, school: SchoolIds
) -> None:
    record = await _first_record(database)

    corrected = await attendance(
        database_url, "correct", record, "--status", "absent", "--note", "flu", "--reason", "a call", "--json"
    )
    timed = await attendance(
        *(database_url, "correct", record, "--status", "late", "--arrived", "09:10", "--left", "09:30"),
        *("--office-note", "bus", "--reason", "a late bus"),
    )
    shown = await attendance(database_url, "list")
    back = await attendance(
        database_url, "correct", record, "--status", "absent", "--arrived", "", "--left", "", "--office-note", ""
    )
    noteless = await attendance(database_url, "correct", record, "--note", "", "--version", "4")
    cleared = await attendance(database_url, "correct", record, "--clear")
    history = await attendance(database_url, "history", record)

    assert corrected.code == 0, corrected.err
    assert json.loads(corrected.out)["status"] == "absent"
    assert noteless.code == cleared.code == 0, noteless.err + cleared.err
    lines = [line.split() for line in history.out.splitlines()]
    assert [line[:3] for line in lines[1:]] == [
        ["6", "-", "-"],
        ["5", "absent", "-"],
        ["4", "absent", "flu"],
        ["3", "late", "flu"],
        ["2", "absent", "flu"],
        ["1", "present", "-"],
    ]
    assert (timed.code, back.code) == (0, 0), timed.err + back.err
    assert lines[4][3:6] == ["09:10", "09:30", "bus"]
    assert "a call" in history.out
    assert "a late bus" in history.out
    assert re.search(r"late +09:10 +09:30 +flu", shown.out)


async def test_correct_refuses_invalid_options_and_stale_versions(
    database: Database, database_url: str, school: SchoolIds
) -> None:
    record = await _first_record(database)

    nothing = await attendance(database_url, "correct", record)
    both = await attendance(database_url, "correct", record, "--clear", "--status", "late")
    stale = await attendance(database_url, "correct", record, "--status", "late", "--version", "9")
    unknown = await attendance(database_url, "correct", "999", "--status", "late")

    assert [each.code for each in (nothing, both, stale, unknown)] == [2, 2, 1, 1]
    assert "--status, --note or --clear" in nothing.err
    assert "either cleared or changed" in both.err
    assert "its version is 1 now" in stale.err
    assert "no attendance 999" in unknown.err


async def _first_record(database: Database) -> str:
    async with database.snapshot() as connection:
        return str((await connection.execute(select(func.min(attendances.c.id)))).scalar_one())


async def test_a_status_that_no_school_has_is_reported(sqlite_url: str) -> None:
    ended = await attendance(sqlite_url, "list", "--status", "gone")

    assert (ended.code, ended.out) == (1, ""), ended.err
    assert "'gone' is not a status of the school: use one of absent, excused, late, present" in ended.err
