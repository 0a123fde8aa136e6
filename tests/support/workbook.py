"""Reads workbooks as a spreadsheet does: the value of each cell."""

from __future__ import annotations

import io
import re
from datetime import datetime, timedelta
from xml.etree import ElementTree as ET
from zipfile import ZipFile

_NAMES = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - cells have no time zone


def rows_of(content: bytes, sheet: int = 1) -> list[dict[str, str | float]]:
    """Returns the cells of each row by column letter: texts or numbers."""
    tree = _sheet(content, sheet)
    return [
        {re.sub("[0-9]", "", cell.attrib["r"]): _value(cell) for cell in row.findall("m:c", _NAMES)}
        for row in tree.iterfind(".//m:row", _NAMES)
    ]


def frozen_rows(content: bytes) -> int:
    """Returns the number of frozen rows."""
    pane = _sheet(content, 1).find(".//m:pane[@state='frozen']", _NAMES)
    return 0 if pane is None else int(pane.attrib["ySplit"])


def formulas(content: bytes) -> int:
    return len(_sheet(content, 1).findall(".//m:f", _NAMES))


def format_of(content: bytes, cell: str) -> str:
    """Returns the number format of a cell."""
    style = int(_cell(content, cell).attrib["s"])
    with ZipFile(io.BytesIO(content)) as archive:
        styles = ET.fromstring(archive.read("xl/styles.xml"))
    used = styles.findall("m:cellXfs/m:xf", _NAMES)[style].attrib["numFmtId"]
    formats = {each.attrib["numFmtId"]: each.attrib["formatCode"] for each in styles.iterfind(".//m:numFmt", _NAMES)}
    return formats[used]


def moment(number: str | float) -> datetime:
    """Returns the date of a cell."""
    assert isinstance(number, float)
    return _EPOCH + timedelta(seconds=round(number * 86400))


def _sheet(content: bytes, number: int) -> ET.Element:
    with ZipFile(io.BytesIO(content)) as archive:
        return ET.fromstring(archive.read(f"xl/worksheets/sheet{number}.xml"))


def _cell(content: bytes, name: str) -> ET.Element:
    found = _sheet(content, 1).find(f".//m:c[@r='{name}']", _NAMES)
    assert found is not None
    return found


def _value(cell: ET.Element) -> str | float:
    if cell.attrib.get("t") == "inlineStr":
        text = "".join(part.text or "" for part in cell.iterfind(".//m:t", _NAMES))
        return re.sub("_x([0-9A-F]{4})_", lambda escaped: chr(int(escaped[1], 16)), text)
    return float(cell.findtext("m:v", "", _NAMES))
