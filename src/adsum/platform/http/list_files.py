"""Returns all pages of a list as one file, according to `Accept`: streamed CSV, or a workbook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, BinaryIO, TypeVar

from fastapi import Header
from fastapi.responses import StreamingResponse

from adsum.platform.files.csv_export import BOM, Cell, csv_lines
from adsum.platform.files.workbooks import make_workbook
from adsum.platform.http.queries import PageQuery
from adsum.platform.http.schemas import Page, Schema
from adsum.platform.paging import MAX_LIMIT, PageRequest

ItemPage = TypeVar("ItemPage", bound=Page[Any])
Pieces = AsyncGenerator[Sequence[Sequence[Cell]]]

_READ_AT_ONCE = 64 * 1024
_BOM_REQUESTED = "bom=true"


class FileKind(StrEnum):
    """The file formats of a list."""

    CSV = "text/csv"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

    @property
    def ending(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class WantedFile:
    """The requested file. `has_bom`: a CSV file begins with a byte order mark, by which Excel recognises UTF-8."""

    kind: FileKind
    has_bom: bool = False

    @property
    def accept(self) -> str:
        """The header that requests this file."""
        return f"{self.kind}; {_BOM_REQUESTED}" if self.has_bom else self.kind


AS_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            FileKind.CSV.value: {"schema": {"type": "string"}},
            FileKind.XLSX.value: {"schema": {"type": "string", "format": "binary"}},
        }
    }
}
TABLE_TYPES = tuple(kind.value for kind in FileKind)
"""The media types of a table that is sent."""
TABLE_BODY: dict[str, Any] = {
    "required": True,
    "content": AS_FILE[200]["content"],
}
Accept = Annotated[str, Header(include_in_schema=False)]


def wanted_file(accept: str) -> WantedFile | None:
    """The first file format in `Accept`; None: the client accepts JSON. `text/csv; bom=true` requests the mark."""
    kinds = {kind.value: kind for kind in FileKind}
    for each in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in each.split(";"))
        if media_type in kinds:
            return WantedFile(kinds[media_type], _BOM_REQUESTED in parameters)
    return None


BeginExport = Callable[[str, str, Mapping[str, Any]], Awaitable[None]]
"""Records that an export of a list begins."""


async def page_or_file(
    accept: str,
    name: str,
    begin: BeginExport,
    query: PageQuery,
    kind: type[Schema],
    ask: Callable[[PageRequest], Awaitable[ItemPage]],
) -> ItemPage | StreamingResponse:
    """Returns the requested page, or all pages in one file if the client accepts a file format. The first
    page is read before the response begins, so that errors are returned as problems.

    Args:
        accept: the header of the request.
        name: the name of the file and of the list in the log.
        begin: is called with the name of the list, the format and the filters before a file is made.
        query: the query of the list.
        kind: the model of the items, whose fields are the columns.
        ask: returns one page.
    """
    file = wanted_file(accept)
    if file is None:
        return await ask(query.page)
    first = await ask(PageRequest(limit=MAX_LIMIT))
    narrowed = query.model_dump(exclude={"limit", "cursor"}, exclude_none=True, by_alias=False)
    await begin(name, file.kind.ending, narrowed)
    columns = [field.alias or name for name, field in kind.model_fields.items()]
    return await file_answer(file, name, columns, _pieces(first, kind.model_fields, ask))


async def file_answer(file: WantedFile, name: str, columns: Sequence[str], pieces: Pieces) -> StreamingResponse:
    """A response with a file of these rows. A workbook is completed on disk before the response begins."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.{file.kind.ending}"', "Vary": "Accept"}
    if file.kind is FileKind.CSV:
        lines = _lines(columns, pieces, BOM if file.has_bom else "")
        return StreamingResponse(lines, media_type=file.kind, headers=headers)
    book = await make_workbook(columns, pieces)
    return StreamingResponse(_content(book), media_type=file.kind, headers=headers)


async def _pieces(
    first: Page[Any], fields: Collection[str], ask: Callable[[PageRequest], Awaitable[Page[Any]]]
) -> Pieces:
    page = first
    while True:
        yield [[getattr(item, name) for name in fields] for item in page.items]
        if page.next_cursor is None:
            return
        page = await ask(PageRequest(page.next_cursor, MAX_LIMIT))


async def _lines(columns: Sequence[str], pieces: Pieces, bom: str) -> AsyncGenerator[str]:
    yield bom + csv_lines([columns])
    async with aclosing(pieces):
        async for rows in pieces:
            yield csv_lines(rows)


async def _content(file: BinaryIO) -> AsyncGenerator[bytes]:
    with file:
        while part := await asyncio.to_thread(file.read, _READ_AT_ONCE):
            yield part
