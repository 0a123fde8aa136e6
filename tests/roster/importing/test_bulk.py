"""Complete files: rows that are missing from them end, and their history stays."""

from __future__ import annotations

import re
import time
from datetime import date
from typing import Any

import pytest
from sqlalchemy import event

from adsum.operations.migrations import tables
from adsum.platform.database import connector
from adsum.platform.database.engine import Database, open_database
from adsum.roster.oneroster.files import UnreadableRoster
from tests.roster.conftest import Importing, counts
from tests.roster.files import SCHOOL, a_school

TEACHINGS = "teachings"


async def test_the_first_import_adds_everything(importing: Importing) -> None:
    report = await importing.run(a_school(students=3, classes=2), time_zone="Asia/Ho_Chi_Minh")

    assert counts(report) == {
        "schools": (1, 0, 0, 0),
        "terms": (0, 0, 0, 0),
        "students": (3, 0, 0, 0),
        "contacts": (0, 0, 0, 0),
        "teachers": (1, 0, 0, 0),
        "classes": (2, 0, 0, 0),
        "sessions": (2, 0, 0, 0),
        "enrolments": (6, 0, 0, 0),
        TEACHINGS: (2, 0, 0, 0),
    }
    everything = await importing.everything()
    assert [(row["source_id"], row["name"], row["time_zone"]) for row in everything["schools"]] == [
        (SCHOOL, "Lindenhof", "Asia/Ho_Chi_Minh")
    ]
    assert [row["grade"] for row in everything["students"]] == ["9", "9", "9"]
    assert [(row["title"], row["code"]) for row in everything["classes"]] == [
        ("Title of class-1", "7b"),
        ("Title of class-2", "7b"),
    ]
    (teacher,) = everything["users"]
    assert (teacher["role"], teacher["source_id"], teacher["email"], teacher["password_hash"]) == (
        "teacher",
        "teacher-1",
        None,
        None,
    )
    assert [row["begin_date"] for row in everything["class_teachers"]] == [date(2024, 9, 2)] * 2


async def test_without_statistics_no_query_of_an_import_repeats_a_step_for_each_pair_of_students(
    postgres_database: Database,
) -> None:
    """Postgres has none of a table that the same transaction fills."""
    importing, students = Importing(postgres_database), 600
    repeated: dict[str, int] = {}

    def explain(connection: Any, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith(("SELECT", "WITH")):
            cursor = connection.connection.cursor()
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {statement}", parameters)
            plan = "\n".join(line for (line,) in cursor.fetchall())
            repeated[plan] = max(map(int, re.findall(r"loops=(\d+)", plan)), default=0)

    event.listen(postgres_database.engine.sync_engine, "before_cursor_execute", explain)
    for _ in range(2):
        await importing.run(a_school(students=students, classes=2))
    assert len(repeated) > 20
    assert [plan for plan, loops in repeated.items() if loops > 3 * students] == []


async def test_an_import_may_read_longer_than_the_timeout_of_idle_transactions(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "IDLE_IN_TRANSACTION_TIMEOUT_S", 1)
    database = open_database(postgres_url)
    read: list[str] = []

    def read_slowly(file: str, _done: int, _total: int) -> None:
        if not read:
            time.sleep(1.5)  # more than the timeout, which no condition shows: Postgres measures it
        read.append(file)

    report = await Importing(database).run(a_school(students=3), progress=read_slowly)

    assert (read[0], counts(report)["students"]) == ("users.csv", (3, 0, 0, 0))
    await database.close()


async def test_differing_rows_are_changed_and_keep_their_ids(importing: Importing) -> None:
    roster = a_school(students=2)
    await importing.run(roster, time_zone="Europe/Berlin")
    before = await importing.everything()
    roster.row("orgs", SCHOOL)["name"] = "Neuer Lindenhof"
    roster.row("users", "student-1")["familyName"] = "Married"
    roster.row("users", "teacher-1")["givenName"] = "Augusta"
    roster.row("classes", "class-1")["classCode"] = ""
    roster.row("enrollments", "class-1-student-2")["endDate"] = "2025-07-01"
    roster.row("enrollments", "class-1-teacher-1")["beginDate"] = ""
    assert "augusta" not in before["users"][0]["search_text"]

    report = await importing.run(roster, time_zone="UTC")

    assert {name: row[1] for name, row in counts(report).items() if row[1]} == dict.fromkeys(
        ("schools", "students", "teachers", "classes", "enrolments", TEACHINGS), 1
    )
    after = await importing.everything()
    assert {name: [row["id"] for row in rows] for name, rows in after.items()} == {
        name: [row["id"] for row in rows] for name, rows in before.items()
    }
    assert after["students"][0]["family_name"] == "Married"
    for name, first in {"students": "married student-1", "users": "augusta", "classes": "class-1"}.items():
        assert first in after[name][0]["search_text"]
    assert after["classes"][0]["code"] is None
    assert after["schools"][0]["time_zone"] == "Europe/Berlin"
    assert after["class_teachers"][0]["begin_date"] is None


async def test_a_student_absent_from_a_complete_file_ends_today_at_their_school(importing: Importing) -> None:
    roster = a_school(students=12)
    await importing.run(roster, time_zone="Pacific/Auckland")  # places_and_codes it is the 16th already
    roster.drop("users", "student-5")
    roster.drop("enrollments", "class-1-student-5")

    report = await importing.run(roster)

    assert counts(report)["students"] == (0, 0, 1, 11)
    assert counts(report)["enrolments"] == (0, 0, 1, 11)
    assert (await importing.active(tables.students))["student-5"] is False
    assert (await importing.spans())["class-1-student-5"] == (date(2024, 9, 2), date(2024, 10, 16))


async def test_a_student_who_returns_is_active_again_under_the_same_id(importing: Importing) -> None:
    roster = a_school(students=12)
    await importing.run(roster)
    before = await importing.everything()
    without_a_student = a_school(students=11)
    await importing.run(without_a_student)

    report = await importing.run(roster)

    assert counts(report)["students"] == (0, 1, 0, 11)
    assert counts(report)["enrolments"] == (0, 1, 0, 11)
    assert await importing.everything() == before


async def test_an_enrolment_that_has_not_begun_ends_before_it_begins(importing: Importing) -> None:
    roster = a_school(students=12)
    roster.row("enrollments", "class-1-student-1")["beginDate"] = "2025-01-07"
    await importing.run(roster)

    roster.drop("enrollments", "class-1-student-1")
    await importing.run(roster)

    assert (await importing.spans())["class-1-student-1"] == (date(2025, 1, 7), date(2025, 1, 7))
    assert (await importing.run(roster)).changes_nothing


async def test_an_enrolment_that_ended_before_stays_as_it_was(importing: Importing) -> None:
    roster = a_school(students=12)
    roster.row("enrollments", "class-1-student-1")["endDate"] = "2024-10-01"
    await importing.run(roster)
    roster.drop("enrollments", "class-1-student-1")

    assert (await importing.run(roster)).changes_nothing
    assert (await importing.spans())["class-1-student-1"] == (date(2024, 9, 2), date(2024, 10, 1))


async def test_a_class_absent_from_a_complete_file_ends_with_its_sessions_and_enrolments(importing: Importing) -> None:
    roster = a_school(students=2, classes=2)
    await importing.run(roster)
    roster.drop("classes", "class-2")
    for source_id in ("class-2-student-1", "class-2-student-2", "class-2-teacher-1"):
        roster.drop("enrollments", source_id)

    report = await importing.run(roster, allow_removals=True)

    assert {name: row[2] for name, row in counts(report).items()} == {
        "schools": 0,
        "terms": 0,
        "students": 0,
        "contacts": 0,
        "teachers": 0,
        "classes": 1,
        "sessions": 1,
        "enrolments": 2,
        TEACHINGS: 1,
    }
    assert [row["active"] for row in await importing.rows(tables.sessions)] == [True, False]


async def test_enrolments_of_an_ended_class_end_although_the_file_has_their_rows(importing: Importing) -> None:
    roster = a_school(students=2, classes=2)
    await importing.run(roster)
    roster.drop("classes", "class-2")

    report = await importing.run(roster, allow_removals=True)

    assert [violation.code for violation in report.violations] == ["unknown_class"] * 3
    assert counts(report)["enrolments"] == (0, 0, 2, 2)
    assert counts(report)[TEACHINGS] == (0, 0, 1, 1)


async def test_enrolments_of_a_deleted_class_or_student_are_deleted(importing: Importing) -> None:
    roster = a_school(students=12, classes=12)
    await importing.run(roster)
    roster.row("classes", "class-12")["status"] = "tobedeleted"
    roster.row("users", "student-12")["status"] = "tobedeleted"

    report = await importing.run(roster, allow_removals=True)

    assert report.violations == ()
    assert counts(report)["enrolments"] == (0, 0, 23, 121)


async def test_schools_that_are_not_in_the_files_are_not_touched(importing: Importing) -> None:
    await importing.run(a_school())
    before = await importing.everything()
    other = a_school()
    for rows in other.tables.values():
        for row in rows:
            row.update({name: value.replace(SCHOOL, "school-2") for name, value in row.items()})

    report = await importing.run(other)

    assert {name: row[2] for name, row in counts(report).items()} == dict.fromkeys(counts(report), 0)
    after = await importing.everything()
    assert {name: rows[: len(before[name])] for name, rows in after.items()} == before


async def test_a_deleted_school_ends_with_its_people_and_classes(importing: Importing) -> None:
    roster = a_school()
    await importing.run(roster)
    roster.row("orgs", SCHOOL)["status"] = "tobedeleted"

    report = await importing.run(roster, allow_removals=True)

    assert report.violations == ()
    assert {name: row[2] for name, row in counts(report).items()} == {
        "schools": 0,
        "terms": 0,
        "students": 3,
        "contacts": 0,
        "teachers": 1,
        "classes": 1,
        "sessions": 1,
        "enrolments": 3,
        TEACHINGS: 1,
    }


async def test_files_without_a_roster_are_refused(importing: Importing) -> None:
    with pytest.raises(UnreadableRoster):
        await importing.run({"readme.csv": b"x\r\n"})
