"""Keyset pagination: a cursor holds the sort key of a page's last row, so that inserts do not shift pages.

A cursor is opaque but not secret: a forged cursor returns only rows that its caller may list anyway.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from adsum.platform.errors import Invalid, Violation
from adsum.platform.ids import MAX_ID

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_CURSOR_LENGTH = 500

NEWEST = "latest"
POSITION_PATTERN = f"^([0-9]{{1,19}}|{NEWEST})$"
"""The cursor of a feed, which has no last page: a position, or the newest one."""

Key = tuple[int, ...]
"""The sort key of a row. Dates are ordinals."""

Row = TypeVar("Row")
Place = TypeVar("Place")


class WrongCursor(ValueError):
    """The cursor belongs to another query, or is malformed."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page after `cursor`; None: the first page. `limit` is 1 to 200."""

    cursor: str | None = None
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class RowPage(Generic[Row]):
    """Rows of a query in order, and the cursor of the next page; None after the last page."""

    items: Sequence[Row]
    next_cursor: str | None


def cursor_after(key: Key, query: object) -> str:
    """The cursor of the page after the row with this sort key.

    Args:
        key: the sort key of the last row of this page.
        query: the filters, whose `repr` identifies the query.
    """
    text = json.dumps([_digest(query), *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position(cursor: str, query: object) -> Key:
    """The sort key in a cursor.

    Args:
        cursor: the text that the client sent.
        query: the filters of the request.

    Raises:
        WrongCursor: the cursor belongs to another query, or is malformed.
    """
    digest, *key = parsed(cursor)
    if digest != _digest(query):
        raise WrongCursor("this cursor is of another query")
    return tuple(key)


def parsed(cursor: str) -> list[Any]:
    """The content of a cursor: the digest of its query, then 64-bit integers.

    Raises:
        WrongCursor: the cursor is malformed.
    """
    try:
        padded = cursor[:MAX_CURSOR_LENGTH] + "=" * (-len(cursor) % 4)
        content = json.loads(base64.b64decode(padded, b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise WrongCursor("this is not a cursor") from None
    match content:
        case [str() as digest, *key] if all(type(part) is int and 0 <= part <= MAX_ID for part in key):
            return [digest, *key]
        case _:
            raise WrongCursor("this is not a cursor")


def _digest(query: object) -> str:
    return hashlib.sha256(repr(query).encode()).hexdigest()[:16]


def begin_of(page: PageRequest, query: object, to_position: Callable[[Key], Place]) -> Place | None:
    """The position after which a page begins; None: the first page.

    Args:
        page: the requested page.
        query: the filters of the list.
        to_position: converts the sort key in the cursor into a position. It raises ValueError, OverflowError or
            TypeError if the key is not a position.

    Raises:
        Invalid: with the violation `wrong_cursor`.
    """
    if page.cursor is None:
        return None
    try:
        return to_position(position(page.cursor, query))
    except (WrongCursor, ValueError, OverflowError, TypeError):
        detail = "cursor: not the nextCursor of an earlier page of this query; begin again without it"
        violation = Violation("wrong_cursor", detail, "/query/cursor", {"in": "query", "name": "cursor"})
        raise Invalid(detail, [violation]) from None


def page_of(rows: Sequence[Row], page: PageRequest, query: object, key: Callable[[Row], Key]) -> RowPage[Row]:
    """The page with these rows. The query selects one row more than the limit, which shows that another page exists."""
    items = rows[: page.limit]
    follows = len(rows) > page.limit
    return RowPage(items, cursor_after(key(items[-1]), query) if follows else None)


def by_number(key: Key) -> int:
    """The position in a list that is sorted by one number, such as an id."""
    (last,) = key
    return last


async def every_item(fetch_page: Callable[[PageRequest], Awaitable[RowPage[Row]]]) -> list[Row]:
    """The items of all pages of a list. `fetch_page` returns one page."""
    items: list[Row] = []
    request: PageRequest | None = PageRequest(limit=MAX_LIMIT)
    while request is not None:
        page = await fetch_page(request)
        items += page.items
        request = None if page.next_cursor is None else PageRequest(page.next_cursor, MAX_LIMIT)
    return items
