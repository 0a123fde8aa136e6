"""What an absence known beforehand makes of records that are there already, and what it takes back of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.repository import RecordRow, records
from adsum.attendance.tables import attendance_changes, attendances
from adsum.roster.tables import session_times
from adsum.schools.calendar.rules import SessionTime


async def records_of_students(
    connection: AsyncConnection, student_ids: Collection[int], first_day: date, last_day: date
) -> list[RecordRow]:
    """Their records from the first to the last day, by id; nobody else changes them until this transaction ends."""
    a = attendances.c
    statement = (
        records()
        .where(a.student_id.in_(sorted(student_ids)), a.learning_date >= first_day, a.learning_date <= last_day)
        .order_by(a.id)
        .with_for_update()
    )
    return [RecordRow(*row) for row in await connection.execute(statement)]


async def records_of_absence(connection: AsyncConnection, absence_id: int, student_id: int) -> list[RecordRow]:
    """The records whose mark comes from an absence of that student, as `records_of_students`."""
    a = attendances.c
    statement = records().where(a.student_id == student_id, a.absence_id == absence_id).order_by(a.id)
    return [RecordRow(*row) for row in await connection.execute(statement.with_for_update())]


async def times_of_sessions(connection: AsyncConnection, session_ids: Collection[int]) -> dict[int, list[SessionTime]]:
    """When each of these sessions meets; one that has no times has none."""
    c = session_times.c
    times: defaultdict[int, list[SessionTime]] = defaultdict(list)
    found = select(c.session_id, c.weekday, c.begins, c.ends).where(c.session_id.in_(sorted(session_ids)))
    for session_id, *time in await connection.execute(found):
        times[session_id].append(SessionTime(*time))
    return times


async def marks_before(
    connection: AsyncConnection, found: Sequence[RecordRow]
) -> dict[int, tuple[str | None, str | None, str | None, str | None]]:
    """By record, the status, note and times before its newest change; a record without changes has none."""
    c = attendance_changes.c
    statement = (
        select(c.attendance_id, c.old_status, c.old_note, c.old_arrived_at, c.old_left_at)
        .join(attendances, (attendances.c.id == c.attendance_id) & (attendances.c.version == c.version))
        .where(c.attendance_id.in_([record.id for record in found]))
    )
    rows = await connection.execute(statement)
    return {record_id: (status, note, arrived, left) for record_id, status, note, arrived, left in rows}
