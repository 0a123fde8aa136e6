"""Records as CSV: complete, in pieces, and never a formula."""

from __future__ import annotations

import csv
import io
import logging
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsum.domain.access import Role
from adsum.domain.filters import RecordFilters
from adsum.domain.ids import Batch
from adsum.domain.spreadsheets import csv_lines
from adsum.services.records import COLUMNS, EXPORTED_AT_ONCE, Records
from adsum.storage.database import Database
from tests.schools import caller, make_record, make_records, make_school

DANGEROUS = ["=1+1", "+49 30 1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1"]  # noqa: RUF001


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("note", DANGEROUS)
def test_a_text_that_would_be_a_formula_gets_an_apostrophe(note: str) -> None:
    assert read(csv_lines([[note, 1]])) == [[f"'{note}", "1"]]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), st.integers())
def test_every_other_text_comes_back_as_it_was(note: str, number: int) -> None:
    (cell, *_), *_ = read(csv_lines([[note, number, None]]))

    assert cell in (note, f"'{note}")
    assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r")
    assert csv_lines([[number]]) == f"{number}\r\n"


async def test_the_csv_has_a_header_and_every_field_of_a_record(database: Database, records: Records) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=1)
        batch = Batch(school.class_id, school.session_id, date(2024, 12, 25))
        record_id = await make_record(
            connection, school.school_id, batch, school.student_ids[0], note='=HYPERLINK("x"), 日本', user_id=7
        )

    pieces = [piece async for piece in await records.csv(caller(Role.ADMIN), RecordFilters())]

    header, line = read("".join(piece.text for piece in pieces))
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
    ]


async def test_the_offices_note_is_written_for_the_office_alone(database: Database, records: Records) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=1)
        batch = Batch(school.class_id, school.session_id, date(2024, 12, 25))
        await make_record(
            connection, school.school_id, batch, school.student_ids[0], office_note="lawyer called", arrived_at="08:10"
        )

    async def told(role: Role) -> list[str]:
        pieces = [piece async for piece in await records.csv(caller(role, school.school_id), RecordFilters())]
        return read("".join(piece.text for piece in pieces))[1][-4:]

    assert await told(Role.OFFICE) == ["08:10", "", "lawyer called", ""]
    assert await told(Role.VIEWER) == ["08:10", "", "", ""]


async def test_nothing_recorded_is_a_header_alone(database: Database, records: Records) -> None:
    pieces = [piece async for piece in await records.csv(caller(Role.ADMIN), RecordFilters())]

    assert [(piece.records, len(read(piece.text))) for piece in pieces] == [(0, 1)]


async def test_a_long_csv_comes_in_pieces_of_a_thousand_each_row_once_and_in_order(
    database: Database, records: Records
) -> None:
    days = [date(2024, 9, 2) + timedelta(day) for day in range(50)]
    async with database.transaction() as connection:
        school = await make_school(connection, students=45)
        batches = [Batch(school.class_id, school.session_id, day) for day in reversed(days)]
        await make_records(connection, school.school_id, batches, school.student_ids)

    pieces = [piece async for piece in await records.csv(caller(Role.OFFICE, school.school_id), RecordFilters())]

    assert [piece.records for piece in pieces] == [0, EXPORTED_AT_ONCE, EXPORTED_AT_ONCE, 250]
    lines = [(line[5], int(line[4])) for piece in pieces[1:] for line in read(piece.text)]
    assert lines == [(day.isoformat(), student_id) for day in days for student_id in school.student_ids]


async def test_an_export_is_logged_with_who_and_what(records: Records, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    await records.csv(caller(Role.OFFICE, 3, user_id=7), RecordFilters(class_id=12))

    (record,) = [vars(each) for each in caplog.records if each.message == "records are exported"]
    assert (record["actor"], record["class_id"]) == ("user-7", 12)
