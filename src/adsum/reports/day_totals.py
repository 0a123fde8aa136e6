"""What the days of students add up to: the days of their school, and the months of each of them.

A report on a whole year would add up a third of a million days; of months and of days of a school there are few.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, case, delete, func, insert, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.reports.rules import month_after
from adsum.reports.tables import school_days, student_days, student_months

SUMMED = ("sessions", "attended", "absent", "authorised", "late")
COUNTED = (*SUMMED, "days", "days_absent")


def is_absent(day: Any) -> ColumnElement[bool]:
    """Whether at least half of the time was missed; `day` has the columns of `student_days`."""
    return 2 * day.time_missed >= day.time


async def add_up_month(connection: AsyncConnection, school_id: int, month: date) -> None:
    """Adds up the days of each student in the month that begins on this day anew. The school has to be locked."""
    c = student_months.c
    await connection.execute(delete(student_months).where(c.school_id == school_id, c.month == month))
    made = _months(school_id, month)
    await connection.execute(insert(student_months).from_select(made.selected_columns.keys(), made))


async def take_out(connection: AsyncConnection, school_id: int, student_id: int) -> None:
    """Deletes the days and months of a student, also from the days of the school. The school has to be locked."""
    c = student_days.c
    days = list(await connection.scalars(select(c.day).where(c.student_id == student_id)))
    for table in (student_days, student_months):
        await connection.execute(delete(table).where(table.c.student_id == student_id))
    await add_up_days(connection, school_id, days)


async def add_up_days(connection: AsyncConnection, school_id: int, days: Collection[date]) -> None:
    """Adds up the students of a school on each of these days anew. The school has to be locked."""
    c = school_days.c
    await connection.execute(delete(school_days).where(c.school_id == school_id, c.day.in_(days)))
    d = student_days.c
    made = select(d.school_id, d.day, *_sums(d)).where(d.school_id == school_id, d.day.in_(days))
    made = made.group_by(d.school_id, d.day)
    await connection.execute(insert(school_days).from_select(made.selected_columns.keys(), made))


def _months(school_id: int, month: date) -> Select[*tuple[Any, ...]]:
    d = student_days.c
    attended = func.max(case((~is_absent(d), d.day))).over(partition_by=d.student_id)
    of_month = select(student_days, attended.label("attended_on")).where(
        d.school_id == school_id, d.day >= month, d.day < month_after(month)
    )
    c = of_month.subquery("of_month").c
    is_after = or_(c.attended_on.is_(None), c.day > c.attended_on)
    return select(
        *(c.school_id, literal(month).label("month"), c.student_id, *_sums(c), c.attended_on),
        func.sum(case((is_after, 1), else_=0)).label("absent_after"),
        func.min(case((is_after, c.day))).label("absent_from"),
    ).group_by(c.school_id, c.student_id, c.attended_on)


def _sums(c: Any) -> list[ColumnElement[int]]:
    """The columns of `COUNTED`, of days of students."""
    return [
        *(func.sum(c[name]).label(name) for name in SUMMED),
        func.count().label("days"),
        func.sum(case((is_absent(c), 1), else_=0)).label("days_absent"),
    ]
