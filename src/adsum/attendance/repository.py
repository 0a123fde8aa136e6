"""Attendance records: listing them, and finding one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller, Role
from adsum.accounts.visibility import in_visible_school, in_visible_session
from adsum.attendance.filters import RecordFilters
from adsum.attendance.rules import RecordedMark
from adsum.attendance.tables import attendances
from adsum.platform.ids import Batch
from adsum.roster.tables import classes, sessions, students

RecordPosition = tuple[int, date, int, int]
"""Where a record stands in a list: school, learning date, session, student. Nothing of it ever changes."""

_ORDER = (
    attendances.c.school_id,
    attendances.c.learning_date,
    attendances.c.session_id,
    attendances.c.student_id,
)


@dataclass(frozen=True, slots=True)
class RecordRow:
    """What is recorded about a student in one session on one learning date; a cleared mark has no status."""

    id: int
    school_id: int
    class_id: int
    session_id: int
    learning_date: date
    student_id: int
    status: str | None
    note: str | None
    version: int
    marked_at: datetime
    marked_role: str
    user_id: int | None
    arrived_at: str | None
    left_at: str | None
    office_note: str | None
    absence_id: int | None
    is_offices: bool

    @property
    def batch_id(self) -> str:
        return Batch(self.class_id, self.session_id, self.learning_date).id

    @property
    def standing(self) -> RecordedMark:
        return RecordedMark(self.status, self.note, self.version, self.arrived_at, self.left_at, self.is_offices)

    @property
    def position(self) -> RecordPosition:
        return (self.school_id, self.learning_date, self.session_id, self.student_id)


async def list_records(
    connection: AsyncConnection, caller: Caller, filters: RecordFilters, after: RecordPosition | None, limit: int
) -> list[RecordRow]:
    """At most `limit` records that the caller sees, in the order of their positions, from beyond `after`.

    A teacher sees the records of the days on which they were assigned to the class.
    """
    statement = (
        records()
        .where(
            in_visible_school(caller, attendances.c.school_id),
            _is_seen(caller),
            *_narrowed(filters),
        )
        .order_by(*_ORDER)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(*_ORDER) > after)
    return [RecordRow(*row) for row in await connection.execute(statement)]


async def find_record(
    connection: AsyncConnection, caller: Caller, record_id: int, *, to_change: bool = False
) -> RecordRow | None:
    """One record, if the caller sees it. `to_change`: nobody else changes it until this transaction ends."""
    statement = records().where(
        attendances.c.id == record_id,
        in_visible_school(caller, attendances.c.school_id),
        _is_seen(caller),
    )
    row = (await connection.execute(statement.with_for_update() if to_change else statement)).one_or_none()
    return None if row is None else RecordRow(*row)


def _is_seen(caller: Caller) -> ColumnElement[bool]:
    c = attendances.c
    return in_visible_session(caller, c.class_id, c.session_id, c.learning_date)


async def list_absences(
    connection: AsyncConnection,
    caller: Caller,
    school_id: int,
    of: Collection[tuple[int, date]],
    codes: Collection[str],
    *,
    to_change: bool = False,
) -> list[RecordRow]:
    """The records of these students on their days that have one of these statuses, by id.

    `to_change`: nobody else changes them until this transaction ends.
    """
    a = attendances.c
    statement = (
        records()
        .where(
            *(a.school_id == school_id, a.status.in_(sorted(codes))),
            # Two lists rather than pairs, which no index of SQLite's serves; what is too much is left out below.
            *(a.student_id.in_({student_id for student_id, _ in of}), a.learning_date.in_({day for _, day in of})),
            *(in_visible_school(caller, a.school_id), _is_seen(caller)),
        )
        .order_by(a.id)
    )
    found = await connection.execute(statement.with_for_update() if to_change else statement)
    rows = [RecordRow(*row) for row in found]
    return [row for row in rows if (row.student_id, row.learning_date) in of]


def _narrowed(filters: RecordFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.class_id is not None:
        # The class as its school and sessions, which is what the indexes know.
        of_class = select(sessions.c.id).where(sessions.c.class_id == filters.class_id)
        conditions += [attendances.c.session_id.in_(of_class), _in_school_of(classes, filters.class_id)]
    if filters.session_id is not None:
        conditions += [attendances.c.session_id == filters.session_id]
    if filters.student_id is not None:
        conditions += [attendances.c.student_id == filters.student_id, _in_school_of(students, filters.student_id)]
    if filters.first_day is not None:
        conditions += [attendances.c.learning_date >= filters.first_day]
    if filters.last_day is not None:
        conditions += [attendances.c.learning_date <= filters.last_day]
    if filters.status is not None:
        conditions += [attendances.c.status == filters.status]
    return conditions


def _in_school_of(table: Table, id_: int) -> ColumnElement[bool]:
    """Adds nothing to what is found: it lets the sort begin after the school, and so be served by an index."""
    return attendances.c.school_id == select(table.c.school_id).where(table.c.id == id_).scalar_subquery()


def is_set_by_office() -> ColumnElement[bool]:
    """Whether somebody of the office set the mark; one that an absence set is the office's, too."""
    return attendances.c.marked_role.in_([Role.OFFICE.value, Role.ADMIN.value])


def records() -> Select[*tuple[Any, ...]]:
    """The columns of `RecordRow`, of all records there are."""
    return select(
        attendances.c.id,
        attendances.c.school_id,
        attendances.c.class_id,
        attendances.c.session_id,
        attendances.c.learning_date,
        attendances.c.student_id,
        attendances.c.status,
        attendances.c.note,
        attendances.c.version,
        attendances.c.marked_at,
        attendances.c.marked_role,
        attendances.c.user_id,
        attendances.c.arrived_at,
        attendances.c.left_at,
        attendances.c.office_note,
        attendances.c.absence_id,
        or_(is_set_by_office(), attendances.c.absence_id.is_not(None)),
    )
