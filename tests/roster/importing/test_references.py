"""Rows with unknown references and repeated rows are reported and left out."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.operations.migrations import tables
from tests.roster.conftest import Importing, counts, places_and_codes
from tests.roster.files import SCHOOL, a_school, enrolment, user

TEACHINGS = "teachings"


async def test_other_roles_and_orgs_are_ignored_and_counted(importing: Importing) -> None:
    roster = a_school()
    roster.add("orgs", sourcedId="district", name="All of it", type="district")
    roster.row("users", "student-1")["orgSourcedIds"] = f"district,{SCHOOL}"
    roster.tables["users"] += [user("mother", "guardian", "A", "B"), user("coach", "ext:coach", "C", "D")]
    roster.tables["enrollments"].append(enrolment("class-1", "mother", role="proctor"))

    report = await importing.run(roster)

    assert report.violations == ()
    assert report.ignored == {
        "enrollments.csv: proctor": 1,
        "orgs.csv: no school": 1,
        "users.csv: extension": 1,
        "users.csv: guardian without a student": 1,
    }


async def test_an_org_of_an_unknown_type_is_left_out_with_a_proposal(importing: Importing) -> None:
    roster = a_school()
    roster.add("orgs", sourcedId="other", name="Ulmenhof", type="shcool")

    report = await importing.run(roster)

    (warning,) = [each for each in report.warnings if each.code == "unknown_type"]
    assert warning.detail == "type is not a type of OneRoster: did you mean school?"
    assert warning.params["close"] == ["school"]
    assert report.ignored["orgs.csv: no school"] == 1


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("change", "violation"),
    [
        (("users", "student-1", "orgSourcedIds", "nowhere"), ("users.csv:2", "unknown_school")),
        (("users", "student-1", "orgSourcedIds", "district"), ("users.csv:2", "no_school")),
        (("users", "student-1", "orgSourcedIds", ""), ("users.csv:2", "no_school")),
        (("users", "student-1", "orgSourcedIds", "nameless"), ("users.csv:2", "depends_on_left_out")),
        (("classes", "class-2", "schoolSourcedId", "nowhere"), ("classes.csv:3", "unknown_school")),
        (("classes", "class-2", "schoolSourcedId", "district"), ("classes.csv:3", "no_school")),
        (("classes", "class-2", "schoolSourcedId", "nameless"), ("classes.csv:3", "depends_on_left_out")),
    ],
)
async def test_a_reference_to_an_org_that_is_not_a_school_is_reported_and_changes_nothing(
    importing: Importing, change: tuple[str, str, str, str], violation: tuple[str, str]
) -> None:
    roster = a_school(classes=2)
    roster.add("orgs", sourcedId="district", name="All of it", type="district")
    for class_id in ("class-1", "class-2"):
        roster.drop("enrollments", f"{class_id}-student-1")
    await importing.run(roster)
    before = await importing.everything()
    roster.add("orgs", sourcedId="nameless", type="school")
    table, source_id, column, value = change
    roster.row(table, source_id)[column] = value

    report = await importing.run(roster)

    assert violation in places_and_codes(report.violations)
    assert {code for _, code in places_and_codes(report.violations)} <= {
        violation[1],
        "depends_on_left_out",
        "missing_value",
    }
    assert await importing.everything() == before


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"classSourcedId": "nothing"}, "unknown_class"),
        ({"userSourcedId": "nobody"}, "unknown_user"),
        ({"userSourcedId": "teacher-1"}, "wrong_user"),
        ({"role": "teacher"}, "wrong_user"),
        ({"userSourcedId": "stranger"}, "reassigned_id"),
    ],
)
async def test_an_orphan_enrolment_is_reported_and_the_stored_one_stays(
    importing: Importing, cells: dict[str, str], code: str
) -> None:
    roster = a_school(students=2)
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school")
    roster.tables["users"].append(user("stranger", "student", "A", "B", orgs="school-2"))
    await importing.run(roster)
    before = await importing.everything()
    roster.row("enrollments", "class-1-student-1").update(cells)

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [("enrollments.csv:2", code)]
    assert await importing.everything() == before


async def test_a_student_with_an_invalid_row_stays_unchanged(importing: Importing) -> None:
    roster = a_school(students=2)
    await importing.run(roster)
    before = await importing.everything()
    roster.row("users", "student-1")["status"] = "unclear"
    roster.row("classes", "class-1")["title"] = ""

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [
        ("classes.csv:2", "missing_value"),
        ("enrollments.csv:2", "depends_on_left_out"),
        ("enrollments.csv:2", "depends_on_left_out"),
        ("enrollments.csv:3", "depends_on_left_out"),
        ("enrollments.csv:4", "depends_on_left_out"),
        ("users.csv:2", "unknown_status"),
    ]
    assert report.changes_nothing
    assert await importing.everything() == before


async def test_an_enrolment_cannot_move_to_another_student(importing: Importing) -> None:
    roster = a_school(students=2)
    await importing.run(roster)
    before = await importing.everything()
    roster.row("enrollments", "class-1-student-1")["userSourcedId"] = "student-2"

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [("enrollments.csv:2", "reassigned_id")]
    assert await importing.everything() == before


async def test_a_repeated_sourced_id_is_imported_once(importing: Importing) -> None:
    roster = a_school(students=2)
    roster.tables["enrollments"].append({**roster.row("enrollments", "class-1-student-1"), "beginDate": "2024-09-09"})
    roster.tables["users"].append({**roster.row("users", "student-2"), "givenName": "Twin"})

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [("enrollments.csv:5", "repeated_id"), ("users.csv:5", "repeated_id")]
    assert (await importing.spans())["class-1-student-1"] == (date(2024, 9, 2), None)
    assert counts(report)["enrolments"] == (2, 0, 0, 0)
    assert (await importing.run(roster)).changes_nothing


async def test_repeated_orgs_and_classes_are_imported_once(importing: Importing) -> None:
    roster = a_school()
    roster.tables["orgs"].append({**roster.row("orgs", SCHOOL), "name": "Twin"})
    roster.tables["classes"].append({**roster.row("classes", "class-1"), "title": "Twin"})

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [("classes.csv:3", "repeated_id"), ("orgs.csv:3", "repeated_id")]
    assert [row["name"] for row in await importing.rows(tables.schools)] == ["Lindenhof"]
    assert [row["title"] for row in await importing.rows(tables.classes)] == ["Title of class-1"]
    assert counts(report)["enrolments"] == (3, 0, 0, 0)
