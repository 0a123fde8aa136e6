"""Limits on removals: a file ends at most a tenth of the rows, and none if it is truncated."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from adsum.accounts.access import system_caller
from adsum.operations.migrations import tables
from adsum.roster.covers.rules import Cover
from adsum.roster.covers.service import Covers
from adsum.roster.importing.service import ImportRefused
from tests.roster.conftest import TODAY, Importing, counts, places_and_codes
from tests.roster.files import a_school, enrolment

TEACHINGS = "teachings"


async def test_a_truncated_file_ends_no_student(importing: Importing) -> None:
    roster = a_school(students=30)
    await importing.run(roster)
    before = await importing.everything()
    files = roster.files()
    files["enrollments.csv"] = files["enrollments.csv"][:-90]
    files["users.csv"] = files["users.csv"][:-60]

    report = await importing.run(files)

    assert ("users.csv", "partly_read") in places_and_codes(report.violations)
    assert ("enrollments.csv", "partly_read") in places_and_codes(report.violations)
    assert await importing.everything() == before


@pytest.mark.parametrize(
    ("students", "gone", "refused"), [(10, 1, False), (10, 2, True), (19, 2, True), (20, 2, False), (1, 1, True)]
)
async def test_more_than_a_tenth_of_the_students_end_only_if_that_is_allowed(
    importing: Importing, students: int, gone: int, refused: bool
) -> None:
    roster = a_school(students=students)
    roster.tables["enrollments"].clear()
    roster.add("enrollments", **enrolment("class-1", "teacher-1", role="teacher"))
    await importing.run(roster)
    before = await importing.everything()
    for number in range(1, gone + 1):
        roster.drop("users", f"student-{number}")

    if refused:
        with pytest.raises(ImportRefused) as refusal:
            await importing.run(roster)
        (violation,) = refusal.value.violations
        assert (violation.code, violation.pointer) == ("too_many_removals", "users.csv")
        assert violation.params == {"file": "users.csv", "table": "students", "ended": gone, "active": students}
        assert await importing.everything() == before
    assert counts(await importing.run(roster, allow_removals=True))["students"] == (0, 0, gone, students - gone)


async def test_every_table_with_too_many_removals_is_named_also_in_a_dry_run(importing: Importing) -> None:
    await importing.run(a_school(students=4, classes=4))
    roster = a_school(students=2, classes=2)

    report = await importing.run(roster, dry_run=True)

    assert report.refused
    assert [violation.params["table"] for violation in report.violations] == ["students", "classes", "enrolments"]
    assert counts(report)["enrolments"] == (0, 0, 12, 4)


async def test_a_complete_file_with_a_header_only_is_accepted(importing: Importing) -> None:
    roster = a_school()
    await importing.run(roster)
    files = roster.files()
    files["users.csv"] = files["users.csv"].splitlines(keepends=True)[0]

    with pytest.raises(ImportRefused) as refused:
        await importing.run(files)

    assert refused.value.violations[0].code == "too_many_removals"


async def test_an_import_ends_no_cover(importing: Importing) -> None:
    roster = a_school(students=12)
    await importing.run(roster)
    (the_class,) = await importing.rows(tables.classes)
    (teacher,) = await importing.rows(tables.users)
    cover = Cover(the_class["id"], None, teacher["id"], TODAY, date(2024, 10, 31))
    await Covers(importing.database, lambda: datetime.combine(TODAY, time(12), UTC)).assign(cover, system_caller())
    before = await importing.rows(tables.class_covers)
    roster.tables["enrollments"] = [row for row in roster.tables["enrollments"] if row["role"] != "teacher"]

    report = await importing.run(roster, allow_removals=True)

    assert counts(report)[TEACHINGS] == (0, 0, 1, 0)
    assert await importing.rows(tables.class_covers) == before
