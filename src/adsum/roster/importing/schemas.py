"""The models of an import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adsum.platform.http.schemas import Schema
from adsum.roster.importing.rules import ImportReport


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


class ImportAnswer(Schema):
    """The outcome of an import. `refused`: of a dry run; the real import would be refused.

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
        )
