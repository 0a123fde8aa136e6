"""Statements on periods, on what is due, and on the runs of a retention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime

from sqlalchemy import ColumnElement, Date, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.tables import absence_contacts, absences
from adsum.attendance.tables import attendances, contradictions
from adsum.platform.database.columns import BigInt
from adsum.platform.database.sql_files import sql_file
from adsum.platform.days import today_in
from adsum.privacy.holds.repository import held_students
from adsum.privacy.retention.rules import FIRST_MONTH, NO_PERIODS, Due, Kind, Periods, summed
from adsum.privacy.tables import retention_periods, retention_runs
from adsum.registers.tables import desk_entries, register_reminders
from adsum.roster.repository.membership import student_in_school
from adsum.roster.tables import students
from adsum.schools.tables import schools

DEFAULT = 0
"""The `school_id` of the default of the installation."""

DUE_STUDENTS = sql_file(
    "adsum.privacy.retention",
    "due_students",
    parameters={"school_id": BigInt, "before": Date()},
    returns={"id": BigInt, "enrolled_until": Date()},
)

HAS_NOTE = or_(attendances.c.note.is_not(None), attendances.c.office_note.is_not(None))
CONTACT_HAS_TEXT = or_(absence_contacts.c.person.is_not(None), absence_contacts.c.note.is_not(None))


@dataclass(frozen=True, slots=True)
class SchoolPeriods:
    """A school with its own periods and those that are in effect. `today` is the school's."""

    id: int
    today: date
    own: Periods
    effective: Periods

    @property
    def cutoffs(self) -> Mapping[Kind, date]:
        return self.effective.cutoffs(self.today)


@dataclass(frozen=True, slots=True)
class RetentionRun:
    """A deletion of the data of one kind before a day. `ended_at` None: it has not reached its end yet."""

    school_id: int
    kind: str
    before: date
    deleted: int
    began_at: datetime
    ended_at: datetime | None


async def periods_of_schools(connection: AsyncConnection, now: datetime) -> tuple[Periods, list[SchoolPeriods]]:
    """The default of the installation, and each school by id."""
    names = [each.name for each in fields(Periods)]
    c = retention_periods.c
    found = {row[0]: Periods(*row[1:]) for row in await connection.execute(select(c.school_id, *(c[n] for n in names)))}
    default = found.get(DEFAULT, NO_PERIODS)
    rows = await connection.execute(select(schools.c.id, schools.c.time_zone).order_by(schools.c.id))
    return default, [
        SchoolPeriods(
            school_id,
            today_in(zone, now),
            found.get(school_id, NO_PERIODS),
            found.get(school_id, NO_PERIODS).over(default),
        )
        for school_id, zone in rows
    ]


async def set_periods(connection: AsyncConnection, school_id: int, periods: Periods) -> None:
    """Replaces the periods of a school, or the default. The school, or all imports, have to be locked."""
    await connection.execute(delete(retention_periods).where(retention_periods.c.school_id == school_id))
    await connection.execute(insert(retention_periods).values(school_id=school_id, **asdict(periods)))


async def due_of(connection: AsyncConnection, school: SchoolPeriods, cutoffs: Mapping[Kind, date]) -> list[Due]:
    """The data of a school that a run would delete, from before these days."""
    month = school.effective.first_month or FIRST_MONTH
    found: list[Due] = []
    for kind, rows_of_tables in _dated_rows(school.id).items():
        if kind in cutoffs:
            days = Counter[date]()
            for day, conditions in rows_of_tables:
                counts = select(day, func.count()).where(*conditions, day < cutoffs[kind]).group_by(day)
                days.update({row[0]: row[1] for row in await connection.execute(counts)})
            found += summed(school.id, kind.value, month, days)
    if Kind.STUDENTS in cutoffs:
        values = {"school_id": school.id, "before": cutoffs[Kind.STUDENTS]}
        ends = [row[1] for row in await DUE_STUDENTS.fetch_all(connection, values)]
        found += summed(school.id, Kind.STUDENTS.value, month, {day: ends.count(day) for day in ends})
    return found


def _dated_rows(school_id: int) -> Mapping[Kind, Sequence[tuple[ColumnElement[date], Sequence[ColumnElement[bool]]]]]:
    """By kind: the day and the conditions of the rows that `DELETIONS` deletes or empties of it.

    Rows derived from them go with them and are not counted: histories, summaries, plans of runs, stored answers.
    """
    a, b, c = attendances.c, absences.c, contradictions.c
    r, e, d = register_reminders.c, absence_contacts.c, desk_entries.c
    records = [a.school_id == school_id, a.student_id.not_in(held_students())]
    disputed = [c.school_id == school_id, c.student_id.not_in(held_students())]
    contacts = [e.school_id == school_id, e.student_id.not_in(held_students())]
    return {
        Kind.RECORDS: [
            (a.learning_date, records),
            (c.learning_date, disputed),
            (r.learning_date, [r.school_id == school_id]),
        ],
        Kind.NOTES: [
            (a.learning_date, [*records, HAS_NOTE]),
            (c.learning_date, [*disputed, c.note.is_not(None)]),
            (e.day, [*contacts, CONTACT_HAS_TEXT]),
        ],
        Kind.ABSENCES: [
            (b.last_day, [b.school_id == school_id, b.student_id.not_in(held_students())]),
            (e.day, contacts),
            (d.day, [d.school_id == school_id, d.student_id.not_in(held_students())]),
        ],
    }


async def count_students_on_hold(connection: AsyncConnection, school_id: int | None) -> int:
    """The number of students on hold at a school; None: at all schools."""
    held = select(func.count()).select_from(students).where(students.c.id.in_(held_students()))
    if school_id is not None:
        held = held.where(student_in_school(school_id))
    return await connection.scalar(held) or 0


async def set_records_from(connection: AsyncConnection, school_id: int, day: date) -> None:
    """Refuses marks and corrections of days before this one from now on. The school has to be locked."""
    c = schools.c
    is_earlier = or_(c.records_from.is_(None), c.records_from < day)
    await connection.execute(update(schools).where(c.id == school_id, is_earlier).values(records_from=day))


async def add_deleted(
    connection: AsyncConnection, school_id: int, kind: Kind, before: date, rows: int, now: datetime
) -> None:
    """Adds deleted rows to a run, which begins or goes on. In the transaction that deletes them."""
    c = retention_runs.c
    of_run = (c.school_id == school_id, c.kind == kind.value, c.before == before)
    values = {"deleted": c.deleted + rows, "ended_at": None}
    updated = await connection.execute(update(retention_runs).where(*of_run).values(values))
    if not updated.rowcount:
        new = {"school_id": school_id, "kind": kind.value, "before": before, "deleted": rows, "began_at": now}
        await connection.execute(insert(retention_runs).values(new))


async def end_run(connection: AsyncConnection, school_id: int, kind: Kind, before: date, now: datetime) -> int | None:
    """Ends a run. Returns the number of rows that it has deleted; None: there is no run that has not ended."""
    c = retention_runs.c
    of_run = (c.school_id == school_id, c.kind == kind.value, c.before == before, c.ended_at.is_(None))
    return await connection.scalar(update(retention_runs).where(*of_run).values(ended_at=now).returning(c.deleted))


async def list_runs(connection: AsyncConnection, school_id: int, limit: int) -> list[RetentionRun]:
    """The newest runs of a school."""
    c = retention_runs.c
    statement = (
        select(*(c[each.name] for each in fields(RetentionRun)))
        .where(c.school_id == school_id)
        .order_by(c.began_at.desc(), c.kind)
        .limit(limit)
    )
    return [RetentionRun(*row) for row in await connection.execute(statement)]
