"""Lists by keyset: a cursor holds the sort key of a page's last row, so rows inserted meanwhile shift nothing.

A cursor is opaque, not secret: a forged one gives no row that its caller could not list anyway.
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

Key = tuple[int, ...]
"""The sort key of a row; days stand in it as ordinals."""

Row = TypeVar("Row")
Place = TypeVar("Place")


class WrongCursor(ValueError):
    """A cursor of another query, or a text that is none."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page: the first where `cursor` is None. `limit` is 1 to 200."""

    cursor: str | None = None
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a query, in order, and the cursor of the next page; None after the last."""

    items: Sequence[Row]
    next_cursor: str | None


def cursor_after(key: Key, query: object) -> str:
    """The cursor of the page that follows the row with this sort key.

    Args:
        key: of the last row of this page.
        query: the filters, as anything whose `repr` says all of them.
    """
    text = json.dumps([_digest(query), *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position(cursor: str, query: object) -> Key:
    """The sort key after which the page begins.

    Args:
        cursor: what the client sent.
        query: the filters of the request, which must be those that the cursor was made for.

    Raises:
        WrongCursor: the cursor is of another query, or none of ours.
    """
    digest, *key = parsed(cursor)
    if digest != _digest(query):
        raise WrongCursor("this cursor is of another query")
    return tuple(key)


def parsed(cursor: str) -> list[Any]:
    """What the cursor holds: a digest, and whole numbers of 64 bits.

    Raises:
        WrongCursor: it does not.
    """
    try:
        padded = cursor[:MAX_CURSOR_LENGTH] + "=" * (-len(cursor) % 4)
        content = json.loads(base64.b64decode(padded, b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise WrongCursor("this is no cursor") from None
    match content:
        case [str() as digest, *key] if all(type(part) is int and 0 <= part <= MAX_ID for part in key):
            return [digest, *key]
        case _:
            raise WrongCursor("this is no cursor")


def _digest(query: object) -> str:
    return hashlib.sha256(repr(query).encode()).hexdigest()[:16]


def begin_of(page: PageRequest, query: object, place: Callable[[Key], Place]) -> Place | None:
    """Beyond what the page begins; None: at the first row.

    Args:
        page: which is asked for.
        query: the filters of the list.
        place: from the sort key in the cursor; raises ValueError, OverflowError or TypeError where that is none.

    Raises:
        Invalid: with the violation `wrong_cursor`.
    """
    if page.cursor is None:
        return None
    try:
        return place(position(page.cursor, query))
    except (WrongCursor, ValueError, OverflowError, TypeError):
        detail = "cursor: not the nextCursor of an earlier page of this query; begin again without it"
        violation = Violation("wrong_cursor", detail, "/query/cursor", {"in": "query", "name": "cursor"})
        raise Invalid(detail, [violation]) from None


def page_of(rows: Sequence[Row], page: PageRequest, query: object, key: Callable[[Row], Key]) -> Page[Row]:
    """The page that begins with `rows`, of which there is one more than the limit where another page follows."""
    items = rows[: page.limit]
    follows = len(rows) > page.limit
    return Page(items, cursor_after(key(items[-1]), query) if follows else None)


def by_number(key: Key) -> int:
    """The place in a list that is sorted by one number, such as an id."""
    (last,) = key
    return last


async def every_item(fetch_page: Callable[[PageRequest], Awaitable[Page[Row]]]) -> list[Row]:
    """The items of all pages of a list. `fetch_page` returns one page."""
    items: list[Row] = []
    request: PageRequest | None = PageRequest(limit=MAX_LIMIT)
    while request is not None:
        page = await fetch_page(request)
        items += page.items
        request = None if page.next_cursor is None else PageRequest(page.next_cursor, MAX_LIMIT)
    return items
