"""Statements that move everything of one record of a student to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, case, delete, exists, func, insert, select, tuple_, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.tables import absence_contacts, absences
from adsum.accounts.access import Caller
from adsum.attendance.repository import apply_changes, describe, select_records
from adsum.attendance.rules import Record
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.batches.tables import batch_runs, job_failures
from adsum.platform.database.search import with_search_text
from adsum.privacy.merging.rules import (
    DoubleRecord,
    Merge,
    MergeChoices,
    Moved,
    Prefer,
    answer_for_kept_student,
    with_kept_student,
)
from adsum.privacy.repository.references import (
    answers_with_student,
    ids_of_students,
    replace_in_events,
    runs_with_student,
    set_answers,
    set_plans,
)
from adsum.privacy.tables import student_holds, student_merges
from adsum.registers.order.tables import student_seats
from adsum.registers.tables import desk_entries
from adsum.reports.tables import student_days, student_months, unmarked_students
from adsum.roster.rules import StudentRow
from adsum.roster.tables import enrolments, student_contacts, student_schools, students

RUNS_PER_STATEMENT = 10_000
# Tables whose rows move as they are, and the columns of which a student has one row each.
_MOVED: Mapping[Table, Sequence[str]] = {
    job_failures: ("run_id",),
    absences: (),
    absence_contacts: (),
    desk_entries: (),
    student_holds: (),
    student_contacts: ("school_id", "source_id"),
    enrolments: (),
    student_seats: ("class_id",),
}


async def find_doubles(
    connection: AsyncConnection, caller: Caller, student_id: int, removed_id: int, choices: MergeChoices
) -> list[DoubleRecord]:
    """The sessions and days on which both have a record, by day and session."""
    a, other = attendances.c, attendances.alias("other")
    of_other = case((a.student_id == student_id, removed_id), else_=student_id)
    is_same = (other.c.session_id == a.session_id, other.c.learning_date == a.learning_date)
    statement = (
        select_records()
        .where(a.student_id.in_([student_id, removed_id]), exists().where(*is_same, other.c.student_id == of_other))
        .order_by(a.learning_date, a.session_id)
    )
    found = [Record(*row) for row in await connection.execute(statement)]
    records = await describe(connection, found, caller)
    removed = {record.batch: record for record in records if record.student_id == removed_id}
    return [
        DoubleRecord.of(record, removed[record.batch], choices) for record in records if record.student_id == student_id
    ]


async def count_rows(connection: AsyncConnection, removed_id: int, doubles: Sequence[DoubleRecord]) -> Moved:
    """The numbers of rows that a merge moves."""

    async def count(table: Table) -> int:
        rows = select(func.count()).select_from(table).where(table.c.student_id == removed_id)
        return await connection.scalar(rows) or 0

    return Moved(
        records=await count(attendances) - len(doubles),
        absences=await count(absences),
        enrolments=await count(enrolments),
        disputed_marks=await count(contradictions),
        failures=await count(job_failures),
    )


async def lock_students(connection: AsyncConnection, student_ids: Sequence[int]) -> None:
    """Locks students and their records, in the order of ids, and so waits for rows that are added for them."""
    s, a = students.c, attendances.c
    await connection.execute(select(s.id).where(s.id.in_(student_ids)).order_by(s.id).with_for_update())
    # Records are locked before their runs, as for a correction, so that the two do not deadlock.
    await connection.execute(select(a.id).where(a.student_id.in_(student_ids)).order_by(a.id).with_for_update())


async def move(connection: AsyncConnection, merge: Merge, caller: Caller) -> None:
    """Moves everything of the removed record to the student. The schools, both students and their records are locked.

    Every day with a record or a missing mark of one of both is summarised again. The planned absences keep the records
    as they are: they apply to registers that are taken later.
    """
    student_id, removed_id = merge.student.id, merge.removed.id
    await _mark_stale(connection, student_id, removed_id)
    histories = await _move_records(connection, merge, caller)
    for table in (student_days, student_months, unmarked_students):
        await connection.execute(delete(table).where(table.c.student_id == removed_id))
    for table, unique in _MOVED.items():
        await _move_rows(connection, table, unique, student_id, removed_id)
    await _rename_in_documents(connection, student_id, removed_id)
    named = await ids_of_students(connection, [removed_id])
    await _merge_students(connection, merge.student, merge.removed)
    await _move_rows(connection, student_merges, (), student_id, removed_id)
    await connection.execute(
        insert(student_merges).values(
            student_id=student_id,
            removed_id=removed_id,
            removed=asdict(merge.removed),
            moved=asdict(merge.moved),
            resolved=[each.to_json() | {"history": histories[each.removed.id]} for each in merge.doubles],
            merged_at=merge.merged_at,
            merged_role=merge.merged_role,
            user_id=caller.user_id,
            key_id=caller.key_id,
        )
    )
    await replace_in_events(connection, named, student_id)


async def _rename_in_documents(connection: AsyncConnection, student_id: int, removed_id: int) -> None:
    """Replaces the id of the removed record in plans and in stored answers."""
    runs = await runs_with_student(connection, removed_id)
    await set_plans(connection, [with_kept_student(run, student_id, removed_id) for run in runs])
    answers = await answers_with_student(connection, removed_id)
    await set_answers(
        connection,
        [row | {"answer": answer_for_kept_student(row["answer"], student_id, removed_id)} for row in answers],
    )


async def merge_of_removed(connection: AsyncConnection, removed_id: int) -> Merge | None:
    """The merge that removed a record."""
    found = await _merges_where(connection, student_merges.c.removed_id == removed_id)
    return found[0] if found else None


async def merges_into(connection: AsyncConnection, student_id: int) -> list[Merge]:
    """The merges into a student, the newest first."""
    return await _merges_where(connection, student_merges.c.student_id == student_id)


async def _merges_where(connection: AsyncConnection, condition: ColumnElement[bool]) -> list[Merge]:
    """The merges that meet the condition, the newest first."""
    m = student_merges.c
    names = [each.name for each in fields(StudentRow)]
    statement = (
        select(m.removed, m.moved, m.resolved, m.merged_at, m.merged_role, m.user_id)
        .add_columns(*(students.c[name] for name in names))
        .join(students, students.c.id == m.student_id)
        .where(condition)
        .order_by(m.id.desc())
    )
    return [
        Merge(
            StudentRow(**{name: row[name] for name in names}),
            StudentRow.from_json(row["removed"]),
            Moved.from_json(row["moved"]),
            [DoubleRecord.from_json(each) for each in row["resolved"]],
            *(row[name] for name in ("merged_at", "merged_role", "user_id")),
        )
        for row in (await connection.execute(statement)).mappings()
    ]


async def _mark_stale(connection: AsyncConnection, student_id: int, removed_id: int) -> None:
    """Marks the runs of the sessions and days with a record of the removed one, or a missing mark of one of both.

    Locks the runs in the order of their ids, and so waits for transactions that summarise them.
    """
    r, a, u = batch_runs.c, attendances.c, unmarked_students.c
    affected = union(
        select(a.session_id, a.learning_date).where(a.student_id == removed_id),
        select(u.session_id, u.day).where(u.student_id.in_([student_id, removed_id])),
    )
    of_batches = select(r.run_id).where(tuple_(r.session_id, r.learning_date).in_(affected))
    runs = list(await connection.scalars(of_batches.order_by(r.run_id).with_for_update(key_share=True)))
    for start in range(0, len(runs), RUNS_PER_STATEMENT):
        among = r.run_id.in_(runs[start : start + RUNS_PER_STATEMENT])
        await connection.execute(update(batch_runs).where(among, r.summarised).values(summarised=False))


async def _move_records(connection: AsyncConnection, merge: Merge, caller: Caller) -> dict[int, list[dict[str, Any]]]:
    """Returns the history of each record of the removed one in a session and day on which both have a record."""
    student_id, removed_id = merge.student.id, merge.removed.id
    assert merge.merged_at is not None
    await _resolve_disputes(connection, merge)
    changes = {
        each.kept.id: each.change(removed_id, caller, merge.merged_at)
        for each in merge.doubles
        if each.prefer is Prefer.REMOVE
    }
    await apply_changes(connection, {each: change for each, change in changes.items() if change.changes_anything})
    is_double = _exists_for(student_id, attendances, ("session_id", "learning_date"))
    double_ids = select(attendances.c.id).where(attendances.c.student_id == removed_id, is_double)
    c = attendance_changes.c
    history: dict[int, list[dict[str, Any]]] = {each.removed.id: [] for each in merge.doubles}
    found = select(attendance_changes).where(c.attendance_id.in_(double_ids)).order_by(c.attendance_id, c.version)
    for row in (await connection.execute(found)).mappings():
        values = dict(row) | {"changed_at": row["changed_at"].isoformat()}
        del values["learning_date"]  # it is the record's
        history[values.pop("attendance_id")].append(values)
    await connection.execute(delete(attendance_changes).where(c.attendance_id.in_(double_ids)))
    await _move_rows(connection, attendances, ("session_id", "learning_date"), student_id, removed_id)
    return history


async def _resolve_disputes(connection: AsyncConnection, merge: Merge) -> None:
    """Moves disputed marks. The choice of a record settles the disputes about both."""
    c, kept = contradictions.c, attendances.alias("kept")
    student_id, removed_id = merge.student.id, merge.removed.id
    is_same = (kept.c.session_id == c.session_id, kept.c.learning_date == c.learning_date)
    removed = attendances.alias("removed")
    is_double = and_(
        exists().where(*is_same, kept.c.student_id == student_id),
        exists().where(
            removed.c.session_id == c.session_id,
            removed.c.learning_date == c.learning_date,
            removed.c.student_id == removed_id,
        ),
    )
    open_ones = (c.student_id.in_([student_id, removed_id]), c.resolved_at.is_(None), is_double)
    await connection.execute(update(contradictions).where(*open_ones).values(resolved_at=merge.merged_at))
    await _move_rows(connection, contradictions, ("session_id", "learning_date"), student_id, removed_id)


async def _move_rows(
    connection: AsyncConnection, table: Table, unique: Sequence[str], student_id: int, removed_id: int
) -> None:
    """Moves rows, except those for which the student has a row with the same `unique` columns: these are deleted."""
    of_removed = table.c.student_id == removed_id
    if unique:
        await connection.execute(delete(table).where(of_removed, _exists_for(student_id, table, unique)))
    await connection.execute(update(table).where(of_removed).values(student_id=student_id))


def _exists_for(student_id: int, table: Table, unique: Sequence[str]) -> ColumnElement[bool]:
    other = table.alias("other")
    return exists().where(other.c.student_id == student_id, *(other.c[name] == table.c[name] for name in unique))


async def _merge_students(connection: AsyncConnection, student: StudentRow, removed: StudentRow) -> None:
    """Lets the removed row, and those that were merged into it, name the student, who gets the schools of both.

    A student without a source id gets that of the removed row of the same school, so that roster files contain them.
    """
    s = students.c
    takes_id = student.source_id is None and student.school_id == removed.school_id
    values: dict[str, Any] = {"merged_into": student.id} | ({"source_id": None} if takes_id else {})
    await connection.execute(update(students).where(s.id == removed.id).values(**values))
    await connection.execute(update(students).where(s.merged_into == removed.id).values(merged_into=student.id))
    texts = {
        "given_name": student.given_name,
        "family_name": student.family_name,
        "source_id": removed.source_id if takes_id else student.source_id,
    }
    active = await _merge_schools(connection, student, removed)
    new_values = with_search_text(students, texts) | {"grade": student.grade or removed.grade, "active": active}
    await connection.execute(update(students).where(s.id == student.id).values(**new_values))


async def _merge_schools(connection: AsyncConnection, student: StudentRow, removed: StudentRow) -> bool:
    """Gives the student the schools of both. Returns whether they are active at their home school.

    At the home school of the removed record its row names the student, not the source id of another school. Where both
    records have a source id, that of the removed one becomes a merged record of the school.
    """
    c = student_schools.c
    of_both = c.student_id.in_([student.id, removed.id])
    found = (await connection.execute(select(c.school_id, c.active, c.student_id, c.source_id).where(of_both))).all()
    names: dict[int, str | None] = {}
    for each in sorted(found, key=lambda row: row.student_id == student.id):
        if each.source_id is not None:
            names[each.school_id] = each.source_id
    names[student.school_id] = student.source_id
    active: dict[int, bool] = {}
    for each in (student, removed, *found):
        active[each.school_id] = active.get(each.school_id, False) or each.active
    await _keep_names(
        *(connection, student, removed),
        {
            (each.school_id, each.source_id): each.active
            for each in found
            if each.source_id not in (None, names.get(each.school_id))
        },
    )
    at_home = active.pop(student.school_id)
    await connection.execute(delete(student_schools).where(of_both))
    rows = [
        {"school_id": each, "student_id": student.id, "active": is_active, "source_id": names.get(each)}
        for each, is_active in active.items()
    ]
    if rows:
        await connection.execute(insert(student_schools), rows)
    return at_home


async def _keep_names(
    connection: AsyncConnection, student: StudentRow, removed: StudentRow, names: Mapping[tuple[int, str], bool]
) -> None:
    """Lets further source ids of the removed record name the student: at a school, with whether its roster lists it."""
    if not names:
        return
    s = students.c
    taken = {
        tuple(row)
        for row in await connection.execute(
            select(s.school_id, s.source_id).where(tuple_(s.school_id, s.source_id).in_(list(names)))
        )
    }
    rows = [
        {
            **with_search_text(
                students,
                {"given_name": removed.given_name, "family_name": removed.family_name, "source_id": source_id},
            ),
            "school_id": school_id,
            "grade": removed.grade,
            "active": is_active,
            "merged_into": student.id,
        }
        for (school_id, source_id), is_active in names.items()
        if (school_id, source_id) not in taken
    ]
    if rows:
        await connection.execute(insert(students), rows)
