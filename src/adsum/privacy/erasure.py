"""Erasing a student: every row and every entry of a plan that is about them. Counts, which name nobody, stay."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.tables import absence_versions, absences, due_absences
from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.batches.rules import RunState
from adsum.batches.tables import batch_runs, idempotency_keys, job_failures
from adsum.privacy.named_students import in_answer, in_plan
from adsum.reports.repository.summaries import erase_from_summaries, summarise_classes
from adsum.roster.tables import enrolments, sessions, students
from adsum.schools.repository import lock_school


async def lock_school_of(connection: AsyncConnection, student_id: int) -> None:
    """Locks the school of a student, before any lock on what is in it; without such a student, nothing.

    Else whoever summarises a day meanwhile, and has read its records, would write the student's after all.
    """
    school_id = await _school_of(connection, student_id)
    if school_id is not None:
        await lock_school(connection, school_id)


async def sessions_of_student(connection: AsyncConnection, student_id: int) -> list[int]:
    """The sessions of all classes in which the student ever was enrolled."""
    of_classes = select(enrolments.c.class_id).where(enrolments.c.student_id == student_id)
    return list(await connection.scalars(select(sessions.c.id).where(sessions.c.class_id.in_(of_classes))))


async def is_being_marked(connection: AsyncConnection, student_id: int) -> bool:
    """Whether an open run has the student: what it was promised to record cannot be taken out of it."""
    c = batch_runs.c
    open_runs = select(c.run_id).where(c.state == RunState.OPEN, in_plan(connection, student_id)).limit(1)
    return (await connection.execute(open_runs)).first() is not None


async def erase_student(connection: AsyncConnection, student_id: int) -> int:
    """Deletes what is known of a student, whom no open run has. Returns how many records that were.

    The school has to be locked: so the student is there until this is done.
    """
    school_id = await _school_of(connection, student_id)
    assert school_id is not None
    places = await _lock_records(connection, student_id)
    await _leave_plans(connection, student_id)
    await _leave_answers(connection, student_id)
    records = select(attendances.c.id).where(attendances.c.student_id == student_id)
    await connection.execute(delete(attendance_changes).where(attendance_changes.c.attendance_id.in_(records)))
    erased = await connection.execute(delete(attendances).where(attendances.c.student_id == student_id))
    await erase_from_summaries(connection, school_id, student_id)
    statuses = (await find_statuses(connection, [school_id]))[school_id]
    await summarise_classes(connection, school_id, places, statuses)
    await connection.execute(delete(job_failures).where(job_failures.c.student_id == student_id))
    of_student = select(absences.c.id).where(absences.c.student_id == student_id)
    await connection.execute(delete(due_absences).where(due_absences.c.absence_id.in_(of_student)))
    await connection.execute(delete(absence_versions).where(absence_versions.c.absence_id.in_(of_student)))
    await connection.execute(delete(absences).where(absences.c.student_id == student_id))
    await connection.execute(delete(contradictions).where(contradictions.c.student_id == student_id))
    await connection.execute(delete(enrolments).where(enrolments.c.student_id == student_id))
    await connection.execute(delete(students).where(students.c.id == student_id))
    return erased.rowcount


async def _school_of(connection: AsyncConnection, student_id: int) -> int | None:
    return await connection.scalar(select(students.c.school_id).where(students.c.id == student_id))


async def _lock_records(connection: AsyncConnection, student_id: int) -> set[tuple[int, date]]:
    """The classes and days of a student's records, which nobody else changes until this transaction ends.

    They are locked before their runs, as whoever corrects a record does: else the two could wait for each other.
    """
    c = attendances.c
    records = select(c.class_id, c.learning_date).where(c.student_id == student_id).order_by(c.id)
    return {(class_id, day) for class_id, day in await connection.execute(records.with_for_update())}


async def _leave_plans(connection: AsyncConnection, student_id: int) -> None:
    c = batch_runs.c
    rows = (await connection.execute(select(c.run_id, c.plan, c.kept).where(in_plan(connection, student_id)))).all()
    # Chunk by chunk: the place of a job in its chunk is nobody's any more, since these runs have ended.
    left = [
        {
            "of_run": row.run_id,
            "plan": [[job for job in chunk if job["student"] != student_id] for chunk in row.plan],
            "kept": [kept for kept in row.kept if kept != student_id],
        }
        for row in rows
    ]
    if left:
        await connection.execute(update(batch_runs).where(c.run_id == bindparam("of_run")), left)


async def _leave_answers(connection: AsyncConnection, student_id: int) -> None:
    c = idempotency_keys.c
    rows = (await connection.execute(select(c.actor, c.key, c.answer).where(in_answer(connection, student_id)))).all()
    left = [{"of_actor": row.actor, "of_key": row.key, "answer": _without(row.answer, student_id)} for row in rows]
    if left:
        one = update(idempotency_keys).where(c.actor == bindparam("of_actor"), c.key == bindparam("of_key"))
        await connection.execute(one, left)


def _without(answer: dict[str, Any], student_id: int) -> dict[str, Any]:
    return answer | {"conflicts": [each for each in answer["conflicts"] if each["student_id"] != student_id]}
