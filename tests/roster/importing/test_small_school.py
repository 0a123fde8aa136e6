"""Imports of a small school with byte order marks, other column orders, bad rows and deletions."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path

import pytest

from adsum.operations.migrations import tables
from adsum.roster.importing.service import ImportRefused
from tests.roster.conftest import Importing, counts, places_and_codes
from tests.roster.files import Roster, a_school, enrolment, in_folder, user


@pytest.fixture
def roster() -> Roster:
    """Line 5 of users.csv has no name, lines 6 to 8 of enrollments.csv have unknown references."""
    roster = a_school(students=3)
    roster.tables["users"].insert(3, user("nameless", "student", "", ""))
    roster.tables["enrollments"][4:] = [
        enrolment("class-1", "nameless"),
        enrolment("class-1", "nobody"),
        enrolment("class-9", "student-1"),
    ]
    return roster


BAD_ROWS = [
    ("enrollments.csv:6", "depends_on_left_out"),
    ("enrollments.csv:7", "unknown_user"),
    ("enrollments.csv:8", "unknown_class"),
    ("users.csv:5", "missing_value"),
]


async def test_a_bom_crlf_commas_in_quotes_and_japanese_names_are_read(importing: Importing) -> None:
    roster = a_school(students=2)
    roster.row("users", "student-1").update(givenName="Marco, Jr.", familyName='O"Hara')
    roster.row("users", "student-2").update(givenName="花子", familyName="山田")
    files = {name: b"\xef\xbb\xbf" + content for name, content in roster.files().items()}
    assert all(b"\r\n" in content for content in files.values())

    report = await importing.run(files)

    assert report.violations == ()
    names = [(row["given_name"], row["family_name"]) for row in await importing.rows(tables.students)]
    assert names == [("Marco, Jr.", 'O"Hara'), ("花子", "山田")]


async def test_columns_may_have_another_order_with_unknown_columns_between_them(importing: Importing) -> None:
    files = a_school().files()
    await importing.run(files)
    for name, content in files.items():
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        text = io.StringIO()
        writer = csv.DictWriter(text, ["metadata.extra", *reversed(list(rows[0]))], restval="x")
        writer.writeheader()
        writer.writerows(rows)
        files[name] = text.getvalue().encode()

    report = await importing.run(files)

    assert report.changes_nothing
    assert report.violations == ()


async def test_a_dry_run_lists_errors_by_file_and_row_and_changes_nothing(importing: Importing, roster: Roster) -> None:
    report = await importing.run(roster, dry_run=True)

    assert places_and_codes(report.violations) == BAD_ROWS
    assert [violation.params["row"] for violation in report.violations] == [6, 7, 8, 5]
    assert counts(report)["students"] == (3, 0, 0, 0)
    assert not any((await importing.everything()).values())


async def test_invalid_rows_and_their_dependents_are_left_out_and_the_rest_is_imported(
    importing: Importing, roster: Roster
) -> None:
    report = await importing.run(roster)

    assert places_and_codes(report.violations) == BAD_ROWS
    assert list(await importing.active(tables.students)) == ["student-1", "student-2", "student-3"]
    assert list(await importing.spans()) == ["class-1-student-1", "class-1-student-2", "class-1-student-3"]


async def test_strict_imports_nothing_if_a_row_is_invalid(importing: Importing, roster: Roster) -> None:
    with pytest.raises(ImportRefused) as refused:
        await importing.run(roster, strict=True)

    assert places_and_codes(refused.value.violations) == BAD_ROWS
    assert not any((await importing.everything()).values())


async def test_strict_imports_everything_if_no_row_is_invalid(importing: Importing) -> None:
    assert counts(await importing.run(a_school(), strict=True))["students"] == (3, 0, 0, 0)


async def test_a_dry_run_reports_that_strict_would_refuse(importing: Importing, roster: Roster) -> None:
    assert (await importing.run(roster, strict=True, dry_run=True)).refused
    assert not (await importing.run(roster, dry_run=True)).refused


async def test_a_second_import_reports_that_nothing_changes(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    before = await importing.everything()

    report = await importing.run(roster)

    assert report.changes_nothing
    assert places_and_codes(report.violations) == BAD_ROWS
    assert await importing.everything() == before


async def test_a_second_import_on_another_day_changes_nothing(importing: Importing, roster: Roster) -> None:
    roster.row("users", "student-2")["status"] = "tobedeleted"
    await importing.run(roster)
    before = await importing.everything()
    importing.today = importing.today.replace(month=12)

    assert (await importing.run(roster)).changes_nothing
    assert await importing.everything() == before


async def test_a_blank_status_in_a_bulk_file_means_active(importing: Importing) -> None:
    roster = a_school()
    for rows in roster.tables.values():
        for row in rows:
            row["status"] = ""

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)["enrolments"] == (3, 0, 0, 0)


async def test_a_deleted_student_ends_and_keeps_their_records(importing: Importing) -> None:
    roster = a_school(students=20)
    await importing.run(roster)
    roster.row("users", "student-7")["status"] = "tobedeleted"

    report = await importing.run(roster)

    assert counts(report)["students"] == (0, 0, 1, 19)
    assert counts(report)["enrolments"] == (0, 0, 1, 19)
    assert report.violations == ()
    assert (await importing.active(tables.students))["student-7"] is False
    span = (await importing.spans())["class-1-student-7"]
    assert [str(day) for day in span] == ["2024-09-02", "2024-10-15"]


async def test_a_folder_is_imported_like_a_zip(importing: Importing, tmp_path: Path, roster: Roster) -> None:
    await importing.run(roster)

    report = await importing.run_from(in_folder(roster.files(), tmp_path / "roster"))

    assert report.changes_nothing


async def test_two_concurrent_imports_have_the_effect_of_one(importing: Importing, roster: Roster) -> None:
    reports = await asyncio.gather(importing.run(roster), importing.run(roster))

    assert sorted(report.changes_nothing for report in reports) == [False, True]
    assert len(await importing.rows(tables.students)) == 3
