"""Tests the parsing of marks in CSV."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.attendance.rules import Mark
from adsum.batches.marks_import.rules import MarkRow, WrongRow, read_marks
from adsum.platform.errors import Malformed
from adsum.roster.naming.rules import Name, RowNames

DAY = date(2024, 12, 25)


def names(class_name: str, session: str, student: str) -> tuple[RowNames, RowNames, RowNames]:
    return (Name("class", class_name),), (Name("session", session),), (Name("student", student),)


def test_a_byte_order_mark_crlf_another_column_order_and_blank_lines_are_accepted() -> None:
    content = (
        "\ufeffStatus, date,class,session,student,NOTE\r\n"
        'late,2024-12-25,7b,,s-1,"bus,\r\nagain"\r\n\r\n,,,,,\r\n'
        "present, 2024-12-25 ,7b,2,s-2,\r\n"
    ).encode()

    assert list(read_marks(content)) == [
        MarkRow(2, *names("7b", "", "s-1"), DAY, Mark("late", "bus,\r\nagain")),
        MarkRow(6, *names("7b", "2", "s-2"), DAY, Mark("present")),
    ]


def test_an_incomplete_line_and_an_invalid_day_are_violations_with_their_line() -> None:
    rows = list(read_marks(b"class,session,student,date,status\n7b,,1\n7b,,,25/12/2024,present\n7b,,1,,late\n"))

    violations = [violation for row in rows if isinstance(row, WrongRow) for violation in row.violations]
    assert [(violation.pointer, violation.code) for violation in violations] == [
        ("marks.csv:2", "wrong_columns"),
        ("marks.csv:3", "missing_value"),
        ("marks.csv:3", "date_ambiguous"),
        ("marks.csv:4", "missing_value"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "class,session,student,date,status\n1,,1,2024-12-25,Späti\n".encode("latin-1"),
        "class,session,student,date,status".encode("utf-16-le"),
        b"class,session,student,date\n",
        b"class,session,student,date,status,status\n",
        b"class,session,student,date,status,room\n",
        b"",
    ],
)
def test_a_file_without_marks_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        list(read_marks(content))
