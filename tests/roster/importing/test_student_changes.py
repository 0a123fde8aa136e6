"""Students who join, leave and move by an import: named by a dry run, for those who may read names."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from adsum.accounts.access import Permission, system_caller
from adsum.roster.importing.commands import student_line
from adsum.roster.importing.rules import ChangedStudent, ClassChange, ImportReport, StudentChange
from tests.roster.conftest import TODAY, Importing
from tests.roster.files import Roster, a_class, a_school, enrolment, in_zip, user
from tests.support.commands import commands

BEGIN = date(2024, 9, 2)


def class_change(name: str, day: date | None) -> ClassChange:
    return ClassChange(name, f"Title of {name}", "Lindenhof", day)


def changes(
    report: ImportReport, change: StudentChange
) -> dict[str | None, tuple[list[ClassChange], list[ClassChange]]]:
    """Joined and left classes by the source id of the student."""
    found = report.students[change].students
    return {student.source_id: (list(student.joined), list(student.left)) for student in found}


@pytest.fixture
def roster() -> Roster:
    return a_school(students=4, classes=2)


async def test_new_students_join_with_their_classes(importing: Importing, roster: Roster) -> None:
    report = await importing.run(a_school(students=1), dry_run=True)

    joins = report.students[StudentChange.JOINS]
    assert joins.count == 1
    assert joins.students == [
        ChangedStudent(None, "student-1", "Given student-1", "Family", [class_change("class-1", BEGIN)], [])
    ]
    assert report.students[StudentChange.LEAVES].count == report.students[StudentChange.MOVES].count == 0


async def test_an_import_that_is_no_dry_run_names_nobody(importing: Importing, roster: Roster) -> None:
    assert (await importing.run(roster)).students == {}


async def test_a_dry_run_without_changes_names_nobody(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)

    report = await importing.run(roster, dry_run=True)

    assert [changed.count for changed in report.students.values()] == [0, 0, 0]


async def test_students_who_are_missing_or_without_classes_leave(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    roster.drop("users", "student-1")
    for class_id in ("class-1", "class-2"):
        roster.drop("enrollments", f"{class_id}-student-1")
        roster.row("enrollments", f"{class_id}-student-2")["endDate"] = "2024-10-10"

    report = await importing.run(roster, dry_run=True)

    assert changes(report, StudentChange.LEAVES) == {
        "student-1": ([], [class_change("class-1", TODAY), class_change("class-2", TODAY)]),
        "student-2": ([], [class_change(name, date(2024, 10, 10)) for name in ("class-1", "class-2")]),
    }
    assert {student.id for student in report.students[StudentChange.LEAVES].students} == {1, 2}
    assert changes(report, StudentChange.MOVES) == {}


async def test_a_student_without_enrolments_joins_leaves_and_comes_back(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    roster.tables["users"].append(user("alone", "student", "Al", "One"))

    assert changes(await importing.run(roster, dry_run=True), StudentChange.JOINS) == {"alone": ([], [])}
    await importing.run(roster)
    roster.row("users", "alone")["status"] = "tobedeleted"
    assert changes(await importing.run(roster, dry_run=True), StudentChange.LEAVES) == {"alone": ([], [])}
    await importing.run(roster, allow_removals=True)
    roster.row("users", "alone")["status"] = "active"
    assert changes(await importing.run(roster, dry_run=True), StudentChange.JOINS) == {"alone": ([], [])}


async def test_a_change_of_class_with_a_later_first_day_is_a_move(importing: Importing, roster: Roster) -> None:
    roster.drop("enrollments", "class-2-student-3")
    await importing.run(roster)
    roster.row("enrollments", "class-1-student-3")["endDate"] = "2024-10-26"
    roster.tables["enrollments"].append(enrolment("class-2", "student-3", begin="2024-10-26"))

    report = await importing.run(roster, dry_run=True)

    day = date(2024, 10, 26)
    assert changes(report, StudentChange.MOVES) == {
        "student-3": ([class_change("class-2", day)], [class_change("class-1", day)])
    }
    assert report.students[StudentChange.JOINS].count == report.students[StudentChange.LEAVES].count == 0


async def test_the_end_of_the_school_year_is_no_move(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    for row in roster.tables["enrollments"]:
        row["endDate"] = "2025-07-31"

    report = await importing.run(roster, dry_run=True)

    assert report.tables["enrolments"].changed == 8
    assert [changed.count for changed in report.students.values()] == [0, 0, 0]


async def test_students_are_counted_beyond_the_limit_and_sorted_by_name(importing: Importing) -> None:
    roster = a_school(students=5)
    roster.row("users", "student-5")["familyName"] = "Able"

    report = await importing.run(roster, dry_run=True, max_students=2)

    assert report.students[StudentChange.JOINS].count == 5
    assert list(changes(report, StudentChange.JOINS)) == ["student-5", "student-1"]


async def test_names_need_the_permission_to_read_rosters(importing: Importing, roster: Roster) -> None:
    caller = replace(system_caller(), permissions=frozenset({Permission.ROSTER_IMPORT}))

    report = await importing.run(a_school(students=1), caller, dry_run=True)

    assert report.students[StudentChange.JOINS].students == [
        ChangedStudent(None, "student-1", None, None, [ClassChange("class-1", None, None, BEGIN)], [])
    ]


@pytest.mark.parametrize(
    ("other", "line"), [("A", "leaves 7a, 7b on 2024-10-15"), ("B", "joins 8a (B), leaves 7a (A)")]
)
def test_the_command_line_names_the_schools_of_a_transfer(other: str, line: str) -> None:
    left, joined = ClassChange("a", "7a", "A", None), ClassChange("b", "8a", other, None)
    lasting = ClassChange("c", "7b", "A", date(2024, 10, 15))
    is_transfer = other == "B"
    student = ChangedStudent(1, "s-1", "Ada", "Byron", [joined] * is_transfer, [left, *[lasting] * (not is_transfer)])

    assert student_line(student) == f"Ada Byron (s-1): {line}"


async def test_the_command_line_names_the_first_and_json_all(
    database_url: str, importing: Importing, tmp_path: Path
) -> None:
    adsum = commands(database_url=database_url, redis_url="redis://127.0.0.1:1", log_level="WARNING")
    roster = a_school(students=25)
    for number in range(2, 7):
        roster.tables["classes"].append(a_class(f"class-{number}"))
        roster.tables["enrollments"].append(enrolment(f"class-{number}", "student-1", begin=""))
    path = tmp_path / "roster.zip"
    path.write_bytes(in_zip(roster.files()).getvalue())

    shown = adsum.output_of_import("roster", "import", str(path), "--dry-run")
    answer = json.loads(adsum.output_of_import("roster", "import", str(path), "--dry-run", "--json"))

    assert "25 students join:\n  Given student-1 Family (student-1): joins Title of class-1 on 2024-09-02, " in shown
    assert "Title of class-4 and 2 more\n" in shown
    assert "  and 5 more: see --json\n" in shown
    joins = answer["students"]["joins"]
    assert joins["count"] == len(joins["items"]) == 25
    assert joins["items"][0]["joinedClasses"][0] == {
        "sourcedId": "class-1",
        "title": "Title of class-1",
        "school": "Lindenhof",
        "day": "2024-09-02",
    }
