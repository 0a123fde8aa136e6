"""`adsum attendance`: lists, exports and corrects attendance records, and shows their history."""

from __future__ import annotations

import shutil
import sys
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from adsum.accounts.access import system_caller
from adsum.attendance.correction_rules import Correction, Keep
from adsum.attendance.corrections import Corrections
from adsum.attendance.rules import DescribedRecord, RecordFilters
from adsum.attendance.schemas import COLUMNS, ChangeItem, RecordItem, rows_of_cells
from adsum.attendance.service import Records
from adsum.platform.command_line.options import (
    ClassId,
    FirstDay,
    LastDay,
    SchoolId,
    SessionId,
    Status,
    StudentId,
    one_of,
    read_time,
    require_order,
)
from adsum.platform.command_line.output import (
    STDOUT,
    Json,
    show_item,
    show_items,
    show_notice,
    show_one,
    show_rows,
    whole_file,
)
from adsum.platform.command_line.progress import Counting
from adsum.platform.command_line.session import run_with
from adsum.platform.files.csv_export import Cell, csv_lines
from adsum.platform.files.workbooks import make_workbook
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest, every_item

app = typer.Typer(no_args_is_help=True)

SHOWN = (
    *("id", "learningDate", "classId", "sessionId", "studentId", "student"),
    *("status", "arrivedAt", "leftAt", "note", "markedAt", "markedByRole"),
)
DROPPED_FIRST = ("markedByRole", "markedAt", "note", "leftAt", "arrivedAt", "classId", "sessionId")
CHANGE = (
    *("version", "status", "note", "arrivedAt", "leftAt", "officeNote"),
    *("changedAt", "changedByRole", "changedByUserId", "reason", "runId"),
)
CHANGE_DROPPED_FIRST = (
    *("runId", "changedByUserId", "officeNote", "changedByRole", "arrivedAt", "leftAt"),
    *("reason", "changedAt"),
)


class FileFormat(StrEnum):
    """The format of an exported file."""

    CSV = "csv"
    XLSX = "xlsx"


RecordId = Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="The id of the record: see `list`.")]
FormatOption = Annotated[
    FileFormat | None,
    typer.Option(
        "--format",
        parser=one_of(FileFormat),
        metavar="|".join(FileFormat),
        help="[default: by the file's ending, or csv]",
    ),
]


@app.command()
def export(
    *,
    school_id: SchoolId = None,
    class_id: ClassId = None,
    session_id: SessionId = None,
    student_id: StudentId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    status: Status = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The path of the file; - is stdout.")
    ] = STDOUT,
    file_format: FormatOption = None,
    as_json: Json = False,
) -> None:
    """Export all matching records as CSV or XLSX. A CSV file begins with a byte order mark, stdout does not.

    `--json` prints the summary of an export to a file as JSON.
    """
    filters = _filters(school_id, class_id, session_id, student_id, first_day, last_day, status)
    file_format = file_format or (FileFormat.XLSX if output.suffix.lower() == ".xlsx" else FileFormat.CSV)
    if output == STDOUT:
        at_terminal = sys.stdout.isatty()
        if file_format is FileFormat.XLSX and at_terminal:
            raise typer.BadParameter("a workbook cannot be written to a terminal: name a file", param_hint="--output")
        _write(filters, file_format, sys.stdout.buffer, Counting("records", shown=not at_terminal))
        return
    with whole_file(output) as file:
        if file_format is FileFormat.CSV:
            file.write(BOM_UTF8)
        count = _write(filters, file_format, file, Counting("records"))
    show_one({"file": str(output), "records": count}, as_json=as_json)


@app.command("list")
def list_records(
    *,
    school_id: SchoolId = None,
    class_id: ClassId = None,
    session_id: SessionId = None,
    student_id: StudentId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    status: Status = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of records.")] = 50,
    as_json: Json = False,
) -> None:
    """Show records by learning date, session and student."""
    filters = _filters(school_id, class_id, session_id, student_id, first_day, last_day, status)
    found, has_more = run_with(Records, lambda records: _first_records(records, filters, limit))
    items = [RecordItem.of(record) for record in found]
    names = {record.student_id: f"{record.given_name or ''} {record.family_name or ''}".strip() for record in found}
    show_items(SHOWN, items, as_json=as_json, dropped_first=DROPPED_FIRST, none="no records", names={"student": names})
    if has_more:
        show_notice(f"there are more than {limit} records: see --limit and adsum attendance export")


@app.command()
def correct(
    *,
    record_id: RecordId,
    status: Status = None,
    note: Annotated[str | None, typer.Option(help="A note; '' removes it.")] = None,
    arrived: Annotated[
        str | None, typer.Option(parser=read_time, metavar="HH:MM", help="The time of arrival; '' removes it.")
    ] = None,
    left: Annotated[
        str | None, typer.Option(parser=read_time, metavar="HH:MM", help="The time of leaving; '' removes it.")
    ] = None,
    office_note: Annotated[str | None, typer.Option(help="A note that only the office sees; '' removes it.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Clear the mark: the record stays, without a status.")] = False,
    reason: Annotated[str | None, typer.Option(help="The reason, for the history.")] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Only if the record still has this version. [default: any]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Correct one record. Its history contains the previous mark."""
    has_changes = any(given is not None for given in (status, note, arrived, left, office_note))
    if clear and has_changes:
        raise typer.BadParameter("a mark is either cleared or changed", param_hint="--clear")
    if not clear and not has_changes:
        raise typer.BadParameter("nothing to change: use --status, --note or --clear", param_hint="--status")
    correction = Correction(
        status=None if clear else status or Keep.AS_IS,
        note=_value_or_keep(note),
        reason=reason,
        arrived_at=_value_or_keep(arrived),
        left_at=_value_or_keep(left),
        office_note=_value_or_keep(office_note),
    )
    versions = None if version is None else [version]
    corrected = run_with(
        Corrections, lambda corrections: corrections.correct(record_id, versions, correction, system_caller())
    )
    show_item(RecordItem.of_visible(corrected), as_json=as_json)


@app.command()
def history(*, record_id: RecordId, as_json: Json = False) -> None:
    """Show every change of one record, the newest first, down to its first mark."""
    changes = run_with(
        Corrections,
        lambda corrections: every_item(lambda page: corrections.history(record_id, system_caller(), page)),
    )
    items = [ChangeItem.of(change) for change in changes]
    if as_json:
        show_items(CHANGE, items, as_json=True)
        return
    # A table shows the new mark of each version; the old one is in the line below.
    rows = [item.model_dump(by_alias=True) | item.new.model_dump(by_alias=True) for item in items]
    show_rows(CHANGE, rows, as_json=False, dropped_first=CHANGE_DROPPED_FIRST)


def _value_or_keep(text: str | None) -> str | Keep | None:
    return Keep.AS_IS if text is None else text or None


def _filters(
    school_id: int | None,
    class_id: int | None,
    session_id: int | None,
    student_id: int | None,
    first_day: date | None,
    last_day: date | None,
    status: str | None,
) -> RecordFilters:
    require_order(first_day, last_day)
    return RecordFilters(school_id, class_id, session_id, student_id, first_day, last_day, status)


async def _first_records(records: Records, filters: RecordFilters, limit: int) -> tuple[list[DescribedRecord], bool]:
    """At most `limit` records, and whether there are more."""
    found: list[DescribedRecord] = []
    cursor: str | None = None
    while len(found) < limit:
        request = PageRequest(cursor, min(limit - len(found), MAX_LIMIT))
        page = await records.page(system_caller(), filters, request)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return found, cursor is not None


def _write(filters: RecordFilters, file_format: FileFormat, file: BinaryIO, counting: Counting) -> int:
    """Writes an export in chunks, and returns the number of records."""

    async def work(records: Records) -> int:
        with counting:
            chunks = rows_of_cells(await records.export(system_caller(), filters, file_format))
            await (_write_csv if file_format is FileFormat.CSV else _write_workbook)(_counted(chunks, counting), file)
        return counting.count

    return run_with(Records, work)


async def _counted(
    chunks: AsyncGenerator[Sequence[Sequence[Cell]]], counting: Counting
) -> AsyncGenerator[Sequence[Sequence[Cell]]]:
    async with aclosing(chunks):
        async for rows in chunks:
            yield rows
            counting.add(len(rows))


async def _write_csv(chunks: AsyncGenerator[Sequence[Sequence[Cell]]], file: BinaryIO) -> None:
    file.write(csv_lines([COLUMNS]).encode())
    async with aclosing(chunks):
        async for rows in chunks:
            file.write(csv_lines(rows).encode())


async def _write_workbook(chunks: AsyncGenerator[Sequence[Sequence[Cell]]], file: BinaryIO) -> None:
    with await make_workbook(COLUMNS, chunks) as book:
        shutil.copyfileobj(book, file)
