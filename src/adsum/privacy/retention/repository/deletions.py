"""The statements that delete what is due, each at most a page of it, so that others never wait for long.

Each function deletes data of a school from before a day, of students who are not on hold, and returns a number of rows:
0 means that nothing is left. They are called in a transaction that holds the lock of the school.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Table, delete, exists, func, not_, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.tables import absence_contacts, absence_versions, absences, due_absences
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.batches.tables import batch_runs, job_failures
from adsum.platform.database.answers import idempotency_keys
from adsum.privacy.holds.repository import held_students
from adsum.privacy.repository.references import ids_of_students, replace_in_events
from adsum.privacy.retention.repository.periods import CONTACT_HAS_TEXT, DUE_STUDENTS, HAS_NOTE
from adsum.privacy.retention.rules import Kind
from adsum.privacy.tables import student_holds, student_merges
from adsum.registers.order.tables import student_seats
from adsum.registers.tables import desk_entries, register_reminders
from adsum.reports.tables import class_days, school_days, student_days, student_months, unmarked_students
from adsum.roster.repository.membership import schools_of_student
from adsum.roster.tables import classes, enrolments, student_contacts, student_schools, students
from adsum.schools.locks import lock_school, try_lock_imports

Deletion: TypeAlias = Callable[[AsyncConnection, int, date, int], Awaitable[int]]
"""Called with the connection, the school, the first day that stays, and the maximum number of rows."""

STUDENTS_AT_ONCE = 20
OF_STUDENT = (
    *(enrolments, student_contacts, student_schools, student_seats, student_merges, student_holds),
    *(student_days, student_months, unmarked_students),
)
"""Tables whose rows go with the student. Nobody is deleted who has rows in another one."""
_TEXTS_OF_CHANGE = ("old_note", "new_note", "old_office_note", "new_office_note", "reason")
_TEXTS_OF_RECORD = ("note", "office_note")


async def delete_records(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Deletes records and their history. Records of a session and day with an open run stay until it has ended."""
    ids = await _record_ids(connection, school_id, before, limit, not_(_is_open()))
    if ids:
        changes = attendance_changes.c.attendance_id.in_(ids)
        await connection.execute(delete(attendance_changes).where(changes))
        await connection.execute(delete(attendances).where(attendances.c.id.in_(ids)))
    return len(ids)


async def delete_disputed_marks(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Deletes disputed marks, settled ones too."""
    c = contradictions.c
    due = c.school_id == school_id, c.learning_date < before, c.student_id.not_in(held_students())
    return await _delete_first(connection, contradictions, due, limit)


async def delete_reminders(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Deletes reminders of registers."""
    c = register_reminders.c
    return await _delete_first(
        connection, register_reminders, (c.school_id == school_id, c.learning_date < before), limit
    )


async def _delete_first(
    connection: AsyncConnection, table: Table, due: Sequence[ColumnElement[bool]], limit: int
) -> int:
    """Deletes the first rows by id that are due. Returns their number."""
    c = table.c
    ids = list(await connection.scalars(select(c.id).where(*due).order_by(c.id).limit(limit)))
    await connection.execute(delete(table).where(c.id.in_(ids)))
    return len(ids)


async def empty_runs(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Empties the plans of ended runs, and deletes their failures, as pruning does. Their counts stay."""
    c = batch_runs.c
    due = (
        select(c.run_id)
        .where(c.school_id == school_id, c.learning_date < before, c.ended_at.is_not(None), c.pruned_at.is_(None))
        .order_by(c.run_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    run_ids = list(await connection.scalars(due))
    await connection.execute(delete(job_failures).where(job_failures.c.run_id.in_(run_ids)))
    emptied = update(batch_runs).where(c.run_id.in_(run_ids)).values(plan=[], kept=[], pruned_at=func.now())
    await connection.execute(emptied)
    return len(run_ids)


async def delete_summaries(connection: AsyncConnection, school_id: int, before: date, _limit: int) -> int:
    """Deletes the summaries of one day of a school, then those of one month, also of students on hold: reports begin
    at the day.
    """
    of_days = (student_days, unmarked_students, class_days, school_days)
    first = [await _first(connection, table, "day", school_id, before) for table in of_days]
    days = [day for day in first if day is not None]
    if days:
        return sum([await _delete_at(connection, table, "day", school_id, min(days)) for table in of_days])
    month = await _first(connection, student_months, "month", school_id, before)
    return 0 if month is None else await _delete_at(connection, student_months, "month", school_id, month)


async def _first(connection: AsyncConnection, table: Table, day: str, school_id: int, before: date) -> date | None:
    c = table.c
    return await connection.scalar(select(func.min(c[day])).where(c.school_id == school_id, c[day] < before))


async def _delete_at(connection: AsyncConnection, table: Table, day: str, school_id: int, at: date) -> int:
    return (await connection.execute(delete(table).where(table.c.school_id == school_id, table.c[day] == at))).rowcount


async def trim_merges(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Removes the double records of deleted days from merges, with their history."""
    return await _change_merges(connection, school_id, before, limit, lambda _: None)


async def delete_answers(connection: AsyncConnection, _school_id: int, before: date, limit: int) -> int:
    """Deletes stored responses from before the day, of all schools: their idempotency keys are more than a year old."""
    c = idempotency_keys.c
    due = select(c.actor, c.key).where(c.created_at < datetime.combine(before, time(), UTC))
    keys = [tuple(row) for row in await connection.execute(due.limit(limit).with_for_update(skip_locked=True))]
    if keys:
        await connection.execute(delete(idempotency_keys).where(tuple_(c.actor, c.key).in_(keys)))
    return len(keys)


async def remove_notes(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Removes notes from records. The records stay, with their versions."""
    ids = await _record_ids(connection, school_id, before, limit, HAS_NOTE)
    no_texts = dict.fromkeys(_TEXTS_OF_RECORD)
    await connection.execute(update(attendances).where(attendances.c.id.in_(ids)).values(no_texts))
    return len(ids)


async def remove_notes_of_changes(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Removes notes and reasons from the history of records."""
    c, a = attendance_changes.c, attendances.c
    has_text = or_(*(c[name].is_not(None) for name in _TEXTS_OF_CHANGE))
    due = (
        select(c.attendance_id, c.version)
        .join(attendances, a.id == c.attendance_id)
        .where(has_text, a.school_id == school_id, a.learning_date < before, a.student_id.not_in(held_students()))
        .limit(limit)
    )
    keys = [tuple(row) for row in await connection.execute(due)]
    if keys:
        no_texts = dict.fromkeys(_TEXTS_OF_CHANGE)
        await connection.execute(
            update(attendance_changes).where(tuple_(c.attendance_id, c.version).in_(keys)).values(no_texts)
        )
    return len(keys)


async def remove_notes_of_disputed_marks(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Removes notes from disputed marks."""
    c = contradictions.c
    due = select(c.id).where(
        c.school_id == school_id, c.learning_date < before, c.note.is_not(None), c.student_id.not_in(held_students())
    )
    ids = list(await connection.scalars(due.order_by(c.id).limit(limit)))
    await connection.execute(update(contradictions).where(c.id.in_(ids)).values(note=None))
    return len(ids)


async def remove_notes_of_merges(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Removes notes from the double records of merges."""
    return await _change_merges(connection, school_id, before, limit, _without_texts)


async def delete_absences(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Deletes planned absences with their versions. Records that came from them stay, and name them no longer."""
    c = absences.c
    due = select(c.id, c.student_id).where(
        c.school_id == school_id, c.last_day < before, c.student_id.not_in(held_students())
    )
    rows = (await connection.execute(due.order_by(c.id).limit(limit).with_for_update(skip_locked=True))).all()
    ids, student_ids = [row.id for row in rows], {row.student_id for row in rows}
    if ids:
        a, ch = attendances.c, attendance_changes.c
        of_students = select(a.id).where(a.student_id.in_(student_ids))
        await connection.execute(
            update(attendances).where(a.student_id.in_(student_ids), a.absence_id.in_(ids)).values(absence_id=None)
        )
        of_changes = (ch.attendance_id.in_(of_students), ch.absence_id.in_(ids))
        await connection.execute(update(attendance_changes).where(*of_changes).values(absence_id=None))
        await connection.execute(delete(due_absences).where(due_absences.c.absence_id.in_(ids)))
        await connection.execute(delete(absence_versions).where(absence_versions.c.absence_id.in_(ids)))
        await connection.execute(delete(absences).where(c.id.in_(ids)))
    return len(ids)


async def delete_absence_contacts(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Deletes calls about absences."""
    ids = await _contact_ids(connection, school_id, before, limit)
    await connection.execute(delete(absence_contacts).where(absence_contacts.c.id.in_(ids)))
    return len(ids)


async def delete_desk_entries(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Deletes late arrivals and early departures."""
    c = desk_entries.c
    due = c.school_id == school_id, c.day < before, c.student_id.not_in(held_students())
    return await _delete_first(connection, desk_entries, due, limit)


async def remove_notes_of_contacts(connection: AsyncConnection, school_id: int, before: date, limit: int) -> int:
    """Removes from calls about absences who was called and what was said."""
    ids = await _contact_ids(connection, school_id, before, limit, CONTACT_HAS_TEXT)
    await connection.execute(
        update(absence_contacts).where(absence_contacts.c.id.in_(ids)).values(person=None, note=None)
    )
    return len(ids)


async def delete_students(connection: AsyncConnection, school_id: int, before: date, _limit: int) -> int:
    """Deletes students of whom nothing else is left. No tombstone stays: a roster that lists them later is right.

    Nothing is deleted while a roster is imported.
    """
    if not await try_lock_imports(connection):
        return 0
    values = {"school_id": school_id, "before": before}
    ids = [row[0] for row in await DUE_STUDENTS.fetch_all(connection, values)][:STUDENTS_AT_ONCE]
    others = {each for student_id in ids for each in await schools_of_student(connection, student_id)}
    for other in sorted(others - {school_id}):
        await lock_school(connection, other)
    for table in OF_STUDENT:
        await connection.execute(delete(table).where(table.c.student_id.in_(ids)))
    named = await ids_of_students(connection, ids)
    await connection.execute(delete(students).where(students.c.id.in_(named)))
    await replace_in_events(connection, named)
    return len(ids)


DELETIONS: Mapping[Kind, Sequence[Deletion]] = {
    Kind.RECORDS: (
        *(delete_records, delete_disputed_marks, delete_reminders, empty_runs, delete_summaries, trim_merges),
        delete_answers,
    ),
    Kind.NOTES: (
        *(remove_notes, remove_notes_of_changes, remove_notes_of_disputed_marks, remove_notes_of_contacts, empty_runs),
        remove_notes_of_merges,
    ),
    Kind.ABSENCES: (delete_absences, delete_absence_contacts, delete_desk_entries),
    Kind.STUDENTS: (delete_students,),
}


def _is_open() -> ColumnElement[bool]:
    r, a = batch_runs.c, attendances.c
    return exists().where(r.state == "open", r.session_id == a.session_id, r.learning_date == a.learning_date)


async def _record_ids(
    connection: AsyncConnection, school_id: int, before: date, limit: int, condition: ColumnElement[bool]
) -> list[int]:
    """The first records that are due, locked in the order of their ids."""
    a = attendances.c
    due = (
        select(a.id)
        .where(a.school_id == school_id, a.learning_date < before, a.student_id.not_in(held_students()), condition)
        .order_by(a.learning_date)
        .limit(limit)
    )
    ids = list(await connection.scalars(due))
    locked = select(a.id).where(a.id.in_(ids)).order_by(a.id).with_for_update(skip_locked=True)
    return list(await connection.scalars(locked))


async def _contact_ids(
    connection: AsyncConnection, school_id: int, before: date, limit: int, *conditions: ColumnElement[bool]
) -> list[int]:
    c = absence_contacts.c
    due = select(c.id).where(
        c.school_id == school_id, c.day < before, c.student_id.not_in(held_students()), *conditions
    )
    return list(await connection.scalars(due.order_by(c.id).limit(limit)))


async def _change_merges(
    connection: AsyncConnection, school_id: int, before: date, limit: int, change: Callable[[Any], Any]
) -> int:
    """Replaces each double record of a day before `before` in a class of the school; None removes it."""
    m = student_merges.c
    class_ids = set(await connection.scalars(select(classes.c.id).where(classes.c.school_id == school_id)))
    of_school = (
        select(m.id, m.resolved)
        .join(students, students.c.id == m.student_id)
        .where(m.student_id.not_in(held_students()))
        .order_by(m.id)
    )
    changed = 0
    for merge_id, resolved in (await connection.execute(of_school)).all():
        kept = [
            each if each["class_id"] not in class_ids or each["learning_date"] >= before.isoformat() else change(each)
            for each in resolved
        ]
        left = [each for each in kept if each is not None]
        if left != resolved:
            await connection.execute(update(student_merges).where(m.id == merge_id).values(resolved=left))
            changed += 1
        if changed == limit:
            break
    return changed


def _without_texts(double: Mapping[str, Any]) -> Mapping[str, Any]:
    """A double record without notes and reasons."""
    names = {*_TEXTS_OF_RECORD, *_TEXTS_OF_CHANGE}

    def stripped(row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: None if name in names else value for name, value in row.items()}

    return {
        **double,
        **{side: stripped(double[side]) for side in ("kept", "removed")},
        "history": [stripped(each) for each in double["history"]],
    }
