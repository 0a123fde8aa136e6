"""Statements that read registers: the sessions of a day, and how many students of each roster are marked.

A page of registers takes three statements, however many registers it has: the time zones of the schools, the counts,
the details.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Select,
    String,
    and_,
    case,
    distinct,
    exists,
    func,
    literal,
    not_,
    or_,
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
from adsum.platform.database.columns import Instant, Json
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.database.validity import valid_on
from adsum.platform.texts import list_key
from adsum.registers.rules import Register, RegisterCount, RegisterFilters, RegisterTeacher, Reminder
from adsum.registers.tables import register_reminders
from adsum.roster.tables import classes, enrolments, sessions
from adsum.roster.timetable.repository import begins_since, can_meet, meets_by
from adsum.schools.tables import schools

Value = TypeVar("Value")
RegisterPosition = tuple[int, int]
"""The position of a register in a list: the ids of its class and session."""

_REGISTER_DETAILS = sql_file(
    "adsum.registers",
    "register_details",
    returns={
        "session_id": BigInteger,
        "teachers": Json,
        "missing_students": Json,
        "status_counts": Json,
        "times": Json,
        "reminded_at": Instant(),
        "reminded_role": String,
        "user_id": BigInteger,
        "key_id": BigInteger,
    },
)

_TAKEN_REGISTERS = sql_file(
    "adsum.registers",
    "taken_registers",
    returns={
        "session_id": BigInteger,
        "day": Date,
        "class_id": BigInteger,
        "school_id": BigInteger,
        "expected": Integer,
    },
)


class MarkedRegister(NamedTuple):
    """A register that got marks: by a run, or, without `run_id`, by a correction of a student who had none."""

    session_id: int
    day: date
    run_id: str | None = None


class TakenRegister(NamedTuple):
    """A register whose `expected` students all have a mark."""

    session_id: int
    day: date
    class_id: int
    school_id: int
    expected: int


@dataclass(frozen=True, slots=True)
class _DueUntil:
    """For a time zone: the day of the registers, and the local times 'HH:MM' from which and before which a due session
    begins.
    """

    day: date
    time: str
    since: str = ""

    @property
    def weekday(self) -> int:
        return self.day.isoweekday()


async def list_registers(
    connection: AsyncConnection,
    caller: Caller,
    filters: RegisterFilters,
    due_until: datetime,
    after: RegisterPosition | None,
    limit: int,
) -> list[Register]:
    """At most `limit` registers that are due by `due_until` and that the caller sees on that day, by class and session.

    A register is due if the session is valid on that day, meets on it, and the school is open: today once the session
    has begun, or at any time if its times are unknown; on a later day none is due. A register with marks is listed and
    counted although none was due, as reports count its marks. `filters.with_upcoming` includes registers that are not
    due yet. Each register has the ids of the students without a mark.
    """
    zones = await _due_by_zone(connection, caller, filters, due_until)
    if not zones:
        return []
    statement = _page(_counted(caller, filters, zones, after), limit, missing_only=filters.missing_only)
    rows = await connection.execute(statement)
    found = [_register(*row) for row in rows]
    return await _with_details(connection, found) if found else []


async def count_registers(
    connection: AsyncConnection, caller: Caller, filters: RegisterFilters, due_until: datetime
) -> RegisterCount:
    """The number of registers that are due by `due_until`, and of those that are taken. `filters.missing_only` has no
    effect.
    """
    zones = await _due_by_zone(connection, caller, filters, due_until)
    if not zones:
        return RegisterCount(0, 0)
    each = _counted(caller, filters, zones, None).subquery("register").c
    taken = func.sum(case((_is_taken(each), 1), else_=0))
    statement = select(func.count(), func.coalesce(taken, 0)).where(each.expected > 0)
    return RegisterCount(*(await connection.execute(statement)).one())


async def find_taken_registers(connection: AsyncConnection, marked: Collection[MarkedRegister]) -> list[TakenRegister]:
    """The registers whose students all have a mark by now, of those in which a student without a mark got one.

    A run that only changed marks, or found them, is no reason: its register was taken before.
    """
    rows = input_rows(each._asdict() | {"day": each.day.isoformat()} for each in marked)
    return [TakenRegister(*row) for row in await _TAKEN_REGISTERS.fetch_all(connection, rows)]


async def _due_by_zone(
    connection: AsyncConnection, caller: Caller, filters: RegisterFilters, due_until: datetime
) -> dict[str, _DueUntil]:
    zones = select(schools.c.time_zone).where(in_visible_school(caller, schools.c.id)).distinct()
    if filters.school_id is not None:
        zones = zones.where(schools.c.id == filters.school_id)
    return {zone: _due_until(zone, filters, due_until) for zone in sorted(await connection.scalars(zones))}


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


def _due_until(zone: str, filters: RegisterFilters, due_until: datetime) -> _DueUntil:
    local = due_until.astimezone(ZoneInfo(zone))
    today = local.date()
    day = filters.day or today
    if filters.with_upcoming or day < today:
        return _DueUntil(day, "24:00")
    return _DueUntil(day, f"{local:%H:%M}" if day == today else "", _since(zone, filters, today))


def _since(zone: str, filters: RegisterFilters, today: date) -> str:
    if filters.begun_since is None:
        return ""
    local = filters.begun_since.astimezone(ZoneInfo(zone))
    return f"{local:%H:%M}" if local.date() == today else ""


def _counted(
    caller: Caller, filters: RegisterFilters, zones: Mapping[str, _DueUntil], after: RegisterPosition | None
) -> Select[*tuple[Any, ...]]:
    day = _by_zone(zones, lambda due: due.day, Date())
    weekday = _by_zone(zones, lambda due: due.weekday, Integer())
    time = _by_zone(zones, lambda due: due.time, String())
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
            *(
                in_visible_school(caller, classes.c.school_id),
                in_visible_session(caller, classes.c.id, sessions.c.id, day),
            ),
            *has_register(day, weekday, time),
        )
    )
    if after is not None:
        statement = statement.where(tuple_(classes.c.id, sessions.c.id) > after)
    if filters.begun_since is not None:
        since = _by_zone(zones, lambda due: due.since, String())
        statement = statement.where(begins_since(day, weekday, since))
    return statement.where(*_conditions(filters, day))


def _conditions(filters: RegisterFilters, day: ColumnElement[date]) -> Iterator[ColumnElement[bool]]:
    if filters.school_id is not None:
        yield classes.c.school_id == filters.school_id
    if filters.class_id is not None:
        yield classes.c.id == filters.class_id
    if filters.teacher_id is not None:
        yield is_taught_by(filters.teacher_id, classes.c.id, sessions.c.id, day)
    if filters.reminded_only:
        yield _is_reminded(day)


def has_register(
    day: ColumnElement[date], weekday: ColumnElement[int], time: ColumnElement[str]
) -> Sequence[ColumnElement[bool]]:
    """Conditions on classes with their schools and sessions: their register is due by `time`, or has marks."""
    return or_(and_(*meets_by(day, weekday, time)), _is_marked(day)), *can_meet(day, weekday)


def _page(counted: Select[*tuple[Any, ...]], limit: int, *, missing_only: bool) -> Select[*tuple[Any, ...]]:
    each = counted.subquery("register").c
    statement = select(
        *(each.school_id, each.class_id, each.class_name, each.session_id, each.session_title, each.learning_date),
        *(each.marked, each.expected, each.is_processing),
    ).where(each.expected > 0)
    if missing_only:
        statement = statement.where(not_(_is_taken(each)))
    return statement.order_by(each.class_id, each.session_id).limit(limit)


def _is_taken(register: Any) -> ColumnElement[bool]:
    """As `Register.state`. `register` has the counts of `_counted`."""
    return register.marked >= register.expected


def _by_zone(
    zones: Mapping[str, _DueUntil], value_of: Callable[[_DueUntil], Value], kind: TypeEngine[Value]
) -> ColumnElement[Value]:
    """One value for all zones, or an expression over `schools.time_zone` if the values differ."""
    values = {zone: value_of(due) for zone, due in zones.items()}
    if len(set(values.values())) == 1:
        return literal(next(iter(values.values())), kind)
    return case({zone: literal(value, kind) for zone, value in values.items()}, value=schools.c.time_zone)


def _expected(day: ColumnElement[date]) -> ColumnElement[int]:
    c = enrolments.c
    enrolled = select(func.count(distinct(c.student_id))).where(c.class_id == classes.c.id, valid_on(enrolments, day))
    return enrolled.correlate(classes, schools).scalar_subquery()


def _marks(day: ColumnElement[date]) -> Select[int]:
    """The marks of the roster of the day: one row for each student.

    A scalar subquery, since Postgres makes EXISTS a join and, before the first ANALYZE, compares each mark with each
    enrolment. LIMIT, since a student can be enrolled twice.
    """
    a, e = attendances.c, enrolments.c
    enrolled = (
        select(e.id).where(e.class_id == classes.c.id, e.student_id == a.student_id, valid_on(enrolments, day)).limit(1)
    )
    marks = select(a.student_id).where(
        *(a.session_id == sessions.c.id, a.learning_date == day, a.status.is_not(None)),
        enrolled.correlate(attendances, classes, schools).scalar_subquery().is_not(None),
    )
    return marks.correlate(classes, schools, sessions)


def _is_marked(day: ColumnElement[date]) -> ColumnElement[bool]:
    """Whether a student of the roster has a mark. Most sessions have no record, which the first condition finds out."""
    a = attendances.c
    record = select(a.id).where(a.session_id == sessions.c.id, a.learning_date == day).correlate(sessions, schools)
    return and_(exists(record), exists(_marks(day)))


def _marked(day: ColumnElement[date]) -> ColumnElement[int]:
    return _marks(day).with_only_columns(func.count()).scalar_subquery()


def _is_processing(day: ColumnElement[date]) -> ColumnElement[bool]:
    c = batch_runs.c
    going_on = select(c.run_id).where(
        c.session_id == sessions.c.id, c.learning_date == day, c.state == RunState.OPEN.value
    )
    return exists(going_on.correlate(sessions, schools))


def _is_reminded(day: ColumnElement[date]) -> ColumnElement[bool]:
    c = register_reminders.c
    sent = select(c.id).where(c.session_id == sessions.c.id, c.learning_date == day)
    return exists(sent.correlate(sessions, schools))


async def _with_details(connection: AsyncConnection, registers: Sequence[Register]) -> list[Register]:
    rows = input_rows(
        {
            "class_id": each.class_id,
            "session_id": each.session_id,
            "day": each.learning_date.isoformat(),
            "weekday": each.learning_date.isoweekday(),
        }
        for each in registers
    )
    details = {session_id: more for session_id, *more in await _REGISTER_DETAILS.fetch_all(connection, rows)}
    return [_detailed(each, *details[each.session_id]) for each in registers]


def _detailed(
    register: Register,
    teachers: list[tuple[int, str, str, bool, bool, bool]] | None,
    missing_students: list[int] | None,
    status_counts: list[tuple[str, int]] | None,
    times: list[tuple[str, str]] | None,
    reminded_at: datetime | None,
    *author: Any,
) -> Register:
    named = [
        RegisterTeacher(user_id, f"{given} {family}".strip(), *map(bool, flags))
        for user_id, given, family, *flags in teachers or ()
    ]
    return replace(
        register,
        teachers=tuple(sorted(named, key=lambda teacher: (list_key(teacher.name), teacher.user_id))),
        missing_student_ids=tuple(sorted(missing_students or ())),
        status_counts=dict(sorted(status_counts or ())),
        times=tuple(sorted((begins, ends) for begins, ends in times or ())),
        reminder=None if reminded_at is None else Reminder(reminded_at, *author),
    )
