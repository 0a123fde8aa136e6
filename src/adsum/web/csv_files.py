"""Lists as one CSV file: every page of it, streamed, as `Accept: text/csv` asks for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

from fastapi.responses import StreamingResponse

from adsum.domain.access import Caller
from adsum.domain.cursors import MAX_LIMIT, PageRequest
from adsum.domain.spreadsheets import Cell, csv_lines
from adsum.telemetry import logger
from adsum.web.schemas import Page, Schema

CSV = "text/csv"
Item = TypeVar("Item", bound=Schema)

log = logger(__name__)


def wants_csv(accept: str) -> bool:
    """Whether a client asks for CSV, by its `Accept`."""
    return any(kind.partition(";")[0].strip().lower() == CSV for kind in accept.split(","))


async def csv_file(
    name: str, caller: Caller, kind: type[Item], ask: Callable[[PageRequest], Awaitable[Page[Item]]]
) -> StreamingResponse:
    """All pages of a list in one file. The first is read at once: what is refused is refused before anything is sent.

    Args:
        name: of the file, and of what is exported, for the log.
        caller: who exports.
        kind: of the items; its fields are the columns.
        ask: for a page.
    """
    first = await ask(PageRequest(limit=MAX_LIMIT))
    log.info("a list is exported", actor=caller.actor, list=name)
    return StreamingResponse(
        _lines(kind, first, ask),
        media_type=CSV,
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"', "Vary": "Accept"},
    )


async def _lines(
    kind: type[Item], first: Page[Item], ask: Callable[[PageRequest], Awaitable[Page[Item]]]
) -> AsyncGenerator[str]:
    yield csv_lines([[field.alias or name for name, field in kind.model_fields.items()]])
    page = first
    while True:
        yield csv_lines([map(_cell, item.model_dump(mode="json").values()) for item in page.items])
        if page.next_cursor is None:
            return
        page = await ask(PageRequest(page.next_cursor, MAX_LIMIT))


def _cell(value: Any) -> Cell:
    return value if value is None or isinstance(value, (str, int)) else str(value)
