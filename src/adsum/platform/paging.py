"""Pages of a list by keyset: each begins beyond the last row of the one before, whatever was inserted meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from adsum.platform.cursors import Key, Page, PageRequest, WrongCursor, cursor_after, position
from adsum.platform.errors import Invalid, Violation

Row = TypeVar("Row")
Place = TypeVar("Place")


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
