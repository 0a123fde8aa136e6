"""Reading CSV: every encoding and separator that spreadsheets write, and the place and cause of what is wrong."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsum.platform.errors import Invalid, Violation
from adsum.platform.files import csv_files
from adsum.platform.files.csv_files import CsvForm, Line, UnreadableCsv
from adsum.platform.files.file_violations import row_violation

FORM = CsvForm("marks.csv", (("class", "classId"), ("student",), ("date",)), ("note",))
OPEN_FORM = CsvForm("users.csv", (("class",), ("student",), ("date",)), ignores_others=True)
TEXT = "Class,student,date,note\r\n7b,Zoë,2024-12-25,krank\r\n,,,\r\n7c,Žiga,2024-12-26,\r\n"
LINES = [
    Line(2, {"class": "7b", "student": "Zoë", "date": "2024-12-25", "note": "krank"}),
    Line(4, {"class": "7c", "student": "Žiga", "date": "2024-12-26", "note": ""}),
]

CELLS = st.text(st.characters(exclude_categories=("C",)), max_size=12).map(str.strip)
FOLLOWS = 'closes the cell, but text follows; a quote within a quoted cell is written twice: ""'
CLOSED_LATER = "opens a cell that is only closed in line 3, column {}, where text follows"


def lines(content: bytes | str, form: CsvForm = FORM) -> list[Line]:
    return list(form.lines(content.encode() if isinstance(content, str) else content))


def refused(content: bytes | str, form: CsvForm = FORM) -> list[Violation]:
    with pytest.raises(UnreadableCsv) as error:
        lines(content, form)
    return list(error.value.violations)


def codes(violations: list[Violation]) -> list[tuple[str, str]]:
    return [(violation.pointer, violation.code) for violation in violations]


def wrong_lines(content: str) -> list[tuple[int, str]]:
    return [(line.number, line.violation.detail) for line in lines(content) if line.violation is not None]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_every_separator_is_found_in_every_encoding(separator: str, encoding: str) -> None:
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    content = TEXT.replace(",", separator)

    assert lines(mark + content.encode(encoding)) == LINES
    named = [(line.number - 1, line.cells) for line in lines(mark + f"sep={separator}\r\n{content}".encode(encoding))]
    assert named == [(line.number, line.cells) for line in LINES]


def test_the_separator_is_the_one_between_known_columns() -> None:
    content = 'class;student;date;note\n7b;s-1;2024-12-25;"late, again; ill"\n'

    assert lines(content)[0].cells["note"] == "late, again; ill"
    assert lines('"class";"student, or not";"student";"date"\n', OPEN_FORM) == []
    assert codes(refused("a,b;c\n")) == [("marks.csv", "missing_column")] * 3 + [("marks.csv", "unknown_column")] * 2


@given(
    cells=st.lists(CELLS, min_size=3, max_size=3),
    separator=st.sampled_from(",;\t"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_every_cell_that_a_spreadsheet_writes_is_read_as_it_is(
    cells: list[str], separator: str, encoding: str, quoting: int
) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, quoting=quoting).writerows([["class", "student", "date"], cells])  # pyright: ignore[reportArgumentType]

    found = [list(line.cells.values()) for line in lines(text.getvalue().encode(encoding))]

    assert found == ([cells] if any(cells) else [])


def test_a_separator_line_is_read_with_quotes_and_with_separators_of_a_spreadsheet() -> None:
    for first in ('"sep=;"', "SEP=;", "sep=;;;;"):
        assert lines(f"{first}\n{TEXT.replace(',', ';')}")[0].number == 3
    (violation,) = refused(f"sep=|\n{TEXT}")
    assert (violation.code, violation.detail) == (
        "wrong_separator",
        "the first line names the separator '|'; columns are separated by commas, semicolons or tabs",
    )


@pytest.mark.parametrize(
    ("content", "line", "column", "byte"),
    [
        (TEXT.replace("Ž", "Z").encode("cp1252"), 2, 6, 0xEB),
        (b"class,student,date\r7b,s\r\n\n\x81", 4, 1, 0x81),
        (TEXT.encode()[:-2] + b"\xc3", 4, 20, 0xC3),
        (b"c\x00lass", 1, 2, 0x00),
        (b"\x00\x00cl", 1, 1, 0x00),
        (b"\x00\x00\x00c\x00\x00\x00l", 1, 1, 0x00),
        (TEXT.encode("utf-32"), 1, 1, 0xFF),
        (TEXT.encode("utf-16")[:-1], 5, 1, 0x0A),
    ],
)
def test_the_first_byte_of_another_encoding_is_named_with_its_place(
    content: bytes, line: int, column: int, byte: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (csv_files.BLOCK_SIZE, 7, 2):
        monkeypatch.setattr(csv_files, "BLOCK_SIZE", size)
        (violation,) = refused(content)
        assert (violation.pointer, violation.code) == (f"marks.csv:{line}", "wrong_encoding")
        assert violation.params == {
            "file": "marks.csv",
            "row": line,
            "position": column,
            "byte": f"0x{byte:02X}",
        }


@pytest.mark.parametrize(("encoding", "column"), [("utf-16-le", 2), ("utf-16-be", 1)])
def test_utf_16_without_a_byte_order_mark_is_named(encoding: str, column: int) -> None:
    (violation,) = refused(TEXT.encode(encoding))

    assert (violation.pointer, violation.code) == ("marks.csv:1", "wrong_encoding")
    assert violation.detail.startswith("the file looks like UTF-16 without a byte order mark; save it as UTF-8")
    assert (violation.params["looksLike"], violation.params["position"]) == ("UTF-16", column)


@pytest.mark.parametrize("rows", [3, 50])
@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_a_file_of_too_many_rows_is_refused_before_its_first_row(rows: int, line_end: str) -> None:
    form = replace(FORM, max_rows=2)
    two = f'class,student,date{line_end}7b,s,"a{line_end}b"{line_end},,{line_end}7b,s,d{line_end}'

    assert len(lines(two, form)) == 2
    with pytest.raises(Invalid) as error:
        next(iter(form.lines(("class,student,date" + f"{line_end}7b,s,d" * rows).encode())))
    assert [(each.pointer, each.code) for each in error.value.violations] == [("marks.csv", "too_long")]
    assert error.value.violations[0].params == {"file": "marks.csv", "maximum": 2}


def test_the_letter_of_windows_1252_is_shown() -> None:
    (violation,) = refused("class,student,date\n7b,Müller,x\n".encode("cp1252"))

    assert violation.detail == (
        "line 2, column 5: the byte 0xFC is not UTF-8; in Windows-1252 it is 'ü'; save the file as UTF-8"
    )


def test_every_wrong_column_of_a_header_is_named_with_the_separator() -> None:
    violations = refused("class,klasse,student,,student,datum,student,,\n")

    assert [(violation.code, violation.detail) for violation in violations] == [
        ("missing_column", "the column date is missing; columns are separated by commas in this file"),
        ("repeated_column", "the column student occurs 3 times"),
        ("unknown_column", "the column 'klasse' is unknown"),
        ("unknown_column", "column 4 has no name"),
        ("unknown_column", "the column 'datum' is unknown"),
    ]
    assert codes(refused("student;date;date\n")) == [
        ("marks.csv", "missing_column"),
        ("marks.csv", "repeated_column"),
    ]
    assert "class or classId is missing; columns are separated by semicolons" in refused("student;date\n")[0].detail


def test_a_header_without_a_separator_is_named_and_quoted_only_if_it_cannot_be_data() -> None:
    assert "'class|student|date' has no separator" in refused("class|student|date\n")[0].detail
    assert refused("Ada Byron\n", OPEN_FORM)[0].detail == (
        "the header has no separator; columns are separated by commas, semicolons or tabs"
    )


@pytest.mark.parametrize("content", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\n\r\n", b";;;\n", b"sep=;\n"])
def test_a_file_without_a_header_is_refused(content: bytes) -> None:
    assert codes(refused(content)) == [("marks.csv", "missing_header")]


def test_a_header_of_blanks_of_other_scripts_lacks_every_column() -> None:
    assert codes(refused("\u2003,\u2003\n")) == [("marks.csv", "missing_column")] * 3


def test_other_columns_are_ignored_where_a_file_may_have_them() -> None:
    assert lines("x,class,,student,date,x\n1,7b,2,s,d,3\n", OPEN_FORM) == [
        Line(2, {"class": "7b", "student": "s", "date": "d"})
    ]


def test_empty_columns_at_the_end_and_empty_rows_are_ignored() -> None:
    content = "\n,,,\nclass,student,date,,\n,,,,,,,\n7b,s,d\n \t,,\n7b,s,d,,\n"

    assert [line.number for line in lines(content) if line.violation is None] == [5, 7]
    assert wrong_lines(content) == []


def test_a_separator_in_a_cell_without_quotes_moves_no_cell_into_another_column() -> None:
    shifted = "class,student,date,note{}\n7b,Marco, Jr.,2024-12-25,{}\n"

    assert [number for number, _ in wrong_lines(shifted.format("", ""))] == [2]
    assert [number for number, _ in wrong_lines(shifted.format(",,", ",,"))] == [2]


def test_a_row_of_another_width_is_named_with_the_separator() -> None:
    assert wrong_lines("class;student;date\n7b;s\n7b;s;d;late\n") == [
        (2, "line 2: the row has 2 columns, the header 3; columns are separated by semicolons in this file"),
        (3, "line 3: the row has 4 columns, the header 3; columns are separated by semicolons in this file"),
    ]


@pytest.mark.parametrize(
    ("rows", "line", "cause"),
    [
        ('7b,"said "sick"",d\n', 2, f"the quote in column 10 {FOLLOWS}"),
        ('7b,"open,d\n7c,s,d\n', 2, "the quote in column 4 opens a cell that is not closed"),
        ('7b,"a\nb","open\n', 2, "the quote in line 3, column 4 opens a cell that is not closed"),
        ('7b,"open,d\n7c,"s",d\n', 2, f"the quote in column 4 {CLOSED_LATER.format(4)}"),
        ('7b,s,"a\nb" c\n', 2, f"the quote in column 6 {CLOSED_LATER.format(2)}"),
        ('7b,a""b,d\n7b,"a "" b" ,d\n', 3, f"the quote in column 11 {FOLLOWS}"),
        (f"7b,{'x' * 140_000},d\n", 2, "a cell has more than 131,072 characters"),
    ],
)
def test_wrong_quotes_are_named_with_line_column_and_cause(rows: str, line: int, cause: str) -> None:
    assert wrong_lines(f"class,student,date\n{rows}") == [(line, f"line {line}: {cause}")]


def test_rows_after_a_row_of_wrong_quotes_are_read() -> None:
    content = 'class,student,date\n7b,"said "sick"",d\n7b,s,d\n'

    assert [(line.number, bool(line.violation)) for line in lines(content)] == [(2, True), (3, False)]


def test_wrong_quotes_in_the_header_are_named() -> None:
    (violation,) = refused('\nclass,"student,date\n7b,s,d\n')

    assert violation == row_violation(
        "wrong_quotes", "marks.csv", 2, "line 2: the quote in column 7 opens a cell that is not closed", position=7
    )
