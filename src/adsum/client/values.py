"""The values that the client sends and returns. Fields are those of the HTTP API in snake_case. Fields that a later
version of the API adds are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import date, datetime
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, TypeVar, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Json = Mapping[str, Any]
Value = TypeVar("Value", bound="DataclassInstance")
PROCESSING = "processing"


@dataclass(frozen=True, slots=True)
class StudentMark:
    """The status of one student. It takes precedence over both lists of a batch.

    Attributes:
        status: `present`, `absent`, `late`, `excused` or another code of the school.
        arrived_at, left_at: local times, `HH:MM`.
    """

    student_id: int
    status: str
    note: str | None = None
    arrived_at: str | None = None
    left_at: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The mark in a request. Raises TypeError: a field has a value of another type."""
        mark = "StudentMark."
        optional = {
            "note": of_type(f"{mark}note", self.note, str, NoneType),
            "arrivedAt": of_type(f"{mark}arrived_at", self.arrived_at, str, NoneType),
            "leftAt": of_type(f"{mark}left_at", self.left_at, str, NoneType),
        }
        return {
            "studentId": of_type(f"{mark}student_id", self.student_id, int),
            "status": of_type(f"{mark}status", self.status, str),
        } | _set(optional)


@dataclass(frozen=True, slots=True)
class NewBatch:
    """The attendance of one class, in one session, on one day.

    Attributes:
        learning_date: a day of the school; as a text, any form that the API reads.
        is_selected_all: every enrolled student is `present`, those in `unselected_student_ids` `absent`. Otherwise
            only the named students get a mark.
        selected_student_ids: are `present`.
        unselected_student_ids: are `absent`.
        marks: of single students, with any status of the school.
        on_existing: `skip` keeps the record of a student who has one, `update` corrects it, `fail` refuses the request.
        roster_version: from `GET /classes/{classId}/roster`; refuses the request if the roster has changed since.
        force, reason: record on a closed day, and why.
    """

    class_id: int
    session_id: int
    learning_date: date | str
    is_selected_all: bool = False
    selected_student_ids: Sequence[int] = ()
    unselected_student_ids: Sequence[int] = ()
    marks: Sequence[StudentMark] = ()
    on_existing: Literal["skip", "update", "fail"] = "skip"
    roster_version: str | None = None
    force: bool = False
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The body of the request. Raises TypeError: a field has a value of another type."""
        batch = "NewBatch."
        day = of_type(f"{batch}learning_date", self.learning_date, date, str)
        if isinstance(day, datetime):  # a day that depends on a time zone
            raise TypeError(f"{batch}learning_date must be date or str, not {day!r:.40}")
        optional = {
            "rosterVersion": of_type(f"{batch}roster_version", self.roster_version, str, NoneType),
            "reason": of_type(f"{batch}reason", self.reason, str, NoneType),
            "force": of_type(f"{batch}force", self.force, bool) or None,
        }
        return {
            "classId": of_type(f"{batch}class_id", self.class_id, int),
            "sessionId": of_type(f"{batch}session_id", self.session_id, int),
            "learningDate": day if isinstance(day, str) else day.isoformat(),
            "isSelectedAll": of_type(f"{batch}is_selected_all", self.is_selected_all, bool),
            "selectedStudentIds": _list_of(f"{batch}selected_student_ids", self.selected_student_ids, int),
            "unselectedStudentIds": _list_of(f"{batch}unselected_student_ids", self.unselected_student_ids, int),
            "marks": [mark.to_json() for mark in _list_of(f"{batch}marks", self.marks, StudentMark)],
            "onExisting": of_type(f"{batch}on_existing", self.on_existing, str),
        } | _set(optional)


@dataclass(frozen=True, slots=True)
class MarkConflict:
    """A mark that was not applied. `recorded` is the status that is recorded or being recorded; None: none is."""

    student_id: int
    recorded: str | None
    requested: str
    recorded_note: str | None = None
    requested_note: str | None = None

    @classmethod
    def of(cls, body: Json) -> Self:
        return _read(cls, body)


@dataclass(frozen=True, slots=True)
class BatchWarning:
    """An unusual circumstance of a request that was accepted. `code` never changes, `detail` is for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The answer to a new batch. From now on it is durable.

    Attributes:
        total_jobs: students of the request; of them, `added_jobs` are queued, `skipped_jobs` keep their record.
        is_skipped: nothing was queued, because another run of the batch is being processed.
        run_id: the run of this request, or the one that is being processed; None: the batch has none.
        conflicts: the marks that were not applied, since another mark is recorded or being recorded.
        message: for people.
    """

    batch_id: str
    run_id: str | None
    total_jobs: int
    added_jobs: int
    skipped_jobs: int
    is_skipped: bool
    conflicts: tuple[MarkConflict, ...]
    warnings: tuple[BatchWarning, ...]
    message: str
    lock_key: str
    status_url: str

    @classmethod
    def of(cls, body: Json) -> Self:
        return _read(
            cls,
            body,
            conflicts=tuple(MarkConflict.of(each) for each in body["conflicts"]),
            warnings=tuple(BatchWarning(each["code"], each["detail"]) for each in body.get("warnings", ())),
        )


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """The newest run of a batch, counted from the rows of the database.

    `total_jobs` is the sum of the recorded, skipped, failed, cancelled and remaining jobs.

    Attributes:
        state: `processing`, `completed`, `completed_with_errors`, `cancelled`, `undone` or `partly_undone`.
        progress: per cent of the jobs that do not remain, 0 to 100.
        started_at, completed_at: in UTC.
        undone_jobs, not_undone_jobs: records that undos have set back, and those that the last one has left.
    """

    batch_id: str
    run_id: str
    state: str
    progress: int
    total_jobs: int
    recorded_jobs: int
    skipped_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    remaining_jobs: int
    undone_jobs: int
    not_undone_jobs: int
    is_completed: bool
    is_locked: bool
    lock_status: str | None
    started_at: datetime
    completed_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Whether the state is final, unless the batch is submitted or retried again."""
        return self.state != PROCESSING

    @classmethod
    def of(cls, body: Json) -> Self:
        return _read(
            cls,
            body,
            started_at=datetime.fromisoformat(body["startedAt"]),
            completed_at=_moment(body["completedAt"]),
            undone_jobs=body.get("undoneJobs", 0),
            not_undone_jobs=body.get("notUndoneJobs", 0),
        )


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One student of a batch.

    Attributes:
        status, note: the requested mark; None: the student kept their record, or the caller may not read records.
        outcome: `recorded`, `skipped`, `failed`, `cancelled` or `pending`.
        reason: the code of the reason, such as `not_enrolled`; None: recorded or pending.
        recorded: the record now, `{"id", "status", "note", "version"}`; None: nothing is recorded.
    """

    job_id: str
    student_id: int
    run_id: str
    status: str | None
    note: str | None
    outcome: str
    reason: str | None
    recorded: Json | None

    @classmethod
    def of(cls, body: Json) -> Self:
        return _read(cls, body, reason=body["reason"]["code"] if body["reason"] is not None else None)


@dataclass(frozen=True, slots=True)
class Record:
    """The attendance of a student in one session on one day.

    Attributes:
        status: None: the mark was cleared.
        version: for `correct_record`.
        marked_by_user_id: None: an API key without a person, or the command line.
        arrived_at, left_at: local times, `HH:MM`.
        office_note: None for callers without `attendance:overrule`.
        contradiction: a teacher's mark that the office has not settled, as in the API; of a single record only.
    """

    id: int
    batch_id: str
    class_id: int
    session_id: int
    student_id: int
    learning_date: date
    status: str | None
    note: str | None
    version: int
    marked_at: datetime
    marked_by_role: str
    marked_by_user_id: int | None
    arrived_at: str | None = None
    left_at: str | None = None
    office_note: str | None = None
    absence_id: int | None = None
    student_sourced_id: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    class_sourced_id: str | None = None
    class_title: str | None = None
    session_sourced_id: str | None = None
    period: str | None = None
    session_title: str | None = None
    contradiction: Json | None = None

    @classmethod
    def of(cls, body: Json) -> Self:
        return _read(
            cls,
            body,
            learning_date=date.fromisoformat(body["learningDate"]),
            marked_at=datetime.fromisoformat(body["markedAt"]),
        )


class Correction(TypedDict, total=False):
    """A change of one record. An omitted field stays; None removes a note or a time. `reason` goes into the history."""

    status: str
    note: str | None
    arrivedAt: str | None
    leftAt: str | None
    officeNote: str | None
    reason: str


def of_type(name: str, value: Any, *kinds: type) -> Any:
    """`value`. Raises TypeError, which names the value: it is of none of these types. True and False are no numbers."""
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        words = " or ".join("None" if kind is NoneType else kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must be {words}, not {value!r:.40}")
    return value


def _list_of(name: str, values: Any, kind: type) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a sequence of {kind.__name__}, not {values!r:.40}")
    return [of_type(f"{name}[{i}]", value, kind) for i, value in enumerate(cast("Iterable[Any]", values))]


def _read(kind: type[Value], body: Json, **converted: Any) -> Value:
    """A value with the fields of an answer, and those that are converted. Raises KeyError: the answer lacks a field.

    Fields with a default are those that an older server does not send.
    """
    read = {
        each.name: body[key]
        for each in fields(kind)
        if each.name not in converted and ((key := _camel_case(each.name)) in body or each.default is MISSING)
    }
    return kind(**read, **converted)


@cache
def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


def _set(optional: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in optional.items() if value is not None}


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
