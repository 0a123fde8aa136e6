"""Reading single rows: every kind of violation, by file, row and column, and never with the content of a cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from adsum.platform.errors import Violation
from adsum.roster.oneroster import package
from adsum.roster.oneroster.csv_table import LeftOut
from adsum.roster.oneroster.files import UnreadableRoster, roster_files
from adsum.roster.oneroster.package import read_package
from adsum.roster.oneroster.records import Enrolment, PersonRecord, SchoolClass
from tests.roster.files import Roster, a_school, a_school_of_1_2, in_zip

NAME = "Given student-1"


def left_out(roster: Roster | Mapping[str, bytes], table: str) -> list[LeftOut]:
    """The rows of a table that are left out."""
    return [entry for entry in entries(roster, table) if isinstance(entry, LeftOut)]


def entries(roster: Roster | Mapping[str, bytes], table: str) -> list[object]:
    files = roster.files() if isinstance(roster, Roster) else roster
    with roster_files(in_zip(files)) as opened:
        package = read_package(opened)
        streams = {
            "orgs": package.orgs,
            "users": package.people,
            "roles": package.roles,
            "classes": package.classes,
            "enrollments": package.enrolments,
        }
        return list(streams[table]())


def violations_of(roster: Roster | Mapping[str, bytes], table: str) -> list[tuple[str, str, object]]:
    """Returns pointer, code and column of each violation."""
    found = [violation for entry in left_out(roster, table) for violation in entry.violations]
    assert not any(NAME in violation.detail for violation in found)
    return [(violation.pointer, violation.code, violation.params.get("column")) for violation in found]


@pytest.mark.parametrize(
    ("table", "source_id", "column", "value", "code"),
    [
        ("orgs", "school-1", "name", "", "missing_value"),
        ("orgs", "school-1", "type", "", "missing_value"),
        ("orgs", "school-1", "name", "x" * 256, "too_long"),
        ("users", "student-1", "status", "inactive", "unknown_status"),
        ("users", "student-1", "role", "pupil", "unknown_role"),
        ("users", "student-1", "role", "", "missing_value"),
        ("users", "student-1", "grades", f"9,{'9' * 33}", "too_long"),
        ("users", "student-1", "orgSourcedIds", f"school-1,{'i' * 256}", "too_long"),
        ("users", "student-1", "enabledUser", "perhaps", "wrong_form"),
        ("users", "student-1", "familyName", "O\0Hara", "control_character"),
        ("users", "student-1", "familyName", "two\nlines", "control_character"),
        ("users", "student-1", "sourcedId", "", "missing_value"),
        ("users", "student-1", "sourcedId", "i" * 256, "too_long"),
        ("classes", "class-1", "title", "", "missing_value"),
        ("classes", "class-1", "schoolSourcedId", "", "missing_value"),
        ("classes", "class-1", "periods", f"1,{'2' * 65}", "too_long"),
        ("enrollments", "class-1-student-1", "classSourcedId", "", "missing_value"),
        ("enrollments", "class-1-student-1", "userSourcedId", "", "missing_value"),
        ("enrollments", "class-1-student-1", "beginDate", "02/09/2024", "date_ambiguous"),
        ("enrollments", "class-1-student-1", "beginDate", "30.02.2024", "date_impossible"),
        ("enrollments", "class-1-student-1", "beginDate", "2024-09-02T00:00:00Z", "date_format"),
        ("enrollments", "class-1-student-1", "endDate", "2025-02-29", "date_impossible"),
        ("enrollments", "class-1-student-1", "beginDate", "0209-01-01", "date_too_early"),
        ("enrollments", "class-1-student-1", "endDate", "2024-09-01", "end_before_begin"),
    ],
)
def test_a_wrong_cell_is_named_by_file_row_and_column(
    table: str, source_id: str, column: str, value: str, code: str
) -> None:
    roster = a_school()
    roster.row(table, source_id)[column] = value

    assert violations_of(roster, table) == [(f"{table}.csv:2", code, column)]


@pytest.mark.parametrize(
    ("cell", "is_enabled"), [("true", True), ("FALSE", False), ("1", True), ("0", False), ("", None)]
)
def test_a_user_is_enabled_or_not_or_the_file_does_not_tell(cell: str, is_enabled: bool | None) -> None:
    roster = a_school(students=1)
    roster.row("users", "student-1")["enabledUser"] = cell

    person = entries(roster, "users")[0]

    assert isinstance(person, PersonRecord)
    assert person.is_enabled is is_enabled


def test_lists_have_any_length() -> None:
    roster = a_school(students=1)
    grades = [f"grade-{number}" for number in range(1000)]
    roster.row("users", "student-1")["grades"] = ",".join(grades)

    person = entries(roster, "users")[0]

    assert isinstance(person, PersonRecord)
    assert list(person.grades) == grades


def test_every_wrong_cell_of_a_row_is_named() -> None:
    roster = a_school()
    roster.row("enrollments", "class-1-student-1").update(role="pupil", beginDate="soon", classSourcedId="")

    assert violations_of(roster, "enrollments") == [
        ("enrollments.csv:2", "unknown_role", "role"),
        ("enrollments.csv:2", "missing_value", "classSourcedId"),
        ("enrollments.csv:2", "date_format", "beginDate"),
    ]


def test_a_student_without_any_name_is_left_out_and_one_with_a_single_name_is_not() -> None:
    roster = a_school()
    roster.row("users", "student-1").update(givenName="", familyName="")
    roster.row("users", "student-2").update(givenName="Suharto", familyName="")

    assert violations_of(roster, "users") == [("users.csv:2", "missing_value", "givenName")]


def test_blanks_of_other_scripts_are_letters_of_a_name() -> None:
    roster = a_school()
    roster.row("users", "student-1").update(givenName="山田\u3000花子", familyName="de\u00a0Vries")

    assert violations_of(roster, "users") == []


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("first", ["", "sep={}\r\n"])
def test_files_as_spreadsheets_write_them_are_read(separator: str, encoding: str, first: str) -> None:
    files = a_school().files()
    written = {
        name: (first.format(separator) + content.decode().replace(",", separator)).encode(encoding)
        for name, content in files.items()
    }

    for table in a_school().tables:
        assert [*map(_without_row, entries(written, table))] == [*map(_without_row, entries(files, table))]


def _without_row(entry: Any) -> Any:
    return replace(entry, row=0)


def test_empty_rows_are_skipped_and_the_file_is_wholly_read() -> None:
    files = a_school().files()
    files["users.csv"] = files["users.csv"].replace(b"\r\n", b"\r\n,,,,,\r\n") + b" , , \r\n\t\r\n"

    assert left_out(files, "users") == []
    assert len(entries(files, "users")) == len(entries(a_school(), "users"))


def test_a_deleted_row_needs_only_its_sourced_id() -> None:
    roster = a_school()
    for table, rows in roster.tables.items():
        rows[0] = dict.fromkeys(rows[0], "") | {"sourcedId": f"gone-{table}", "status": "toBeDeleted"}

    for table in roster.tables:
        assert left_out(roster, table) == []


def test_a_row_with_an_unquoted_comma_is_left_out() -> None:
    roster = a_school()
    roster.row("users", "student-1")["givenName"] = NAME
    files = roster.files()
    files["users.csv"] = files["users.csv"].replace(NAME.encode(), f"{NAME}, Jr.".encode())

    assert violations_of(files, "users") == [("users.csv:2", "wrong_columns", None)]
    assert [entry.source_id for entry in left_out(files, "users")] == ["student-1"]


def test_a_short_row_in_the_middle_has_the_source_id_of_its_first_cell() -> None:
    files = a_school().files()
    lines = files["users.csv"].split(b"\r\n")
    lines[2] = lines[2][:20]
    files["users.csv"] = b"\r\n".join(lines)

    assert [entry.source_id for entry in left_out(files, "users")] == ["student-2"]


def test_a_short_row_at_the_end_means_that_the_file_is_truncated() -> None:
    files = a_school().files()
    files["users.csv"] = files["users.csv"].removesuffix(b"\r\n")[:-10]

    last = left_out(files, "users")[-1]

    assert last.source_id is None
    assert violations_of(files, "users") == [("users.csv:5", "wrong_columns", None)]


def test_a_short_row_whose_id_is_not_the_first_cell_has_no_source_id() -> None:
    roster = a_school()
    roster.tables["users"] = [dict(reversed(row.items())) for row in roster.tables["users"]]
    files = roster.files()
    lines = files["users.csv"].split(b"\r\n")
    lines[2] = lines[2][:5]
    files["users.csv"] = b"\r\n".join(lines)

    assert [entry.source_id for entry in left_out(files, "users")] == [None]


@pytest.mark.parametrize("quoted", ['"never closed', '"closed" too early'])
def test_wrong_quotes_are_named(quoted: str) -> None:
    roster = a_school()
    files = roster.files()
    files["users.csv"] = files["users.csv"].replace(b"Given student-2", quoted.encode())

    assert violations_of(files, "users")[0] == ("users.csv:3", "wrong_quotes", None)


def test_a_line_break_in_quotes_moves_the_rows_after_it() -> None:
    roster = a_school()
    roster.row("users", "student-1")["grades"] = "9\n10"
    roster.row("users", "student-2")["role"] = "pupil"

    assert violations_of(roster, "users") == [
        ("users.csv:2", "control_character", "grades"),
        ("users.csv:4", "unknown_role", "role"),
    ]


def test_a_repeated_sourced_id_is_imported_once() -> None:
    roster = a_school(students=2)
    roster.tables["users"].insert(1, {**roster.row("users", "student-1"), "familyName": "Other"})

    assert violations_of(roster, "users") == [("users.csv:3", "repeated_id", "sourcedId")]
    assert [entry.is_repeated for entry in left_out(roster, "users")] == [True]
    people = (entry for entry in entries(roster, "users") if isinstance(entry, PersonRecord))
    assert next((person.source_id, person.family_name) for person in people) == ("student-1", "Family")


def test_blank_lines_and_old_line_ends_are_read() -> None:
    files = a_school().files()
    files["users.csv"] = files["users.csv"].replace(b"\r\n", b"\n\n")
    files["classes.csv"] = files["classes.csv"].replace(b"\r\n", b"\r")

    assert len(entries(files, "users")) == 4
    assert len(entries(files, "classes")) == 1
    assert violations_of(files, "users") == []


def test_header_names_are_read_in_any_case_and_with_blanks_around() -> None:
    files = a_school().files()
    files["orgs.csv"] = files["orgs.csv"].replace(b"sourcedId,status", b" SourcedID , STATUS")

    assert violations_of(files, "orgs") == []


def test_lists_are_read_with_blanks_quotes_and_repetitions() -> None:
    roster = a_school()
    roster.row("classes", "class-1")["periods"] = ' "1", 2,,"2" '

    (found,) = entries(roster, "classes")

    assert isinstance(found, SchoolClass)
    assert found.periods == ("1", "2")


def test_an_enrolment_carries_its_days() -> None:
    roster = a_school(students=1)
    roster.row("enrollments", "class-1-student-1")["endDate"] = "2024-09-02"

    found = entries(roster, "enrollments")[0]

    assert isinstance(found, Enrolment)
    assert (found.begin, found.end) == (date(2024, 9, 2), date(2024, 9, 2))


def test_a_role_that_a_system_added_itself_is_read() -> None:
    roster = a_school()
    roster.row("users", "student-1")["role"] = "ext:coach"

    assert violations_of(roster, "users") == []


def test_a_delta_file_requires_a_status() -> None:
    roster = a_school()
    roster.modes = {"users": "delta"}
    roster.row("users", "student-1")["status"] = ""

    assert violations_of(roster, "users") == [("users.csv:2", "missing_value", "status")]


def test_a_role_whose_row_is_wrong_is_known_by_its_user() -> None:
    roster = a_school_of_1_2()
    roster.tables["roles"][0]["role"] = "pupil"

    assert [entry.source_id for entry in left_out(roster, "roles")] == ["student-1"]


def test_each_kind_of_violation_has_its_own_code() -> None:
    roster = a_school()
    roster.row("classes", "class-1")["title"] = "x" * 300

    (entry,) = left_out(roster, "classes")

    assert entry.violations == (
        Violation(
            "too_long",
            "title has 300 characters; at most 255 fit",
            "classes.csv:2",
            {"file": "classes.csv", "row": 2, "column": "title", "limit": 255},
        ),
    )


def test_a_file_without_line_ends_is_not_read_as_one_line() -> None:
    files = a_school().files()
    files["users.csv"] += b"x" * 3_000_000

    codes = {code for _, code, _ in violations_of(files, "users")}

    assert codes == {"wrong_quotes"}


def test_files_with_too_many_rows_are_refused_before_any_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MAX_LINES", 4)
    with roster_files(in_zip(a_school().files())) as files, pytest.raises(UnreadableRoster) as refused:
        read_package(files, {"users": 3})

    assert [(each.pointer, each.code, each.params["limit"]) for each in refused.value.violations] == [
        ("users.csv", "too_many_rows", 3),
        ("enrollments.csv", "too_many_rows", 4),
    ]


def test_dates_are_read_as_in_other_imports() -> None:
    roster = a_school()
    roster.row("enrollments", "class-1-student-1").update(beginDate="2.9.2024", endDate="01.10.2024")

    found = entries(roster, "enrollments")[0]

    assert isinstance(found, Enrolment)
    assert (found.begin, found.end) == (date(2024, 9, 2), date(2024, 10, 1))
