"""Exports the data of one student.

Each table that `erase_student` changes is exported, except for summaries of classes and schools, which contain no
personal data, and events, which repeat by id what the records say. Audit entries are exported, and stay: they name the
student by the id alone, which is not used again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Boolean, Date, String, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.rules import content_by_field
from adsum.absences.tables import absences
from adsum.batches.run import STUDENT_KEY, AttendanceJob
from adsum.platform.database.columns import BigInt, Instant, Json
from adsum.platform.database.sql_files import FileStatement, sql_file
from adsum.privacy.repository.references import (
    STUDENT,
    answers_with_student,
    is_in_answer,
    rows_about,
    runs_with_student,
)
from adsum.privacy.rules import PersonalData, Row, parts_about
from adsum.roster.rules import StudentRow

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
    "export_student_contacts": {
        "school": String(),
        "sourced_id": String(),
        "role": String(),
        "given_name": String(),
        "family_name": String(),
        "phone": String(),
        "sms": String(),
        "email": String(),
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
}

COLUMNS_OF_SINGLE_RECORD = (
    *("status", "note", "arrived_at", "left_at", "office_note", "absence_id", "version", "marked_at", "marked_role"),
)
NUMBERS_OF_MERGE = ("records", "absences", "enrolments", "disputed_marks", "failures")


def _statement(name: str) -> FileStatement:
    return sql_file("adsum.privacy", name, parameters=STUDENT, returns=COLUMNS[name])


_PERSON = _statement("export_student")
_SCHOOLS = _statement("export_schools")
_STUDENT_CONTACTS = _statement("export_student_contacts")
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


async def personal_data(connection: AsyncConnection, student_id: int) -> PersonalData:
    """All data about an existing student."""
    (student,) = await _rows(connection, _PERSON, student_id)
    changes = _by(await _rows(connection, _CHANGES, student_id), "attendance_id")
    runs = await runs_with_student(connection, student_id)
    answers = await answers_with_student(connection, student_id)
    return PersonalData(
        student=student,
        schools=await _rows(connection, _SCHOOLS, student_id),
        student_contacts=await _rows(connection, _STUDENT_CONTACTS, student_id),
        enrolments=await _rows(connection, _ENROLMENTS, student_id),
        seats=await _rows(connection, _SEATS, student_id),
        records=[row | {"changes": changes[row["id"]]} for row in await _rows(connection, _RECORDS, student_id)],
        requests=[{**_class_session_and_day(run), **request} for run in runs for request in _requests(run, student_id)],
        kept_records=[_class_session_and_day(run) for run in runs if student_id in run["kept"]],
        failures=await _rows(connection, _FAILURES, student_id),
        conflicts=[conflict for row in answers for conflict in _conflicts(row, student_id)],
        answers=[part for row in answers for part in _parts_of_answer(row, student_id)],
        absences=await _absences_with_versions(connection, student_id),
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


async def _absences_with_versions(connection: AsyncConnection, student_id: int) -> list[dict[str, Any]]:
    versions = _by(await _rows(connection, _ABSENCE_VERSIONS, student_id), "absence_id")
    pending = _by(await _rows(connection, _DUE_ABSENCES, student_id), "absence_id")
    return [
        row | {"versions": [_version(each) for each in versions[row["id"]]], "pending": pending[row["id"]]}
        for row in await _absences(connection, student_id)
    ]


def _parts_of_answer(row: Row, student_id: int) -> Iterator[dict[str, Any]]:
    """The parts of a stored answer that are about the student."""
    for part in parts_about(row["answer"].get("body"), is_in_answer(row, student_id)):
        yield {"answered_at": row["created_at"], "content": part}


async def _rows(connection: AsyncConnection, statement: FileStatement, student_id: int) -> list[dict[str, Any]]:
    return await rows_about(connection, statement, COLUMNS[statement.name], student_id)


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
    """Another release may have stored other fields and numbers."""
    removed = asdict(StudentRow.from_json(row["removed"]))
    removed["sourced_id"] = removed.pop("source_id")
    return {
        **{name: row[name] for name in ("merged_at", "merged_role")},
        "moved": {name: row["moved"].get(name, 0) for name in NUMBERS_OF_MERGE},
        "removed": {name: value for name, value in removed.items() if name not in ("school_id", "active")},
        "resolved": [_resolved(each) for each in row["resolved"]],
    }


def _resolved(double: Row) -> Row:
    history = COLUMNS["export_changes"].keys() - {"attendance_id"}
    return {
        **{name: double[name] for name in ("learning_date", "class_id", "session_id", "prefer")},
        **{side: {name: double[side].get(name) for name in COLUMNS_OF_SINGLE_RECORD} for side in ("kept", "removed")},
        "changes": [{name: change.get(name) for name in history} for change in double["history"]],
    }


def _version(row: Row) -> Row:
    content = row["content"]
    own = {name: row[name] for name in ("version", "changed_at", "changed_role")}
    return own | content_by_field(content) | {"revoked": content.get("revoked", False)}
