"""Absences known beforehand: what is known of whom, each version of it, and the runs that it waits for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Integer, Select, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.filters import AbsenceFilters
from adsum.absences.rules import Absence
from adsum.absences.tables import absence_versions, absences, due_absences
from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.platform.database.columns import RunId
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.roster.tables import enrolments, sessions

_QUEUE_DUE_ABSENCES = sql_file(__package__, "queue_due_absences")
_FIND_DUE_ABSENCES = sql_file(__package__, "find_due_absences", returns={"run_id": RunId, "absence_id": Integer()})

AbsencePosition = tuple[date, int]
"""Where an absence stands in a list, the newest first: its first day, its id."""


@dataclass(frozen=True, slots=True)
class AbsenceRow:
    """An absence of one student. `version` counts what was changed of it, from 1."""

    id: int
    school_id: int
    student_id: int
    absence: Absence
    version: int
    revoked_at: datetime | None

    @property
    def position(self) -> AbsencePosition:
        return self.absence.first_day, self.id


@dataclass(frozen=True, slots=True)
class AbsenceVersion:
    """What an absence said in one version, and who said so, in which role."""

    version: int
    said: dict[str, Any]
    changed_at: datetime
    changed_role: str
    user_id: int | None
    key_id: int | None


@dataclass(frozen=True, slots=True)
class Teller:
    """Who tells of an absence, and when."""

    caller: Caller
    at: datetime


async def add_absences(
    connection: AsyncConnection, school_id: int, student_ids: Sequence[int], absence: Absence, teller: Teller
) -> list[AbsenceRow]:
    """Adds the same absence of each student, in this order."""
    rows = [{"school_id": school_id, "student_id": student_id, **_columns(absence)} for student_id in student_ids]
    added = insert(absences).returning(absences.c.id, sort_by_parameter_order=True)
    ids = list(await connection.scalars(added, rows))
    found = [
        AbsenceRow(absence_id, school_id, student_id, absence, 1, None)
        for absence_id, student_id in zip(ids, student_ids, strict=True)
    ]
    await _keep_versions(connection, found, teller)
    return found


async def change_absence(connection: AsyncConnection, row: AbsenceRow, teller: Teller) -> None:
    """Puts `row`, which is one version on, in the place of the one before."""
    await connection.execute(
        update(absences)
        .where(absences.c.id == row.id)
        .values(**_columns(row.absence), version=row.version, revoked_at=row.revoked_at)
    )
    await _keep_versions(connection, [row], teller)


async def list_absences(
    connection: AsyncConnection, caller: Caller, filters: AbsenceFilters, after: AbsencePosition | None, limit: int
) -> list[AbsenceRow]:
    """At most `limit` absences of the caller's schools, those that begin last first."""
    c = absences.c
    statement = _absences(caller).order_by(c.first_day.desc(), c.id.desc()).limit(limit)
    if not filters.with_revoked:
        statement = statement.where(c.revoked_at.is_(None))
    if filters.school_id is not None:
        statement = statement.where(c.school_id == filters.school_id)
    if filters.student_id is not None:
        statement = statement.where(c.student_id == filters.student_id)
    if filters.class_id is not None:
        ever = select(enrolments.c.student_id).where(enrolments.c.class_id == filters.class_id)
        statement = statement.where(c.student_id.in_(ever))
    if filters.first_day is not None:
        statement = statement.where(c.last_day >= filters.first_day)
    if filters.last_day is not None:
        statement = statement.where(c.first_day <= filters.last_day)
    if after is not None:
        statement = statement.where(tuple_(c.first_day, c.id) < after)
    return [_row(*row) for row in await connection.execute(statement)]


async def find_absences(
    connection: AsyncConnection, caller: Caller, absence_ids: Collection[int], *, to_change: bool = False
) -> list[AbsenceRow]:
    """Those of these absences that the caller sees, by id."""
    statement = _absences(caller).where(absences.c.id.in_(sorted(absence_ids))).order_by(absences.c.id)
    rows = await connection.execute(statement.with_for_update() if to_change else statement)
    return [_row(*row) for row in rows]


async def list_versions(
    connection: AsyncConnection, absence_id: int, before: int | None, limit: int
) -> list[AbsenceVersion]:
    """At most `limit` versions of an absence, the newest first, from before the version `before`."""
    c = absence_versions.c
    statement = (
        select(c.version, c.said, c.changed_at, c.changed_role, c.user_id, c.key_id)
        .where(c.absence_id == absence_id)
        .order_by(c.version.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(c.version < before)
    return [AbsenceVersion(*row) for row in await connection.execute(statement)]


async def sessions_of_students(connection: AsyncConnection, student_ids: Collection[int]) -> set[int]:
    """The sessions of all classes in which any of them ever was enrolled."""
    classes = select(enrolments.c.class_id).where(enrolments.c.student_id.in_(sorted(student_ids)))
    return set(await connection.scalars(select(sessions.c.id).where(sessions.c.class_id.in_(classes))))


async def queue_due_absences(connection: AsyncConnection, rows: Sequence[AbsenceRow]) -> None:
    """Queues absences for the open runs that may be about to record these students: see `due_absences`."""
    await _QUEUE_DUE_ABSENCES.fetch_all(connection, input_rows([{"absence_id": row.id} for row in rows]))


async def find_due_absences(connection: AsyncConnection, limit: int) -> list[tuple[str, int]]:
    """At most `limit` queued absences whose run has ended, as run id and absence id."""
    rows = await _FIND_DUE_ABSENCES.fetch_all(connection, {"limit": limit})
    return [(run_id, absence_id) for run_id, absence_id in rows]


async def remove_due_absences(connection: AsyncConnection, due: Sequence[tuple[str, int]]) -> None:
    """Removes queued absences that have been applied."""
    d = due_absences.c
    await connection.execute(due_absences.delete().where(tuple_(d.run_id, d.absence_id).in_(due)))


def _absences(caller: Caller) -> Select[*tuple[Any, ...]]:
    c = absences.c
    return select(
        *(c.id, c.school_id, c.student_id, c.version, c.revoked_at),
        *(c.first_day, c.last_day, c.status, c.reason, c.session_ids, c.from_time, c.to_time),
    ).where(in_visible_school(caller, c.school_id))


def _row(
    absence_id: int, school_id: int, student_id: int, version: int, revoked_at: datetime | None, *said: Any
) -> AbsenceRow:
    first_day, last_day, status, reason, session_ids, from_time, to_time = said
    listed = None if session_ids is None else tuple(session_ids)
    absence = Absence(first_day, last_day, status, reason, listed, from_time, to_time)
    return AbsenceRow(absence_id, school_id, student_id, absence, version, revoked_at)


def _columns(absence: Absence) -> dict[str, Any]:
    listed = None if absence.session_ids is None else list(absence.session_ids)
    return {
        "first_day": absence.first_day,
        "last_day": absence.last_day,
        "status": absence.status,
        "reason": absence.reason,
        "session_ids": listed,
        "from_time": absence.from_time,
        "to_time": absence.to_time,
    }


async def _keep_versions(connection: AsyncConnection, rows: Sequence[AbsenceRow], teller: Teller) -> None:
    caller = teller.caller
    await connection.execute(
        insert(absence_versions),
        [
            {
                "absence_id": row.id,
                "version": row.version,
                "said": {**row.absence.to_json(), "revoked": row.revoked_at is not None},
                "changed_at": teller.at,
                "changed_role": caller.role,
                "user_id": caller.user_id,
                "key_id": caller.key_id,
            }
            for row in rows
        ],
    )
