"""Exports of records as XLSX."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, date, datetime
from http import HTTPStatus

import pytest

from adsum.accounts.access import Role
from adsum.attendance.schemas import COLUMNS
from adsum.platform.files import workbooks
from adsum.platform.files.csv_export import Cell
from adsum.platform.files.workbooks import make_workbook
from adsum.platform.http.list_files import FileKind
from adsum.platform.ids import Batch
from tests.attendance.conftest import Reader
from tests.attendance.test_csv import DANGEROUS
from tests.support.schools import MARKED_AT, make_bare_school, make_record, make_school
from tests.support.workbook import format_of, formulas, frozen_rows, moment, rows_of

CHRISTMAS = date(2024, 12, 25)


async def made(columns: Sequence[str], *pieces: Sequence[Sequence[Cell]]) -> bytes:
    async def each() -> AsyncGenerator[Sequence[Sequence[Cell]]]:
        for piece in pieces:
            yield piece

    with await make_workbook(columns, each()) as file:
        return file.read()


async def test_cells_of_a_workbook_have_the_types_of_their_values() -> None:
    at = datetime(2024, 12, 25, 8, 30, tzinfo=UTC)
    content = await made(
        ["text", "number", "rate", "day", "moment", "none", "yes"], [["7b", 7, 66.67, CHRISTMAS, at, None, True]]
    )

    header, row = rows_of(content)
    assert list(header.values()) == ["text", "number", "rate", "day", "moment", "none", "yes"]
    assert (row["A"], row["B"], row["C"], row["G"]) == ("7b", 7, 66.67, 1)
    assert (moment(row["D"]), moment(row["E"])) == (datetime(2024, 12, 25), at.replace(tzinfo=None))  # noqa: DTZ001
    assert "F" not in row
    assert (format_of(content, "D2"), format_of(content, "E2")) == ("yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss")
    assert frozen_rows(content) == 1


async def test_no_text_is_a_formula() -> None:
    content = await made(["note"], [[note] for note in DANGEROUS])

    assert formulas(content) == 0
    assert [str(row["A"])[:2] for row in rows_of(content)[1:]] == [f"'{note[0]}" for note in DANGEROUS]


async def test_rows_beyond_the_limit_of_a_sheet_continue_on_the_next_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "ROWS_OF_A_SHEET", 3)

    content = await made(["n"], [[1], [2]], [[3]])

    assert [[row["A"] for row in rows_of(content, sheet)] for sheet in (1, 2)] == [["n", 1, 2], ["n", 3]]


async def test_a_failed_export_leaves_no_partial_workbook() -> None:
    async def broken() -> AsyncGenerator[Sequence[Sequence[Cell]]]:
        yield [[1]]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await make_workbook(["n"], broken())


async def test_records_are_exported_as_a_workbook(reader: Reader) -> None:
    async with reader.adsum.database.transaction() as connection:
        school = await make_school(connection, students=1)
        batch = Batch(school.class_id, school.session_id, CHRISTMAS)
        await make_record(connection, school.school_id, batch, school.student_ids[0], note="=1+1")
    await reader.sign_in(Role.OFFICE, school.school_id)

    answer = await reader.get("/attendances", Accept=FileKind.XLSX)

    assert answer.status_code == HTTPStatus.OK, answer.text
    assert answer.headers["content-type"] == FileKind.XLSX
    assert answer.headers["content-disposition"] == 'attachment; filename="attendances.xlsx"'
    header, row = rows_of(answer.content)
    assert tuple(header.values()) == COLUMNS
    assert (row["E"], row["G"], row["H"]) == (school.student_ids[0], "present", "'=1+1")
    assert (moment(row["F"]).date(), moment(row["J"])) == (CHRISTMAS, MARKED_AT.replace(tzinfo=None))
    refused = await reader.get("/attendances?status=asleep", Accept=FileKind.XLSX)
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv, */*", "text/csv; charset=utf-8"),
        (f"{FileKind.XLSX};q=0.9, text/csv;q=0.8", FileKind.XLSX),
        ("*/*", "application/json"),
    ],
)
async def test_the_first_acceptable_file_format_is_returned(reader: Reader, accept: str, kind: str) -> None:
    async with reader.adsum.database.transaction() as connection:
        school_id = await make_bare_school(connection)
    await reader.sign_in(Role.OFFICE, school_id)

    assert (await reader.get("/attendances", Accept=accept)).headers["content-type"] == kind
