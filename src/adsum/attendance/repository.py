"""Attendance records and their changes. Changes are only ever added."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date, datetime
from operator import attrgetter
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, insert, null, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school, in_visible_session, sees_names
from adsum.attendance.rules import (
    OFFICE_ROLES,
    DescribedRecord,
    Record,
    RecordChange,
    RecordFilters,
    RecordPosition,
)
from adsum.attendance.tables import attendance_changes, attendances
from adsum.platform.database.columns import Instant
from adsum.platform.database.filters import equal, in_period
from adsum.platform.database.sql_files import sql_file
from adsum.roster.tables import classes, sessions, students
from adsum.schools.stale_days import mark_stale_records

RecordRow: TypeAlias = Sequence[Any]
"""The fields of a `DescribedRecord`, in their order."""

_stored = attrgetter(*(each.name for each in fields(Record)))
_ORDER = (
    attendances.c.school_id,
    attendances.c.learning_date,
    attendances.c.session_id,
    attendances.c.student_id,
)

_day_of_record = select(attendances.c.learning_date).where(attendances.c.id == bindparam("record_id"))
_INSERT_CHANGE = insert(attendance_changes).values(learning_date=_day_of_record.scalar_subquery())
_INSERT_CHANGE_EVENTS = sql_file("adsum.attendance", "insert_change_events")
_APPLY_CHANGE = sql_file("adsum.attendance", "apply_change", parameters={"marked_at": Instant()})
# Its columns are the fields of `RecordChange`, in their order.
_LIST_CHANGES = sql_file(
    "adsum.attendance",
    "list_changes",
    returns={each.name: attendance_changes.c[each.name].type for each in fields(RecordChange)},
)


async def list_records(
    connection: AsyncConnection, caller: Caller, filters: RecordFilters, after: RecordPosition | None, limit: int
) -> Sequence[RecordRow]:
    """At most `limit` visible records in the order of their positions, from after the position `after`.

    A teacher sees the records of days on which they taught the class.
    """
    statement = (
        select_records()
        .where(in_visible_school(caller, attendances.c.school_id), _is_visible(caller), *_matches(filters))
        .order_by(*_ORDER)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(*_ORDER) > after)
    # Materialized: joined to the list itself, the names would let a database sort it instead of reading an index.
    r, s, m, c = statement.cte("record").prefix_with("MATERIALIZED").c, students.c, sessions.c, classes.c
    described = (
        select(*r, *_description_of_student(caller), *_description_of_session(caller))
        .join(students, s.id == r.student_id)
        .join(sessions, m.id == r.session_id)
        .join(classes, c.id == m.class_id)
        .order_by(*(r[column.name] for column in _ORDER))
    )
    return (await connection.execute(described)).all()


async def describe(connection: AsyncConnection, records: Sequence[Record], caller: Caller) -> list[DescribedRecord]:
    """The records, with the source ids and, for callers with `roster:read`, the names of student, class and session."""
    s, m, c = students.c, sessions.c, classes.c
    student_ids, session_ids = ({getattr(each, name) for each in records} for name in ("student_id", "session_id"))
    of_student = select(s.id, *_description_of_student(caller)).where(s.id.in_(student_ids))
    of_session = select(m.id, *_description_of_session(caller)).join(classes, c.id == m.class_id)
    of_session = of_session.where(m.id.in_(session_ids))
    pupils = {id_: texts for id_, *texts in await connection.execute(of_student)}
    places = {id_: texts for id_, *texts in await connection.execute(of_session)}
    return [
        DescribedRecord(*_stored(record), *pupils[record.student_id], *places[record.session_id]) for record in records
    ]


def _description_of_student(caller: Caller) -> tuple[ColumnElement[Any], ...]:
    """The fields that `DescribedRecord` has of a student. Names need `roster:read`."""
    c = students.c
    return (c.source_id, _name(caller, c.given_name), _name(caller, c.family_name))


def _description_of_session(caller: Caller) -> tuple[ColumnElement[Any], ...]:
    """As `_description_of_student`, of a session and its class."""
    m, c = sessions.c, classes.c
    return (c.source_id, _name(caller, c.title), m.source_id, m.period, _name(caller, m.title))


def _name(caller: Caller, column: ColumnElement[str]) -> ColumnElement[Any]:
    return column if sees_names(caller) else null()


async def find_record(
    connection: AsyncConnection, caller: Caller, record_id: int, *, lock: bool = False
) -> Record | None:
    """One record, if the caller may see it. `lock`: keeps others from changing it until the transaction ends."""
    statement = select_records().where(
        attendances.c.id == record_id, in_visible_school(caller, attendances.c.school_id), _is_visible(caller)
    )
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else Record(*row)


async def find_records_with_statuses(
    connection: AsyncConnection,
    caller: Caller,
    school_id: int,
    student_days: Collection[tuple[int, date]],
    statuses: Collection[str],
    *,
    lock: bool = False,
) -> list[Record]:
    """The visible records of students on days that have one of these statuses, by id. `lock` as in `find_record`."""
    a = attendances.c
    statement = (
        select_records()
        .where(
            *(a.school_id == school_id, a.status.in_(sorted(statuses))),
            # Two lists, since no index of SQLite serves a list of pairs. The loop below drops the surplus.
            a.student_id.in_({student_id for student_id, _ in student_days}),
            a.learning_date.in_({day for _, day in student_days}),
            *(in_visible_school(caller, a.school_id), _is_visible(caller)),
        )
        .order_by(a.id)
    )
    rows = await connection.execute(statement.with_for_update() if lock else statement)
    records = (Record(*row) for row in rows)
    return [record for record in records if (record.student_id, record.learning_date) in student_days]


async def find_students_with_statuses(
    connection: AsyncConnection,
    school_id: int,
    sessions_of_days: Collection[tuple[int, date]],
    statuses: Collection[str],
    *,
    marked_before: datetime,
) -> set[tuple[int, date]]:
    """The students and days of the records in these sessions that have one of these statuses since `marked_before`."""
    a = attendances.c
    query = select(a.student_id, a.learning_date).where(
        a.school_id == school_id,
        tuple_(a.session_id, a.learning_date).in_(sorted(sessions_of_days)),
        a.status.in_(sorted(statuses)),
        a.marked_at <= marked_before,
    )
    return {(student_id, day) for student_id, day in await connection.execute(query)}


def select_records() -> Select[*tuple[Any, ...]]:
    """The fields of `Record`, in their order, without a condition. The last is computed, the others are columns."""
    *stored, is_offices = (each.name for each in fields(Record))
    return select(*(attendances.c[name] for name in stored), keeps_mark().label(is_offices))


def is_set_by_office() -> ColumnElement[bool]:
    """Records whose mark the office set: by hand, or by a planned absence that corrected the record.

    The mark of a planned absence that a register has recorded is set by the caller who took the register.
    Statements in files write `marked_role IN ('office', 'admin')`; a test compares them with this function.
    """
    return attendances.c.marked_role.in_(OFFICE_ROLES)


def is_set_by_hand() -> ColumnElement[bool]:
    """Records whose mark the office set by hand."""
    return and_(is_set_by_office(), attendances.c.absence_id.is_(None))


def keeps_mark() -> ColumnElement[bool]:
    """Records whose mark a planned absence does not change: the office set it, or a planned absence did."""
    return or_(is_set_by_office(), attendances.c.absence_id.is_not(None))


async def apply_changes(connection: AsyncConnection, changes: Mapping[int, RecordChange]) -> None:
    """Changes records, by id, adds the changes to their history, and writes an event of each.

    The caller has locked the records. A second change to the same version violates the key of `attendance_changes`.
    """
    if not changes:
        return
    rows = [
        {"record_id": record_id, "attendance_id": record_id, **asdict(change)} for record_id, change in changes.items()
    ]
    await connection.execute(_INSERT_CHANGE, rows)
    await _APPLY_CHANGE.execute_many(connection, [_new_values(each, change) for each, change in changes.items()])
    await insert_change_events(connection, changes.keys())
    await mark_stale_records(connection, changes.keys())


async def insert_change_events(connection: AsyncConnection, record_ids: Collection[int]) -> None:
    """Writes an event for the newest change of each record, which this transaction has made."""
    if record_ids:
        await _INSERT_CHANGE_EVENTS.fetch_all(connection, {"record_ids": json.dumps(sorted(record_ids))})


async def list_changes(
    connection: AsyncConnection, record_id: int, before: int | None, limit: int
) -> list[RecordChange]:
    """At most `limit` versions of a record, the newest first, from before the version `before`."""
    values = {"record_id": record_id, "before": before, "limit": limit}
    return [RecordChange(*row) for row in await _LIST_CHANGES.fetch_all(connection, values)]


def _is_visible(caller: Caller) -> ColumnElement[bool]:
    a = attendances.c
    return in_visible_session(caller, a.class_id, a.session_id, a.learning_date)


def _matches(filters: RecordFilters) -> list[ColumnElement[bool]]:
    a = attendances.c
    conditions = equal((a.school_id, filters.school_id))
    if filters.class_id is not None:
        # The indexes have the school and the session, not the class.
        of_class = select(sessions.c.id).where(sessions.c.class_id == filters.class_id)
        # Redundant, but it fixes the first column of the sort order, so that an index serves the sort.
        school_id = select(classes.c.school_id).where(classes.c.id == filters.class_id).scalar_subquery()
        conditions += [a.session_id.in_(of_class), a.school_id == school_id]
    conditions += equal((a.session_id, filters.session_id), (a.student_id, filters.student_id))
    conditions += in_period(a.learning_date, filters.first_day, filters.last_day)
    if filters.status is not None:
        conditions += [a.status == filters.status]
    return conditions


def _new_values(record_id: int, change: RecordChange) -> dict[str, Any]:
    return {
        "record_id": record_id,
        "old_version": change.version - 1,
        "version": change.version,
        "status": change.new_status,
        "note": change.new_note,
        "arrived_at": change.new_arrived_at,
        "left_at": change.new_left_at,
        "absence_id": change.absence_id,
        "marked_at": change.changed_at,
        "marked_role": change.changed_role,
        "user_id": change.user_id,
        "key_id": change.key_id,
        "changes_office_note": change.changes_office_note,
        "office_note": change.new_office_note,
    }


async def count_marks(
    connection: AsyncConnection, school_id: int, days: Collection[date]
) -> list[tuple[date, int, int]]:
    """The numbers of marks of a school on these days, as day, session id and number. It reads no other day."""
    a = attendances.c
    counted = (
        select(a.learning_date, a.session_id, func.count())
        .where(a.school_id == school_id, a.learning_date.in_(days), a.status.is_not(None))
        .group_by(a.learning_date, a.session_id)
    )
    return [(day, session_id, marks) for day, session_id, marks in await connection.execute(counted)]
