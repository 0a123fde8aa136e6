"""Disputed marks in the API and in `--json`."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from adsum.attendance.disputed_marks.rules import DisputeFilters, Holds
from adsum.attendance.rules import OpenDispute
from adsum.platform.http.queries import Day, LastDay, PageQuery
from adsum.platform.http.schemas import Moment, PathId, PlainText, Schema, SentSchema
from adsum.platform.texts import MAX_REASON


class ContradictionQuery(PageQuery):
    """Filters of the list; days are inclusive."""

    school_id: PathId | None = None
    class_id: PathId | None = None
    student_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[LastDay, Field(alias="to")] = None

    @property
    def filters(self) -> DisputeFilters:
        return DisputeFilters(self.school_id, self.class_id, self.student_id, self.first_day, self.last_day)


class ContradictionItem(Schema):
    """The recorded mark, which the office has set, and the disputed mark of a teacher."""

    id: int
    class_id: int
    session_id: int
    learning_date: date
    student_id: int
    attendance_id: int
    version: Annotated[int, Field(description="The version of the attendance record.")]
    recorded: Annotated[str, Field(description="The code of the status that the office has set.")]
    recorded_note: Annotated[str | None, Field(description="The note of the office's mark; null: none.")]
    said: Annotated[str, Field(description="The code of the status that the teacher has set.")]
    said_note: Annotated[str | None, Field(description="The note of the teacher's mark; null: none.")]
    said_at: Moment
    said_by_role: str
    said_by_user_id: int | None
    said_by_key_id: int | None

    @classmethod
    def of(cls, dispute: OpenDispute) -> ContradictionItem:
        return cls(
            id=dispute.id,
            class_id=dispute.class_id,
            session_id=dispute.session_id,
            learning_date=dispute.learning_date,
            student_id=dispute.student_id,
            attendance_id=dispute.attendance_id,
            version=dispute.version,
            recorded=dispute.recorded,
            recorded_note=dispute.recorded_note,
            said=dispute.disputed,
            said_note=dispute.disputed_note,
            said_at=dispute.disputed_at,
            said_by_role=dispute.disputed_role,
            said_by_user_id=dispute.user_id,
            said_by_key_id=dispute.key_id,
        )


class Settle(SentSchema):
    """The mark that holds."""

    holds: Annotated[
        Holds, Field(description="The mark that holds: `recorded`, of the office, or `said`, of the teacher.")
    ]
    reason: Annotated[PlainText, Field(max_length=MAX_REASON, description="The reason, for the history.")] | None = None
