"""Exports of records: every field, in chunks, and no cell is a formula."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsum.accounts.access import Caller, Permission, Role
from adsum.attendance import service
from adsum.attendance.rules import RecordFilters
from adsum.attendance.schemas import COLUMNS, rows_of_cells
from adsum.attendance.service import Records
from adsum.platform.database.engine import Database
from adsum.platform.files.csv_export import Cell, csv_lines, harmless, unescaped
from adsum.platform.ids import Batch
from tests.support.schools import (
    caller,
    make_bare_school,
    make_class,
    make_record,
    make_records,
    make_school,
    make_session,
    make_student,
)

DANGEROUS = ["=1+1", "+49 30 1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1"]  # noqa: RUF001


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("note", DANGEROUS)
def test_a_cell_that_would_be_a_formula_begins_with_an_apostrophe(note: str) -> None:
    (cell, number), *_ = read(csv_lines([[note, 1]]))

    assert (cell[:2], cell[-1], number) == (f"'{note[0]}", note[-1], "1")


@given(st.text(st.sampled_from("=+-@;,\t\r\n\"' a＝")), st.integers())  # noqa: RUF001
def test_no_program_finds_a_formula_and_what_was_added_is_taken_away(note: str, number: int) -> None:
    content = csv_lines([[note, number, None]])

    assert csv_lines([[number]]) == f"{number}\r\n"
    assert unescaped(read(content)[0][0]) == note
    for separator in ",;\t":
        cells = chain(*csv.reader(io.StringIO(content, newline=""), delimiter=separator))
        assert not [cell for cell in cells if cell[:1] in {*"=+-@＝"} and cell != str(number)]  # noqa: RUF001


@pytest.mark.parametrize(
    ("note", "written"),
    [
        ('bus;=HYPERLINK("x")', 'bus;\'=HYPERLINK("x")'),
        ('bus;"=1"', 'bus;\'"=1"'),
        ("bus\t@x", "bus\t'@x"),
        ("a\n- b", "a\n'- b"),
        ("'=1", "''=1"),
        ("' late", "' late"),
        ("well-known; 1+1=2", "well-known; 1+1=2"),
    ],
)
def test_only_the_begin_of_a_cell_is_escaped_in_every_locale(note: str, written: str) -> None:
    assert harmless(note) == written
    assert unescaped(written) == note


async def exported(records: Records, actor: Caller) -> list[Sequence[Cell]]:
    chunks = [rows async for rows in rows_of_cells(await records.export(actor, RecordFilters(), "csv"))]
    assert all(len(rows) <= service.EXPORT_CHUNK_SIZE for rows in chunks)
    return [row for rows in chunks for row in rows]


async def test_every_field_of_a_record_is_exported(database: Database, records: Records) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=1)
        batch = Batch(school.class_id, school.session_id, date(2024, 12, 25))
        record_id = await make_record(
            connection, school.school_id, batch, school.student_ids[0], note='=HYPERLINK("x"), 日本', user_id=7
        )

    header, line = read(csv_lines([COLUMNS, *await exported(records, caller(Role.ADMIN))]))

    assert tuple(header) == COLUMNS
    assert line == [
        str(record_id),
        batch.id,
        str(school.class_id),
        str(school.session_id),
        str(school.student_ids[0]),
        "2024-12-25",
        "present",
        '\'=HYPERLINK("x"), 日本',
        "1",
        "2024-12-25T08:30:00Z",
        "office",
        "7",
        *[""] * 4,
        *("", "Given 1", "Family 0001"),
        *("", "7b"),
        *("", "", "Attendance"),
    ]


async def test_source_ids_are_exported_and_names_to_callers_who_may_read_them(
    database: Database, records: Records
) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        class_id = await make_class(connection, school_id, title="7b", source_id="k-7")
        session_id = await make_session(connection, class_id, period="1", title="Period 1", source_id="k-7/1")
        student_id = await make_student(connection, school_id, given="Ada", family="Byron", source_id="0117")
        await make_record(connection, school_id, Batch(class_id, session_id, date(2024, 12, 25)), student_id)
    office = caller(Role.OFFICE, school_id)
    without_names = replace(office, permissions=office.permissions - {Permission.ROSTER_READ})

    async def described(actor: Caller) -> dict[str, Cell]:
        (row,) = await exported(records, actor)
        return dict(zip(COLUMNS[-8:], row[-8:], strict=True))

    ids = {"studentSourcedId": "0117", "classSourcedId": "k-7", "sessionSourcedId": "k-7/1", "period": "1"}
    names = {"givenName": "Ada", "familyName": "Byron", "classTitle": "7b", "sessionTitle": "Period 1"}
    assert await described(office) == ids | names
    assert await described(without_names) == ids | dict.fromkeys(names)


async def test_only_the_office_gets_the_offices_note(database: Database, records: Records) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=1)
        batch = Batch(school.class_id, school.session_id, date(2024, 12, 25))
        await make_record(
            connection, school.school_id, batch, school.student_ids[0], office_note="lawyer called", arrived_at="08:10"
        )

    async def last_cells(role: Role) -> list[Cell]:
        (row,) = await exported(records, caller(role, school.school_id))
        first = COLUMNS.index("arrivedAt")
        return list(row[first : first + 4])

    assert await last_cells(Role.OFFICE) == ["08:10", None, "lawyer called", None]
    assert await last_cells(Role.VIEWER) == ["08:10", None, None, None]


async def test_a_long_export_has_each_record_once_and_in_order(
    database: Database, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "EXPORT_READ_SIZE", 100)
    monkeypatch.setattr(service, "EXPORT_CHUNK_SIZE", 30)
    days = [date(2024, 9, 2) + timedelta(day) for day in range(5)]
    async with database.transaction() as connection:
        school = await make_school(connection, students=45)
        batches = [Batch(school.class_id, school.session_id, day) for day in reversed(days)]
        await make_records(connection, school.school_id, batches, school.student_ids)

    rows = await exported(records, caller(Role.OFFICE, school.school_id))

    assert [(row[5], row[4]) for row in rows] == [
        (day, student_id) for day in days for student_id in school.student_ids
    ]


async def test_an_export_is_logged_with_its_caller_and_filters(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    filters = RecordFilters(class_id=12, first_day=date(2024, 12, 1))

    await records.export(caller(Role.OFFICE, 3, user_id=7), filters, "xlsx")

    (line,) = [vars(each) for each in caplog.records if each.message == "list exported"]
    assert {name: line[name] for name in ("actor", "list", "form", "filters", "class_id", "first_day")} == {
        "actor": "user-7",
        "list": "attendances",
        "form": "xlsx",
        "filters": ["class_id", "first_day"],
        "class_id": "12",
        "first_day": "2024-12-01",
    }
