"""Statements about the records that planned absences correct, or that keep their mark."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import date

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.rules import MAX_NAMED_RECORDS, Absence, AppliedAbsence
from adsum.attendance.repository import keeps_mark, select_records
from adsum.attendance.rules import Record, RecordChange, RecordedMark
from adsum.attendance.tables import attendance_changes, attendances
from adsum.platform.database.validity import valid_on
from adsum.roster.tables import session_times
from adsum.roster.timetable.repository import weekday_of


async def lock_records_of_students(
    connection: AsyncConnection, school_id: int, student_ids: Collection[int], first_day: date, last_day: date
) -> list[Record]:
    """The records of students at a school from the first to the last day, locked in the order of ids."""
    a = attendances.c
    # No index serves the condition on the school, so that the index on the student is used.
    of_students = (a.school_id + 0 == school_id, a.student_id.in_(sorted(student_ids)))
    return await _lock_records(connection, *of_students, a.learning_date >= first_day, a.learning_date <= last_day)


async def find_kept_records(
    connection: AsyncConnection, school_id: int, student_ids: Collection[int], absence: Absence
) -> tuple[list[int], int]:
    """The ids of the first `MAX_NAMED_RECORDS` records of students at a school to which an absence applies, and that
    differ from it and keep their mark; and the number of all.
    """
    a = attendances.c
    # As above: no index serves the condition on the school and the order, so that the one on the student is used.
    of_students = (a.school_id + 0 == school_id, a.student_id.in_(sorted(student_ids)))
    kept = select(a.id, func.count().over()).where(*of_students, a.status != absence.status, keeps_mark())
    statement = kept.where(*is_applied_to(absence)).order_by(a.id + 0).limit(MAX_NAMED_RECORDS)
    rows = [(record_id, number) for record_id, number in await connection.execute(statement)]
    return [record_id for record_id, _ in rows], rows[0][1] if rows else 0


def is_applied_to(absence: AppliedAbsence) -> Sequence[ColumnElement[bool]]:
    """Records of its students to which an absence applies, as `AppliedAbsence.applies_to` decides. A test compares."""
    a, t = attendances.c, session_times.c
    of_days = (a.learning_date >= absence.first_day, a.learning_date <= absence.last_day)
    of_sessions = () if absence.session_ids is None else (a.session_id.in_(absence.session_ids),)
    if absence.from_time is None or absence.to_time is None:
        return *of_days, *of_sessions
    of_week = and_(t.session_id == a.session_id, valid_on(session_times, a.learning_date))
    meets = exists().where(of_week, t.weekday == weekday_of(a.learning_date))
    meets_then = meets.where(t.begins < absence.to_time, t.ends > absence.from_time)
    if absence.session_ids is None:
        return *of_days, meets_then
    return *of_days, *of_sessions, or_(meets_then, not_(exists().where(of_week)))


async def lock_records_of_absence(connection: AsyncConnection, absence_id: int, student_id: int) -> list[Record]:
    """The records whose mark comes from an absence of this student, locked in the order of ids."""
    a = attendances.c
    return await _lock_records(connection, a.student_id == student_id, a.absence_id == absence_id)


async def _lock_records(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> list[Record]:
    statement = select_records().where(*conditions).order_by(attendances.c.id).with_for_update()
    return [Record(*row) for row in await connection.execute(statement)]


async def newest_changes(connection: AsyncConnection, record_ids: Collection[int]) -> dict[int, RecordChange]:
    """By record, the change that led to its present version; records without changes are missing."""
    c = attendance_changes.c
    statement = (
        select(c.attendance_id, *(c[each.name] for each in fields(RecordChange)))
        .join(attendances, (attendances.c.id == c.attendance_id) & (attendances.c.version == c.version))
        .where(c.attendance_id.in_(sorted(record_ids)))
    )
    return {record_id: RecordChange(*values) for record_id, *values in await connection.execute(statement)}


async def previous_marks(connection: AsyncConnection, record_ids: Collection[int]) -> dict[int, RecordedMark]:
    """By record, the mark before its newest change; records without changes are missing."""
    return {
        record_id: RecordedMark(
            change.old_status, change.old_note, arrived_at=change.old_arrived_at, left_at=change.old_left_at
        )
        for record_id, change in (await newest_changes(connection, record_ids)).items()
    }
