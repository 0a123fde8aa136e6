"""Conditions of lists. A value of None does not filter."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ColumnElement


def equal(*pairs: tuple[ColumnElement[int], int | None]) -> list[ColumnElement[bool]]:
    """Rows whose columns have these values."""
    return [column == value for column, value in pairs if value is not None]


def in_period(day: ColumnElement[date], first: date | None, last: date | None) -> list[ColumnElement[bool]]:
    """Rows from the first to the last day, both included."""
    begin = [] if first is None else [day >= first]
    return begin if last is None else [*begin, day <= last]
