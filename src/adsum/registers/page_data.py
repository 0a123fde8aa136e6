"""Collects the data of the page `/today`: the timetable of a day, with registers in the order in which to take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from adsum.accounts.access import Caller
from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses
from adsum.attendance.statuses.service import Statuses
from adsum.platform.clock import Clock
from adsum.platform.paging import MAX_LIMIT, PageRequest, every_item
from adsum.platform.texts import ListOrder, list_order
from adsum.registers.rules import LocalTime, Register, RegisterFilters, RegisterState
from adsum.registers.service import Registers
from adsum.schools.service import Schools


class LessonState(StrEnum):
    """The state of a register at the present time."""

    NOW = "now"
    DUE = "due"
    PARTIAL = "partial"
    PROCESSING = "processing"
    UPCOMING = "upcoming"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Lesson:
    """A register in a timetable. `attended`: the number of students whose mark counts as attended."""

    register: Register
    state: LessonState
    attended: int

    @property
    def begins(self) -> str | None:
        return self.register.times[0][0] if self.register.times else None

    def covered_by(self, user_id: int) -> Sequence[str] | None:
        """The names of the teachers whom this user covers. None: the user covers nobody."""
        if not any(each.covers for each in self.register.teachers if each.user_id == user_id):
            return None
        return [each.name for each in self.register.teachers if not each.covers and each.name]

    @property
    def missing(self) -> int:
        return self.register.expected - self.register.marked

    @property
    def path(self) -> str:
        """The path of the page on which the register is taken."""
        each = self.register
        return f"/take/{each.class_id}/{each.session_id}/{each.learning_date.isoformat()}"


def timetable_of_day(
    registers: Iterable[Register], statuses: Mapping[int, SchoolStatuses], now: Mapping[int, LocalTime]
) -> list[Lesson]:
    """Lessons that are on now, then all others by time; lessons without a time come last, by session.

    Args:
        registers: of one day.
        statuses: by school.
        now: the present time by school.
    """
    lessons = [_lesson(each, statuses[each.school_id], now[each.school_id]) for each in registers]
    return sorted(lessons, key=_position)


def _position(lesson: Lesson) -> tuple[bool, bool, str, ListOrder, ListOrder, int]:
    register = lesson.register
    is_later = lesson.state is not LessonState.NOW
    # Without a time the title is the order of the day: Period 2 comes before Period 10.
    period = list_order("" if register.times else register.session_title)
    by_class = list_order(register.class_name)
    return is_later, not register.times, lesson.begins or "", period, by_class, register.session_id


def _lesson(register: Register, statuses: SchoolStatuses, now: LocalTime) -> Lesson:
    attended = sum(
        students
        for code, students in register.status_counts.items()
        if (status := statuses.get(code)) is not None and status.counts_as is CountsAs.ATTENDED
    )
    return Lesson(register, _state(register, now), attended)


def _state(register: Register, now: LocalTime) -> LessonState:
    if register.is_processing:
        return LessonState.PROCESSING
    if register.state is RegisterState.TAKEN:
        return LessonState.TAKEN
    is_today = register.learning_date == now.day
    if is_today and any(begins <= now.time < ends for begins, ends in register.times):
        return LessonState.NOW
    if register.state is RegisterState.PARTIAL:
        return LessonState.PARTIAL
    has_not_begun = is_today and bool(register.times) and register.times[0][0] > now.time
    return LessonState.UPCOMING if has_not_begun or register.learning_date > now.day else LessonState.DUE


@dataclass(frozen=True, slots=True)
class DayTimetable:
    """A page of the timetable of a day. `is_today`: the day is today at a school of the caller.

    `schools`: the names of the caller's schools by id, if there are several.
    """

    day: date
    is_today: bool
    lessons: Sequence[Lesson]
    next_cursor: str | None
    schools: Mapping[int, str]


class TodayPageData:
    """Reads the timetable of a day, for the page on which a teacher begins. `now` is the clock."""

    def __init__(self, schools: Schools, registers: Registers, statuses: Statuses, now: Clock) -> None:
        self._schools = schools
        self._registers = registers
        self._statuses = statuses
        self._now = now

    async def read(self, caller: Caller, day: date | None, cursor: str | None) -> DayTimetable:
        """The timetable of `day`, or of the schools' today.

        Raises:
            Forbidden: without `attendance:read` and `roster:read`.
            Invalid: the cursor belongs to another query, or is not a cursor.
        """
        now = self._now()
        schools = await every_item(lambda page: self._schools.page(caller, page))
        local_times = {school.id: LocalTime.at(school.time_zone, now) for school in schools}
        filters = RegisterFilters(day=day, missing_only=False, with_upcoming=True)
        page = await self._registers.page(caller, filters, PageRequest(cursor, MAX_LIMIT))
        school_ids = {register.school_id for register in page.items}
        statuses = {school_id: await self._statuses.all_of(school_id, caller) for school_id in school_ids}
        lessons = timetable_of_day(page.items, statuses, local_times)
        days = {local.day for local in local_times.values()}
        shown = day or (lessons[0].register.learning_date if lessons else min(days, default=now.date()))
        names = {school.id: school.name for school in schools} if len(schools) > 1 else {}
        return DayTimetable(shown, shown in days, lessons, page.next_cursor, names)
