"""Half-open validity of rows with `begin_date` and `end_date`: enrolments, assignments of teachers, covers, terms."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ColumnElement, Date, FromClause, and_, literal, or_

Day = date | ColumnElement[date]
"""A date, or a SQL expression for the date of each row."""


def valid_on(rows: FromClause, day: Day) -> ColumnElement[bool]:
    """Rows that are valid on `day`: from `begin_date` to the day before `end_date`. NULL is an open end."""
    on = literal(day, Date) if isinstance(day, date) else day
    return and_(
        or_(rows.c.begin_date.is_(None), rows.c.begin_date <= on),
        or_(rows.c.end_date.is_(None), rows.c.end_date > on),
    )
