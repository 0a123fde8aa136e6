"""Registers: the sessions that are held on a day, how many of each roster are marked, and who is not.

However many they are, two statements: the page, and who teaches and who is missing in what stands on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Select,
    String,
    case,
    distinct,
    exists,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school, in_visible_session, is_taught_by
from adsum.attendance.tables import attendances
from adsum.batches.rules import RunState
from adsum.batches.tables import batch_runs
from adsum.platform.database.columns import Json
from adsum.platform.database.input_rows import asking, rows_asked
from adsum.platform.database.validity import valid_on
from adsum.registers.rules import Register, RegisterCount, RegisterFilters, RegisterTeacher
from adsum.roster.tables import classes, enrolments, sessions
from adsum.roster.timetable.repository import is_held
from adsum.schools.tables import schools

Value = TypeVar("Value")
RegisterPosition = tuple[int, int]
"""Of a register in the list: its class, its session."""

_DETAILS = asking(
    """
SELECT asked.session_id,
    (SELECT {list_of}({tuple_of}(u.id, u.given_name, u.family_name)) FROM users u WHERE u.id IN
        (SELECT t.user_id FROM class_teachers t WHERE t.class_id = asked.class_id
         AND (t.begin_date IS NULL OR t.begin_date <= asked.day)
         AND (t.end_date IS NULL OR t.end_date > asked.day)
         UNION SELECT v.user_id FROM class_covers v WHERE v.class_id = asked.class_id
         AND (v.session_id IS NULL OR v.session_id = asked.session_id)
         AND v.begin_date <= asked.day AND v.end_date > asked.day)) AS teachers,
    (SELECT {list_of}(DISTINCT e.student_id) FROM enrolments e WHERE e.class_id = asked.class_id
     AND (e.begin_date IS NULL OR e.begin_date <= asked.day) AND (e.end_date IS NULL OR e.end_date > asked.day)
     AND NOT EXISTS (SELECT 1 FROM attendances a WHERE a.session_id = asked.session_id AND a.learning_date = asked.day
         AND a.student_id = e.student_id AND a.status IS NOT NULL)) AS missing,
    (SELECT {list_of}({tuple_of}(counted.status, counted.students)) FROM
        (SELECT a.status, count(*) AS students FROM attendances a
         WHERE a.session_id = asked.session_id AND a.learning_date = asked.day AND a.status IS NOT NULL
           AND EXISTS (SELECT 1 FROM enrolments e WHERE e.class_id = asked.class_id AND e.student_id = a.student_id
             AND (e.begin_date IS NULL OR e.begin_date <= asked.day)
             AND (e.end_date IS NULL OR e.end_date > asked.day))
         GROUP BY a.status) AS counted) AS given,
    (SELECT {list_of}({tuple_of}(t.begins, t.ends)) FROM session_times t
     WHERE t.session_id = asked.session_id AND t.weekday = asked.weekday) AS times
FROM asked""",
    {"class_id": "bigint", "session_id": "bigint", "day": "date", "weekday": "bigint"},
    {"session_id": BigInteger, "teachers": Json, "missing": Json, "given": Json, "times": Json},
)


@dataclass(frozen=True, slots=True)
class _Moment:
    """Of a time zone: the day that is asked about, its weekday, and the local time by which a session is due."""

    day: date
    time: str

    @property
    def weekday(self) -> int:
        return self.day.isoweekday()


async def list_registers(
    connection: AsyncConnection,
    caller: Caller,
    filters: RegisterFilters,
    now: datetime,
    after: RegisterPosition | None,
    limit: int,
) -> list[Register]:
    """At most `limit` registers that are due and that the caller sees on that day, by class and session.

    Of today what has begun by now is due, of a day that is to come nothing, unless what is to come is asked for, too.
    Who is missing is told of each.
    """
    moments = await _moments(connection, caller, filters, now)
    if not moments:
        return []
    statement = _page(_counted(caller, filters, moments, after), limit, missing_only=filters.missing_only)
    rows = await connection.execute(statement)
    found = [_register(*row) for row in rows]
    return await _detailed(connection, found) if found else []


async def count_registers(
    connection: AsyncConnection, caller: Caller, filters: RegisterFilters, now: datetime
) -> RegisterCount:
    """How many registers are due, as `list_registers` would list them, and how many of these are taken."""
    moments = await _moments(connection, caller, filters, now)
    if not moments:
        return RegisterCount(0, 0)
    each = _counted(caller, filters, moments, None).subquery("register").c
    is_taken = case((each.marked >= each.expected, 1), else_=0)
    statement = select(func.count(), func.coalesce(func.sum(is_taken), 0)).where(each.expected > 0)
    return RegisterCount(*(await connection.execute(statement)).one())


async def _moments(
    connection: AsyncConnection, caller: Caller, filters: RegisterFilters, now: datetime
) -> dict[str, _Moment]:
    zones = select(schools.c.time_zone).where(in_visible_school(caller, schools.c.id)).distinct()
    if filters.school_id is not None:
        zones = zones.where(schools.c.id == filters.school_id)
    return {zone: _moment(zone, filters, now) for zone in sorted(await connection.scalars(zones))}


def _register(
    school_id: int, class_id: int, class_name: str, session_id: int, session_title: str, day: date, *counted: Any
) -> Register:
    marked, expected, is_processing = counted
    return Register(
        school_id=school_id,
        class_id=class_id,
        class_name=class_name,
        session_id=session_id,
        session_title=session_title,
        learning_date=day,
        teachers=(),
        marked=marked,
        expected=expected,
        missing_student_ids=None,
        is_processing=is_processing,
    )


def _moment(zone: str, filters: RegisterFilters, now: datetime) -> _Moment:
    local = now.astimezone(ZoneInfo(zone))
    today = local.date()
    asked = filters.day or today
    if filters.with_upcoming:
        return _Moment(asked, "24:00")
    if asked == today:
        return _Moment(asked, f"{local:%H:%M}")
    return _Moment(asked, "24:00" if asked < today else "")


def _counted(
    caller: Caller, filters: RegisterFilters, moments: Mapping[str, _Moment], after: RegisterPosition | None
) -> Select[*tuple[Any, ...]]:
    day = _by_zone(moments, lambda moment: moment.day, Date())
    weekday = _by_zone(moments, lambda moment: moment.weekday, Integer())
    time = _by_zone(moments, lambda moment: moment.time, String())
    statement = (
        select(
            classes.c.school_id.label("school_id"),
            *(classes.c.id.label("class_id"), classes.c.title.label("class_name")),
            *(sessions.c.id.label("session_id"), sessions.c.title.label("session_title")),
            *(day.label("learning_date"), _marked(day).label("marked"), _expected(day).label("expected")),
            _is_processing(day).label("is_processing"),
        )
        .join(schools, schools.c.id == classes.c.school_id)
        .join(sessions, sessions.c.class_id == classes.c.id)
        .where(
            *(classes.c.active, sessions.c.active),
            *(
                in_visible_school(caller, classes.c.school_id),
                in_visible_session(caller, classes.c.id, sessions.c.id, day),
            ),
            *is_held(day, weekday, time),
        )
    )
    if after is not None:
        statement = statement.where(tuple_(classes.c.id, sessions.c.id) > after)
    if filters.school_id is not None:
        statement = statement.where(classes.c.school_id == filters.school_id)
    if filters.class_id is not None:
        statement = statement.where(classes.c.id == filters.class_id)
    if filters.teacher_id is not None:
        statement = statement.where(is_taught_by(filters.teacher_id, classes.c.id, sessions.c.id, day))
    return statement


def _page(counted: Select[*tuple[Any, ...]], limit: int, *, missing_only: bool) -> Select[*tuple[Any, ...]]:
    each = counted.subquery("register").c
    statement = select(
        *(each.school_id, each.class_id, each.class_name, each.session_id, each.session_title, each.learning_date),
        *(each.marked, each.expected, each.is_processing),
    ).where(each.expected > 0)
    if missing_only:
        statement = statement.where(each.marked < each.expected)
    return statement.order_by(each.class_id, each.session_id).limit(limit)


def _by_zone(
    moments: Mapping[str, _Moment], of: Callable[[_Moment], Value], kind: TypeEngine[Value]
) -> ColumnElement[Value]:
    """One value, or, where zones differ, an expression over `schools.time_zone`."""
    values = {zone: of(moment) for zone, moment in moments.items()}
    if len(set(values.values())) == 1:
        return literal(next(iter(values.values())), kind)
    return case({zone: literal(value, kind) for zone, value in values.items()}, value=schools.c.time_zone)


def _expected(day: ColumnElement[date]) -> ColumnElement[int]:
    c = enrolments.c
    enrolled = select(func.count(distinct(c.student_id))).where(c.class_id == classes.c.id, valid_on(enrolments, day))
    return enrolled.correlate(classes, schools).scalar_subquery()


def _marked(day: ColumnElement[date]) -> ColumnElement[int]:
    a, e = attendances.c, enrolments.c
    marked = (
        select(func.count(distinct(a.student_id)))
        .join(enrolments, e.student_id == a.student_id)
        .where(
            *(a.session_id == sessions.c.id, a.learning_date == day, a.status.is_not(None)),
            *(e.class_id == classes.c.id, valid_on(enrolments, day)),
        )
    )
    return marked.correlate(classes, schools, sessions).scalar_subquery()


def _is_processing(day: ColumnElement[date]) -> ColumnElement[bool]:
    c = batch_runs.c
    going_on = select(c.run_id).where(
        c.session_id == sessions.c.id, c.learning_date == day, c.state == RunState.OPEN.value
    )
    return exists(going_on.correlate(sessions, schools))


async def _detailed(connection: AsyncConnection, registers: Sequence[Register]) -> list[Register]:
    asked = rows_asked(
        {
            "class_id": each.class_id,
            "session_id": each.session_id,
            "day": each.learning_date.isoformat(),
            "weekday": each.learning_date.isoweekday(),
        }
        for each in registers
    )
    found = {session_id: more for session_id, *more in await _DETAILS.fetch_all(connection, asked)}
    return [_with_details(each, *found[each.session_id]) for each in registers]


def _with_details(
    register: Register,
    teachers: list[tuple[int, str, str]] | None,
    missing: list[int] | None,
    given: list[tuple[str, int]] | None,
    times: list[tuple[str, str]] | None,
) -> Register:
    named = [
        RegisterTeacher(user_id, f"{given_name} {family}".strip()) for user_id, given_name, family in teachers or ()
    ]
    return replace(
        register,
        teachers=tuple(sorted(named, key=lambda teacher: teacher.user_id)),
        missing_student_ids=tuple(sorted(missing or ())),
        given=dict(sorted(given or ())),
        times=tuple(sorted((begins, ends) for begins, ends in times or ())),
    )
