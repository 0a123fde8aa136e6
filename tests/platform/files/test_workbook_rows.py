"""Reading workbooks: the texts that people see, whatever program has written them, and limits."""

from __future__ import annotations

import io
import re
import tracemalloc
import zipfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook as OpenpyxlWorkbook
from xlsxwriter import Workbook

from adsum.platform.errors import Invalid
from adsum.platform.files import workbook_rows as reading
from adsum.platform.files.csv_export import Cell
from adsum.platform.files.csv_files import CsvForm, Line, UnreadableCsv
from adsum.platform.files.workbook_rows import UnreadableWorkbook, workbook_rows
from adsum.platform.files.workbooks import make_workbook

NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
FORM = CsvForm("marks.csv", (("class",), ("date",)), ("note",), unread=("id",))
CONTENT_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{CONTENT_TYPES}"><Override PartName="/xl/workbook.xml" ContentType="{TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{TYPE}.sharedStrings+xml"/></Types>'
    ),
    "xl/workbook.xml": (
        f'<workbook {NAMESPACE} xmlns:r="{RELATIONS}"><workbookPr date1904="1"/>'
        '<sheets><sheet name="A" sheetId="1" r:id="rId2"/><sheet name="B" sheetId="2" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="worksheet" Target="worksheets/sheet1.xml"/>'
        '<Relationship Id="rId2" Type="worksheet" Target="/xl/worksheets/sheet2.xml"/></Relationships>'
    ),
    "xl/sharedStrings.xml": f"<sst {NAMESPACE}/>",
    "xl/worksheets/sheet1.xml": f"<worksheet {NAMESPACE}/>",
}


def packed(sheet: str, **others: str) -> bytes:
    """A workbook with this XML as the rows of its first sheet; dates count from 1904."""
    parts: Mapping[str, str] = PARTS | {
        "xl/worksheets/sheet2.xml": f"<worksheet {NAMESPACE}><sheetData>{sheet}</sheetData></worksheet>",
        **{name.replace("__", "/") + ".xml": text for name, text in others.items()},
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return content.getvalue()


def written(rows: list[list[Any]], formats: Mapping[int, str] = {}, **options: Any) -> bytes:
    """A workbook as a spreadsheet saves it, with shared texts. `formats`: of columns."""
    content = io.BytesIO()
    with Workbook(content, options) as book:
        sheet = book.add_worksheet()
        for column, code in formats.items():
            sheet.set_column(column, column, None, book.add_format({"num_format": code}))
        of_columns = {column: book.add_format({"num_format": code}) for column, code in formats.items()}
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                if cell is not None:
                    sheet.write(at, column, cell, of_columns.get(column))
        book.add_worksheet().write(0, 0, "not read")
    return content.getvalue()


def test_cells_are_read_as_people_see_them() -> None:
    formats = {4: "dd.mm.yyyy", 5: "hh:mm", 6: "0000", 7: '"d"0', 8: "[Red]#,##0", 9: "[h]:mm:ss", 10: "d/m/yy h:mm"}
    at = datetime(2024, 12, 25, 8, 30)  # noqa: DTZ001
    row = ["Zoë\n=1", 117, 8.5, True, date(2024, 12, 25), time(8, 5), 117, 3, 4, time(8, 5, 9), at, None, "end"]

    assert list(workbook_rows(written([row, [], [None, "x"]], formats, strings_to_formulas=False))) == [
        (
            1,
            [
                *("Zoë\n=1", "117", "8.5", "TRUE", "2024-12-25", "08:05", "0117", "3", "4", "08:05:09"),
                *("2024-12-25 08:30", "", "end"),
            ],
        ),
        (3, ["", "x"]),
    ]


def test_every_form_of_a_cell_is_read() -> None:
    text = '<r><t>rich</t></r><r><t> text</t></r><rPh sb="0" eb="1"><t>no</t></rPh>'
    shared = f"<sst {NAMESPACE}><si>{text}</si></sst>"
    cells = (
        '<row><c t="s"><v>0</v></c><c t="str"><f>A1&amp;"x"</f><v>y</v></c><c t="b"><v>0</v></c>'
        '<c t="e"><v>#N/A</v></c><c t="d"><v>2024-12-25T00:00:00</v></c><c t="inlineStr"><is><t>a_x000D_b</t></is></c>'
        '<c r="H1"/><c r="AA1" s="1"><v>1.5</v></c><c s="9"><v>1.0E+3</v></c><c t="s"/></row>'
        '<row r="7"><c><v>45</v></c></row>'
    )
    styles = (
        f'<styleSheet {NAMESPACE}><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
        '<cellXfs><xf/><xf numFmtId="22"/></cellXfs><dxfs><dxf><numFmt numFmtId="14" formatCode="d"/></dxf></dxfs>'
        "</styleSheet>"
    )

    first, second = workbook_rows(packed(cells, xl__sharedStrings=shared, xl__styles=styles))

    texts = ["rich text", "y", "FALSE", "#N/A", "2024-12-25", "a\rb"]
    assert first == (1, [*texts, *[""] * 20, "1904-01-02 12:00", "1000"])
    assert second == (7, ["45"])


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00")), min_size=1, max_size=5))
async def test_every_text_that_is_exported_is_read_as_it_was(texts: list[str]) -> None:
    async def pieces() -> AsyncGenerator[Sequence[Sequence[Cell]]]:
        yield [["7b", date(2024, 12, 25), text] for text in texts]

    with await make_workbook(["class", "date", "note"], pieces()) as file:
        content = file.read()

    assert [line.cells for line in FORM.lines(content)] == [
        {"class": "7b", "date": "2024-12-25", "note": text.strip()} for text in texts
    ]


def test_a_workbook_is_read_as_a_csv_file_is() -> None:
    content = written(
        [["ID", "Class", "date", "note", ""], [1, "7b", "2024-12-25", "'=1"], [None, " 7c "], [1, 2, 3, 4, 5]]
    )

    lines = list(FORM.lines(content))

    assert lines[:2] == [
        Line(2, {"id": "1", "class": "7b", "date": "2024-12-25", "note": "=1"}),
        Line(3, {"id": "", "class": "7c", "date": "", "note": ""}),
    ]
    wrong = lines[2].violation
    assert wrong is not None
    assert (wrong.code, wrong.detail) == ("wrong_columns", "line 4: the row has 5 columns, the header 4")


def test_a_workbook_of_too_many_rows_is_refused_before_its_first_row() -> None:
    form = replace(FORM, max_rows=2)
    header, row, empty = (
        "<row>" + "".join(f'<c t="str"><f>A1</f><v>{text}</v></c>' for text in texts) + "</row>"
        for texts in (["class", "date"], ["7b", "2024-12-25"], ["", ""])
    )
    two = f"{header}{row}<row/>{row}{empty}"

    assert [line.number for line in form.lines(packed(two))] == [2, 4]
    with pytest.raises(Invalid) as error:
        next(form.lines(packed(two + row)))
    assert [(each.pointer, each.code) for each in error.value.violations] == [("marks.csv", "too_long")]
    assert error.value.violations[0].params == {"file": "marks.csv", "maximum": 2}


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        (
            ["class", "class", "room", None, "note"],
            ["missing_column", "repeated_column", "unknown_column", "unknown_column"],
        ),
        (["x"], ["missing_column", "missing_column", "unknown_column"]),
        ([], ["missing_header"]),
    ],
)
def test_a_wrong_header_of_a_workbook_names_every_column(header: list[Any], codes: list[str]) -> None:
    with pytest.raises(UnreadableCsv) as error:
        list(FORM.lines(written([header])))

    assert [violation.code for violation in error.value.violations] == codes
    assert "separated" not in str(error.value.violations)


def refused(content: bytes) -> str:
    with pytest.raises(UnreadableCsv) as error:
        list(FORM.lines(content))
    (violation,) = error.value.violations
    return violation.code


def test_what_is_no_workbook_or_is_damaged_is_refused() -> None:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    cut = packed("<row/>")
    entity = f'<!DOCTYPE s [<!ENTITY a "aaaa">]><worksheet {NAMESPACE}>&a;</worksheet>'

    assert refused(b"PK\x03\x04 and no more") == "damaged_workbook"
    assert refused(cut[: len(cut) // 2]) == "damaged_workbook"
    assert refused(packed("<row>")) == "damaged_workbook"
    assert refused(packed("", a="x")) == "missing_header"
    assert refused(packed('<row><c t="s"><v>0</v></c></row>')) == "wrong_workbook"
    assert refused(packed('<row><c r="?"><v>0</v></c></row>')) == "wrong_workbook"
    assert refused(packed("<row/>", xl__worksheets__sheet2=entity)) == "wrong_workbook"
    with pytest.raises(UnreadableWorkbook) as error:
        list(workbook_rows(empty.getvalue()))
    assert error.value.code == "wrong_workbook"


def test_an_old_or_encrypted_workbook_is_refused_with_advice() -> None:
    with pytest.raises(UnreadableCsv, match="save it as XLSX, without a password"):
        list(FORM.lines(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)))


def test_entities_are_refused_before_they_are_expanded() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE s [<!ENTITY e0 "ha">{levels}]><s {NAMESPACE}>&e11;</s>'

    for part in ("xl__workbook", "xl__sharedStrings", "xl__styles", "xl__worksheets__sheet2"):
        with pytest.raises(UnreadableWorkbook, match="has a document type"):
            list(workbook_rows(packed("<row/>", **{part: bomb})))


def test_a_workbook_of_openpyxl_is_read_without_its_warnings() -> None:
    """It has no default style, which openpyxl warns of. Its shared texts are not escaped."""
    content = io.BytesIO()
    book = OpenpyxlWorkbook()
    sheet = book.worksheets[0]
    sheet.append(["=1", "_x0041_", date(2024, 12, 25), time(8, 30), 7, True, "0117"])
    sheet["A1"].data_type = "s"
    book.save(content)
    with zipfile.ZipFile(content) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    styles = re.sub("<cellStyles .*</cellStyles>", "", parts["xl/styles.xml"])
    assert styles != parts["xl/styles.xml"]
    without_default = io.BytesIO()
    with zipfile.ZipFile(without_default, "w") as archive:
        for name, text in (parts | {"xl/styles.xml": styles}).items():
            archive.writestr(name, text)

    for each in (content, without_default):
        assert list(workbook_rows(each.getvalue())) == [
            (1, ["=1", "_x0041_", "2024-12-25", "08:30", "7", "TRUE", "0117"])
        ]


def test_only_the_rows_of_a_sheet_are_read() -> None:
    """openpyxl would read and check what follows them, and trust the dimension."""
    sheet = (
        f'<worksheet {NAMESPACE}><dimension ref="A1"/><sheetData><row><c><v>1</v></c><c><v>2</v></c></row></sheetData>'
        f'<!--{" " * 2**15}--><mergeCells><mergeCell wrong="1"/></mergeCells></worksheet>'
    )

    assert list(workbook_rows(packed("", xl__worksheets__sheet2=sheet))) == [(1, ["1", "2"])]


def test_a_distant_cell_in_the_last_column_costs_no_memory() -> None:
    corner = packed('<row r="1"><c r="A1"><v>1</v></c></row><row r="100000"><c r="XFD100000"><v>1</v></c></row>')
    tracemalloc.start()
    rows = workbook_rows(corner)
    try:
        assert next(rows) == (1, ["1"])
        with pytest.raises(UnreadableWorkbook, match="row 100000 has more than 1,000 columns"):
            next(rows)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_what_unpacks_to_more_than_the_limits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = f"<sst {NAMESPACE}>{'<si><t/></si>' * 3}</sst>"
    long = f"<!--{' ' * 200_000}-->"
    styles = f"<styleSheet {NAMESPACE}>{long}</styleSheet>"

    assert refused(packed('<row><c r="XFD1"><v>1</v></c></row>')) == "wrong_columns"
    with monkeypatch.context() as patch:
        patch.setattr(reading, "MAX_ROWS", 2)
        assert refused(packed("<row/>" * 3)) == "too_large_unpacked"
        assert refused(packed('<row r="9"/>')) == "too_large_unpacked"
        assert refused(packed("<row/>", xl__sharedStrings=texts)) == "too_large_unpacked"
    with monkeypatch.context() as patch:
        patch.setattr(reading, "MAX_BYTES_AT_ONCE", 100_000)
        assert refused(packed(f"<row>{long}</row>")) == "too_large_unpacked"
        assert refused(packed("<row/>", xl__styles=styles)) == "too_large_unpacked"
        assert list(workbook_rows(packed('<row><c t="str"><v>ab</v></c></row>' * 10_000)))[-1] == (10_000, ["ab"])
    with monkeypatch.context() as patch:
        patch.setattr(reading, "MAX_CELLS", 20_000)
        assert refused(packed("<row/>" * 30_000)) == "too_large_unpacked"
        assert refused(packed('<row><c r="XFD1"/></row>' * 2)) == "too_large_unpacked"
    monkeypatch.setattr(reading, "MAX_UNPACKED_BYTES", 2_000_000)
    assert refused(packed("<row/>" * 500_000)) == "too_large_unpacked"
