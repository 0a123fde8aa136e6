"""Each column of a table with data about a student is exported, or is left out for a reason that is named here."""

from __future__ import annotations

from dataclasses import fields

import pytest
from sqlalchemy import Table

from adsum.absences.tables import absence_contacts, absence_versions, absences, due_absences
from adsum.accounts.audit.tables import audit_entries
from adsum.attendance.rules import Mark
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.batches.tables import job_failures
from adsum.platform.database.columns import metadata
from adsum.privacy.merging.rules import Moved, SingleRecord
from adsum.privacy.record_schemas import MarkOfData, RequestOfData, SingleRecordOfData
from adsum.privacy.repository.export import COLUMNS, COLUMNS_OF_SINGLE_RECORD, NUMBERS_OF_MERGE, mark_of_answer
from adsum.privacy.schemas import MergeOfData
from adsum.privacy.tables import student_holds, student_merges
from adsum.registers.order.tables import student_seats
from adsum.registers.tables import desk_entries
from adsum.reports.tables import student_days, student_months, unmarked_students
from adsum.roster.tables import enrolments, student_contacts, student_schools, students

# The statement that exports each table.
STATEMENTS = {
    students: "export_student",
    student_schools: "export_schools",
    student_contacts: "export_student_contacts",
    enrolments: "export_enrolments",
    attendances: "export_records",
    attendance_changes: "export_changes",
    job_failures: "export_failures",
    absence_versions: "export_absence_versions",
    absence_contacts: "export_contacts",
    desk_entries: "export_desk_entries",
    due_absences: "export_due_absences",
    contradictions: "export_contradictions",
    student_days: "export_days",
    student_months: "export_months",
    unmarked_students: "export_unmarked",
    student_seats: "export_seats",
    student_merges: "export_merges",
    student_holds: "export_holds",
    audit_entries: "export_audit_entries",
}
NAMES = {"source_id": "sourced_id", "said": "content"}
CHAIN = "of the chain of entries"
ORIGIN = "where a person other than the student was"
STUDENT, AUTHOR, RUN = "the student of the export", "a person other than the student", "a run is of a class"
OF_CLASS = "the school of the class, which is exported"
LEFT_OUT = {
    "students.school_id": "exported as the name of the school",
    "students.search_text": "made of the names and the source id",
    "students.merged_into": "a row with it is in `merges`",
    "student_schools.school_id": "exported as the name of the school",
    "student_schools.student_id": STUDENT,
    "student_contacts.school_id": "exported as the name of the school",
    "student_contacts.student_id": STUDENT,
    "student_contacts.named_by_student": "about the roster file, not about the student",
    "student_contacts.named_by_contact": "about the roster file, not about the student",
    "enrolments.id": "nothing refers to it",
    "enrolments.student_id": STUDENT,
    "enrolments.begin_from_terms": "about the roster file, not about the student",
    "enrolments.end_from_terms": "about the roster file, not about the student",
    "attendances.school_id": OF_CLASS,
    "attendances.student_id": STUDENT,
    "attendances.user_id": AUTHOR,
    "attendances.key_id": AUTHOR,
    "attendances.run_id": RUN,
    "attendance_changes.user_id": AUTHOR,
    "attendance_changes.key_id": AUTHOR,
    "attendance_changes.run_id": RUN,
    "attendance_changes.undoes_run_id": RUN,
    "attendance_changes.learning_date": "the record's, which is exported",
    "job_failures.run_id": "exported as class, session and learning date",
    "job_failures.student_id": STUDENT,
    "desk_entries.id": "nothing refers to it",
    "desk_entries.school_id": "a school of the student; all are exported",
    "desk_entries.student_id": STUDENT,
    "desk_entries.user_id": AUTHOR,
    "desk_entries.pending": "recorded within moments: then exported as marks and as a planned absence",
    "desk_entries.completed_at": "moments after `entered_at`: then its marks are exported",
    "desk_entries.key_id": AUTHOR,
    "absence_contacts.id": "nothing refers to it",
    "absence_contacts.school_id": "a school of the student; all are exported",
    "absence_contacts.student_id": STUDENT,
    "absence_contacts.user_id": AUTHOR,
    "absence_contacts.key_id": AUTHOR,
    "absence_versions.user_id": AUTHOR,
    "absence_versions.key_id": AUTHOR,
    "due_absences.run_id": "exported as class, session and learning date",
    "contradictions.id": "nothing refers to it",
    "contradictions.school_id": OF_CLASS,
    "contradictions.student_id": STUDENT,
    "contradictions.user_id": AUTHOR,
    "contradictions.key_id": AUTHOR,
    "student_days.school_id": "the days at all schools are one list",
    "student_days.student_id": STUDENT,
    "student_months.school_id": "the months at all schools are one list",
    "student_months.student_id": STUDENT,
    "student_seats.student_id": STUDENT,
    "unmarked_students.school_id": OF_CLASS,
    "unmarked_students.student_id": STUDENT,
    "student_holds.id": "nothing refers to it",
    "student_holds.student_id": STUDENT,
    "student_holds.user_id": AUTHOR,
    "student_holds.key_id": AUTHOR,
    "student_holds.lifted_user_id": AUTHOR,
    "student_holds.lifted_key_id": AUTHOR,
    "student_merges.id": "nothing refers to it",
    "student_merges.student_id": STUDENT,
    "student_merges.removed_id": "the id in `removed`",
    "student_merges.user_id": AUTHOR,
    "student_merges.key_id": AUTHOR,
    "audit_entries.id": "nothing refers to it",
    "audit_entries.position": CHAIN,
    "audit_entries.hash": CHAIN,
    "audit_entries.caller_user_id": AUTHOR,
    "audit_entries.os_user": AUTHOR,
    "audit_entries.address": ORIGIN,
    "audit_entries.request_id": ORIGIN,
    "audit_entries.agent": ORIGIN,
    "audit_entries.school_id": "the school of the student, which is exported",
    "audit_entries.student_id": STUDENT,
    "audit_entries.user_id": "no entry about a student is about a user",
    "audit_entries.key_id": "no entry about a student is about a key",
    "audit_entries.before": "counts",
    "audit_entries.after": "counts, and the id of a merged record, which is in `merges`",
}


@pytest.mark.parametrize("table", STATEMENTS, ids=lambda table: table.name)
def test_every_column_about_a_student_is_exported_or_left_out_for_a_reason(table: Table) -> None:
    exported = COLUMNS[STATEMENTS[table]]
    columns = [column.name for column in table.c]
    forgotten = {f"{table.name}.{name}" for name in columns if NAMES.get(name, name) not in exported}
    assert forgotten == {each for each in LEFT_OUT if each.startswith(f"{table.name}.")}


def test_every_table_with_a_student_has_a_statement_that_exports_it() -> None:
    # Every column of `absences` is exported, without a list of their names.
    of_students = {table for table in metadata.sorted_tables if "student_id" in table.c} - {absences}
    assert of_students <= STATEMENTS.keys()


def test_every_field_of_a_mark_is_exported_from_plans_and_stored_answers() -> None:
    mark = {each.name for each in fields(Mark)}
    assert mark <= RequestOfData.model_fields.keys()
    # A conflict in a stored answer does not name the absence that the mark comes from.
    assert mark - {"absence_id"} <= MarkOfData.model_fields.keys() & mark_of_answer({}).keys()


def test_every_field_of_a_record_is_exported_from_merges() -> None:
    of_record = {each.name for each in fields(SingleRecord)} - {"id", "user_id"}
    assert of_record <= SingleRecordOfData.model_fields.keys()
    assert of_record <= set(COLUMNS_OF_SINGLE_RECORD)
    assert {each.name for each in fields(Moved)} == set(NUMBERS_OF_MERGE)
    assert {"removed", "moved", "resolved"} <= MergeOfData.model_fields.keys()
