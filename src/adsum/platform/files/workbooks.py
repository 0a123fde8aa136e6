"""Writes workbooks (XLSX) row by row into a temporary file, which is deleted when it is closed."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, date, datetime, time
from typing import BinaryIO

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from adsum.platform.files.csv_export import Cell, harmless

# The limit of XLSX, including the header. Further rows go into the next sheet.
ROWS_OF_A_SHEET = 1_048_576
_WIDTH = 16


async def make_workbook(columns: Sequence[str], pieces: AsyncGenerator[Sequence[Sequence[Cell]]]) -> BinaryIO:
    """Writes a workbook of all rows under a frozen header. Only one piece is in memory. Times are in UTC.

    Returns:
        An open file without a name, positioned at its beginning. The caller closes it.
    """
    whole = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        # A private folder: the rows contain names and notes.
        with tempfile.TemporaryDirectory() as folder:
            async with aclosing(pieces):
                await _fill(_Book(whole, folder, columns), pieces)
        whole.seek(0)
    except BaseException:
        whole.close()
        raise
    return whole


async def _fill(book: _Book, pieces: AsyncGenerator[Sequence[Sequence[Cell]]]) -> None:
    try:
        async for rows in pieces:
            # In a thread, because writing cells blocks.
            await asyncio.to_thread(book.add, rows)
    finally:
        await asyncio.to_thread(book.close)


class _Book:
    """A workbook under construction. Its rows are kept on disk in `folder`."""

    def __init__(self, file: BinaryIO, folder: str, columns: Sequence[str]) -> None:
        self._book = Workbook(
            file,
            {
                "constant_memory": True,
                "tmpdir": folder,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "remove_timezone": True,
            },
        )
        self._columns = columns
        self._bold = self._book.add_format({"bold": True})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._sheet = self._new_sheet()
        self._rows = 1

    def add(self, rows: Iterable[Sequence[Cell]]) -> None:
        for row in rows:
            if self._rows == ROWS_OF_A_SHEET:
                self._sheet, self._rows = self._new_sheet(), 1
            for column, cell in enumerate(row):
                self._write(column, cell)
            self._rows += 1

    def close(self) -> None:
        self._book.close()

    def _new_sheet(self) -> Worksheet:
        sheet = self._book.add_worksheet()
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(self._columns) - 1, _WIDTH)
        sheet.write_row(0, 0, self._columns, self._bold)
        return sheet

    def _write(self, column: int, cell: Cell) -> None:
        sheet, row = self._sheet, self._rows
        match cell:
            case None:
                pass
            case str():
                sheet.write_string(row, column, harmless(cell))
            case datetime():
                sheet.write_datetime(row, column, cell.astimezone(UTC), self._moment)
            case date():
                sheet.write_datetime(row, column, datetime.combine(cell, time(), UTC), self._day)
            case bool():
                sheet.write_boolean(row, column, cell)
            case _:
                sheet.write_number(row, column, cell)
