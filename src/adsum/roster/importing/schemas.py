"""The models of an import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from adsum.platform.http.schemas import Schema
from adsum.roster.importing.rules import ChangedStudent, ClassChange, ImportReport, StudentChange


class TableItem(Schema):
    """The numbers of rows of one table by their change. A dry run returns the expected numbers."""

    added: int
    changed: int
    ended: int
    unchanged: int


class ImportEntry(Schema):
    """A row that was left out, or a warning of one that was not. `pointer`: such as `enrollments.csv:17`."""

    pointer: str
    detail: str
    code: str
    params: Mapping[str, Any]


class ClassChangeItem(Schema):
    """A class that a student joins or leaves. `day`: the first day, or the first day without it; null: no bound."""

    sourced_id: str | None
    title: str | None
    school: str | None
    day: date | None


class ChangedStudentItem(Schema):
    """A student who joins, leaves or moves. `studentId` is null for a new student.

    Without the permission `roster:read` there are no names, titles and schools.
    """

    student_id: int | None
    sourced_id: str | None
    given_name: str | None
    family_name: str | None
    joined_classes: Sequence[ClassChangeItem]
    left_classes: Sequence[ClassChangeItem]

    @classmethod
    def of(cls, student: ChangedStudent) -> ChangedStudentItem:
        return cls(
            student_id=student.id,
            sourced_id=student.source_id,
            given_name=student.given_name,
            family_name=student.family_name,
            joined_classes=_class_changes(student.joined),
            left_classes=_class_changes(student.left),
        )


class ChangedStudentsItem(Schema):
    """The students with one kind of change, by name. `items` are 10,000 at most; `count` counts all of them."""

    count: int
    items: Sequence[ChangedStudentItem]


class ImportAnswer(Schema):
    """The outcome of an import. `refused`: of a dry run; the real import would be refused.

    `students`: of a dry run: who `joins` and `leaves` the schools, and who `moves` to or out of single classes.

    `errors` are 10,000 at most, and so are `warnings`; `errorCount` and `warningCount` count all of them.
    """

    dry_run: bool
    refused: bool
    changes_nothing: bool
    tables: Mapping[str, TableItem]
    ignored: Mapping[str, int]
    ignored_files: list[str]
    error_count: int
    errors: list[ImportEntry]
    warning_count: int = 0
    warnings: Sequence[ImportEntry] = ()
    students: Mapping[StudentChange, ChangedStudentsItem] | None = None

    @classmethod
    def of(cls, report: ImportReport, max_errors: int | None = None) -> ImportAnswer:
        return cls(
            dry_run=report.dry_run,
            refused=report.refused,
            changes_nothing=report.changes_nothing,
            tables={name: TableItem.model_validate(table) for name, table in report.tables.items()},
            ignored=report.ignored,
            ignored_files=list(report.ignored_files),
            error_count=report.violation_count,
            errors=[ImportEntry.model_validate(violation) for violation in report.violations[:max_errors]],
            warning_count=report.warning_count,
            warnings=[ImportEntry.model_validate(violation) for violation in report.warnings[:max_errors]],
            students=_changed_students(report) if report.dry_run else None,
        )


def _changed_students(report: ImportReport) -> dict[StudentChange, ChangedStudentsItem]:
    return {
        change: ChangedStudentsItem(
            count=changed.count, items=[ChangedStudentItem.of(student) for student in changed.students]
        )
        for change, changed in report.students.items()
    }


def _class_changes(changes: Sequence[ClassChange]) -> list[ClassChangeItem]:
    return [
        ClassChangeItem(sourced_id=change.source_id, title=change.title, school=change.school, day=change.day)
        for change in changes
    ]
