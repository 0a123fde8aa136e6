"""Planned absences: the students, days and sessions that they apply to, and the status that a register then records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any, Self

from pydantic.alias_generators import to_camel

from adsum.accounts.access import Caller
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.platform.days import validate_stretch
from adsum.platform.errors import Violation
from adsum.platform.texts import validate_reason
from adsum.schools.calendar.rules import SessionTime, times_on, week_of

MAX_STUDENTS = 1_000
MAX_SESSIONS = 100
MAX_DAYS = 400
MAX_STUDENT_DAYS = 20_000
MAX_LISTED = 20
MAX_NAMED_RECORDS = 100
"""Records that a warning names."""
NO_SESSION_MEETS = "no_session_meets"
"""The code of the warning of an absence that applies to no session."""
OFFICE_MARKS_STAY = "office_marks_stay"
"""The code of the warning of an absence that existing records do not follow: they keep the mark of the office or of
another absence.
"""

AbsencePosition = tuple[date, int]
"""The sort key of a list of absences: the first day, the id."""


@dataclass(frozen=True, slots=True)
class AbsenceFilters:
    """Filters of absences, and their order; None does not filter. Days select the absences that include any of them.

    Attributes:
        words: each occurs in a name or the source id of the student: see `search_spellings`.
        earliest_first: by the first day; otherwise the latest first day comes first.
    """

    school_id: int | None = None
    class_id: int | None = None
    student_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    with_revoked: bool = False
    words: str | None = None
    earliest_first: bool = False


@dataclass(frozen=True, slots=True)
class AppliedAbsence:
    """The part of an absence that registers read and events tell: no text about a person.

    Attributes:
        first_day, last_day: both inclusive.
        status: a code of the school's, which registers record.
        session_ids: only these sessions; None: all sessions.
        from_time, to_time: only sessions that meet between these local times 'HH:MM'; None: all day. A session without
            times is only meant if `session_ids` names it.
    """

    first_day: date
    last_day: date
    status: str
    session_ids: tuple[int, ...] | None = None
    from_time: str | None = None
    to_time: str | None = None

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> Self:
        """From a row whose columns have the names of the fields."""
        return cls(**{each.name: row[each.name] for each in fields(cls)})

    def applies_to(self, session_id: int, day: date, times: Collection[SessionTime]) -> bool:
        """Whether the student is absent from a session on a day. `times` are all of the session's.

        An absence of some hours applies to a session without times only if it names the session.
        """
        if not self.first_day <= day <= self.last_day:
            return False
        is_named = self.session_ids is not None and session_id in self.session_ids
        if self.session_ids is not None and not is_named:
            return False
        if self.from_time is None or self.to_time is None:
            return True
        if not week_of(day, times):
            return is_named
        return any(time.begins < self.to_time and time.ends > self.from_time for time in times_on(day, times))

    def to_json(self) -> dict[str, Any]:
        """With the field names of the API."""
        values = asdict(self).items()
        return {_json_name(name): value.isoformat() if isinstance(value, date) else value for name, value in values}


@dataclass(frozen=True, slots=True)
class Absence(AppliedAbsence):
    """The content of an absence. `to_json` is the form in `absence_versions.said`.

    A new field is also a column in `tables`, and a field of the models in `schemas` and of the form,
    `page_data.TypedAbsence`. A field of this class alone is in no event.

    Attributes:
        reason: free text that only the office reads.
    """

    reason: str = field(kw_only=True)

    @property
    def applied(self) -> AppliedAbsence:
        """The part that registers and events have: it has no text about a person."""
        return AppliedAbsence.of_row(asdict(self))

    def is_same_as(self, other: Absence) -> bool:
        """Whether both have the same content. The order of the sessions has no meaning."""
        sessions, others = (each.session_ids and frozenset(each.session_ids) for each in (self, other))
        return sessions == others and replace(self, session_ids=None) == replace(other, session_ids=None)


def content_by_field(content: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of `Absence.to_json` by the names of the fields; None for a field that it lacks."""
    return {each.name: content.get(_json_name(each.name)) for each in fields(Absence)}


def _json_name(name: str) -> str:
    return {"first_day": "from", "last_day": "to"}.get(name) or to_camel(name)


@dataclass(frozen=True, slots=True)
class StudentAbsence:
    """An absence of one student, as registers read it."""

    id: int
    student_id: int
    absence: AppliedAbsence


@dataclass(frozen=True, slots=True)
class PlannedAbsence:
    """An absence of one student, as the office maintains it. `version` starts at 1; each change raises it."""

    id: int
    school_id: int
    student_id: int
    version: int
    revoked_at: datetime | None
    absence: Absence

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> PlannedAbsence:
        """From a row of `absences`."""
        own = {each.name: row[each.name] for each in fields(cls) if each.name != "absence"}
        return cls(**own, absence=Absence.of_row(row))


@dataclass(frozen=True, slots=True)
class SessionChoice:
    """A session to which an absence can be limited."""

    id: int
    class_title: str
    title: str


@dataclass(frozen=True, slots=True)
class AbsenceWarning:
    """Sessions to which an absence of some hours does not apply, or records that it does not change, and why.

    Attributes:
        record_ids: at most `MAX_NAMED_RECORDS`.
        kept_records: the number of all records that it does not change.
    """

    code: str
    detail: str
    session_ids: Sequence[int] = ()
    record_ids: Sequence[int] = ()
    kept_records: int = 0


def warnings_of(
    absence: Absence, session_ids: Sequence[int], times: Mapping[int, Collection[SessionTime]]
) -> Iterator[AbsenceWarning]:
    """Warnings of an absence of some hours that does not apply to sessions to which it might be meant to apply.

    Args:
        absence: of the students.
        session_ids: of the students' sessions.
        times: all that each of these sessions has had.
    """
    if absence.from_time is None:
        return
    meant = [each for each in session_ids if absence.session_ids is None or each in absence.session_ids]
    without = [each for each in meant if not week_of(absence.first_day, times.get(each, ()))]
    if without and absence.session_ids is None:
        detail = f"the absence applies to sessions without times only if it names them: {_listed(without)}"
        yield AbsenceWarning("sessions_without_times", detail, without)
    # The same weekdays follow after a week.
    length = (absence.last_day - absence.first_day).days + 1
    days = [absence.first_day + timedelta(days=i) for i in range(min(7, length))]
    if meant and not without and not any(absence.applies_to(each, day, times[each]) for each in meant for day in days):
        detail = (
            f"the absence applies to no session: none of {_listed(meant)} meets on these days between "
            f"{absence.from_time} and {absence.to_time}"
        )
        yield AbsenceWarning(NO_SESSION_MEETS, detail, meant)


def warning_of_kept(record_ids: Sequence[int], number: int) -> AbsenceWarning:
    """The warning of an absence that does not change records: the first `MAX_NAMED_RECORDS`, and the number of all."""
    kept = f"{number} records keep" if number > 1 else "1 record keeps"
    detail = f"{kept} the mark of the office or of another absence: {_listed(record_ids)}"
    return AbsenceWarning(OFFICE_MARKS_STAY, detail, record_ids=record_ids, kept_records=number)


def _listed(ids: Sequence[int]) -> str:
    more = " and others" if len(ids) > MAX_LISTED else ""
    return ", ".join(map(str, ids[:MAX_LISTED])) + more


@dataclass(frozen=True, slots=True)
class AbsenceVersion:
    """One version of an absence and its author. `content` is the JSON of `Absence.to_json`, with `revoked`."""

    version: int
    content: dict[str, Any]
    changed_at: datetime
    changed_role: str
    user_id: int | None
    key_id: int | None


@dataclass(frozen=True, slots=True)
class Author:
    """The caller who enters or changes an absence, and the time."""

    caller: Caller
    at: datetime


def absences_of_session(
    absences: Sequence[StudentAbsence], session_id: int, day: date, times: Collection[SessionTime]
) -> dict[int, StudentAbsence]:
    """By student, the absence that applies to a session on a day; of several, the one that was entered last."""
    by_id = sorted(absences, key=lambda each: each.id)
    return {each.student_id: each for each in by_id if each.absence.applies_to(session_id, day, times)}


def validate_absence(absence: Absence, statuses: SchoolStatuses, before: Absence | None = None) -> Iterator[Violation]:
    """All violations in an absence, in a school with these statuses.

    `before`: the absence that it changes. It keeps its status, even if that was retired since.
    """
    if absence.last_day < absence.first_day:
        detail = f"the last day, {absence.last_day}, is before the first, {absence.first_day}"
        yield Violation("days_reversed", detail, "/to")
    elif (absence.last_day - absence.first_day).days >= MAX_DAYS:
        yield Violation("too_long", f"an absence has at most {MAX_DAYS} days", "/to", {"maximum": MAX_DAYS})
    keeps_status = before is not None and absence.status == before.status
    violation = None if keeps_status else statuses.violation_of(absence.status, "/status")
    if violation is not None:
        yield violation
    if not absence.reason.strip():
        yield Violation("too_short", "a reason is required", "/reason", {"minimum": 1})
    yield from validate_reason(absence.reason)
    yield from _validate_times(absence)


def _validate_times(absence: Absence) -> Iterator[Violation]:
    begin, end = absence.from_time, absence.to_time
    yield from validate_stretch(("/fromTime", begin), ("/toTime", end))
    if (begin is None) != (end is None):
        missing = "/fromTime" if begin is None else "/toTime"
        yield Violation("missing_field", "give both times, or neither", missing)
    if absence.session_ids == ():
        yield Violation("too_short", "name at least one session, or none to mean all", "/sessionIds", {"minimum": 1})
    if len(set(absence.session_ids or ())) < len(absence.session_ids or ()):
        yield Violation("session_repeated", "a session is named twice", "/sessionIds")


def validate_numbers(student_ids: Sequence[int], absence: Absence) -> list[Violation]:
    """Violations of the limits of one request: students, sessions, and days of students."""
    violations: list[Violation] = []
    if not student_ids:
        violations.append(Violation("too_short", "name at least one student", "/studentIds", {"minimum": 1}))
    if len(student_ids) > MAX_STUDENTS:
        violations.append(Violation("too_long", f"at most {MAX_STUDENTS} students at once", "/studentIds"))
    if len(set(student_ids)) < len(student_ids):
        violations.append(Violation("student_repeated", "a student is named twice", "/studentIds"))
    if len(absence.session_ids or ()) > MAX_SESSIONS:
        violations.append(Violation("too_long", f"at most {MAX_SESSIONS} sessions", "/sessionIds"))
    days = (absence.last_day - absence.first_day).days + 1
    if not violations and len(student_ids) * days > MAX_STUDENT_DAYS:
        detail = f"{len(student_ids)} students on {days} days are too many: at most {MAX_STUDENT_DAYS} together"
        violations.append(Violation("too_long", detail, "/studentIds", {"maximum": MAX_STUDENT_DAYS}))
    return violations
