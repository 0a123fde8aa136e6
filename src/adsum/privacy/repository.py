"""Everything that is kept about one student, as their school hands it to them or to their parents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.tables import absences
from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.batches.tables import batch_runs, job_failures
from adsum.privacy.named_students import in_plan
from adsum.roster.tables import classes, enrolments, sessions, students
from adsum.schools.tables import schools


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Rows about one student, by the names of their columns.

    Attributes:
        student: who it is, and the school.
        enrolments: in which classes, from when to when.
        records: what is recorded, by day and session; the changes of each under `changes`.
        requests: marks that were asked for in runs whose plan is still kept.
        failures: why a mark could not be recorded.
        absences: what was known beforehand; revoked ones, too.
        contradictions: what was said in class against the office's marks.
    """

    student: dict[str, Any]
    enrolments: list[dict[str, Any]]
    records: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    absences: list[dict[str, Any]]
    contradictions: list[dict[str, Any]]


async def sees_student(connection: AsyncConnection, caller: Caller, student_id: int) -> bool:
    """Whether there is such a student in a school of the caller's."""
    found = select(students.c.id).where(students.c.id == student_id, in_visible_school(caller, students.c.school_id))
    return (await connection.execute(found)).first() is not None


async def personal_data(connection: AsyncConnection, student_id: int) -> PersonalData:
    """Everything about a student who is there."""
    (student,) = await _rows(connection, _student(student_id))
    records = await _rows(connection, _records(student_id))
    by_id: dict[int, dict[str, Any]] = {row["id"]: row | {"changes": []} for row in records}
    for change in await _rows(connection, _changes(student_id)):
        by_id[change.pop("attendance_id")]["changes"].append(change)
    return PersonalData(
        student=student,
        enrolments=await _rows(connection, _enrolments(student_id)),
        records=list(by_id.values()),
        requests=await _requests(connection, student_id),
        failures=await _rows(connection, _failures(student_id)),
        absences=await _rows(connection, _absences(student_id)),
        contradictions=await _rows(connection, _contradictions(student_id)),
    )


def _student(student_id: int) -> Select[*tuple[Any, ...]]:
    s = students.c
    return (
        select(
            s.id,
            s.source_id.label("sourced_id"),
            s.given_name,
            s.family_name,
            s.grade,
            s.active,
            schools.c.name.label("school"),
        )
        .join(schools, schools.c.id == s.school_id)
        .where(s.id == student_id)
    )


def _enrolments(student_id: int) -> Select[*tuple[Any, ...]]:
    e = enrolments.c
    return (
        select(e.class_id, classes.c.title.label("class_title"), e.begin_date, e.end_date)
        .join(classes, classes.c.id == e.class_id)
        .where(e.student_id == student_id)
        .order_by(e.begin_date, e.id)
    )


def _records(student_id: int) -> Select[*tuple[Any, ...]]:
    a = attendances.c
    return (
        select(
            a.id,
            a.learning_date,
            a.class_id,
            classes.c.title.label("class_title"),
            a.session_id,
            sessions.c.title.label("session_title"),
            a.status,
            a.note,
            a.arrived_at,
            a.left_at,
            a.office_note,
            a.version,
            a.marked_at,
            a.marked_role,
        )
        .join(classes, classes.c.id == a.class_id)
        .join(sessions, sessions.c.id == a.session_id)
        .where(a.student_id == student_id)
        .order_by(a.learning_date, a.session_id)
    )


def _changes(student_id: int) -> Select[*tuple[Any, ...]]:
    c = attendance_changes.c
    return (
        select(
            c.attendance_id,
            c.version,
            c.old_status,
            c.old_note,
            c.new_status,
            c.new_note,
            c.old_arrived_at,
            c.new_arrived_at,
            c.old_left_at,
            c.new_left_at,
            c.old_office_note,
            c.new_office_note,
            c.changed_at,
            c.changed_role,
            c.reason,
        )
        .join(attendances, attendances.c.id == c.attendance_id)
        .where(attendances.c.student_id == student_id)
        .order_by(c.attendance_id, c.version)
    )


def _failures(student_id: int) -> Select[*tuple[Any, ...]]:
    f, r = job_failures.c, batch_runs.c
    return (
        select(r.learning_date, r.class_id, r.session_id, f.code, f.failed_at)
        .join(batch_runs, r.run_id == f.run_id)
        .where(f.student_id == student_id)
        .order_by(f.failed_at)
    )


def _absences(student_id: int) -> Select[*tuple[Any, ...]]:
    b = absences.c
    return (
        select(
            *(b.id, b.first_day, b.last_day, b.session_ids, b.from_time, b.to_time),
            *(b.status, b.reason, b.version, b.revoked_at),
        )
        .where(b.student_id == student_id)
        .order_by(b.first_day, b.id)
    )


def _contradictions(student_id: int) -> Select[*tuple[Any, ...]]:
    c = contradictions.c
    return (
        select(c.learning_date, c.class_id, c.session_id, c.status, c.note, c.said_at, c.said_role, c.resolved_at)
        .where(c.student_id == student_id)
        .order_by(c.learning_date, c.session_id)
    )


async def _requests(connection: AsyncConnection, student_id: int) -> list[dict[str, Any]]:
    r = batch_runs.c
    runs = await connection.execute(
        select(r.learning_date, r.class_id, r.session_id, r.accepted_at, r.plan)
        .where(in_plan(connection, student_id))
        .order_by(r.run_id)
    )
    return [
        {name: run[name] for name in ("learning_date", "class_id", "session_id", "accepted_at")}
        | {"status": job["status"], "note": job.get("note")}
        for run in runs.mappings()
        for chunk in run["plan"]
        for job in chunk
        if job["student"] == student_id
    ]


async def _rows(connection: AsyncConnection, statement: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
    found: list[RowMapping] = list((await connection.execute(statement)).mappings())
    return [{str(name): value for name, value in row.items()} for row in found]
