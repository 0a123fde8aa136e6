"""Wire format of the exported data of a student."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import Field

from adsum.platform.http.schemas import Moment, RosterText, Schema, SentSchema


class StudentOfData(Schema):
    """The student."""

    id: int
    sourced_id: str | None
    given_name: str
    family_name: str
    grade: str | None
    active: bool
    school: Annotated[str, Field(description="The name of the school.")]


class SchoolOfData(Schema):
    """Another school of the student. `active`: whether its newest roster file has them; a former school has not.

    `sourcedId`: names the student in its roster.
    """

    school: Annotated[str, Field(description="The name of the school.")]
    sourced_id: str | None = None
    active: Annotated[bool, Field(description="Whether the newest roster of the school has the student.")]


class StudentContactOfData(Schema):
    """A guardian, parent or relative, whom the roster of a school names."""

    school: Annotated[str, Field(description="The name of the school.")]
    sourced_id: str
    role: Annotated[str, Field(description="`guardian`, `parent` or `relative`.")]
    given_name: str
    family_name: str
    phone: str | None
    sms: Annotated[str | None, Field(description="The number for text messages; null: none.")]
    email: Annotated[str | None, Field(description="An email address of the roster; null: none.")]


class EnrolmentOfData(Schema):
    """An enrolment. `endDate` is the first day without the student."""

    class_id: int
    class_title: str
    sourced_id: str | None = None
    begin_date: date | None
    end_date: date | None


class SeatOfData(Schema):
    """The place of the student in the seating order of a class, from 1."""

    class_id: int
    class_title: str
    place: Annotated[int, Field(description="The place in the seating order, from 1.")]


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


class PendingBatchOfData(Schema):
    """A batch to which an absence is applied when its open run ends."""

    learning_date: date
    class_id: int
    session_id: int


class AbsenceContentOfData(Schema):
    """The fields of a planned absence."""

    first_day: date
    last_day: date
    session_ids: Annotated[list[int] | None, Field(description="Only these sessions; null: all sessions.")]
    from_time: str | None
    to_time: str | None
    status: Annotated[str, Field(description="The code of the status that registers record for these days.")]
    reason: str


class AbsenceVersionOfData(AbsenceContentOfData):
    """One version of a planned absence."""

    version: int
    revoked: Annotated[bool, Field(description="Whether the absence is revoked in this version.")]
    changed_at: Moment
    changed_role: str


class AbsenceOfData(AbsenceContentOfData):
    """A planned absence. Revoked absences are included."""

    id: int
    version: int
    revoked_at: Moment | None
    versions: Annotated[list[AbsenceVersionOfData], Field(description="Every version of the absence.")] = []  # noqa: RUF012 - pydantic copies it
    pending: Annotated[
        list[PendingBatchOfData], Field(description="Batches to which the absence is applied when their open run ends.")
    ] = []  # noqa: RUF012 - pydantic copies it


class ContactOfData(Schema):
    """A call about an unexplained absence."""

    day: date
    result: str
    person: str | None
    note: Annotated[str | None, Field(description="The words of the conversation, up to 500 characters; null: none.")]
    contacted_at: Moment
    contacted_role: str


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


class RemovedRecordOfData(Schema):
    """A second record of the student, as it was before the merge."""

    id: int
    sourced_id: str | None
    given_name: str
    family_name: str
    grade: str | None


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


class ResolvedOfData(Schema):
    """A session and day on which both had a record, and the changes of the removed one. `prefer`: which one holds."""

    learning_date: date
    class_id: int
    session_id: int
    prefer: Annotated[str, Field(description="The record that holds: `keep`, or `remove`.")]
    kept: Annotated[SingleRecordOfData, Field(description="The record of the student who stayed.")]
    removed: Annotated[SingleRecordOfData, Field(description="The record of the student who was removed.")]
    changes: Annotated[list[ChangeOfData], Field(description="The changes of the removed record, the oldest first.")]


class MovedOfData(Schema):
    """The numbers of rows that a merge moved."""

    records: int
    absences: int
    enrolments: int
    disputed_marks: int
    failures: int


class MergeOfData(Schema):
    """A second record that was merged into the student's."""

    removed: Annotated[
        RemovedRecordOfData, Field(description="The second record of the student, as it was before the merge.")
    ]
    moved: MovedOfData
    resolved: Annotated[list[ResolvedOfData], Field(description="Sessions and days on which both had a record.")]
    merged_at: Moment
    merged_role: str


class HoldOfData(Schema):
    """A hold on the data, in effect until `liftedAt`."""

    reason: Annotated[str, Field(description="The kind of the case.")]
    reference: str | None
    placed_at: Moment
    placed_role: str
    lifted_at: Moment | None
    lifted_role: str | None


class AuditEntryOfData(Schema):
    """An entry of the audit log about the student: their data was read, handed over or changed.

    `callerRole` is `system` for the command line. `callerKeyId`: the program that has acted, by its API key.
    """

    created_at: Moment
    action: Annotated[str, Field(description="What was done, such as `student_exported`.")]
    caller_role: str | None
    caller_key_id: int | None


class StudentDataAnswer(Schema):
    """All data about a student."""

    student: Annotated[StudentOfData, Field(description="The student, as in the roster.")]
    enrolments: Annotated[list[EnrolmentOfData], Field(description="Enrolments in classes, past ones included.")]
    records: Annotated[list[RecordOfData], Field(description="Attendance records with their history.")]
    requests: Annotated[list[RequestOfData], Field(description="Requested marks of runs whose plan is still stored.")]
    failures: Annotated[list[FailureOfData], Field(description="Marks that could not be recorded.")]
    absences: Annotated[list[AbsenceOfData], Field(description="Planned absences, revoked ones included.")] = []  # noqa: RUF012 - pydantic copies it
    contradictions: Annotated[
        list[ContradictionOfData], Field(description="Marks of teachers that contradict the office.")
    ] = []  # noqa: RUF012 - pydantic copies it
    kept_records: Annotated[
        list[KeptRecordOfData], Field(description="Runs that left the student's record unchanged.")
    ] = []  # noqa: RUF012 - pydantic copies it
    conflicts: Annotated[
        list[ConflictOfData], Field(description="Marks that were not applied, in stored responses.")
    ] = []  # noqa: RUF012 - pydantic copies it
    answers: Annotated[
        list[AnswerOfData], Field(description="Parts of responses that are stored under idempotency keys.")
    ] = []  # noqa: RUF012 - pydantic copies it
    days: Annotated[list[DayOfData], Field(description="The summary of each day.")] = []  # noqa: RUF012 - pydantic copies it
    months: Annotated[list[MonthOfData], Field(description="The summary of each month.")] = []  # noqa: RUF012 - pydantic copies it
    schools: Annotated[list[SchoolOfData], Field(description="Other schools of the student.")] = []  # noqa: RUF012 - pydantic copies it
    seats: Annotated[list[SeatOfData], Field(description="Places in seating orders.")] = []  # noqa: RUF012 - pydantic copies it
    unmarked: Annotated[
        list[UnmarkedOfData], Field(description="Partly taken registers in which the student has no mark.")
    ] = []  # noqa: RUF012 - pydantic copies it
    holds: Annotated[list[HoldOfData], Field(description="Holds on the data.")] = []  # noqa: RUF012 - pydantic copies it
    merges: Annotated[list[MergeOfData], Field(description="Second records that were merged into this one.")] = []  # noqa: RUF012 - pydantic copies it
    contacts: Annotated[list[ContactOfData], Field(description="Calls about absences.")] = []  # noqa: RUF012 - pydantic copies it
    student_contacts: Annotated[list[StudentContactOfData], Field(description="Guardians, parents and relatives.")] = []  # noqa: RUF012 - pydantic copies it
    desk_entries: Annotated[list[DeskEntryOfData], Field(description="Late arrivals and early departures.")] = []  # noqa: RUF012 - pydantic copies it
    audit_entries: Annotated[
        list[AuditEntryOfData], Field(description="Entries of the audit log about the student.")
    ] = []  # noqa: RUF012 - pydantic copies it


class ErasedAnswer(Schema):
    """The erased student, and the number of their records."""

    student_id: int
    records: Annotated[int, Field(description="The number of attendance records that were erased.")]


class Readmission(SentSchema):
    """An erased student who may come back: their id in the roster of the school."""

    sourced_id: Annotated[
        RosterText,
        Field(min_length=1, max_length=255, description="The id of the erased student in the roster of the school."),
    ]
