"""Reads the rows of a workbook (XLSX), one after the other and as texts.

Only one row and the shared texts are in memory. What unpacks to more than the limits is refused before it is read.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import TypeAlias
from xml.parsers import expat

# A million cells unpack to about 100 MB.
MAX_UNPACKED_BYTES = 2**29
MAX_COLUMNS = 1_000
MAX_TEXTS = 2_000_000

_SIGNATURE = b"PK\x03\x04"
_READ_AT_ONCE = 2**16
# A separator of namespaces in the names of elements.
_OF = "}"

_COLUMN = re.compile("[A-Z]{1,3}")
_ESCAPED_LETTER = re.compile("_x([0-9A-Fa-f]{4})_")
# Parts of a number format that are not the format itself: texts, escaped letters, colours and locales.
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)
_DATE_FORMATS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_DATE_LETTER = re.compile("[dmyhs]", re.IGNORECASE)
_ZEROS = re.compile("0{2,}")

_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - cells have no time zone
_EPOCH_1904 = datetime(1904, 1, 1)  # noqa: DTZ001
_LAST_DAY = 2_958_465
_SECONDS_OF_DAY = 24 * 60 * 60

Attributes: TypeAlias = dict[str, str]
WorkbookRow = tuple[int, list[str]]
"""The number of a row, from 1, and its cells up to the last one that is not empty."""


class UnreadableWorkbook(ValueError):
    """The file is no workbook, is damaged, or is too large. `code` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def is_workbook(content: bytes) -> bool:
    """Whether the content is a zip archive, as every workbook is."""
    return content.startswith(_SIGNATURE)


def workbook_rows(content: bytes) -> Iterator[WorkbookRow]:
    """The rows of the first sheet that have a cell. Dates are `YYYY-MM-DD`, times `HH:MM` or `HH:MM:SS`.

    Raises:
        UnreadableWorkbook: also while the rows are read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from _Book(archive).rows()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, expat.ExpatError, EOFError, OSError) as error:
        raise UnreadableWorkbook("damaged_workbook", f"the workbook is damaged: {error}") from None
    except (LookupError, NotImplementedError, RuntimeError, ValueError, OverflowError) as error:
        if isinstance(error, UnreadableWorkbook):
            raise
        raise UnreadableWorkbook("wrong_workbook", "this is no workbook (XLSX) that can be read") from None


class _Book:
    """A workbook of an open archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        # zipfile reads no more of an entry than its declared size, so the declared sizes are an upper bound.
        size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_UNPACKED_BYTES:
            detail = f"unpacked, the workbook would be {size:,} bytes; at most {MAX_UNPACKED_BYTES:,} are read"
            raise UnreadableWorkbook("too_large_unpacked", detail)
        self._archive = archive
        self._names = {entry.filename.lower(): entry.filename for entry in archive.infolist()}

    def rows(self) -> Iterator[WorkbookRow]:
        overview = _Overview()
        self._parse("xl/workbook.xml", overview)
        targets = _Targets()
        self._parse("xl/_rels/workbook.xml.rels", targets)
        target = targets.by_id[overview.first_sheet]
        texts, formats = _SharedTexts(), _Formats()
        self._parse("xl/sharedstrings.xml", texts, is_optional=True)
        self._parse("xl/styles.xml", formats, is_optional=True)
        sheet = _Sheet(texts.all, formats.by_style, overview.epoch)
        path = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        for _ in self._parsed(self._names[path.lower()], sheet):
            yield from sheet.take()

    def _parse(self, path: str, reader: _Reader, *, is_optional: bool = False) -> None:
        name = self._names.get(path)
        if name is None and is_optional:
            return
        for _ in self._parsed(self._names[path], reader):
            pass

    def _parsed(self, name: str, reader: _Reader) -> Iterator[None]:
        """Reads a part of the workbook; pauses after each block."""
        parser = expat.ParserCreate(namespace_separator=_OF)
        parser.buffer_text = True
        parser.StartElementHandler = reader.start
        parser.EndElementHandler = reader.end
        parser.CharacterDataHandler = reader.text
        # Workbooks have no document type. Without one there are no entities, whose expansion has no limit.
        parser.StartDoctypeDeclHandler = _refuse_document_type
        with self._archive.open(name) as part:
            for block in iter(partial(part.read, _READ_AT_ONCE), b""):
                parser.Parse(block)
                yield
        parser.Parse(b"", True)
        yield


def _refuse_document_type(*_declaration: object) -> None:
    raise UnreadableWorkbook("wrong_workbook", "the workbook has a document type, which no spreadsheet writes")


class _Reader:
    """Receives the elements of one part of a workbook."""

    def start(self, name: str, attributes: Attributes) -> None:
        """Receives the begin of an element."""

    def end(self, name: str) -> None:
        """Receives the end of an element."""

    def text(self, text: str) -> None:
        """Receives text within an element."""


class _Overview(_Reader):
    """The relation of the first sheet, and the day from which days count."""

    def __init__(self) -> None:
        self.first_sheet: str | None = None
        self.epoch = _EPOCH

    def start(self, name: str, attributes: Attributes) -> None:
        match _local(name):
            case "sheet" if self.first_sheet is None:
                self.first_sheet = next(value for key, value in attributes.items() if _local(key) == "id")
            case "workbookPr" if attributes.get("date1904") in {"1", "true"}:
                self.epoch = _EPOCH_1904
            case _:
                pass


class _Targets(_Reader):
    """The paths of the parts by relation."""

    def __init__(self) -> None:
        self.by_id: dict[str | None, str] = {}

    def start(self, name: str, attributes: Attributes) -> None:
        if _local(name) == "Relationship":
            self.by_id[attributes["Id"]] = attributes["Target"]


class _Formats(_Reader):
    """The number format of each style of cells."""

    def __init__(self) -> None:
        self._codes: dict[str, str] = {}
        self._is_of_cells = False
        self.by_style: list[_Format] = []

    def start(self, name: str, attributes: Attributes) -> None:
        match _local(name):
            case "numFmt":
                self._codes[attributes["numFmtId"]] = attributes["formatCode"]
            case "cellXfs":
                self._is_of_cells = True
            case "xf" if self._is_of_cells:
                number = attributes.get("numFmtId", "0")
                self.by_style.append(_format(int(number), self._codes.get(number, "")))
            case _:
                pass

    def end(self, name: str) -> None:
        if _local(name) == "cellXfs":
            self._is_of_cells = False


@dataclass(frozen=True, slots=True)
class _Format:
    """`zeros`: the number of digits that are shown at least."""

    is_date: bool = False
    zeros: int = 0


def _format(number: int, code: str) -> _Format:
    shown = _LITERAL.sub("", code.partition(";")[0])
    is_date = number in _DATE_FORMATS or (shown.lower() != "general" and _DATE_LETTER.search(shown) is not None)
    return _Format(is_date, len(shown) if _ZEROS.fullmatch(shown) else 0)


class _Texts(_Reader):
    """Collects the text of `t` elements, without that of phonetic guides."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._collects = False
        self._is_phonetic = False

    def start(self, name: str, attributes: Attributes) -> None:
        super().start(name, attributes)
        match _local(name):
            case "t" | "v":
                self._collects = not self._is_phonetic
            case "rPh":
                self._is_phonetic = True
            case _:
                pass

    def end(self, name: str) -> None:
        match _local(name):
            case "t" | "v":
                self._collects = False
            case "rPh":
                self._is_phonetic = False
            case _:
                pass

    def text(self, text: str) -> None:
        if self._collects:
            self._parts.append(text)

    def _take(self) -> str:
        text = "".join(self._parts)
        self._parts.clear()
        return _ESCAPED_LETTER.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


class _SharedTexts(_Texts):
    """The texts that cells refer to by number."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []

    def end(self, name: str) -> None:
        super().end(name)
        if _local(name) == "si":
            self.all.append(self._take())
            if len(self.all) > MAX_TEXTS:
                detail = f"the workbook has more than {MAX_TEXTS:,} texts"
                raise UnreadableWorkbook("too_large_unpacked", detail)


class _Sheet(_Texts):
    """The rows of a sheet."""

    def __init__(self, texts: Sequence[str], formats: Sequence[_Format], epoch: datetime) -> None:
        super().__init__()
        self._texts, self._formats, self._epoch = texts, formats, epoch
        self._rows: list[WorkbookRow] = []
        self._number = 0
        self._cells: list[str] = []
        self._position = -1
        self._kind, self._style = "n", 0

    def take(self) -> list[WorkbookRow]:
        """The rows that are complete, each once."""
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, attributes: Attributes) -> None:
        match _local(name):
            case "c":
                place = attributes.get("r")
                self._position = self._position + 1 if place is None else _position(place)
                self._kind, self._style = attributes.get("t", "n"), int(attributes.get("s", 0))
            case "row":
                self._number = int(attributes.get("r", self._number + 1))
                self._cells, self._position = [], -1
            case _:
                super().start(name, attributes)

    def end(self, name: str) -> None:
        match _local(name):
            case "c":
                if text := self._value(self._take()):
                    self._put(text)
            case "row" if self._cells:
                self._rows.append((self._number, self._cells))
            case _:
                super().end(name)

    def _put(self, text: str) -> None:
        if self._position >= MAX_COLUMNS:
            raise UnreadableWorkbook("wrong_columns", f"row {self._number} has more than {MAX_COLUMNS:,} columns")
        self._cells += [""] * (self._position + 1 - len(self._cells))
        self._cells[self._position] = text

    def _value(self, text: str) -> str:
        match self._kind:
            case "s":
                return self._texts[int(text)] if text else ""
            case "b":
                return {"1": "TRUE", "0": "FALSE"}[text]
            case "d":
                return text.removesuffix("T00:00:00")
            case "n" if text:
                return self._number_text(text)
            case _:
                return text

    def _number_text(self, text: str) -> str:
        number = float(text)
        used = self._formats[self._style] if self._style < len(self._formats) else _Format()
        if used.is_date and 0 <= number <= _LAST_DAY:
            return _moment_text(number, self._epoch)
        return f"{number:.0f}".zfill(used.zeros) if number.is_integer() else text


def _moment_text(number: float, epoch: datetime) -> str:
    """A day, a time of day, or both."""
    days, seconds = divmod(round(number * _SECONDS_OF_DAY), _SECONDS_OF_DAY)
    moment = epoch + timedelta(days, seconds)
    if seconds == 0 and days:
        return moment.date().isoformat()
    time = moment.time().isoformat("seconds").removesuffix(":00") if moment.second == 0 else moment.time().isoformat()
    return f"{moment.date().isoformat()} {time}" if days else time


def _position(place: str) -> int:
    """The position of a column, from 0: `AB7` is in column 27."""
    found = _COLUMN.match(place)
    if found is None:
        raise ValueError(place)
    return _position_of_letters(found[0])


@lru_cache(maxsize=MAX_COLUMNS)
def _position_of_letters(letters: str) -> int:
    position = 0
    for letter in letters:
        position = position * 26 + ord(letter) - ord("A") + 1
    return position - 1


@lru_cache(maxsize=256)
def _local(name: str) -> str:
    """The name of an element or attribute without its namespace."""
    return name.rpartition(_OF)[2]
