"""Prints results on stdout: a table on a terminal, aligned plain text elsewhere, JSON on request."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer

from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.table import print_table
from adsum.platform.texts import escaped_json, on_one_line

if TYPE_CHECKING:
    from adsum.platform.http.schemas import Schema

Row = Mapping[str, Any]
"""One result. Its keys are in camelCase, as in the HTTP API."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def show_items(
    columns: Sequence[str],
    items: Sequence[Schema],
    *,
    as_json: bool,
    dropped_first: Sequence[str] = (),
    none: str = "",
    names: Mapping[str, Mapping[int, str]] = {},
    headings: Mapping[str, str] = {},
) -> None:
    """Prints a list of the API's models: in JSON exactly as the API returns them, else one line each.

    Args:
        columns: names of the JSON fields that people see, and of `names`.
        items: the models.
        as_json: print JSON.
        dropped_first: columns that a narrow terminal omits, the least important first.
        none: printed on stderr if the list is empty.
        names: columns that JSON lacks, such as `student`: by column, the names by the ids of `studentId`.
        headings: of columns whose name is not their heading.
    """
    mode = "json" if as_json else "python"
    rows = [item.model_dump(mode=mode, by_alias=True) for item in items]
    if not as_json:
        rows = [row | {column: of.get(row[f"{column}Id"]) for column, of in names.items()} for row in rows]
    show_rows(columns, rows, as_json=as_json, dropped_first=dropped_first, none=none, headings=headings)


def show_item(item: Schema, *, as_json: bool, headings: Mapping[str, str] = {}) -> None:
    """Prints one of the API's models: in JSON exactly as the API returns it, else one line per field.

    `headings`: of fields whose name is not their heading.
    """
    row = item.model_dump(mode="json" if as_json else "python", by_alias=True)
    show_one(row, as_json=as_json, headings=headings)


def show_rows(
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    as_json: bool,
    dropped_first: Sequence[str] = (),
    none: str = "",
    headings: Mapping[str, str] = {},
) -> None:
    """Prints a list of results: an array in JSON, else one line each.

    Args:
        columns: the keys that people see.
        rows: the results.
        as_json: print JSON.
        dropped_first: columns that a narrow terminal omits, the least important first.
        none: printed on stderr if the list is empty.
        headings: of columns whose name is not their heading.
    """
    if as_json:
        _show_json(list(rows))
        return
    if none and not rows:
        show_notice(none)
        return
    texts = [{name: _text(row[name]) for name in columns} for row in rows]
    named = {name: headings.get(name) or _heading(name) for name in columns}
    if sys.stdout.isatty():
        print_table(named, texts, dropped_first)
    else:
        _show_aligned([list(named.values()), *(list(each.values()) for each in texts)])


def show_one(row: Row, *, as_json: bool, headings: Mapping[str, str] = {}) -> None:
    """Prints one result: an object in JSON, else one line per field. `headings`: as of `show_item`."""
    if as_json:
        _show_json(row)
    else:
        _show_aligned([[headings.get(name) or _heading(name), _text(value)] for name, value in row.items()])


def show_text(text: str = "") -> None:
    """Prints one line, such as a sentence about the result."""
    typer.echo(on_one_line(text))


def show_line(row: Row) -> None:
    """Prints one result as JSON on a line of its own (JSON Lines)."""
    typer.echo(escaped_json(json.dumps(row, ensure_ascii=False, default=_text)))


def compact_json(value: Any) -> str:
    """JSON on one line, without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_text)


def _show_json(value: Any) -> None:
    typer.echo(escaped_json(json.dumps(value, indent=2, ensure_ascii=False, default=_text)))


def _show_aligned(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _heading(name: str) -> str:
    """`schoolId` as `School id`, and `statusUrl` as `Status URL`."""
    words = re.sub(r"(?<=[a-z])([A-Z])", lambda letter: f" {letter[0].lower()}", name).capitalize()
    return re.sub(r"\burl\b", "URL", words, flags=re.IGNORECASE)


def _text(value: Any) -> str:
    """A value on one line, for people."""
    return on_one_line(_plain_text(value)) or "-"


def _plain_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat(timespec="seconds").replace("+00:00", "Z")
        case list() | tuple():
            return ", ".join(map(_text, cast("Sequence[Any]", value)))
        case dict():
            return compact_json(cast("dict[str, Any]", value))
        case _:
            return str(value)


STDOUT = Path("-")


def json_to_stdout(text: str) -> None:
    """Writes a JSON text to stdout in UTF-8, whatever the locale of the terminal."""
    sys.stdout.buffer.write(escaped_json(text).encode())


@contextmanager
def whole_file(path: Path) -> Generator[BinaryIO]:
    """Opens a file that appears under its name once it is complete. Only its owner can read it."""
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb", opener=_for_owner) as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise typer.BadParameter(f"cannot write {path}: {error.strerror}", param_hint="--output") from None
    finally:
        part.unlink(missing_ok=True)


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
