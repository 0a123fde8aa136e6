"""Values of registers: whether a class was marked in a session on a day, and the filters of their lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo


class RegisterState(StrEnum):
    """A register is taken if every student of the day's roster has a mark, partly taken if some have, else missing.

    Every page, the API, reminders and reports use the words in this sense. Lists of missing registers have those that
    are not taken, the partly taken ones, too. Registers are listed from the minute in which their session begins.
    """

    TAKEN = "taken"
    PARTIAL = "partial"
    MISSING = "missing"


class DeskKind(StrEnum):
    """The kind of an entry at the desk."""

    ARRIVAL = "arrival"
    DEPARTURE = "departure"


@dataclass(frozen=True, slots=True)
class RegisterFilters:
    """Filters of registers. A filter that is None does not narrow.

    Attributes:
        day: the day; None: the today of each school.
        school_id, class_id: of the class.
        teacher_id: of a user who teaches or covers the session on that day.
        missing_only: leaves out registers that are taken; those that are partly taken stay.
        with_upcoming: includes registers that are not due yet: of a later time today, or of a later day.
        reminded_only: leaves out registers that the office has sent no reminder of.
        begun_since: leaves out registers of today whose session began before this moment, or has no known time.
    """

    day: date | None = None
    school_id: int | None = None
    class_id: int | None = None
    teacher_id: int | None = None
    missing_only: bool = True
    with_upcoming: bool = False
    reminded_only: bool = False
    begun_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegisterTeacher:
    """A user who teaches or covers the session of a register on its day. An erased one has no name.

    Attributes:
        has_login: whether the user can sign in: those of a roster may have no login, or a disabled one.
        covers: whether the user does not teach the class on that day.
    """

    user_id: int
    name: str
    is_erased: bool
    has_login: bool
    covers: bool


@dataclass(frozen=True, slots=True)
class Reminder:
    """A reminder of a missing register that the office sent to its teachers, and its author."""

    reminded_at: datetime
    reminded_by_role: str
    reminded_by_user_id: int | None
    reminded_by_key_id: int | None


@dataclass(frozen=True, slots=True)
class RegisterCount:
    """The number of registers that are due, and of those that are taken."""

    due: int
    taken: int


@dataclass(frozen=True, slots=True)
class Register:
    """The register of a class, a session and a day.

    Attributes:
        school_id: of the class.
        class_id, class_name: the class.
        session_id, session_title: the session.
        learning_date: the day.
        teachers: users who teach or cover the session on that day.
        marked: the number of students of the roster with a mark.
        expected: the number of students of the roster.
        missing_student_ids: the students without a mark; None: the caller may not read rosters.
        is_processing: whether an open run is about to record marks.
        status_counts: the number of students of the roster by status.
        times: when the session meets on that day, local 'HH:MM', in order; empty: the timetable has no time.
        reminder: the newest one; None: nobody was reminded.
    """

    school_id: int
    class_id: int
    class_name: str
    session_id: int
    session_title: str
    learning_date: date
    teachers: tuple[RegisterTeacher, ...]
    marked: int
    expected: int
    missing_student_ids: tuple[int, ...] | None
    is_processing: bool
    status_counts: Mapping[str, int] = field(default_factory=dict[str, int])
    times: tuple[tuple[str, str], ...] = ()
    reminder: Reminder | None = None

    @property
    def user_ids_without_login(self) -> list[int]:
        """The teachers who see no reminder."""
        return [teacher.user_id for teacher in self.teachers if not teacher.has_login]

    @property
    def state(self) -> RegisterState:
        if self.marked >= self.expected:
            return RegisterState.TAKEN
        return RegisterState.PARTIAL if self.marked else RegisterState.MISSING


@dataclass(frozen=True, slots=True)
class LocalTime:
    """The present time at a school: its day, and 'HH:MM'."""

    day: date
    time: str

    @classmethod
    def at(cls, time_zone: str, now: datetime) -> LocalTime:
        local = now.astimezone(ZoneInfo(time_zone))
        return cls(local.date(), f"{local:%H:%M}")


@dataclass(frozen=True, slots=True)
class UnknownStudent:
    """A student without a mark and without an entry of the desk today, with the newest session whose register is due:
    nobody knows where they are.
    """

    student_id: int
    given_name: str
    family_name: str
    grade: str | None
    class_id: int
    session_id: int
    source_id: str | None
    class_source_id: str | None
    class_title: str
    session_source_id: str | None
    session_title: str


@dataclass(frozen=True, slots=True)
class OnSiteStudent:
    """A student who is on site by their newest mark of today, with the session of that mark.

    After a newer arrival at the desk, `status` is `present`, and `marked_at` the time at which it was entered. Without
    a mark, the session is the due one that begins last.
    """

    student_id: int
    given_name: str
    family_name: str
    grade: str | None
    class_id: int
    session_id: int
    status: str
    marked_at: datetime
    source_id: str | None
    class_source_id: str | None
    class_title: str
    session_source_id: str | None
    session_title: str
