"""Search by words: the column `search_text` holds what is searched, `mentions` is the condition, `distance` the order.

Databases compare accents, apostrophes and the case of non-ASCII letters differently, and not at all in SQLite. The
column therefore holds a folded text, which Python computes for both: see `search_spellings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, Integer, Table, Text, and_, case, literal, or_
from sqlalchemy.engine.default import DefaultExecutionContext

from adsum.platform.texts import search_spellings, search_words

SEARCH_TEXT = "search_text"
_SEARCHED = "searched"


def search_column(*searched: str) -> Column[str]:
    """The column `search_text`: the spellings of these columns of its table.

    An INSERT of values fills it. An UPDATE sets it with `with_search_text`, and INSERT … SELECT selects it.
    """

    def filled(context: DefaultExecutionContext) -> str:
        return _search_text(searched, context.get_current_parameters())

    return Column(SEARCH_TEXT, Text, nullable=False, default=filled, server_default="", info={_SEARCHED: searched})


def with_search_text(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """New values of a row and their `search_text`. They contain every column that is searched."""
    return {**values, SEARCH_TEXT: _search_text(table.c[SEARCH_TEXT].info[_SEARCHED], values)}


def mentions(words: str, search_text: ColumnElement[str], *more: ColumnElement[str | None]) -> ColumnElement[bool]:
    """Rows where each word occurs in `search_text`, or in one of `more`, which hold lower case."""
    found = (
        or_(
            *(search_text.contains(spelling, autoescape=True) for spelling in search_spellings(word)),
            *(column.contains(word.lower(), autoescape=True) for column in more),
        )
        for word in search_words(words)
    )
    return and_(True, *found)


def distance(words: str, search_text: ColumnElement[str]) -> ColumnElement[int]:
    """How far a row is from the words of a search, 0 for the best: each word adds 1 if it only begins a word of the
    row, and 2 if it does not even begin one.
    """
    distances: ColumnElement[int] = literal(0, Integer)
    for word in search_words(words):
        spellings = search_spellings(word)
        is_whole = or_(*(_has_word(search_text, spelling) for spelling in spellings))
        begins = or_(*(_has_beginning(search_text, spelling) for spelling in spellings))
        distances += case((is_whole, 0), (begins, 1), else_=2)
    return distances


def _has_word(text: ColumnElement[str], word: str) -> ColumnElement[bool]:
    # Four comparisons take a third less time than one with blanks around the text, which would be copied.
    return or_(
        text.startswith(f"{word} ", autoescape=True),
        text.contains(f" {word} ", autoescape=True),
        text.endswith(f" {word}", autoescape=True),
        text == word,
    )


def _has_beginning(text: ColumnElement[str], letters: str) -> ColumnElement[bool]:
    return or_(text.startswith(letters, autoescape=True), text.contains(f" {letters}", autoescape=True))


def _search_text(searched: tuple[str, ...], values: Mapping[str, Any]) -> str:
    return " ".join(search_spellings(" ".join(values[name] for name in searched if values.get(name))))
