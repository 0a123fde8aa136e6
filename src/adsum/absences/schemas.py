"""Planned absences in the API and in `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields, replace
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from adsum.absences.rules import (
    MAX_SESSIONS,
    MAX_STUDENTS,
    Absence,
    AbsenceFilters,
    AbsenceVersion,
    AbsenceWarning,
    PlannedAbsence,
)
from adsum.attendance.statuses.rules import MAX_CODE
from adsum.platform.days import TIME_PATTERN
from adsum.platform.http.queries import Day, LastDay, PageQuery, SentInBody, Words
from adsum.platform.http.schemas import Id, Moment, PathId, PlainText, Schema, SentSchema
from adsum.platform.texts import MAX_REASON

Time = Annotated[str, Field(pattern=TIME_PATTERN)]
Sessions = Annotated[
    Sequence[Id],
    Field(max_length=MAX_SESSIONS, description="Only these sessions; default: all sessions."),
    AfterValidator(tuple),
]
Status = Annotated[PlainText, Field(max_length=MAX_CODE, description="The status that registers record.")]
AbsenceReason = Annotated[
    PlainText, Field(min_length=1, max_length=MAX_REASON, description="The reason, which only the office sees.")
]


class AbsenceQuery(PageQuery):
    """Filters of the list. `from` and `to` select the absences that overlap this period."""

    school_id: PathId | None = None
    class_id: PathId | None = None
    student_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[LastDay, Field(alias="to")] = None
    revoked: Annotated[bool, Field(description="Include revoked absences.")] = False
    q: Annotated[Words | None, Field(description="Words of the student's names or sourced id, however accented.")] = (
        None
    )

    @property
    def filters(self) -> AbsenceFilters:
        filters = self.model_dump(exclude={"limit", "cursor", "revoked", "q"}, by_alias=False)
        return AbsenceFilters(**filters, with_revoked=self.revoked, words=self.q)


class AbsenceSearch(SentInBody, AbsenceQuery):
    """Filters of a search for absences."""


class EnterAbsence(SentSchema):
    """The same absence for each student. Without `sessionIds` and times it applies all day.

    An absence with times applies to a session without times only if `sessionIds` names the session.
    """

    student_ids: Annotated[
        Sequence[Id],
        Field(
            min_length=1,
            max_length=MAX_STUDENTS,
            description="The students, from 1 to 1,000, each once. They get the same absence.",
        ),
    ]
    school_id: Annotated[
        Id | None, Field(description="The school of the absence; default: the first school that all students have.")
    ] = None
    first_day: Annotated[Day, Field(alias="from")]
    last_day: Annotated[Day, Field(alias="to", description="Inclusive.")]
    session_ids: Sessions | None = None
    from_time: Annotated[Time | None, Field(description="Only sessions that meet after this time.")] = None
    to_time: Annotated[Time | None, Field(description="Only sessions that meet before this time.")] = None
    status: Status
    reason: AbsenceReason

    def to_absence(self) -> Absence:
        return Absence(**{each.name: getattr(self, each.name) for each in fields(Absence)})


class ChangeAbsence(SentSchema):
    """A change of an absence. Omitted fields stay; null removes sessions or times."""

    first_day: Annotated[Day | None, Field(alias="from", description="The new first day, as `YYYY-MM-DD`.")] = None
    last_day: Annotated[Day | None, Field(alias="to", description="The new last day, inclusive, as `YYYY-MM-DD`.")] = (
        None
    )
    session_ids: Sessions | None = None
    from_time: Annotated[
        Time | None,
        Field(description="Only sessions that meet after this local time, `HH:MM`; null: from the morning on."),
    ] = None
    to_time: Annotated[
        Time | None,
        Field(description="Only sessions that meet before this local time, `HH:MM`; null: until the evening."),
    ] = None
    status: Status | None = None
    reason: AbsenceReason | None = None

    def applied_to(self, absence: Absence) -> Absence:
        required = {each.name for each in fields(Absence) if each.default is MISSING}
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        given = {name: value for name, value in given.items() if value is not None or name not in required}
        return replace(absence, **given)


class WarningOfAbsence(Schema):
    """A warning about an absence that was accepted."""

    code: str
    detail: str
    session_ids: Annotated[Sequence[int], Field(description="The sessions that it is about.")]
    record_ids: Annotated[
        Sequence[int],
        Field(
            description="The existing records that it is about, the first 100 by id. They keep the mark of the office "
            "or of another absence."
        ),
    ] = ()
    kept_records: Annotated[int, Field(description="The number of all existing records that it is about.")] = 0


class AbsenceItem(Schema):
    """An absence of one student. `version` counts its changes."""

    id: int
    student_id: int
    first_day: Annotated[date, Field(alias="from")]
    last_day: Annotated[date, Field(alias="to")]
    session_ids: Annotated[Sequence[int] | None, Field(description="Only these sessions; null: all sessions.")]
    from_time: str | None
    to_time: str | None
    status: Annotated[str, Field(description="The code of the status that registers record for these days.")]
    reason: Annotated[str, Field(description="The reason, which only the office sees.")]
    version: int
    revoked_at: Moment | None
    warnings: Annotated[
        Sequence[WarningOfAbsence], Field(description="Sessions and records that the absence does not change.")
    ] = ()

    @classmethod
    def of(cls, planned: PlannedAbsence, warnings: Sequence[AbsenceWarning] = ()) -> AbsenceItem:
        return cls(
            warnings=[WarningOfAbsence.model_validate(each) for each in warnings],
            id=planned.id,
            student_id=planned.student_id,
            version=planned.version,
            revoked_at=planned.revoked_at,
            **asdict(planned.absence),
        )


class EnteredAbsences(Schema):
    """The absences that were entered, in the order of `studentIds`."""

    items: Annotated[
        Sequence[AbsenceItem], Field(description="One absence for each student, in the order of `studentIds`.")
    ]
    warnings: Sequence[WarningOfAbsence] = ()
    corrected_records: Annotated[int, Field(description="Number of existing records that were corrected.")]


class VersionOfAbsence(Schema):
    """One version of an absence, and its author. `said` has the fields of an absence, and `revoked`."""

    version: int
    said: Annotated[dict[str, Any], Field(description="The fields of the absence in this version, and `revoked`.")]
    changed_at: Moment
    changed_by_role: str
    changed_by_user_id: int | None
    changed_by_key_id: int | None

    @classmethod
    def of(cls, version: AbsenceVersion) -> VersionOfAbsence:
        return cls(
            version=version.version,
            said=version.content,
            changed_at=version.changed_at,
            changed_by_role=version.changed_role,
            changed_by_user_id=version.user_id,
            changed_by_key_id=version.key_id,
        )
