"""Paging by position: a cursor says after which row of which query the next page begins.

A cursor is opaque, not secret: it holds a sort key, and whoever forges one gets no row that they could not list anyway.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from adsum.platform.ids import MAX_ID

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_CURSOR_LENGTH = 500

Key = tuple[int, ...]
"""The sort key of a row; days stand in it as ordinals."""

Row = TypeVar("Row")


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
