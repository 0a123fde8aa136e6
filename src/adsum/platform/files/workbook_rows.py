"""Reads the rows of a workbook (XLSX) with openpyxl, one after the other and as texts.

openpyxl has no limits. The archive that it reads from has them, so a small file cannot fill the memory. See
docs/decisions/0028.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, cast
from xml.etree import ElementTree as ET
from xml.parsers import expat

from typing_extensions import override

from adsum.platform.files.archives import BoundedZipFile, LongDirectory

if TYPE_CHECKING:
    from openpyxl.cell.read_only import EmptyCell, ReadOnlyCell
    from openpyxl.reader.excel import ExcelReader

# A million cells unpack to about 100 MB. Each element counts as a cell, and so do the gaps between cells.
MAX_UNPACKED_BYTES = 2**29
MAX_CELLS = 2**25
MAX_COLUMNS = 1_000
# Of the sheet, and as many shared texts: openpyxl keeps an empty element of each.
MAX_ROWS = 2_000_000
# Of a row, a shared text, and a part without either: openpyxl keeps all their elements.
MAX_BYTES_AT_ONCE = 2**21

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# The namespace of the elements of a sheet.
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_ROW, _TEXT, _LAST = (f"{_SHEET} {name}" for name in ("row", "si", "sheetData"))
_VALUES = (f"{_SHEET} v", f"{_SHEET} is")
# Letters that XML cannot contain, and the escaped underscore of a text that looks like an escaped letter.
_ESCAPED_LETTER = re.compile("_x(00[01][0-9A-F]|005F|FFF[EF])_", re.IGNORECASE)
_ZEROS = re.compile("0{2,}")
_BLOCK_SIZE = 2**16
_HALF_SECOND = timedelta(milliseconds=500)

WorkbookRow = tuple[int, list[str]]
"""The number of a row, from 1, and its cells up to the last one that is not empty."""


class UnreadableWorkbook(Exception):
    """The file is no workbook, is damaged, or is too large. `code` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooManyRows(Exception):
    """The first sheet has more rows with a cell than are read."""


def is_workbook(content: bytes) -> bool:
    """Whether the content is a zip archive, as every workbook is, or what old or encrypted workbooks are."""
    return content.startswith((_ZIP, _OLE))


def workbook_rows(content: bytes, max_rows: int = MAX_ROWS) -> Iterator[WorkbookRow]:
    """The rows of the first sheet that have a cell. Dates are `YYYY-MM-DD`, times `HH:MM` or `HH:MM:SS`.

    Raises:
        TooManyRows: before the first row.
        UnreadableWorkbook: also while the rows are read.
    """
    if content.startswith(_OLE):
        detail = "the workbook is encrypted or in an old format; save it as XLSX, without a password"
        raise UnreadableWorkbook("wrong_workbook", detail)
    try:
        with _Archive(io.BytesIO(content)) as archive:
            yield from _rows(archive, max_rows)
    except _EndOfRows:
        return
    except LongDirectory:
        raise _too_large("too many parts") from None
    except (zipfile.BadZipFile, zlib.error, expat.ExpatError, ET.ParseError, EOFError) as error:
        raise UnreadableWorkbook("damaged_workbook", f"the workbook is damaged: {error}") from None
    except (AttributeError, LookupError, OSError, OverflowError, RuntimeError, TypeError, ValueError):
        raise UnreadableWorkbook("wrong_workbook", "this is no workbook (XLSX) that can be read") from None


def _rows(archive: _Archive, max_rows: int) -> Iterator[WorkbookRow]:
    # openpyxl warns of styles and drawings, which are not read. Here, because others may reset the filters.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"openpyxl\.")
    reader = _reader(archive)
    reader.read()
    parser: Any = reader.parser
    first, part = next(parser.find_sheets())
    sheet: Any = reader.wb[first.name]
    sheet.reset_dimensions()  # wrong ones, which some programs write, would add cells or end the rows early
    # openpyxl is slow: it reads the rows to count them only where they may be too many.
    if archive.max_rows_of(part.target) > max_rows:
        with archive.uncounted(), suppress(_EndOfRows):
            if next(islice(_rows_of(sheet, archive), max_rows, None), None) is not None:
                raise TooManyRows
    yield from _rows_of(sheet, archive)


def _rows_of(sheet: Any, archive: _Archive) -> Iterator[WorkbookRow]:
    rows: Iterator[Sequence[ReadOnlyCell | EmptyCell]] = sheet.iter_rows()
    for number, cells in enumerate(rows, start=1):
        archive.count(len(cells))
        if number > MAX_ROWS:
            raise _too_large(f"more than {MAX_ROWS:,} rows")
        texts = [_text(cell) for cell in cells]
        while texts and not texts[-1]:
            texts.pop()
        if len(texts) > MAX_COLUMNS:
            raise UnreadableWorkbook("wrong_columns", f"row {number} has more than {MAX_COLUMNS:,} columns")
        if texts:
            yield number, texts


def _reader(archive: _Archive) -> ExcelReader:
    """Reads from an archive with limits."""
    # Imported with the first workbook: openpyxl takes 10 MB, and most processes read none.
    from openpyxl.reader.excel import ExcelReader  # noqa: PLC0415

    class LimitedReader(ExcelReader):
        @override
        def read_strings(self) -> None:
            archive.unit = _TEXT
            super().read_strings()
            archive.unit = _ROW

    reader = LimitedReader(archive.file, read_only=True, data_only=True, keep_links=False)
    reader.archive = archive
    return reader


class _Archive(BoundedZipFile):
    """Limits what is read of a workbook.

    Attributes:
        unit: the element whose content openpyxl does not keep.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.file, self.unit, self._cells = file, _ROW, 0
        # zipfile reads no more of an entry than its declared size, so the declared sizes are an upper bound.
        size = sum(entry.file_size for entry in self.infolist())
        if size > MAX_UNPACKED_BYTES:
            raise _too_large(f"{size:,} bytes when unpacked; at most {MAX_UNPACKED_BYTES:,} are read")

    def open(self, name: str | zipfile.ZipInfo, *arguments: Any, **options: Any) -> IO[bytes]:
        return cast(IO[bytes], _CheckedPart(super().open(name, *arguments, **options), self))

    def max_rows_of(self, name: str) -> int:
        """The number of rows of a sheet with a cell, or a greater one: texts may be empty."""
        with self.uncounted(), _CheckedPart(super().open(name), self) as part, suppress(_EndOfRows):
            while part.read(_BLOCK_SIZE):
                pass
        return part.rows_with_values

    @contextmanager
    def uncounted(self) -> Generator[None]:
        """Within it, the limit of cells holds for what is read within it alone."""
        cells, self._cells = self._cells, 0
        yield
        self._cells = cells

    def count(self, cells: int) -> None:
        self._cells += cells
        if self._cells > MAX_CELLS:
            raise _too_large(f"more than {MAX_CELLS:,} cells")


class _EndOfRows(Exception):
    """The rest of a sheet, such as its formats and filters, is not read."""


class _CheckedPart(io.RawIOBase):
    """Checks a part of a workbook before openpyxl sees it.

    Attributes:
        rows_with_values: of a sheet, as far as it was read.
    """

    def __init__(self, part: IO[bytes], archive: _Archive) -> None:
        self._part, self._archive, self._unit = part, archive, archive.unit
        self._elements = self._rows = self._bytes_at_once = 0
        self._is_over = self._has_value = False
        self.rows_with_values = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.EndElementHandler = self._end
        # Workbooks have no document type. Without one there are no entities, whose expansion has no limit.
        self._parser.StartDoctypeDeclHandler = _refuse_document_type

    def read(self, size: int = -1, /) -> bytes:
        if self._is_over:
            while self._part.read(MAX_BYTES_AT_ONCE):  # to its end, where zipfile compares the checksum
                pass
            raise _EndOfRows
        block = self._part.read(size if size >= 0 else MAX_BYTES_AT_ONCE + 1)
        self._bytes_at_once += len(block)
        self._parser.Parse(block)
        self._archive.count(self._elements)
        self._elements = 0
        if max(self._bytes_at_once, len(block)) > MAX_BYTES_AT_ONCE:
            raise _too_large(f"more than {MAX_BYTES_AT_ONCE:,} bytes in one row, text or part")
        return block

    def close(self) -> None:
        self._part.close()
        super().close()

    def _end(self, name: str) -> None:
        self._elements += 1
        if name == self._unit:
            self._bytes_at_once = 0
            self._rows += 1
            self.rows_with_values += self._has_value
            self._has_value = False
            if self._rows > MAX_ROWS:
                raise _too_large(f"more than {MAX_ROWS:,} rows or texts")
        elif name in _VALUES:
            self._has_value = True
        elif name == _LAST:
            self._is_over = True


def _refuse_document_type(*_declaration: object) -> None:
    raise UnreadableWorkbook("wrong_workbook", "the workbook has a document type, which no spreadsheet writes")


def _too_large(detail: str) -> UnreadableWorkbook:
    return UnreadableWorkbook("too_large_unpacked", f"the workbook has {detail}")


def _text(cell: ReadOnlyCell | EmptyCell) -> str:
    match cell.value:
        case None:
            text = ""
        case str(value):
            text = _ESCAPED_LETTER.sub(lambda found: chr(int(found[1], 16)), value) if "_x" in value else value
        case bool(value):
            text = str(value).upper()
        case int(value):
            shown = cell.number_format.partition(";")[0]
            text = str(value).zfill(len(shown) if _ZEROS.fullmatch(shown) else 0)
        case float(value):
            text = f"{value:.0f}" if value.is_integer() else str(value)
        case value:
            text = _moment_text(cast(date | time | timedelta, value))
    return text


def _moment_text(value: date | time | timedelta) -> str:
    match value:
        case datetime():
            at = (value + _HALF_SECOND).replace(microsecond=0)
            return str(at.date()) if at.time() == time() else f"{at.date()} {_time_text(at.time())}"
        case time():
            return _time_text((datetime.combine(date.min, value) + _HALF_SECOND).time())
        case timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
        case _:
            return str(value)


def _time_text(at: time) -> str:
    return at.isoformat("seconds" if at.second else "minutes")
