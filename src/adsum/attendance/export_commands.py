"""`adsum attendance export`: everything that matches, as CSV or as a workbook."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from adsum.accounts.access import system_caller
from adsum.attendance.filters import RecordFilters
from adsum.attendance.record_options import read_filters
from adsum.attendance.service import COLUMNS
from adsum.platform.command_line.options import ClassId, FirstDay, LastDay, SessionId, Status, StudentId, one_of
from adsum.platform.command_line.output import STDOUT, Json, show_one, whole_file
from adsum.platform.command_line.progress import Counting
from adsum.platform.command_line.session import with_adsum
from adsum.platform.csv_files import Cell, csv_lines
from adsum.platform.workbooks import make_workbook
from adsum.wiring import Adsum


class FileForm(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    XLSX = "xlsx"


Form = Annotated[
    FileForm | None,
    typer.Option(
        "--format", parser=one_of(FileForm), metavar="|".join(FileForm), help="[default: by the file's ending, or csv]"
    ),
]


def export(
    *,
    class_id: ClassId = None,
    session_id: SessionId = None,
    student_id: StudentId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    status: Status = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Else it goes to stdout.")] = STDOUT,
    form: Form = None,
    as_json: Json = False,
) -> None:
    """Write everything that matches as CSV or XLSX. `--json` is about the summary, which a file gets."""
    filters = read_filters(class_id, session_id, student_id, first_day, last_day, status)
    form = form or (FileForm.XLSX if output.suffix.lower() == ".xlsx" else FileForm.CSV)
    if output == STDOUT:
        at_terminal = sys.stdout.isatty()
        if form is FileForm.XLSX and at_terminal:
            raise typer.BadParameter("a workbook is nothing for a terminal: name a file", param_hint="--output")
        _write(filters, form, sys.stdout.buffer, Counting("records", shown=not at_terminal))
        return
    with whole_file(output) as file:
        count = _write(filters, form, file, Counting("records"))
    show_one({"file": str(output), "records": count}, as_json=as_json)


def _write(filters: RecordFilters, form: FileForm, file: BinaryIO, counting: Counting) -> int:
    """Writes piece by piece, and answers with the number of records."""

    async def work(adsum: Adsum) -> int:
        with counting:
            pieces = _counted(await adsum.records.export(system_caller(), filters, form), counting)
            await (_write_csv if form is FileForm.CSV else _write_workbook)(pieces, file)
        return counting.count

    return with_adsum(work)


async def _counted(
    pieces: AsyncGenerator[Sequence[Sequence[Cell]]], counting: Counting
) -> AsyncGenerator[Sequence[Sequence[Cell]]]:
    async with aclosing(pieces):
        async for rows in pieces:
            yield rows
            counting.add(len(rows))


async def _write_csv(pieces: AsyncGenerator[Sequence[Sequence[Cell]]], file: BinaryIO) -> None:
    file.write(csv_lines([COLUMNS]).encode())
    async with aclosing(pieces):
        async for rows in pieces:
            file.write(csv_lines(rows).encode())


async def _write_workbook(pieces: AsyncGenerator[Sequence[Sequence[Cell]]], file: BinaryIO) -> None:
    with await make_workbook(COLUMNS, pieces) as book:
        shutil.copyfileobj(book, file)
