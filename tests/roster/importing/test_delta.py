"""Delta files: rows that are missing from them do not change."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.roster.importing.service import ImportRefused
from tests.roster.conftest import Importing, counts, places_and_codes
from tests.roster.files import SCHOOL, Roster, a_class, a_school, enrolment, user

DELTA = {"users": "delta", "classes": "delta", "enrollments": "delta"}


@pytest.fixture
async def school(importing: Importing) -> Roster:
    """The whole school, imported: twelve students in each of two classes."""
    roster = a_school(students=12, classes=2)
    await importing.run(roster)
    return roster


def changes(*, users: list[dict[str, str]] | None = None, **others: list[dict[str, str]]) -> Roster:
    """Returns a roster with these rows only."""
    given = {"users": users or [], **others}
    present = {name: rows for name, rows in given.items() if rows}
    return Roster(present, modes=dict.fromkeys(present, "delta"))


async def test_a_delta_file_ends_no_student_who_is_absent_from_it(importing: Importing, school: Roster) -> None:
    report = await importing.run(changes(users=[{**school.row("users", "student-1"), "familyName": "Married"}]))

    assert report.violations == ()
    assert {name: row for name, row in counts(report).items() if any(row)} == {"students": (0, 1, 0, 0)}


async def test_a_delta_file_adds_new_students_and_classes(importing: Importing, school: Roster) -> None:
    roster = changes(
        users=[user("student-13", "student", "New", "One")],
        classes=[a_class("class-3", periods="1,2")],
        enrollments=[
            enrolment("class-3", "student-13"),
            enrolment("class-1", "student-13"),
            enrolment("class-3", "student-1"),
        ],
    )

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)["enrolments"] == (3, 0, 0, 0)
    assert counts(report)["sessions"] == (2, 0, 0, 0)
    assert (await importing.run(roster)).changes_nothing


async def test_a_delta_file_of_enrolments_refers_to_stored_classes_and_students(
    importing: Importing, school: Roster
) -> None:
    gone = {**school.row("enrollments", "class-1-student-1"), "status": "tobedeleted"}
    moved = {**school.row("enrollments", "class-1-student-2"), "classSourcedId": "class-2", "sourcedId": "new"}
    teacher = {**school.row("enrollments", "class-1-teacher-1"), "endDate": "2025-01-31"}

    report = await importing.run(changes(enrollments=[gone, moved, teacher]))

    assert report.violations == ()
    assert counts(report)["enrolments"] == (1, 0, 1, 0)
    assert counts(report)["teachings"] == (0, 1, 0, 0)
    assert (await importing.spans())["class-1-student-1"] == (date(2024, 9, 2), date(2024, 10, 15))


async def test_a_student_with_status_tobedeleted_ends_with_their_enrolments(
    importing: Importing, school: Roster
) -> None:
    report = await importing.run(changes(users=[{"sourcedId": "student-3", **_gone(school.row("users", "student-3"))}]))

    assert counts(report)["students"] == (0, 0, 1, 0)
    assert counts(report)["enrolments"] == (0, 0, 2, 0)
    assert (await importing.run(changes(users=[_gone(school.row("users", "student-3"))]))).changes_nothing


async def test_a_teacher_with_status_tobedeleted_is_unassigned(importing: Importing, school: Roster) -> None:
    report = await importing.run(changes(users=[_gone(school.row("users", "teacher-1"))]))

    assert counts(report)["teachings"] == (0, 0, 2, 0)


async def test_a_class_with_status_tobedeleted_ends_with_its_sessions(importing: Importing, school: Roster) -> None:
    report = await importing.run(changes(classes=[_gone(school.row("classes", "class-2"))]), allow_removals=True)

    assert counts(report)["classes"] == (0, 0, 1, 0)
    assert counts(report)["sessions"] == (0, 0, 1, 0)
    assert counts(report)["enrolments"] == (0, 0, 12, 0)


async def test_too_many_removals_stop_a_delta_file_too(importing: Importing, school: Roster) -> None:
    roster = changes(users=[_gone(school.row("users", f"student-{number}")) for number in (1, 2)])

    with pytest.raises(ImportRefused):
        await importing.run(roster)


async def test_an_enrolment_that_moves_to_another_class_ends_in_the_first(importing: Importing, school: Roster) -> None:
    moved = {**school.row("enrollments", "class-1-student-1"), "classSourcedId": "class-2"}

    report = await importing.run(changes(enrollments=[moved]))

    assert counts(report)["enrolments"] == (1, 0, 1, 0)
    assert (await importing.run(changes(enrollments=[moved]))).changes_nothing


async def test_a_student_who_moves_to_another_school_leaves_the_first(importing: Importing, school: Roster) -> None:
    roster = changes(
        orgs=[{"sourcedId": "school-2", "status": "active", "name": "Rosenhof", "type": "school"}],
        users=[user("student-1", "student", "Given", "Family", orgs="school-2"), school.row("users", "student-2")],
        classes=[a_class("class-2", school="school-2")],
    )

    report = await importing.run(roster, allow_removals=True)

    assert report.violations == ()
    assert counts(report)["students"] == (0, 1, 0, 1)
    assert await importing.schools("student-1") == [("school-2", True), (SCHOOL, False)]
    assert counts(report)["classes"] == (1, 0, 1, 0)


async def test_a_student_who_becomes_a_teacher_is_no_longer_a_student(importing: Importing, school: Roster) -> None:
    report = await importing.run(changes(users=[{**school.row("users", "student-1"), "role": "teacher"}]))

    assert counts(report)["students"] == (0, 0, 1, 0)
    assert counts(report)["teachers"] == (1, 0, 0, 0)


async def test_a_student_who_gets_an_unused_role_is_no_longer_a_student(importing: Importing, school: Roster) -> None:
    report = await importing.run(changes(users=[{**school.row("users", "student-1"), "role": "aide"}]))

    assert counts(report)["students"] == (0, 0, 1, 0)
    assert report.ignored == {"users.csv: aide": 1}


async def test_a_school_with_status_tobedeleted_ends_with_its_students_and_classes(
    importing: Importing, school: Roster
) -> None:
    report = await importing.run(changes(orgs=[_gone(school.row("orgs", SCHOOL))]), allow_removals=True)

    assert counts(report)["students"] == (0, 0, 12, 0)
    assert counts(report)["enrolments"] == (0, 0, 24, 0)
    assert counts(report)["teachings"] == (0, 0, 2, 0)


async def test_a_district_beside_an_existing_school_is_not_a_violation(importing: Importing, school: Roster) -> None:
    student = {**school.row("users", "student-1"), "orgSourcedIds": f"district,{SCHOOL}"}

    assert (await importing.run(changes(users=[student]))).violations == ()


async def test_a_reference_to_an_unknown_school_is_reported(importing: Importing, school: Roster) -> None:
    roster = changes(users=[{**school.row("users", "student-1"), "orgSourcedIds": "nowhere"}])

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [("users.csv:2", "unknown_school")]
    assert report.changes_nothing


async def test_a_student_of_an_unknown_school_is_of_the_school_of_the_enrolment(
    importing: Importing, school: Roster
) -> None:
    roster = changes(
        users=[{**school.row("users", "student-1"), "orgSourcedIds": "nowhere"}],
        enrollments=[school.row("enrollments", "class-1-student-1")],
    )

    report = await importing.run(roster)

    assert places_and_codes(report.warnings) == [("users.csv:2", "unknown_school")]
    assert report.violations == ()
    assert report.changes_nothing


async def test_a_student_whose_org_becomes_the_district_stays_at_the_school(
    importing: Importing, school: Roster
) -> None:
    district = {"sourcedId": "district", "status": "active", "name": "All", "type": "district"}
    roster = changes(
        orgs=[district, school.row("orgs", SCHOOL)],
        users=[{**school.row("users", "student-1"), "orgSourcedIds": "district", "familyName": "Married"}],
    )

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)["students"] == (0, 1, 0, 0)


async def test_a_teacher_who_is_absent_from_the_files_teaches_where_an_enrolment_says_so(
    importing: Importing, school: Roster
) -> None:
    orgs = [school.row("orgs", SCHOOL), {**school.row("orgs", SCHOOL), "sourcedId": "school-2", "name": "Rosenhof"}]
    rows = [
        enrolment("class-3", "teacher-1", role="teacher", school="school-2"),
        school.row("enrollments", "class-1-teacher-1"),
    ]
    roster = changes(orgs=orgs, classes=[a_class("class-3", school="school-2")], enrollments=rows)

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)["teachers"] == (1, 0, 0, 0)
    assert counts(report)["teachings"] == (1, 0, 0, 1)


async def test_deleting_an_unknown_row_changes_nothing(importing: Importing, school: Roster) -> None:
    roster = changes(
        users=[_gone(user("nobody", "student", "A", "B"))],
        classes=[_gone(a_class("nothing"))],
        enrollments=[_gone(enrolment("nothing", "nobody"))],
    )

    report = await importing.run(roster)

    assert report.changes_nothing
    assert report.violations == ()


async def test_schools_in_invalid_rows_are_not_part_of_the_import(importing: Importing, school: Roster) -> None:
    roster = changes(
        users=[{**school.row("users", "student-1"), "status": ""}],
        classes=[{**school.row("classes", "class-1"), "status": ""}],
        enrollments=[{**school.row("enrollments", "class-1-student-1"), "status": ""}],
    )

    report = await importing.run(roster)

    assert [code for _, code in places_and_codes(report.violations)] == ["missing_value"] * 3
    assert report.changes_nothing


async def test_an_enrolment_of_a_student_who_has_left_is_reported(importing: Importing, school: Roster) -> None:
    await importing.run(changes(users=[_gone(school.row("users", "student-1"))]))

    report = await importing.run(changes(enrollments=[school.row("enrollments", "class-1-student-1")]))

    assert places_and_codes(report.violations) == [("enrollments.csv:2", "unknown_user")]


async def test_bulk_and_delta_files_may_come_together(importing: Importing, school: Roster) -> None:
    school.drop("enrollments", "class-2-student-1")
    roster = Roster(
        {**school.tables, "users": [user("student-13", "student", "New", "One")]},
        modes={"orgs": "bulk", "users": "delta", "classes": "bulk", "enrollments": "bulk"},
    )

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)["students"] == (1, 0, 0, 0)
    assert counts(report)["enrolments"] == (0, 0, 1, 23)


def _gone(row: dict[str, str]) -> dict[str, str]:
    return {**row, "status": "tobedeleted"}
