"""The models of an import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import Field

from adsum.platform.http.schemas import Schema
from adsum.roster.importing.rules import ChangedStudent, ClassChange, ImportReport, StudentChange


class TableItem(Schema):
    """The numbers of rows of one table by their change. A dry run returns the expected numbers."""

    added: Annotated[int, Field(description="The number of rows that are new.")]
    changed: Annotated[int, Field(description="The number of rows with other values.")]
    ended: Annotated[int, Field(description="The number of rows that the file no longer has.")]
    unchanged: Annotated[int, Field(description="The number of rows that stay the same.")]


class ImportEntry(Schema):
    """A row that was left out, or a warning of one that was not. `pointer`: such as `enrollments.csv:17`."""

    pointer: Annotated[str, Field(description="The file and the line, such as `enrollments.csv:17`.")]
    detail: str
    code: str
    params: Annotated[
        Mapping[str, Any], Field(description="The parameters of the code, such as the id that is unknown.")
    ]


class ClassChangeItem(Schema):
    """A class that a student joins or leaves. `day`: the first day, or the first day without it; null: no bound."""

    sourced_id: str | None
    title: Annotated[str | None, Field(description="The title of the class; null without `roster:read`.")]
    school: Annotated[str | None, Field(description="The name of the school; null without `roster:read`.")]
    day: Annotated[
        date | None,
        Field(description="The first day, or the first day without the student, as `YYYY-MM-DD`; null: no bound."),
    ]


class ChangedStudentItem(Schema):
    """A student who joins, leaves or moves. `studentId` is null for a new student.

    Without the permission `roster:read` there are no names, titles and schools.
    """

    student_id: Annotated[int | None, Field(description="The `id` of the student; null: a new student.")]
    sourced_id: str | None
    given_name: str | None
    family_name: str | None
    joined_classes: Annotated[Sequence[ClassChangeItem], Field(description="The classes that the student joins.")]
    left_classes: Annotated[Sequence[ClassChangeItem], Field(description="The classes that the student leaves.")]

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
    items: Annotated[Sequence[ChangedStudentItem], Field(description="The students by name, 10,000 at most.")]


class ImportAnswer(Schema):
    """The outcome of an import. `refused`: of a dry run; the real import would be refused.

    `students`: of a dry run: who `joins` and `leaves` the schools, and who `moves` to or out of single classes.

    `errors` are 10,000 at most, and so are `warnings`; `errorCount` and `warningCount` count all of them.
    """

    dry_run: bool
    refused: Annotated[bool, Field(description="Of a dry run: whether the real import would be refused.")]
    changes_nothing: Annotated[bool, Field(description="Whether no row is added, changed or ended.")]
    tables: Annotated[Mapping[str, TableItem], Field(description="The numbers of rows by table.")]
    ignored: Annotated[
        Mapping[str, int], Field(description="The number of rows that Adsum does not need, by their kind.")
    ]
    ignored_files: Annotated[list[str], Field(description="The files that Adsum does not need.")]
    error_count: Annotated[int, Field(description="The number of all errors.")]
    errors: Annotated[list[ImportEntry], Field(description="Rows that were left out, 10,000 at most.")]
    warning_count: Annotated[int, Field(description="The number of all warnings.")] = 0
    warnings: Annotated[
        Sequence[ImportEntry], Field(description="Rows that were taken but look wrong, 10,000 at most.")
    ] = ()
    students: Annotated[
        Mapping[StudentChange, ChangedStudentsItem] | None,
        Field(description="Of a dry run: the students who join, leave or move; null: not a dry run."),
    ] = None

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
