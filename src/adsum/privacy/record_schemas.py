"""Wire format of the exported records of a student, and of what records are made of and counted in."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import Field

from adsum.platform.http.schemas import Moment, Schema


class ChangeOfData(Schema):
    """One change of a record."""

    version: int
    old_status: str | None
    old_note: str | None
    new_status: str | None
    new_note: str | None
    old_arrived_at: str | None = None
    new_arrived_at: str | None = None
    old_left_at: str | None = None
    new_left_at: str | None = None
    old_office_note: Annotated[str | None, Field(description="The office's note before the change; null: none.")] = None
    new_office_note: Annotated[str | None, Field(description="The office's note after the change; null: none.")] = None
    absence_id: int | None = None
    changed_at: Moment
    changed_role: str
    reason: Annotated[str | None, Field(description="The reason that was given; null: none.")]


class RecordOfData(Schema):
    """One record, with its changes."""

    id: int
    learning_date: date
    class_id: int
    class_title: str
    session_id: int
    session_title: str
    status: Annotated[str | None, Field(description="The code of the status; null: the mark was cleared.")]
    note: str | None
    arrived_at: str | None = None
    left_at: str | None = None
    office_note: str | None = None
    absence_id: int | None = None
    version: int
    marked_at: Moment
    marked_role: str
    changes: Annotated[list[ChangeOfData], Field(description="The changes of the record, the oldest first.")]


class RequestOfData(Schema):
    """A requested mark, in a run whose plan is still stored."""

    learning_date: date
    class_id: int
    session_id: int
    accepted_at: Moment
    status: Annotated[str, Field(description="The code of the requested status.")]
    note: str | None
    arrived_at: str | None = None
    left_at: str | None = None
    absence_id: int | None = None


class KeptRecordOfData(Schema):
    """A run that left the student's record unchanged."""

    learning_date: date
    class_id: int
    session_id: int
    accepted_at: Moment


class MarkOfData(Schema):
    """A mark in a stored response."""

    status: Annotated[str | None, Field(description="The code of the status; null: the mark was cleared.")]
    note: str | None
    arrived_at: str | None
    left_at: str | None


class ConflictOfData(Schema):
    """A mark that was not applied, in a response that is stored under an idempotency key."""

    batch_id: str
    answered_at: Moment
    recorded: Annotated[MarkOfData | None, Field(description="The mark that was recorded; null: none.")]
    requested: Annotated[MarkOfData, Field(description="The mark that was not applied.")]


class AnswerOfData(Schema):
    """A part of a response that is stored under an idempotency key, in the form in which it was sent."""

    answered_at: Moment
    content: Annotated[dict[str, Any], Field(description="The part of the response that is about the student.")]


class FailureOfData(Schema):
    """A mark that could not be recorded, and the reason."""

    learning_date: date
    class_id: int
    session_id: int
    code: Annotated[str, Field(description="The reason for which the mark could not be recorded.")]
    failed_at: Annotated[Moment, Field(description="The moment of the failure, in UTC.")]


class ContradictionOfData(Schema):
    """A mark of a teacher that contradicts a mark of the office."""

    learning_date: date
    class_id: int
    session_id: int
    status: Annotated[str, Field(description="The code of the status that the teacher has set.")]
    note: str | None
    said_at: Moment
    said_role: str
    resolved_at: Annotated[
        Moment | None, Field(description="The moment at which it was settled, in UTC; null: it is open.")
    ]


class DeskEntryOfData(Schema):
    """A late arrival or an early departure. `runs`: the batches that recorded its marks, each with its run."""

    day: date
    kind: Annotated[str, Field(description="A late arrival, or an early departure.")]
    time: str
    reason: Annotated[str, Field(description="The reason, which only the office sees.")]
    status: Annotated[str, Field(description="The code of the status of the missed sessions.")]
    absence_id: int | None
    runs: Annotated[
        list[list[str]], Field(description="The batches that recorded its marks: pairs of a batch id and a run id.")
    ]
    entered_at: Moment
    entered_role: str
    undone_at: Moment | None


class DayOfData(Schema):
    """The summary of a day: sessions by how they count, and by their length."""

    day: date
    sessions: int
    attended: int
    absent: int
    authorised: int
    late: int
    time: Annotated[int, Field(description="The length of the sessions of the day, by which a missed half is counted.")]
    time_missed: Annotated[int, Field(description="Of `time`, the length of the absent sessions.")]
    minutes: int = 0
    minutes_missed: int = 0


class UnmarkedOfData(Schema):
    """A partly taken register, in which the student has no mark."""

    day: date
    class_id: int
    session_id: int


class MonthOfData(Schema):
    """The summary of a month, named by its first day."""

    month: Annotated[date, Field(description="The first day of the month, as `YYYY-MM-DD`.")]
    sessions: int
    attended: int
    absent: int
    authorised: int
    late: int
    days: int
    days_absent: int
    attended_on: Annotated[
        date | None, Field(description="The last day that was not absent, as `YYYY-MM-DD`; null: none.")
    ]
    absent_after: Annotated[int, Field(description="The number of days absent after `attendedOn`.")]
    absent_from: Annotated[date | None, Field(description="The first of these days, as `YYYY-MM-DD`; null: none.")]
    minutes: int = 0
    minutes_missed: int = 0


class SingleRecordOfData(Schema):
    """One of two records of a session and day."""

    status: Annotated[str | None, Field(description="The code of the status; null: the mark was cleared.")]
    note: str | None
    arrived_at: str | None
    left_at: str | None
    office_note: str | None
    absence_id: int | None
    version: int
    marked_at: Moment
    marked_role: str
