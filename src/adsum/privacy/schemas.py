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
    school: str


class SchoolOfData(Schema):
    """Another school of the student. `active`: whether its newest roster file has them; a former school has not.

    `sourcedId`: names the student in its roster.
    """

    school: str
    sourced_id: str | None = None
    active: bool


class StudentContactOfData(Schema):
    """A guardian, parent or relative, whom the roster of a school names."""

    school: str
    sourced_id: str
    role: str
    given_name: str
    family_name: str
    phone: str | None
    sms: str | None
    email: str | None


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
    place: int


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
    old_office_note: str | None = None
    new_office_note: str | None = None
    absence_id: int | None = None
    changed_at: Moment
    changed_role: str
    reason: str | None


class RecordOfData(Schema):
    """One record, with its changes."""

    id: int
    learning_date: date
    class_id: int
    class_title: str
    session_id: int
    session_title: str
    status: str | None
    note: str | None
    arrived_at: str | None = None
    left_at: str | None = None
    office_note: str | None = None
    absence_id: int | None = None
    version: int
    marked_at: Moment
    marked_role: str
    changes: list[ChangeOfData]


class RequestOfData(Schema):
    """A requested mark, in a run whose plan is still stored."""

    learning_date: date
    class_id: int
    session_id: int
    accepted_at: Moment
    status: str
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

    status: str | None
    note: str | None
    arrived_at: str | None
    left_at: str | None


class ConflictOfData(Schema):
    """A mark that was not applied, in a response that is stored under an idempotency key."""

    batch_id: str
    answered_at: Moment
    recorded: MarkOfData | None
    requested: MarkOfData


class AnswerOfData(Schema):
    """A part of a response that is stored under an idempotency key, in the form in which it was sent."""

    answered_at: Moment
    content: dict[str, Any]


class FailureOfData(Schema):
    """A mark that could not be recorded, and the reason."""

    learning_date: date
    class_id: int
    session_id: int
    code: str
    failed_at: Moment


class PendingBatchOfData(Schema):
    """A batch to which an absence is applied when its open run ends."""

    learning_date: date
    class_id: int
    session_id: int


class AbsenceContentOfData(Schema):
    """The fields of a planned absence."""

    first_day: date
    last_day: date
    session_ids: list[int] | None
    from_time: str | None
    to_time: str | None
    status: str
    reason: str


class AbsenceVersionOfData(AbsenceContentOfData):
    """One version of a planned absence."""

    version: int
    revoked: bool
    changed_at: Moment
    changed_role: str


class AbsenceOfData(AbsenceContentOfData):
    """A planned absence. Revoked absences are included."""

    id: int
    version: int
    revoked_at: Moment | None
    versions: list[AbsenceVersionOfData] = []  # noqa: RUF012 - pydantic copies it
    pending: list[PendingBatchOfData] = []  # noqa: RUF012 - pydantic copies it


class ContactOfData(Schema):
    """A call about an unexplained absence."""

    day: date
    result: str
    person: str | None
    note: str | None
    contacted_at: Moment
    contacted_role: str


class ContradictionOfData(Schema):
    """A mark of a teacher that contradicts a mark of the office."""

    learning_date: date
    class_id: int
    session_id: int
    status: str
    note: str | None
    said_at: Moment
    said_role: str
    resolved_at: Moment | None


class DeskEntryOfData(Schema):
    """A late arrival or an early departure. `runs`: the batches that recorded its marks, each with its run."""

    day: date
    kind: str
    time: str
    reason: str
    status: str
    absence_id: int | None
    runs: list[list[str]]
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
    time: int
    time_missed: int
    minutes: int = 0
    minutes_missed: int = 0


class UnmarkedOfData(Schema):
    """A partly taken register, in which the student has no mark."""

    day: date
    class_id: int
    session_id: int


class MonthOfData(Schema):
    """The summary of a month, named by its first day."""

    month: date
    sessions: int
    attended: int
    absent: int
    authorised: int
    late: int
    days: int
    days_absent: int
    attended_on: date | None
    absent_after: int
    absent_from: date | None
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

    status: str | None
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
    prefer: str
    kept: SingleRecordOfData
    removed: SingleRecordOfData
    changes: list[ChangeOfData]


class MovedOfData(Schema):
    """The numbers of rows that a merge moved."""

    records: int
    absences: int
    enrolments: int
    disputed_marks: int
    failures: int


class MergeOfData(Schema):
    """A second record that was merged into the student's."""

    removed: RemovedRecordOfData
    moved: MovedOfData
    resolved: list[ResolvedOfData]
    merged_at: Moment
    merged_role: str


class HoldOfData(Schema):
    """A hold on the data, in effect until `liftedAt`."""

    reason: str
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
    action: str
    caller_role: str | None
    caller_key_id: int | None


class StudentDataAnswer(Schema):
    """All data about a student."""

    student: StudentOfData
    enrolments: list[EnrolmentOfData]
    records: list[RecordOfData]
    requests: list[RequestOfData]
    failures: list[FailureOfData]
    absences: list[AbsenceOfData] = []  # noqa: RUF012 - pydantic copies it
    contradictions: list[ContradictionOfData] = []  # noqa: RUF012 - pydantic copies it
    kept_records: list[KeptRecordOfData] = []  # noqa: RUF012 - pydantic copies it
    conflicts: list[ConflictOfData] = []  # noqa: RUF012 - pydantic copies it
    answers: list[AnswerOfData] = []  # noqa: RUF012 - pydantic copies it
    days: list[DayOfData] = []  # noqa: RUF012 - pydantic copies it
    months: list[MonthOfData] = []  # noqa: RUF012 - pydantic copies it
    schools: list[SchoolOfData] = []  # noqa: RUF012 - pydantic copies it
    seats: list[SeatOfData] = []  # noqa: RUF012 - pydantic copies it
    unmarked: list[UnmarkedOfData] = []  # noqa: RUF012 - pydantic copies it
    holds: list[HoldOfData] = []  # noqa: RUF012 - pydantic copies it
    merges: list[MergeOfData] = []  # noqa: RUF012 - pydantic copies it
    contacts: list[ContactOfData] = []  # noqa: RUF012 - pydantic copies it
    student_contacts: list[StudentContactOfData] = []  # noqa: RUF012 - pydantic copies it
    desk_entries: list[DeskEntryOfData] = []  # noqa: RUF012 - pydantic copies it
    audit_entries: list[AuditEntryOfData] = []  # noqa: RUF012 - pydantic copies it


class ErasedAnswer(Schema):
    """The erased student, and the number of their records."""

    student_id: int
    records: int


class Readmission(SentSchema):
    """An erased student who may come back: their id in the roster of the school."""

    sourced_id: Annotated[RosterText, Field(min_length=1, max_length=255)]
