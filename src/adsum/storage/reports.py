"""What reports read: summaries of days, narrowed to what is asked for and to what the caller sees.

Whoever sees a school reads `student_days`; for a teacher the same is made of the runs of their own classes, on the days
on which they taught them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Integer, Select, Subquery, case, func, literal, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.domain.access import Caller
from adsum.domain.reports import Counts, Scope
from adsum.domain.statuses import SchoolStatuses
from adsum.storage.spans import covers
from adsum.storage.summaries import days_of_classes, days_of_students
from adsum.storage.tables import batch_runs, class_days, classes, enrolments, student_days, students
from adsum.storage.visibility import sees_all_of_class, sees_class, sees_session

Seen: TypeAlias = Subquery
"""Days of students, with the columns of `student_days`: those of whom a report may speak."""

_SUMMED = ("sessions", "attended", "absent", "authorised", "late")
_COUNTED = (*_SUMMED, "days", "days_absent")


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
    seen = select(func.max(c.day)).where(c.school_id == school_id, sees_class(caller, c.class_id, c.day))
    return await connection.scalar(seen)


async def counts_by_day(
    connection: AsyncConnection, caller: Caller, scope: Scope, statuses: SchoolStatuses
) -> dict[date, Counts]:
    """By day. A class is read from its own summaries, and so is everything that a teacher sees."""
    if scope.student_id is None and scope.grade is None and (scope.class_id is not None or caller.teaches_only):
        classes_of = _classes_seen(caller, scope, statuses)
        statement = _summed(classes_of, classes_of.c.day)
    else:
        of = days_seen(caller, scope, statuses)
        statement = select(of.c.day, *_counts(of)).group_by(of.c.day).order_by(of.c.day)
    return {day: Counts(*counts) for day, *counts in await connection.execute(statement)}


async def counts_by_class(
    connection: AsyncConnection, caller: Caller, scope: Scope, statuses: SchoolStatuses
) -> dict[int, Counts]:
    """By class, of what was recorded in it."""
    of = _classes_seen(caller, scope, statuses)
    rows = await connection.execute(_summed(of, of.c.class_id))
    return {class_id: Counts(*counts) for class_id, *counts in rows}


async def counts_by_student(connection: AsyncConnection, of: Seen) -> dict[int, Counts]:
    """By student."""
    statement = select(of.c.student_id, *_counts(of)).group_by(of.c.student_id).order_by(of.c.student_id)
    return {student_id: Counts(*counts) for student_id, *counts in await connection.execute(statement)}


async def counts_by_grade(connection: AsyncConnection, of: Seen) -> dict[str | None, Counts]:
    """By the grade that the students are in now."""
    grade = students.c.grade
    # By student first: else each day of a student would be joined with them.
    each = (
        select(of.c.student_id, *(count.label(name) for name, count in zip(_COUNTED, _counts(of), strict=True)))
        .group_by(of.c.student_id)
        .subquery("each")
    )
    statement = (
        select(grade, *(func.sum(each.c[name]).cast(Integer) for name in _COUNTED))
        .join(students, students.c.id == each.c.student_id)
        .group_by(grade)
        .order_by(grade.is_(None), grade)
    )
    return {key: Counts(*counts) for key, *counts in await connection.execute(statement)}


async def streaks(connection: AsyncConnection, of: Seen, least: int) -> list[tuple[int, int, date]]:
    """Of each student who is absent on the newest `least` days or more: who, how many days, and since when."""
    present = case((~_is_absent(of), of.c.day))
    last = select(of.c.student_id, func.max(present).label("day")).group_by(of.c.student_id).subquery("last")
    since = (
        select(of.c.student_id, func.count().label("days"), func.min(of.c.day).label("since"))
        .join(last, last.c.student_id == of.c.student_id)
        .where((last.c.day.is_(None)) | (of.c.day > last.c.day))
        .group_by(of.c.student_id)
        .having(func.count() >= least)
        .order_by(func.count().desc(), of.c.student_id)
    )
    return [(student_id, days, first) for student_id, days, first in await connection.execute(since)]


async def unexplained_days(
    connection: AsyncConnection, of: Seen, after: tuple[date, int] | None, limit: int
) -> list[StudentDay]:
    """At most `limit` days with absences that are not authorised, the newest day first."""
    statement = _student_days(of).where(of.c.absent > of.c.authorised)
    if after is not None:
        day, student_id = after
        is_later = (of.c.day == day) & (of.c.student_id > student_id)
        statement = statement.where((of.c.day < day) | is_later)
    rows = await connection.execute(statement.order_by(of.c.day.desc(), of.c.student_id).limit(limit))
    return [StudentDay(*row[:-1], is_absent=bool(row[-1])) for row in rows]


async def days_of_student(connection: AsyncConnection, of: Seen) -> list[StudentDay]:
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


def days_seen(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> Seen:
    """The days of students of whom a report may speak, with the columns of `student_days`."""
    rows = _of_own_classes(caller, scope, statuses) if caller.teaches_only else _of_school(scope)
    return rows.subquery("seen")


def _of_school(scope: Scope) -> Select[*tuple[Any, ...]]:
    c = student_days.c
    statement = select(student_days).where(_whose(scope), c.day >= scope.first_day, c.day <= scope.last_day)
    if scope.class_id is not None:
        enrolled = select(enrolments.c.id).where(
            enrolments.c.class_id == scope.class_id,
            enrolments.c.student_id == c.student_id,
            covers(enrolments, c.day),
        )
        statement = statement.where(enrolled.correlate(student_days).exists())
    return _narrowed(statement, c.student_id, scope)


def _whose(scope: Scope) -> ColumnElement[bool]:
    """All of the school; or, so that only their days are looked at, one student of it."""
    c = student_days.c
    if scope.student_id is None:
        return c.school_id == scope.school_id
    s = students.c
    one = select(s.id).where(s.id == scope.student_id, s.school_id == scope.school_id)
    return c.student_id == one.scalar_subquery()


def _of_own_classes(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> Select[*tuple[Any, ...]]:
    own = days_of_students(scope.school_id, _own_runs(caller, scope), statuses).subquery("own")
    return _narrowed(select(own), own.c.student_id, scope)


def _own_runs(caller: Caller, scope: Scope) -> list[ColumnElement[bool]]:
    r = batch_runs.c
    own = [
        *(r.school_id == scope.school_id, r.learning_date >= scope.first_day, r.learning_date <= scope.last_day),
        sees_session(caller, r.class_id, r.session_id, r.learning_date),
    ]
    return own if scope.class_id is None else [*own, r.class_id == scope.class_id]


def _narrowed(
    statement: Select[*tuple[Any, ...]], student_id: ColumnElement[int], scope: Scope
) -> Select[*tuple[Any, ...]]:
    if scope.student_id is not None:
        statement = statement.where(student_id == scope.student_id)
    if scope.grade is not None:
        of_grade = select(students.c.id).where(students.c.school_id == scope.school_id, students.c.grade == scope.grade)
        statement = statement.where(student_id.in_(of_grade))
    return statement


def _classes_seen(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> Subquery:
    """Days of classes; of those in which a teacher covers one session alone they are made of the runs of that one."""
    c, r = class_days.c, batch_runs.c
    names = ("day", "class_id", *_COUNTED)
    whole = select(*(c[name] for name in names)).where(
        *(c.school_id == scope.school_id, c.day >= scope.first_day, c.day <= scope.last_day),
        sees_all_of_class(caller, c.class_id, c.day),
    )
    if scope.class_id is not None:
        whole = whole.where(c.class_id == scope.class_id)
    if not caller.teaches_only:
        return whole.subquery("class_seen")
    covered = [*_own_runs(caller, scope), not_(sees_all_of_class(caller, r.class_id, r.learning_date))]
    single = days_of_classes(scope.school_id, covered, statuses).subquery("single")
    return whole.union_all(select(*(single.c[name] for name in names))).subquery("class_seen")


def _summed(of: Subquery, key: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    return select(key, *(func.sum(of.c[name]).cast(Integer) for name in _COUNTED)).group_by(key).order_by(key)


def _counts(of: Seen) -> list[ColumnElement[int]]:
    return [
        *(func.sum(of.c[name]).cast(Integer) for name in _SUMMED),
        func.count(),
        func.sum(case((_is_absent(of), 1), else_=0)).cast(Integer),
    ]


def _student_days(of: Seen) -> Select[*tuple[Any, ...]]:
    c = of.c
    return select(
        *(c.day, c.student_id, c.sessions, c.attended, c.absent, c.authorised, c.late),
        case((_is_absent(of), literal(1)), else_=literal(0)),
    )


def _is_absent(of: Seen) -> ColumnElement[bool]:
    return 2 * of.c.time_missed >= of.c.time
