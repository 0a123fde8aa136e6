"""Statements about planned absences, their versions, and the queue of due absences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, Table, and_, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.rules import (
    MAX_SESSIONS,
    Absence,
    AbsenceFilters,
    AbsencePosition,
    AbsenceVersion,
    AppliedAbsence,
    Author,
    PlannedAbsence,
    SessionChoice,
    StudentAbsence,
)
from adsum.absences.tables import absence_versions, absences, due_absences
from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.platform.database.columns import RunId
from adsum.platform.database.new_events import EventType, NewEvent, write_events
from adsum.platform.database.search import mentions
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.roster.importing.tables import import_schools, import_students, import_transfers
from adsum.roster.tables import classes, enrolments, sessions, students

_QUEUE_DUE_ABSENCES = sql_file("adsum.absences", "queue_due_absences")
_FIND_DUE_ABSENCES = sql_file("adsum.absences", "find_due_absences", returns={"run_id": RunId, "absence_id": Integer()})


async def add_absences(
    connection: AsyncConnection, school_id: int, student_ids: Sequence[int], absence: Absence, author: Author
) -> list[PlannedAbsence]:
    """Adds the same absence for each student, and returns them in this order."""
    rows = [{"school_id": school_id, "student_id": student_id, **asdict(absence)} for student_id in student_ids]
    statement = insert(absences).returning(absences.c.id, sort_by_parameter_order=True)
    ids = list(await connection.scalars(statement, rows))
    added = [
        PlannedAbsence(absence_id, school_id, student_id, 1, None, absence)
        for absence_id, student_id in zip(ids, student_ids, strict=True)
    ]
    await _add_versions(connection, added, author)
    return added


async def change_absence(connection: AsyncConnection, changed: PlannedAbsence, author: Author) -> None:
    """Stores `changed`, whose version is one above the stored version."""
    await connection.execute(
        update(absences)
        .where(absences.c.id == changed.id)
        .values(**asdict(changed.absence), version=changed.version, revoked_at=changed.revoked_at)
    )
    await _add_versions(connection, [changed], author)


async def list_planned_absences(
    connection: AsyncConnection, caller: Caller, filters: AbsenceFilters, after: AbsencePosition | None, limit: int
) -> list[PlannedAbsence]:
    """At most `limit` visible absences in the order of the filters, from after the position `after`."""
    c = absences.c
    position = tuple_(c.first_day, c.id)
    order = (c.first_day, c.id) if filters.earliest_first else (c.first_day.desc(), c.id.desc())
    statement = _select_absences(caller).where(*_matches(filters)).order_by(*order).limit(limit)
    if after is not None:
        statement = statement.where(position > after if filters.earliest_first else position < after)
    return [PlannedAbsence.of_row(row) for row in (await connection.execute(statement)).mappings()]


async def planned_absences_of_class(connection: AsyncConnection, class_id: int, day: date) -> list[StudentAbsence]:
    """The absences, without reasons, that apply on a day to students who have ever been enrolled in a class."""
    school_id = select(classes.c.school_id).where(classes.c.id == class_id).scalar_subquery()
    ever_enrolled = select(enrolments.c.student_id).where(enrolments.c.class_id == class_id)
    of_class = (absences.c.school_id == school_id, absences.c.student_id.in_(ever_enrolled))
    return await _applied_absences(connection, day, day, *of_class)


async def absences_of_student(
    connection: AsyncConnection, school_id: int, student_id: int, day: date
) -> list[StudentAbsence]:
    """The absences of a student, without reasons, that apply on a day at a school."""
    of_student = (absences.c.school_id == school_id, absences.c.student_id == student_id)
    return await _applied_absences(connection, day, day, *of_student)


async def absences_during(
    connection: AsyncConnection, school_id: int, student_ids: Collection[int], first_day: date, last_day: date
) -> list[StudentAbsence]:
    """The absences of students at a school, without reasons, that apply on any day from the first to the last."""
    of_students = (absences.c.school_id == school_id, absences.c.student_id.in_(sorted(student_ids)))
    return await _applied_absences(connection, first_day, last_day, *of_students)


async def _applied_absences(
    connection: AsyncConnection, first_day: date, last_day: date, *conditions: ColumnElement[bool]
) -> list[StudentAbsence]:
    c = absences.c
    statement = (
        select(c.id, c.student_id, *(c[each.name] for each in fields(AppliedAbsence)))
        .where(*conditions)
        .where(c.last_day >= first_day, c.first_day <= last_day, c.revoked_at.is_(None))
    )
    rows = (await connection.execute(statement)).mappings()
    return [StudentAbsence(row["id"], row["student_id"], AppliedAbsence.of_row(row)) for row in rows]


async def reasons_of_absences(
    connection: AsyncConnection, caller: Caller, absence_ids: Collection[int]
) -> dict[int, str]:
    """The reasons of visible absences, by id. Does not check that the caller may read them."""
    c = absences.c
    statement = select(c.id, c.reason).where(c.id.in_(sorted(absence_ids)), in_visible_school(caller, c.school_id))
    return {row.id: row.reason for row in await connection.execute(statement)}


async def find_absence(
    connection: AsyncConnection, caller: Caller, absence_id: int, *, lock: bool = False
) -> PlannedAbsence | None:
    """One absence, if the caller may see it. `lock`: keeps others from changing it until the transaction ends."""
    statement = _select_absences(caller).where(absences.c.id == absence_id)
    found = await connection.execute(statement.with_for_update() if lock else statement)
    row = found.mappings().one_or_none()
    return None if row is None else PlannedAbsence.of_row(row)


async def lock_absences(connection: AsyncConnection, student_ids: Sequence[int]) -> None:
    """Locks the absences of students, in the order of ids. A change of one locks it before the fences, too."""
    c = absences.c
    await connection.execute(select(c.id).where(c.student_id.in_(student_ids)).order_by(c.id).with_for_update())


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
    """The sessions of all classes in which any of the students has ever been enrolled."""
    classes = select(enrolments.c.class_id).where(enrolments.c.student_id.in_(sorted(student_ids)))
    return set(await connection.scalars(select(sessions.c.id).where(sessions.c.class_id.in_(classes))))


async def sessions_of_absences(connection: AsyncConnection, absence_ids: Collection[int]) -> dict[int, list[int]]:
    """By absence, the sessions of its school, by id, that are valid on its days and in whose class its student is then.

    Absences without such a session are missing.
    """
    a = absences.c
    statement = (
        select(a.id, sessions.c.id)
        .distinct()
        .join(enrolments, enrolments.c.student_id == a.student_id)
        .join(classes, and_(classes.c.id == enrolments.c.class_id, classes.c.school_id == a.school_id))
        .join(sessions, sessions.c.class_id == classes.c.id)
        .where(a.id.in_(sorted(absence_ids)), _is_during_absence(enrolments), _is_during_absence(sessions))
        .order_by(a.id, sessions.c.id)
    )
    found = defaultdict[int, list[int]](list)
    for absence_id, session_id in await connection.execute(statement):
        found[absence_id].append(session_id)
    return dict(found)


async def sessions_to_choose(
    connection: AsyncConnection,
    caller: Caller,
    school_id: int,
    student_ids: Collection[int],
    day: date,
    named: Collection[int],
) -> list[SessionChoice]:
    """Active sessions of classes in which any of the students is enrolled on a day or later, and the sessions `named`,
    of a visible school, by titles.
    """
    m, c = sessions.c, classes.c
    statement = (
        select(m.id, c.title, m.title)
        .join(classes, c.id == m.class_id)
        .where(c.school_id == school_id, in_visible_school(caller, c.school_id))
        .where(or_(m.active & _is_class_from(student_ids, day), m.id.in_(sorted(named))))
        .order_by(c.title, c.id, m.period, m.id)
        .limit(MAX_SESSIONS)
    )
    return [SessionChoice(*row) for row in await connection.execute(statement)]


async def same_absences(
    connection: AsyncConnection, school_id: int, student_ids: Collection[int], absence: Absence
) -> dict[int, PlannedAbsence]:
    """By student, the absence at a school with the same content that is not revoked.

    Locks the students, so that nobody enters another one meanwhile.
    """
    c, ids = absences.c, sorted(student_ids)
    # Not FOR UPDATE: records of the students are inserted meanwhile.
    locked = select(students.c.id).where(students.c.id.in_(ids)).order_by(students.c.id).with_for_update(key_share=True)
    await connection.execute(locked)
    content = asdict(absence)
    # Stored as they were sent, in any order.
    del content["session_ids"]
    found = (
        select(absences)
        .where(c.school_id == school_id, c.student_id.in_(ids), c.revoked_at.is_(None))
        .where(*(c[name] == value for name, value in content.items()))
        .order_by(c.id)
    )
    rows = [PlannedAbsence.of_row(row) for row in (await connection.execute(found)).mappings()]
    return {row.student_id: row for row in rows if row.absence.is_same_as(absence)}


async def absences_of_transfers(connection: AsyncConnection) -> list[tuple[PlannedAbsence, str, int | None]]:
    """The absences of today or later at schools that their students leave in the import of this transaction.

    Each with the source id of the student, and their row in the file of users, if it has one.
    """
    a, s, t, row = absences.c, students.c, import_transfers.c, import_students.c
    listed = and_(row.school_id == t.school_id, row.source_id == s.source_id)
    found = (
        select(absences, s.source_id, row.row)
        .join(import_transfers, and_(t.student_id == a.student_id, t.old_school_id == a.school_id))
        .join(import_schools, import_schools.c.school_id == a.school_id)
        .join(students, s.id == a.student_id)
        .outerjoin(import_students, listed)
        .where(a.revoked_at.is_(None), a.last_day >= import_schools.c.today)
        .order_by(a.id, row.row)
    )
    first: dict[int, tuple[PlannedAbsence, str, int | None]] = {}
    for each in (await connection.execute(found)).mappings():
        first.setdefault(each["id"], (PlannedAbsence.of_row(each), each["source_id"], each["row"]))
    return list(first.values())


async def queue_due_absences(connection: AsyncConnection, rows: Sequence[PlannedAbsence]) -> None:
    """Queues absences for the open runs that may record the students: see the table `due_absences`."""
    await _QUEUE_DUE_ABSENCES.fetch_all(connection, input_rows([{"absence_id": row.id} for row in rows]))


async def find_due_absences(connection: AsyncConnection, limit: int) -> list[tuple[str, int]]:
    """At most `limit` queued absences whose run has ended, as run id and absence id."""
    rows = await _FIND_DUE_ABSENCES.fetch_all(connection, {"limit": limit})
    return [(run_id, absence_id) for run_id, absence_id in rows]


async def remove_due_absences(connection: AsyncConnection, due: Sequence[tuple[str, int]]) -> None:
    """Removes absences from the queue."""
    d = due_absences.c
    await connection.execute(due_absences.delete().where(tuple_(d.run_id, d.absence_id).in_(due)))


def _is_during_absence(table: Table) -> ColumnElement[bool]:
    """Whether a row is valid on any day of an absence."""
    begin, end, a = table.c.begin_date, table.c.end_date, absences.c
    return and_(or_(begin.is_(None), begin <= a.last_day), or_(end.is_(None), end > a.first_day))


def _is_class_from(student_ids: Collection[int], day: date) -> ColumnElement[bool]:
    """Classes in which any of the students is enrolled on a day or later."""
    e = enrolments.c
    enrolled = select(e.class_id).where(
        e.student_id.in_(sorted(student_ids)), e.end_date.is_(None) | (e.end_date > day)
    )
    return classes.c.id.in_(enrolled)


def _select_absences(caller: Caller) -> Select[*tuple[Any, ...]]:
    return select(absences).where(in_visible_school(caller, absences.c.school_id))


def _matches(filters: AbsenceFilters) -> list[ColumnElement[bool]]:
    c = absences.c
    conditions: list[ColumnElement[bool]] = []
    if not filters.with_revoked:
        conditions += [c.revoked_at.is_(None)]
    if filters.school_id is not None:
        conditions += [c.school_id == filters.school_id]
    if filters.student_id is not None:
        conditions += [c.student_id == filters.student_id]
    if filters.words is not None:
        named = select(students.c.id).where(mentions(filters.words, students.c.search_text))
        conditions += [c.student_id.in_(named)]
    if filters.class_id is not None:
        ever_enrolled = select(enrolments.c.student_id).where(enrolments.c.class_id == filters.class_id)
        conditions += [c.student_id.in_(ever_enrolled)]
    if filters.first_day is not None:
        conditions += [c.last_day >= filters.first_day]
    if filters.last_day is not None:
        conditions += [c.first_day <= filters.last_day]
    return conditions


async def _add_versions(connection: AsyncConnection, planned: Sequence[PlannedAbsence], author: Author) -> None:
    caller = author.caller
    await connection.execute(
        insert(absence_versions),
        [
            {
                "absence_id": each.id,
                "version": each.version,
                "said": {**each.absence.to_json(), "revoked": each.revoked_at is not None},
                "changed_at": author.at,
                "changed_role": caller.role,
                "user_id": caller.user_id,
                "key_id": caller.key_id,
            }
            for each in planned
        ],
    )
    events = [NewEvent(_event_type(each), each.school_id, _event_data(each)) for each in planned]
    await write_events(connection, events, author.at)


def _event_type(planned: PlannedAbsence) -> EventType:
    if planned.revoked_at is not None:
        return EventType.ABSENCE_REVOKED
    return EventType.ABSENCE_ENTERED if planned.version == 1 else EventType.ABSENCE_CHANGED


def _event_data(planned: PlannedAbsence) -> dict[str, Any]:
    ids = {"absenceId": planned.id, "studentId": planned.student_id, "version": planned.version}
    return ids | planned.absence.applied.to_json()
