"""Absences known beforehand: which students will be away, when, and what a register then says of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.platform.days import validate_stretch
from adsum.platform.errors import Violation
from adsum.platform.texts import validate_reason
from adsum.schools.calendar.rules import SessionTime

MAX_STUDENTS = 1_000
MAX_SESSIONS = 100
MAX_DAYS = 400
MAX_STUDENT_DAYS = 20_000


@dataclass(frozen=True, slots=True)
class Absence:
    """What is known beforehand of a student.

    Attributes:
        first_day, last_day: both inclusive.
        status: what a register is to say: a code of the school's.
        reason: why, for the office alone.
        session_ids: only these sessions; None: every one.
        from_time, to_time: only sessions that by the timetable meet between these, local 'HH:MM'; None: all day.
    """

    first_day: date
    last_day: date
    status: str
    reason: str
    session_ids: tuple[int, ...] | None = None
    from_time: str | None = None
    to_time: str | None = None

    def concerns(self, session_id: int, day: date, times: Collection[SessionTime]) -> bool:
        """Whether the student will be away from a session of that day, which by the timetable meets at `times`.

        A session of which nobody knows when it meets is not concerned by an absence of some hours.
        """
        if not self.first_day <= day <= self.last_day:
            return False
        if self.session_ids is not None:
            return session_id in self.session_ids
        if self.from_time is None or self.to_time is None:
            return True
        met = (time for time in times if time.weekday == day.isoweekday())
        return any(time.begins < self.to_time and time.ends > self.from_time for time in met)

    def to_json(self) -> dict[str, Any]:
        """What it says, under the names of the HTTP API."""
        return {
            "from": self.first_day.isoformat(),
            "to": self.last_day.isoformat(),
            "sessionIds": None if self.session_ids is None else list(self.session_ids),
            "fromTime": self.from_time,
            "toTime": self.to_time,
            "status": self.status,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class KnownAbsence:
    """An absence of one student, as a register that is taken finds it."""

    id: int
    student_id: int
    absence: Absence


def known_of(
    known: Sequence[KnownAbsence], session_id: int, day: date, times: Collection[SessionTime]
) -> dict[int, KnownAbsence]:
    """By student, what concerns this session and day; of several absences the one that was entered last."""
    concerning = (each for each in sorted(known, key=lambda each: each.id))
    return {each.student_id: each for each in concerning if each.absence.concerns(session_id, day, times)}


def validate_absence(absence: Absence, statuses: SchoolStatuses) -> Iterator[Violation]:
    """Everything that is wrong with an absence, in a school with these statuses."""
    if absence.last_day < absence.first_day:
        detail = f"the last day, {absence.last_day}, is before the first, {absence.first_day}"
        yield Violation("days_reversed", detail, "/to")
    elif (absence.last_day - absence.first_day).days >= MAX_DAYS:
        yield Violation("too_long", f"an absence has at most {MAX_DAYS} days", "/to", {"maximum": MAX_DAYS})
    violation = statuses.violation_of(absence.status, "/status")
    if violation is not None:
        yield violation
    if not absence.reason.strip():
        yield Violation("too_short", "say why", "/reason", {"minimum": 1})
    yield from validate_reason(absence.reason)
    yield from _validate_times(absence)


def _validate_times(absence: Absence) -> Iterator[Violation]:
    begin, end = absence.from_time, absence.to_time
    yield from validate_stretch(("/fromTime", begin), ("/toTime", end))
    if (begin is None) != (end is None):
        missing = "/fromTime" if begin is None else "/toTime"
        yield Violation("missing_field", "give both times, or neither", missing)
    if absence.session_ids is not None and (begin is not None or end is not None):
        yield Violation("sessions_and_times", "give sessions, or times, not both", "/sessionIds")
    if absence.session_ids == ():
        yield Violation("too_short", "name a session, or leave sessionIds out", "/sessionIds", {"minimum": 1})


def validate_number(student_ids: Sequence[int], absence: Absence) -> list[Violation]:
    """What is too much, or too little, to be entered at once: each student on each day is one to look after."""
    violations: list[Violation] = []
    if not student_ids:
        violations.append(Violation("too_short", "name a student", "/studentIds", {"minimum": 1}))
    if len(student_ids) > MAX_STUDENTS:
        violations.append(Violation("too_long", f"at most {MAX_STUDENTS} students at once", "/studentIds"))
    if len(set(student_ids)) < len(student_ids):
        violations.append(Violation("student_repeated", "a student stands twice in studentIds", "/studentIds"))
    if len(absence.session_ids or ()) > MAX_SESSIONS:
        violations.append(Violation("too_long", f"at most {MAX_SESSIONS} sessions", "/sessionIds"))
    days = (absence.last_day - absence.first_day).days + 1
    if not violations and len(student_ids) * days > MAX_STUDENT_DAYS:
        detail = f"{len(student_ids)} students on {days} days are too much at once: at most {MAX_STUDENT_DAYS} together"
        violations.append(Violation("too_long", detail, "/studentIds", {"maximum": MAX_STUDENT_DAYS}))
    return violations
