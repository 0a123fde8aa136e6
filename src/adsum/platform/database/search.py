"""Finding rows by words that people type."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_


def mentions(words: str, *columns: ColumnElement[str] | ColumnElement[str | None]) -> ColumnElement[bool]:
    """Whether each of the words stands somewhere in one of the columns, in upper or lower case."""
    return and_(True, *(or_(*(_holds(column, word) for column in columns)) for word in words.split()))


def _holds(column: ColumnElement[str] | ColumnElement[str | None], word: str) -> ColumnElement[bool]:
    # SQLite folds the case of ASCII only; so a word with other letters is looked for as people write it.
    spellings = {word} if word.isascii() else {word, word.lower(), word.upper(), word.title()}
    return or_(*(column.icontains(spelling, autoescape=True) for spelling in sorted(spellings)))
