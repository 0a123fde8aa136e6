"""Conditions for full-text search by words."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_


def mentions(words: str, *columns: ColumnElement[str] | ColumnElement[str | None]) -> ColumnElement[bool]:
    """Rows where each word occurs in one of the columns, ignoring case."""
    return and_(True, *(or_(*(_contains(column, word) for column in columns)) for word in words.split()))


def _contains(column: ColumnElement[str] | ColumnElement[str | None], word: str) -> ColumnElement[bool]:
    # SQLite ignores the case of ASCII letters only. Other words are searched in their usual spellings.
    spellings = {word} if word.isascii() else {word, word.lower(), word.upper(), word.title()}
    return or_(*(column.icontains(spelling, autoescape=True) for spelling in sorted(spellings)))
