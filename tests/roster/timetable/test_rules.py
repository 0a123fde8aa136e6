"""Parsing of timetables in CSV."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.platform.days import Span
from adsum.platform.errors import Invalid, Malformed
from adsum.platform.files.listed_violations import MAX_LISTED_VIOLATIONS, ListedViolations
from adsum.roster.naming.rules import Name
from adsum.roster.timetable.rules import TIMETABLE, TimetableRow, read_timetable, times_after
from adsum.schools.calendar.rules import SessionTime


def read(content: bytes) -> tuple[list[TimetableRow], ListedViolations]:
    violations = ListedViolations(TIMETABLE)
    return list(read_timetable(content, violations)), violations


def test_a_byte_order_mark_another_order_of_columns_and_blank_lines_are_accepted() -> None:
    content = "﻿Weekday, begins,ends,class,session\r\n3,09:00, 09:45 ,7b,\r\n\r\n,,\r\n4,10:00,10:45,7b,2\r\n".encode()
    rows, _ = read(content)
    assert rows == [
        TimetableRow(2, (Name("class", "7b"),), (Name("session", ""),), SessionTime(3, "09:00", "09:45")),
        TimetableRow(5, (Name("class", "7b"),), (Name("session", "2"),), SessionTime(4, "10:00", "10:45")),
    ]


def test_all_violations_are_counted_and_the_first_are_listed() -> None:
    count = MAX_LISTED_VIOLATIONS
    rows, violations = read(b"class,session,weekday,begins,ends\n" + b"x\n,,1,08:00,09:00\n" * count)
    assert (rows, len(violations.items), violations.count) == ([], count, 2 * count)
    with pytest.raises(Invalid, match="the file has 2,000 errors; 1,000 of them are listed") as refused:
        violations.refuse()
    assert refused.value.params == {"total": 2 * count}


def test_a_violation_of_a_timetable_has_the_number_of_its_line() -> None:
    _, violations = read(b"class,session,weekday,begins,ends\n7b,,Mondy,9.00,10:00\n7b,1,2\n")
    assert [(violation.pointer, violation.code) for violation in violations.items] == [
        ("timetable.csv:2", "out_of_range"),
        ("timetable.csv:2", "wrong_form"),
        ("timetable.csv:3", "wrong_columns"),
    ]


@pytest.mark.parametrize(
    ("weekday", "day"), [("1", 1), ("Monday", 1), ("mo.", 1), ("Dienstag", 2), ("Do", 4), ("Sonnabend", 6), ("SUN", 7)]
)
def test_weekdays_and_times_are_read_as_people_write_them(weekday: str, day: int) -> None:
    (row,), violations = read(f"class,session,weekday,begins,ends\n7b,,{weekday},8:05,09:30:00\n".encode())
    assert (row.time, violations.items) == (SessionTime(day, "08:05", "09:30"), [])


@pytest.mark.parametrize("weekday", ["0", "8", "Mondy", "²"])
def test_a_wrong_weekday_is_named_as_it_is_in_the_file(weekday: str) -> None:
    _, violations = read(f"class,session,weekday,begins,ends\n7b,,{weekday},8:05,8.50\n".encode())
    assert [violation.detail for violation in violations.items] == [
        f"line 2: {weekday!r} is no weekday: write 1 for Monday to 7 for Sunday, or its name",
        "line 2: '8.50' is not a time of the form HH:MM",
    ]
    assert [violation.params["column"] for violation in violations.items] == ["weekday", "ends"]


def test_empty_cells_are_named_by_their_columns() -> None:
    _, violations = read(b"class,session,weekday,begins,ends\n7b,,,,8:50\n")
    assert [(violation.code, violation.detail, violation.params["column"]) for violation in violations.items] == [
        ("missing_value", "line 2: weekday is empty", "weekday"),
        ("missing_value", "line 2: begins is empty", "begins"),
    ]


@pytest.mark.parametrize(
    "content",
    [b"", b"class,session\n", b"class,session,weekday,begins,ends,room\n", b"\xff\xfe", b'class,session,"weekday'],
)
def test_a_file_that_is_not_a_timetable_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        read(content)


TODAY, NEXT_WEEK = date(2024, 12, 4), date(2024, 12, 11)
LAST_WEEK = date(2024, 11, 27)


def valid(text: str, begin: date | None = None, end: date | None = None) -> SessionTime:
    weekday, begins = text.split()
    return SessionTime(int(weekday), begins, "23:00", Span(begin, end))


@pytest.mark.parametrize(
    ("stored", "week", "valid_from", "after"),
    [
        # The first times hold on every day, or from the day that is named.
        ([], ["1 08:00"], None, [valid("1 08:00")]),
        ([], ["1 08:00"], NEXT_WEEK, [valid("1 08:00", NEXT_WEEK)]),
        # Others hold from today or that day on, and those before until then. A time that stays is one row.
        ([valid("1 08:00")], ["1 09:00"], None, [valid("1 08:00", None, TODAY), valid("1 09:00", TODAY)]),
        ([valid("1 08:00")], ["1 08:00"], None, [valid("1 08:00")]),
        ([valid("1 08:00")], ["1 08:00", "2 08:00"], None, [valid("1 08:00"), valid("2 08:00", TODAY)]),
        ([valid("1 08:00"), valid("2 08:00")], [], None, [valid("1 08:00", end=TODAY), valid("2 08:00", end=TODAY)]),
        ([valid("1 08:00")], ["1 09:00"], LAST_WEEK, [valid("1 08:00", end=LAST_WEEK), valid("1 09:00", LAST_WEEK)]),
        # Times that end earlier stay as they were; a change replaces those that were to hold later.
        (
            [valid("1 08:00", end=LAST_WEEK)],
            ["1 08:00"],
            None,
            [valid("1 08:00", end=LAST_WEEK), valid("1 08:00", TODAY)],
        ),
        ([valid("1 08:00", end=TODAY), valid("1 09:00", TODAY)], ["1 08:00"], None, [valid("1 08:00")]),
        ([valid("1 08:00", NEXT_WEEK)], ["1 09:00"], None, [valid("1 09:00", TODAY)]),
        (
            [valid("1 08:00", None, NEXT_WEEK), valid("1 09:00", NEXT_WEEK)],
            ["1 08:00"],
            None,
            [valid("1 08:00", None, TODAY), valid("1 08:00", TODAY)],
        ),
    ],
)
def test_earlier_days_keep_their_times(
    stored: list[SessionTime], week: list[str], valid_from: date | None, after: list[SessionTime]
) -> None:
    found = times_after(stored, [valid(text) for text in week], valid_from, TODAY)
    assert {(time, time.valid) for time in found} == {(time, time.valid) for time in after}
    assert len(found) == len(after)
