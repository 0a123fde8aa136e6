"""The result of an import of marks, as the HTTP API returns it and as `adsum attendance import --json` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field

from adsum.batches.marks_import.rules import MarksReport
from adsum.batches.run import ChangedMark
from adsum.batches.schemas import BatchAnswer
from adsum.platform.errors import Violation
from adsum.platform.http.schemas import Schema


class CorrectedMark(Schema):
    """A record that an import would correct, and the values that it would get. A new value that is null leaves the old
    one.
    """

    batch_id: str
    student_id: int
    old_status: Annotated[
        str | None, Field(description="The code of the status before the change; null: the mark was cleared.")
    ]
    new_status: Annotated[str, Field(description="The code of the status that the record would get.")]
    old_note: str | None
    new_note: str | None
    old_arrived_at: str | None
    new_arrived_at: str | None
    old_left_at: str | None
    new_left_at: str | None

    @classmethod
    def of(cls, batch_id: str, change: ChangedMark) -> Self:
        old, new = change.recorded, change.requested
        return cls(
            batch_id=batch_id,
            student_id=change.student_id,
            old_status=old.status,
            new_status=new.status,
            old_note=old.note,
            new_note=new.note,
            old_arrived_at=old.arrived_at,
            new_arrived_at=new.arrived_at,
            old_left_at=old.left_at,
            new_left_at=new.left_at,
        )


class LineLeftOut(Schema):
    """A line of the file that was left out, because its student was erased."""

    row: Annotated[int, Field(description="The line of the file, where the header is line 1.")]
    column: Annotated[str, Field(description="The column that names the student.")]
    code: str
    detail: str

    @classmethod
    def of(cls, warning: Violation) -> Self:
        params = warning.params
        return cls(row=params["row"], column=params["column"], code=warning.code, detail=warning.detail)


class MarksAnswer(Schema):
    """The accepted batches, or those of a dry run: one response of `create-batch` for each class, session and day.

    `rows`: lines that were read, without those that were left out. `leftOut` lists the first 1,000 of these.
    """

    dry_run: bool
    rows: Annotated[int, Field(description="The number of lines that were read, without the header.")]
    batches: Annotated[
        list[BatchAnswer], Field(description="One answer of `create-batch` for each class, session and day.")
    ]
    left_out: Annotated[Sequence[LineLeftOut], Field(description="The first 1,000 lines that were left out.")] = ()
    left_out_count: Annotated[int, Field(description="The number of all lines that were left out.")] = 0
    changes: Annotated[Sequence[CorrectedMark], Field(description="Of a dry run: the records that are corrected.")] = ()

    @classmethod
    def of(cls, report: MarksReport) -> Self:
        return cls(
            dry_run=report.dry_run,
            rows=report.rows,
            batches=[BatchAnswer.of(batch) for batch in report.batches],
            left_out=[LineLeftOut.of(warning) for warning in report.warnings],
            left_out_count=report.warning_count,
            changes=[CorrectedMark.of(*each) for each in report.changes],
        )
