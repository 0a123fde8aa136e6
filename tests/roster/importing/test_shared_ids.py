"""One sourcedId at several schools: one student, or two who are not confused."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from adsum.accounts.access import Role
from adsum.operations.migrations import tables
from adsum.roster.importing.rules import ImportReport
from tests.roster.conftest import Importing, places_and_codes
from tests.roster.files import SCHOOL, Roster, a_class, a_school, enrolment, user
from tests.roster.importing.transfers import BEGIN, DAY, MOVED, NEW, OLD, OTHER, roster, transferred
from tests.support.schools import caller

__all__ = ["roster"]


async def test_an_enrolment_at_another_school_makes_the_student_one_of_it(importing: Importing, roster: Roster) -> None:
    roster.tables["enrollments"].append(enrolment("class-2", MOVED, school=OTHER))

    report = await importing.run(roster)

    assert report.violations == ()
    assert await importing.schools(MOVED) == [(SCHOOL, True), (OTHER, False)]
    assert (await importing.run(roster)).changes_nothing
    delta = Roster({"users": [roster.row("users", MOVED) | {"grades": "10"}]}, modes={"users": "delta"})
    await importing.run(delta)
    assert (await importing.spans())[NEW] == (BEGIN, None)


async def test_a_second_person_from_before_stays_and_the_old_enrolment_ends_on_its_day(
    importing: Importing, roster: Roster
) -> None:
    await importing.run(roster)
    schools = {row["source_id"]: row["id"] for row in await importing.rows(tables.schools)}
    async with importing.database.transaction() as connection:
        row = {"school_id": schools[OTHER], "source_id": MOVED, "given_name": "A", "family_name": "B"}
        await connection.execute(insert(tables.students).values(**row))

    report = await importing.run(transferred(roster))

    assert report.violations == ()
    rows = [row for row in await importing.rows(tables.students) if row["source_id"] == MOVED]
    assert [(row["school_id"], row["active"]) for row in rows] == [(schools[SCHOOL], False), (schools[OTHER], True)]
    assert (await importing.spans())[OLD] == (BEGIN, DAY)
    by_enrolment = {row["source_id"]: row["student_id"] for row in await importing.rows(tables.enrolments)}
    assert (by_enrolment[OLD], by_enrolment[NEW]) == (rows[0]["id"], rows[1]["id"])
    assert (await importing.run(roster)).changes_nothing


async def test_two_students_of_one_source_id_are_not_confused(importing: Importing, roster: Roster) -> None:
    roster.add("orgs", sourcedId="school-3", name="Ahorn", type="school")
    roster.tables["classes"].append(a_class("class-3", school="school-3"))
    await importing.run(roster)
    schools = {row["source_id"]: row["id"] for row in await importing.rows(tables.schools)}
    async with importing.database.transaction() as connection:
        row = {"school_id": schools[OTHER], "source_id": MOVED, "given_name": "A", "family_name": "B"}
        await connection.execute(insert(tables.students).values(**row))
    roster.row("users", MOVED)["orgSourcedIds"] = f"{SCHOOL},{OTHER}"
    roster.tables["enrollments"].append(enrolment("class-3", MOVED, school="school-3"))

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [("enrollments.csv:15", "wrong_user")]


async def test_an_import_of_one_school_takes_no_student_of_another(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    schools = {row["source_id"]: row["id"] for row in await importing.rows(tables.schools)}
    own = Roster(
        {
            "orgs": [roster.row("orgs", OTHER)],
            "users": [roster.row("users", "native"), user(MOVED, "student", "Given", "Name", orgs=OTHER)],
        },
        modes={"orgs": "bulk", "users": "delta"},
    )

    report = await importing.run(own, caller(Role.OFFICE, schools[OTHER]))

    assert report.violations == ()
    rows = [row for row in await importing.rows(tables.students) if row["source_id"] == MOVED]
    assert [(row["school_id"], row["active"]) for row in rows] == [(schools[SCHOOL], True), (schools[OTHER], True)]


async def known_elsewhere(importing: Importing, delta: Roster, **options: Any) -> tuple[ImportReport, list[int]]:
    """The report of an import, and the ids of the students with the sourcedId of the first one."""
    report = await importing.run(delta, **options)
    return report, [row["id"] for row in await importing.rows(tables.students) if row["source_id"] == MOVED]


async def test_a_delta_that_does_not_name_the_old_school_warns_of_the_second_student(
    importing: Importing, roster: Roster
) -> None:
    await importing.run(roster)
    moved = user(MOVED, "student", "New", "Name", orgs=OTHER)
    delta = Roster({"users": [moved]}, modes={"users": "delta"})

    preview, (known,) = await known_elsewhere(importing, delta, dry_run=True)
    report, (_, new) = await known_elsewhere(importing, delta)
    again, _ = await known_elsewhere(importing, delta)

    assert places_and_codes(report.warnings) == [("users.csv:2", "known_elsewhere")]
    (warning,) = report.warnings
    assert warning.params["knownStudentId"] == known
    assert warning.params["newStudentId"] == new
    assert f"student {MOVED} is also student {known} of Lindenhof" in warning.detail
    assert warning.detail.endswith(f"adsum student merge {known} {new}")
    assert [each.params["newStudentId"] for each in preview.warnings] == [None]
    assert preview.warnings[0].detail.endswith(f"adsum student merge {known} NEW")
    assert (again.warnings, again.changes_nothing) == ((), True)


@pytest.mark.parametrize(("given", "warns"), [(f"Given {MOVED}", True), ("Another", False)])
async def test_a_complete_file_of_one_school_warns_of_the_same_id_with_the_same_name(
    importing: Importing, roster: Roster, given: str, warns: bool
) -> None:
    await importing.run(roster)
    own = a_school(students=1)
    for table, column in (("orgs", "sourcedId"), ("users", "orgSourcedIds"), ("classes", "schoolSourcedId")):
        for row in own.tables[table]:
            row[column] = "school-3"
    own.row("users", MOVED)["givenName"] = given

    report = await importing.run(own)

    assert [each.code for each in report.warnings] == ["known_elsewhere"] * warns


async def test_no_warning_tells_of_schools_that_the_caller_does_not_see(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    schools = {row["source_id"]: row["id"] for row in await importing.rows(tables.schools)}
    delta = Roster({"users": [user(MOVED, "student", "A", "B", orgs=OTHER)]}, modes={"users": "delta"})

    report = await importing.run(delta, caller(Role.OFFICE, schools[OTHER]))

    assert report.tables["students"].added == 1
    assert report.warnings == ()


async def test_a_former_school_does_not_rename_a_student_of_another(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    await importing.run(transferred(roster))
    schools = {row["source_id"]: row["id"] for row in await importing.rows(tables.schools)}
    own = a_school(students=12)
    own.row("users", MOVED)["familyName"] = "Changed"

    await importing.run(own, caller(Role.OFFICE, schools[SCHOOL]))

    assert await importing.schools(MOVED) == [(OTHER, True), (SCHOOL, True)]
    assert "Changed" not in {row["family_name"] for row in await importing.rows(tables.students)}
