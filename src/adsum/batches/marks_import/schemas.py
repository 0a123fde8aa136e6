"""The result of an import of marks, as the HTTP API returns it and as `adsum attendance import --json` prints it."""

from __future__ import annotations

from typing import Self

from adsum.batches.marks_import.rules import MarksReport
from adsum.batches.schemas import BatchAnswer
from adsum.platform.http.schemas import Schema


class MarksAnswer(Schema):
    """The accepted batches, or those of a dry run: one response of `create-batch` for each class, session and day."""

    dry_run: bool
    rows: int
    batches: list[BatchAnswer]

    @classmethod
    def of(cls, report: MarksReport) -> Self:
        return cls(
            dry_run=report.dry_run, rows=report.rows, batches=[BatchAnswer.of(batch) for batch in report.batches]
        )
