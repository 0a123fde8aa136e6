"""Erases the data of one student.

Each table that `erase_student` changes is exported, except for the summaries of classes and schools, which contain no
personal data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, datetime

from sqlalchemy import ColumnElement, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.tables import absence_contacts, absence_versions, absences, due_absences
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.batches.run import STUDENT_KEY
from adsum.batches.tables import job_failures
from adsum.platform.database.tombstones import Erased, SourceId, add_tombstones
from adsum.privacy.repository.references import (
    answers_with_student,
    is_in_answer,
    remove_from_answer,
    replace_in_events,
    runs_with_student,
    set_plans,
)
from adsum.privacy.tables import student_holds, student_merges
from adsum.registers.order.tables import student_seats
from adsum.registers.tables import desk_entries
from adsum.reports.repository.summaries import erase_from_summaries, summarise_classes
from adsum.roster.repository.membership import student_names
from adsum.roster.tables import enrolments, named_student_id, student_contacts, student_schools, students


async def erase_student(connection: AsyncConnection, student_id: int, now: datetime) -> int:
    """Deletes all data about a student, who is in no open run. Returns the number of deleted records.

    Tombstones of their source ids stay. The schools have to be locked, so that the student exists until the end.
    """
    names = await _source_ids(connection, student_names.c.student_id == student_id)
    # Waits for transactions that store something about the student, such as an answer, and hides them from later ones.
    locked = select(students.c.id).where(named_student_id == student_id).order_by(students.c.id)
    named = list(await connection.scalars(locked.with_for_update()))
    places = await _lock_records(connection, student_id)
    await _erase_from_plans(connection, student_id)
    await _erase_from_answers(connection, student_id)
    records = select(attendances.c.id).where(attendances.c.student_id == student_id)
    await connection.execute(delete(attendance_changes).where(attendance_changes.c.attendance_id.in_(records)))
    erased = await connection.execute(delete(attendances).where(attendances.c.student_id == student_id))
    # Before the summaries, in which the student would be an unmarked one of the classes.
    await connection.execute(delete(enrolments).where(enrolments.c.student_id == student_id))
    await connection.execute(delete(student_seats).where(student_seats.c.student_id == student_id))
    await erase_from_summaries(connection, student_id)
    for school_id, of_school in places.items():
        statuses = await statuses_of_school(connection, school_id)
        await summarise_classes(connection, school_id, of_school, statuses)
    await _delete_rows(connection, student_id)
    await connection.execute(delete(students).where(named_student_id == student_id))
    await add_tombstones(connection, Erased.STUDENT, names - await _in_use(connection, names), now)
    await replace_in_events(connection, named)
    return erased.rowcount


async def _delete_rows(connection: AsyncConnection, student_id: int) -> None:
    """Deletes the rows of a student in tables of which no other row is made."""
    of_student = select(absences.c.id).where(absences.c.student_id == student_id)
    await connection.execute(delete(due_absences).where(due_absences.c.absence_id.in_(of_student)))
    await connection.execute(delete(absence_versions).where(absence_versions.c.absence_id.in_(of_student)))
    for table in (
        job_failures,
        absences,
        absence_contacts,
        desk_entries,
        contradictions,
        student_contacts,
        student_schools,
        student_holds,
        student_merges,
    ):
        await connection.execute(delete(table).where(table.c.student_id == student_id))


async def _in_use(connection: AsyncConnection, names: Collection[SourceId]) -> set[SourceId]:
    """Source ids that also name another student of the school, whom their tombstones would leave out of imports."""
    n = student_names.c
    return await _source_ids(connection, tuple_(n.school_id, n.source_id).in_(names)) if names else set()


async def _source_ids(connection: AsyncConnection, condition: ColumnElement[bool]) -> set[SourceId]:
    """The source ids of students, merged records too, each with its school."""
    n = student_names.c
    query = select(n.school_id, n.source_id).where(condition, n.source_id.is_not(None))
    return {(school_id, source_id) for school_id, source_id in await connection.execute(query)}


async def _lock_records(connection: AsyncConnection, student_id: int) -> Mapping[int, set[tuple[int, date]]]:
    """Locks the records of a student and returns their classes and days, by school.

    Records are locked before their runs, in the same order as for a correction, so that the two do not deadlock.
    """
    c = attendances.c
    records = select(c.school_id, c.class_id, c.learning_date).where(c.student_id == student_id).order_by(c.id)
    places: defaultdict[int, set[tuple[int, date]]] = defaultdict(set)
    for school_id, class_id, day in await connection.execute(records.with_for_update()):
        places[school_id].add((class_id, day))
    return places


async def _erase_from_plans(connection: AsyncConnection, student_id: int) -> None:
    erased = [
        {
            "run_id": run["run_id"],
            "plan": [[job for job in chunk if job[STUDENT_KEY] != student_id] for chunk in run["plan"]],
            "kept": [kept for kept in run["kept"] if kept != student_id],
        }
        for run in await runs_with_student(connection, student_id)
    ]
    await set_plans(connection, erased)


async def _erase_from_answers(connection: AsyncConnection, student_id: int) -> None:
    for row in await answers_with_student(connection, student_id):
        await remove_from_answer(connection, row, is_in_answer(row, student_id))
