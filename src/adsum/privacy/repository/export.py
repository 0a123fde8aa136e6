"""Statements that export and erase the data of one student.

Each table that `erase_student` changes is exported, except for the summaries of classes and schools, which contain no
personal data. Audit entries are exported, and stay: they name the student by the id alone, which is not used again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Date, String, bindparam, delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.rules import content_by_field
from adsum.absences.tables import absence_contacts, absence_versions, absences, due_absences
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.batches.run import STUDENT_KEY, AttendanceJob
from adsum.batches.tables import batch_runs, job_failures
from adsum.platform.database.answers import idempotency_keys
from adsum.platform.database.columns import BigInt, Instant, Json, RunId
from adsum.platform.database.sql_files import FileStatement, sql_file
from adsum.platform.database.tombstones import Erased, SourceId, add_tombstones
from adsum.platform.ids import Batch
from adsum.privacy.rules import IsAbout, PersonalData, Row, is_about_student, parts_about, without_parts
from adsum.privacy.tables import student_holds, student_merges
from adsum.registers.order.tables import student_seats
from adsum.registers.tables import desk_entries
from adsum.reports.repository.summaries import erase_from_summaries, summarise_classes
from adsum.roster.repository.membership import schools_of_student, student_names
from adsum.roster.tables import enrolments, named_student_id, student_schools, students
from adsum.schools.locks import lock_school

_STUDENT = {"student_id": BigInt}
# The columns of each statement with their types.
COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "export_student": {
        "id": BigInt,
        "sourced_id": String(),
        "given_name": String(),
        "family_name": String(),
        "grade": String(),
        "active": Boolean(),
        "school": String(),
    },
    "export_schools": {
        "school": String(),
        "sourced_id": String(),
        "active": Boolean(),
    },
    "export_enrolments": {
        "class_id": BigInt,
        "class_title": String(),
        "sourced_id": String(),
        "begin_date": Date(),
        "end_date": Date(),
    },
    "export_seats": {
        "class_id": BigInt,
        "class_title": String(),
        "place": BigInt,
    },
    "export_records": {
        "id": BigInt,
        "learning_date": Date(),
        "class_id": BigInt,
        "class_title": String(),
        "session_id": BigInt,
        "session_title": String(),
        "status": String(),
        "note": String(),
        "arrived_at": String(),
        "left_at": String(),
        "office_note": String(),
        "absence_id": BigInt,
        "version": BigInt,
        "marked_at": Instant(),
        "marked_role": String(),
    },
    "export_changes": {
        "attendance_id": BigInt,
        "version": BigInt,
        "old_status": String(),
        "old_note": String(),
        "new_status": String(),
        "new_note": String(),
        "old_arrived_at": String(),
        "new_arrived_at": String(),
        "old_left_at": String(),
        "new_left_at": String(),
        "old_office_note": String(),
        "new_office_note": String(),
        "absence_id": BigInt,
        "changed_at": Instant(),
        "changed_role": String(),
        "reason": String(),
    },
    "export_failures": {
        "learning_date": Date(),
        "class_id": BigInt,
        "session_id": BigInt,
        "code": String(),
        "failed_at": Instant(),
    },
    "export_absence_versions": {
        "absence_id": BigInt,
        "version": BigInt,
        "content": Json,
        "changed_at": Instant(),
        "changed_role": String(),
    },
    "export_due_absences": {
        "absence_id": BigInt,
        "learning_date": Date(),
        "class_id": BigInt,
        "session_id": BigInt,
    },
    "export_contacts": {
        "day": Date(),
        "result": String(),
        "person": String(),
        "note": String(),
        "contacted_at": Instant(),
        "contacted_role": String(),
    },
    "export_contradictions": {
        "learning_date": Date(),
        "class_id": BigInt,
        "session_id": BigInt,
        "status": String(),
        "note": String(),
        "said_at": Instant(),
        "said_role": String(),
        "resolved_at": Instant(),
    },
    "export_desk_entries": {
        "day": Date(),
        "kind": String(),
        "time": String(),
        "reason": String(),
        "status": String(),
        "absence_id": BigInt,
        "runs": Json,
        "entered_at": Instant(),
        "entered_role": String(),
        "undone_at": Instant(),
    },
    "export_days": {
        "day": Date(),
        "sessions": BigInt,
        "attended": BigInt,
        "absent": BigInt,
        "authorised": BigInt,
        "late": BigInt,
        "time": BigInt,
        "time_missed": BigInt,
        "minutes": BigInt,
        "minutes_missed": BigInt,
    },
    "export_months": {
        "month": Date(),
        "sessions": BigInt,
        "attended": BigInt,
        "absent": BigInt,
        "authorised": BigInt,
        "late": BigInt,
        "days": BigInt,
        "days_absent": BigInt,
        "minutes": BigInt,
        "minutes_missed": BigInt,
        "attended_on": Date(),
        "absent_after": BigInt,
        "absent_from": Date(),
    },
    "export_unmarked": {
        "day": Date(),
        "class_id": BigInt,
        "session_id": BigInt,
    },
    "runs_with_student": {
        "run_id": RunId,
        "learning_date": Date(),
        "class_id": BigInt,
        "session_id": BigInt,
        "accepted_at": Instant(),
        "plan": Json,
        "kept": Json,
    },
    "open_runs_with_student": {
        "class_id": BigInt,
        "session_id": BigInt,
        "learning_date": Date(),
    },
    "export_merges": {
        "removed": Json,
        "moved": Json,
        "resolved": Json,
        "merged_at": Instant(),
        "merged_role": String(),
    },
    "export_audit_entries": {
        "created_at": Instant(),
        "action": String(),
        "caller_role": String(),
        "caller_key_id": BigInt,
    },
    "export_holds": {
        "reason": String(),
        "reference": String(),
        "placed_at": Instant(),
        "placed_role": String(),
        "lifted_at": Instant(),
        "lifted_role": String(),
    },
    "answers_with_student": {
        "actor": String(),
        "key": String(),
        "created_at": Instant(),
        "answer": Json,
        "sourced_id": String(),
    },
}

COLUMNS_OF_SINGLE_RECORD = (
    *("status", "note", "arrived_at", "left_at", "office_note", "absence_id", "version", "marked_at", "marked_role"),
)


def _statement(name: str) -> FileStatement:
    return sql_file("adsum.privacy", name, parameters=_STUDENT, returns=COLUMNS[name])


_OPEN_RUNS = _statement("open_runs_with_student")
_PERSON = _statement("export_student")
_SCHOOLS = _statement("export_schools")
_ENROLMENTS = _statement("export_enrolments")
_SEATS = _statement("export_seats")
_RECORDS = _statement("export_records")
_CHANGES = _statement("export_changes")
_FAILURES = _statement("export_failures")
_ABSENCE_VERSIONS = _statement("export_absence_versions")
_DUE_ABSENCES = _statement("export_due_absences")
_CONTACTS = _statement("export_contacts")
_CONTRADICTIONS = _statement("export_contradictions")
_DESK_ENTRIES = _statement("export_desk_entries")
_DAYS = _statement("export_days")
_MONTHS = _statement("export_months")
_UNMARKED = _statement("export_unmarked")
_HOLDS = _statement("export_holds")
_MERGES = _statement("export_merges")
_AUDIT_ENTRIES = _statement("export_audit_entries")
_RUNS = _statement("runs_with_student")
_ANSWERS = _statement("answers_with_student")


async def personal_data(connection: AsyncConnection, student_id: int) -> PersonalData:
    """All data about an existing student."""
    (student,) = await _rows(connection, _PERSON, student_id)
    changes = _by(await _rows(connection, _CHANGES, student_id), "attendance_id")
    versions = _by(await _rows(connection, _ABSENCE_VERSIONS, student_id), "absence_id")
    pending = _by(await _rows(connection, _DUE_ABSENCES, student_id), "absence_id")
    runs = await _rows(connection, _RUNS, student_id)
    answers = await answers_with_student(connection, student_id)
    return PersonalData(
        student=student,
        schools=await _rows(connection, _SCHOOLS, student_id),
        enrolments=await _rows(connection, _ENROLMENTS, student_id),
        seats=await _rows(connection, _SEATS, student_id),
        records=[row | {"changes": changes[row["id"]]} for row in await _rows(connection, _RECORDS, student_id)],
        requests=[{**_class_session_and_day(run), **request} for run in runs for request in _requests(run, student_id)],
        kept_records=[_class_session_and_day(run) for run in runs if student_id in run["kept"]],
        failures=await _rows(connection, _FAILURES, student_id),
        conflicts=[conflict for row in answers for conflict in _conflicts(row, student_id)],
        answers=[
            {"answered_at": row["created_at"], "content": part}
            for row in answers
            for part in parts_about(row["answer"].get("body"), _about(row, student_id))
        ],
        absences=[
            row | {"versions": [_version(each) for each in versions[row["id"]]], "pending": pending[row["id"]]}
            for row in await _absences(connection, student_id)
        ],
        contacts=await _rows(connection, _CONTACTS, student_id),
        contradictions=await _rows(connection, _CONTRADICTIONS, student_id),
        desk_entries=await _rows(connection, _DESK_ENTRIES, student_id),
        days=await _rows(connection, _DAYS, student_id),
        months=await _rows(connection, _MONTHS, student_id),
        unmarked=await _rows(connection, _UNMARKED, student_id),
        holds=await _rows(connection, _HOLDS, student_id),
        merges=[_merge(row) for row in await _rows(connection, _MERGES, student_id)],
        audit_entries=await _rows(connection, _AUDIT_ENTRIES, student_id),
    )


async def _rows(connection: AsyncConnection, statement: FileStatement, student_id: int) -> list[dict[str, Any]]:
    rows = await statement.fetch_all(connection, {"student_id": student_id})
    return [dict(zip(COLUMNS[statement.name], row, strict=True)) for row in rows]


def _by(rows: Iterable[dict[str, Any]], column: str) -> Mapping[int, Sequence[Row]]:
    """The rows by their value of `column`, without it."""
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.pop(column)].append(row)
    return groups


def _class_session_and_day(run: Row) -> dict[str, Any]:
    return {name: run[name] for name in ("learning_date", "class_id", "session_id", "accepted_at")}


def _requests(run: Row, student_id: int) -> Iterator[Row]:
    for chunk in run["plan"]:
        for job in chunk:
            if job[STUDENT_KEY] == student_id:
                mark = AttendanceJob.from_json(job).mark
                yield {
                    "status": mark.status,
                    "note": mark.note,
                    "arrived_at": mark.arrived_at,
                    "left_at": mark.left_at,
                    "absence_id": mark.absence_id,
                }


def _conflicts(row: Row, student_id: int) -> Iterator[Row]:
    """The conflicts of an answer of `create-batch`."""
    for conflict in row["answer"].get("conflicts", ()):
        if conflict["student_id"] == student_id:
            yield {
                "batch_id": row["answer"]["batch_id"],
                "answered_at": row["created_at"],
                "recorded": conflict["recorded"] and mark_of_answer(conflict["recorded"]),
                "requested": mark_of_answer(conflict["requested"]),
            }


def mark_of_answer(mark: Mapping[str, Any]) -> Row:
    """The fields of a mark in a stored answer."""
    return {name: mark.get(name) for name in ("status", "note", "arrived_at", "left_at")}


async def _absences(connection: AsyncConnection, student_id: int) -> list[dict[str, Any]]:
    """All columns of the planned absences, revoked ones too. A column that the schema lacks fails there."""
    c = absences.c
    columns = (each for each in c if each.name not in ("school_id", "student_id"))
    query = select(*columns).where(c.student_id == student_id).order_by(c.first_day, c.id)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _merge(row: Row) -> Row:
    removed = {name: row["removed"][name] for name in ("id", "given_name", "family_name", "grade")}
    own = {name: row[name] for name in ("moved", "merged_at", "merged_role")}
    return own | {
        "removed": removed | {"sourced_id": row["removed"]["source_id"]},
        "resolved": [_resolved(each) for each in row["resolved"]],
    }


def _resolved(double: Row) -> Row:
    history = COLUMNS["export_changes"].keys() - {"attendance_id"}
    return {
        **{name: double[name] for name in ("learning_date", "class_id", "session_id", "prefer")},
        **{side: {name: double[side][name] for name in COLUMNS_OF_SINGLE_RECORD} for side in ("kept", "removed")},
        "changes": [{name: change[name] for name in history} for change in double["history"]],
    }


def _version(row: Row) -> Row:
    content = row["content"]
    own = {name: row[name] for name in ("version", "changed_at", "changed_role")}
    return own | content_by_field(content) | {"revoked": content.get("revoked", False)}


async def lock_schools_of(connection: AsyncConnection, student_ids: Collection[int]) -> None:
    """Locks the schools of students in the order of their ids. Taken before any lock on rows of the schools.

    Without it, a concurrent transaction that has read the student's records would add them to a summary.
    """
    of_students = {each for student_id in student_ids for each in await schools_of_student(connection, student_id)}
    for school_id in sorted(of_students):
        await lock_school(connection, school_id)


async def open_batches_with(connection: AsyncConnection, student_id: int) -> list[Batch]:
    """The batches whose open run names the student. Its plan is a promise and cannot be changed."""
    return [Batch(**row) for row in await _rows(connection, _OPEN_RUNS, student_id)]


async def runs_with_student(connection: AsyncConnection, student_id: int) -> list[dict[str, Any]]:
    """The runs that name the student, with `run_id`, `plan` and `kept`."""
    return await _rows(connection, _RUNS, student_id)


async def set_plans(connection: AsyncConnection, runs: Sequence[Mapping[str, Any]]) -> None:
    """Stores other plans of ended runs, each with `run_id`, `plan` and `kept`.

    Of a run that has ended, the position of a job in its chunk is no longer used.
    """
    changed = [{"of_run": run["run_id"], "plan": run["plan"], "kept": run["kept"]} for run in runs]
    if changed:
        await connection.execute(update(batch_runs).where(batch_runs.c.run_id == bindparam("of_run")), changed)


async def answers_with_student(connection: AsyncConnection, student_id: int) -> list[dict[str, Any]]:
    """The stored responses that name the student, with `actor`, `key` and `answer`.

    `sourced_ids`: those of the student, and of merged records, by which they do.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in await _rows(connection, _ANSWERS, student_id):
        answer = found.setdefault((row["actor"], row["key"]), row | {"sourced_ids": list[str | None]()})
        answer["sourced_ids"].append(row["sourced_id"])
    return list(found.values())


async def set_answers(connection: AsyncConnection, answers: Sequence[Mapping[str, Any]]) -> None:
    """Stores other responses, each with `actor`, `key` and `answer`."""
    c = idempotency_keys.c
    changed = [{"of_actor": row["actor"], "of_key": row["key"], "answer": row["answer"]} for row in answers]
    if changed:
        one = update(idempotency_keys).where(c.actor == bindparam("of_actor"), c.key == bindparam("of_key"))
        await connection.execute(one, changed)


async def erase_student(connection: AsyncConnection, student_id: int, now: datetime) -> int:
    """Deletes all data about a student, who is in no open run. Returns the number of deleted records.

    Tombstones of their source ids stay. The schools have to be locked, so that the student exists until the end.
    """
    names = await _source_ids(connection, student_names.c.student_id == student_id)
    # Waits for transactions that store something about the student, such as an answer, and hides them from later ones.
    locked = select(students.c.id).where(named_student_id == student_id).order_by(students.c.id)
    await connection.execute(locked.with_for_update())
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
    await connection.execute(delete(job_failures).where(job_failures.c.student_id == student_id))
    of_student = select(absences.c.id).where(absences.c.student_id == student_id)
    await connection.execute(delete(due_absences).where(due_absences.c.absence_id.in_(of_student)))
    await connection.execute(delete(absence_versions).where(absence_versions.c.absence_id.in_(of_student)))
    for table in (
        absences,
        absence_contacts,
        desk_entries,
        contradictions,
        student_schools,
        student_holds,
        student_merges,
    ):
        await connection.execute(delete(table).where(table.c.student_id == student_id))
    await connection.execute(delete(students).where(named_student_id == student_id))
    # A source id may also name another student of the school, who would be left out of imports.
    n = student_names.c
    in_use: set[SourceId] = set()
    if names:
        in_use = await _source_ids(connection, tuple_(n.school_id, n.source_id).in_(names))
    await add_tombstones(connection, Erased.STUDENT, names - in_use, now)
    return erased.rowcount


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
        await remove_from_answer(connection, row, _about(row, student_id))


async def remove_from_answer(connection: AsyncConnection, row: Row, is_about: IsAbout) -> None:
    """Removes a person from the lists of a stored answer. Deletes an answer that is only about this person.

    Args:
        connection: of an open transaction.
        row: with `actor`, `key` and `answer`.
        is_about: whether an object in the answer is about the person.
    """
    c = idempotency_keys.c
    of_row = c.actor == row["actor"], c.key == row["key"]
    answer = without_parts(row["answer"], is_about)
    if next(parts_about(answer, is_about), None) is None:
        await connection.execute(update(idempotency_keys).where(*of_row).values(answer=answer))
    else:
        await connection.execute(delete(idempotency_keys).where(*of_row))


def _about(row: Row, student_id: int) -> IsAbout:
    by_id = [partial(is_about_student, student_id, sourced_id) for sourced_id in row["sourced_ids"]]
    return lambda part: any(is_about(part) for is_about in by_id)
