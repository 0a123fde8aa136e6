"""Rosters leave out students and staff who were erased, until they are readmitted."""

from __future__ import annotations

import pytest

from adsum.accounts.access import system_caller
from adsum.operations.migrations import tables
from adsum.platform.clock import system_clock
from adsum.platform.database.tombstones import tombstone_key, tombstones
from adsum.platform.errors import NotFound
from adsum.privacy.service import StudentData
from adsum.privacy.staff.service import StaffErasure
from tests.roster.conftest import Importing
from tests.roster.files import Roster, a_school, a_school_of_1_2

STUDENT = "student-1"


async def erased(importing: Importing, source_id: str = STUDENT) -> int:
    """Imports a school, erases a student of it, and returns the id of the school."""
    (row,) = [each for each in await importing.rows(tables.students) if each["source_id"] == source_id]
    await StudentData(importing.database, system_clock).erase(row["id"], system_caller())
    return row["school_id"]


async def source_ids(importing: Importing) -> set[str]:
    return {each["source_id"] for each in await importing.rows(tables.students)}


@pytest.mark.parametrize("roster", [a_school(), a_school_of_1_2()], ids=["1.1", "1.2"])
async def test_a_roster_leaves_the_erased_out_with_a_warning_of_their_line(
    importing: Importing, roster: Roster
) -> None:
    await importing.run(roster)
    school_id = await erased(importing)

    report = await importing.run(roster)

    assert STUDENT not in await source_ids(importing)
    (warning,) = report.warnings
    rows = [row["sourcedId"] for row in roster.tables["users"]]
    assert (warning.code, warning.pointer) == ("erased_person", f"users.csv:{rows.index(STUDENT) + 2}")
    assert (warning.params["column"], warning.params["schoolId"]) == ("sourcedId", school_id)
    assert STUDENT not in warning.detail
    assert report.violation_count == 0
    assert report.ignored["enrollments.csv: erased student"] == sum(
        row["userSourcedId"] == STUDENT for row in roster.tables["enrollments"]
    )
    assert not any(table.is_changed for table in report.tables.values())


async def test_a_delta_leaves_the_erased_out(importing: Importing) -> None:
    roster = a_school()
    await importing.run(roster)
    await erased(importing)
    enrolment = next(row for row in roster.tables["enrollments"] if row["userSourcedId"] == STUDENT)
    delta = Roster(
        {
            "users": [roster.row("users", STUDENT) | {"status": "active", "dateLastModified": "2026-01-01T00:00:00Z"}],
            "enrollments": [enrolment | {"status": "active", "dateLastModified": "2026-01-01T00:00:00Z"}],
        },
        modes={"users": "delta", "enrollments": "delta"},
    )

    report = await importing.run(delta)

    assert STUDENT not in await source_ids(importing)
    assert [warning.code for warning in report.warnings] == ["erased_person"]


async def test_a_readmitted_student_comes_back_as_a_new_one(importing: Importing) -> None:
    roster = a_school()
    await importing.run(roster)
    before = {each["source_id"]: each["id"] for each in await importing.rows(tables.students)}
    school_id = await erased(importing)
    student_data = StudentData(importing.database, system_clock)

    await student_data.readmit(school_id, STUDENT, system_caller())
    report = await importing.run(roster)

    after = {each["source_id"]: each["id"] for each in await importing.rows(tables.students)}
    assert after[STUDENT] > max(before.values())
    assert report.warnings == ()
    with pytest.raises(NotFound):
        await student_data.readmit(school_id, STUDENT, system_caller())


async def test_erased_staff_stay_away_as_well(importing: Importing) -> None:
    roster = a_school()
    await importing.run(roster)
    (teacher,) = [row for row in await importing.rows(tables.users) if row["source_id"] == "teacher-1"]
    staff = StaffErasure(importing.database, system_clock)
    await staff.erase(teacher["id"], system_caller())

    report = await importing.run(roster)

    assert "teacher-1" not in {row["source_id"] for row in await importing.rows(tables.users)}
    assert [warning.code for warning in report.warnings] == ["erased_person"]
    assert "enrollments.csv: erased teacher" in report.ignored
    assert not any(table.is_changed for table in report.tables.values())
    await staff.readmit(teacher["school_id"], "teacher-1", system_caller())
    with pytest.raises(NotFound):
        await staff.readmit(teacher["school_id"], "teacher-1", system_caller())
    await importing.run(roster)
    assert "teacher-1" in {row["source_id"] for row in await importing.rows(tables.users)}


async def test_a_tombstone_holds_neither_name_nor_id(importing: Importing) -> None:
    await importing.run(a_school())
    student = next(row for row in await importing.rows(tables.students) if row["source_id"] == STUDENT)
    school_id = await erased(importing)

    (tombstone,) = await importing.rows(tombstones)

    assert (tombstone["school_id"], tombstone["kind"]) == (school_id, "student")
    text = repr(tombstone)
    assert not [each for each in (STUDENT, student["given_name"], student["family_name"]) if each in text]
    (key,) = await importing.rows(tombstone_key)
    assert len(bytes.fromhex(key["secret"])) == 32
