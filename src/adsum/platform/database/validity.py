"""Rows that hold from `begin_date` on, up to but without `end_date`: enrolments, assignments of teachers, covers."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ColumnElement, Date, FromClause, and_, literal, or_

Day = date | ColumnElement[date]
"""A day, or an expression that gives one for each row."""


def valid_on(rows: FromClause, day: Day) -> ColumnElement[bool]:
    """Whether a row of `rows` holds on `day`. A bound that is NULL is none."""
    on = literal(day, Date) if isinstance(day, date) else day
    return and_(
        or_(rows.c.begin_date.is_(None), rows.c.begin_date <= on),
        or_(rows.c.end_date.is_(None), rows.c.end_date > on),
    )
