"""What reports read: the summaries of whom they may speak, put together by whatever they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, Subquery, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_class
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.reports.day_totals import COUNTED, SUMMED, is_absent
from adsum.reports.rules import Counts, Scope
from adsum.reports.tables import class_days, school_days
from adsum.reports.visible_summaries import Days, Parts, classes_seen, days_seen
from adsum.roster.tables import classes, students


@dataclass(frozen=True, slots=True)
class StudentDay:
    """A day of one student: sessions in which they were expected, and how they went."""

    day: date
    student_id: int
    sessions: int
    attended: int
    absent: int
    authorised: int
    late: int
    is_absent: bool

    @property
    def unexplained(self) -> int:
        """Sessions in which the student was absent, and nobody has said why."""
        return self.absent - self.authorised

    @property
    def counts(self) -> Counts:
        """Of this day alone."""
        return Counts(
            self.sessions, self.attended, self.absent, self.authorised, self.late, 1, 1 if self.is_absent else 0
        )


async def newest_day(connection: AsyncConnection, caller: Caller, school_id: int) -> date | None:
    """The last day on which anything was taken that the caller sees; None: there is none."""
    c = class_days.c
    seen = select(func.max(c.day)).where(c.school_id == school_id, in_visible_class(caller, c.class_id, c.day))
    return await connection.scalar(seen)


async def counts_by_day(
    connection: AsyncConnection, caller: Caller, scope: Scope, statuses: SchoolStatuses
) -> dict[date, Counts]:
    """By day. A school and a class are read from summaries of their own, and so is everything that a teacher sees."""
    rows = await connection.execute(_by_day(caller, scope, statuses))
    return {day: Counts(*counts) for day, *counts in rows}


async def counts_by_class(
    connection: AsyncConnection, caller: Caller, scope: Scope, statuses: SchoolStatuses
) -> dict[int, Counts]:
    """By class, of what was recorded in it."""
    of = classes_seen(caller, scope, statuses)
    rows = await connection.execute(_summed(of, of.c.class_id))
    return {class_id: Counts(*counts) for class_id, *counts in rows}


async def counts_by_student(connection: AsyncConnection, of: Parts) -> dict[int, Counts]:
    """By student."""
    rows = await connection.execute(_summed(of, of.c.student_id))
    return {student_id: Counts(*counts) for student_id, *counts in rows}


async def counts_by_grade(connection: AsyncConnection, of: Parts) -> dict[str | None, Counts]:
    """By the grade that the students are in now."""
    grade = students.c.grade
    # By student first: else each part of a student's days would be joined with them.
    each = _summed(of, of.c.student_id).order_by(None).subquery("each")
    statement = (
        select(grade, *_sums(each))
        .join(students, students.c.id == each.c.student_id)
        .group_by(grade)
        .order_by(grade.is_(None), grade)
    )
    return {key: Counts(*counts) for key, *counts in await connection.execute(statement)}


async def streaks(connection: AsyncConnection, of: Parts, least: int) -> list[tuple[int, int, date]]:
    """Of each student who is absent on the newest `least` days or more: who, how many days, and since when."""
    # Over all parts at once: joined with its own groups, SQLite would make the parts again for each student.
    last = func.max(of.c.attended_on).over(partition_by=of.c.student_id).label("last")
    part = select(of.c.student_id, of.c.absent_after, of.c.absent_from, last).subquery("part_and_last").c
    days, since = func.sum(part.absent_after).cast(Integer), func.min(part.absent_from)
    # A part tells only of the days after the last one attended in it: of those before it, somebody has attended since.
    statement = (
        select(part.student_id, days, since)
        .where(or_(part.last.is_(None), part.absent_from > part.last))
        .group_by(part.student_id)
        .having(days >= least)
        .order_by(days.desc(), part.student_id)
    )
    return [(student_id, of_days, first) for student_id, of_days, first in await connection.execute(statement)]


async def unexplained_days(
    connection: AsyncConnection, of: Days, after: tuple[date, int] | None, limit: int
) -> list[StudentDay]:
    """At most `limit` days with absences that are not authorised, the newest day first."""
    statement = _student_days(of).where(of.c.absent > of.c.authorised)
    if after is not None:
        day, student_id = after
        is_later = (of.c.day == day) & (of.c.student_id > student_id)
        statement = statement.where((of.c.day < day) | is_later)
    rows = await connection.execute(statement.order_by(of.c.day.desc(), of.c.student_id).limit(limit))
    return [StudentDay(*row[:-1], is_absent=bool(row[-1])) for row in rows]


async def days_of_student(connection: AsyncConnection, of: Days) -> list[StudentDay]:
    """Each day of the one student to whom `of` is narrowed."""
    rows = await connection.execute(_student_days(of).order_by(of.c.day))
    return [StudentDay(*row[:-1], is_absent=bool(row[-1])) for row in rows]


async def names_of(connection: AsyncConnection, student_ids: Sequence[int]) -> dict[int, str]:
    """Given and family name of each of these students."""
    c = students.c
    rows = await connection.execute(select(c.id, c.given_name, c.family_name).where(c.id.in_(student_ids)))
    return {student_id: f"{given} {family}" for student_id, given, family in rows}


async def titles_of(connection: AsyncConnection, class_ids: Sequence[int]) -> dict[int, str]:
    """The title of each of these classes."""
    rows = await connection.execute(select(classes.c.id, classes.c.title).where(classes.c.id.in_(class_ids)))
    return {row.id: row.title for row in rows}


def _by_day(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> Select[*tuple[Any, ...]]:
    if scope.student_id is not None or scope.grade is not None:
        of = days_seen(caller, scope, statuses)
        return _counted(of, of.c.day)
    if scope.class_id is not None or caller.teaches_only:
        of = classes_seen(caller, scope, statuses)
        return _summed(of, of.c.day)
    c = school_days.c
    of_school = (c.school_id == scope.school_id, c.day >= scope.first_day, c.day <= scope.last_day)
    return select(c.day, *(c[name] for name in COUNTED)).where(*of_school).order_by(c.day)


def _summed(of: Subquery, key: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    return select(key, *_sums(of)).group_by(key).order_by(key)


def _sums(of: Subquery) -> list[ColumnElement[int]]:
    return [func.sum(of.c[name]).cast(Integer).label(name) for name in COUNTED]


def _counted(of: Days, key: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    absences = func.sum(case((is_absent(of.c), 1), else_=0)).cast(Integer)
    counts = [*(func.sum(of.c[name]).cast(Integer) for name in SUMMED), func.count(), absences]
    return select(key, *counts).group_by(key).order_by(key)


def _student_days(of: Days) -> Select[*tuple[Any, ...]]:
    c = of.c
    return select(
        *(c.day, c.student_id, c.sessions, c.attended, c.absent, c.authorised, c.late),
        case((is_absent(c), literal(1)), else_=literal(0)),
    )
