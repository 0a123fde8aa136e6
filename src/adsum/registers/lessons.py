"""A day of registers in the order in which somebody takes them: what is on now first, then by time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses
from adsum.registers.rules import Register, RegisterState


class Standing(StrEnum):
    """How a register stands for who is to take it."""

    NOW = "now"
    DUE = "due"
    PARTIAL = "partial"
    PROCESSING = "processing"
    UPCOMING = "upcoming"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class LocalMoment:
    """Now, at a school: its day, and the time as 'HH:MM'."""

    day: date
    time: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """One register of a day, for who is to take it."""

    register: Register
    standing: Standing
    attended: int

    @property
    def begins(self) -> str | None:
        return self.register.times[0][0] if self.register.times else None

    @property
    def missing(self) -> int:
        return self.register.expected - self.register.marked

    @property
    def path(self) -> str:
        """Of the page on which it is taken."""
        each = self.register
        return f"/take/{each.class_id}/{each.session_id}/{each.learning_date.isoformat()}"


def arranged(
    registers: Iterable[Register], statuses: Mapping[int, SchoolStatuses], now: Mapping[int, LocalMoment]
) -> list[Lesson]:
    """What is on now stands first, then all by time; those of which nobody knows when they meet come last.

    Args:
        registers: of a day.
        statuses: of each school.
        now: at each school.
    """
    lessons = [_lesson(each, statuses[each.school_id], now[each.school_id]) for each in registers]
    return sorted(lessons, key=_place)


def _place(lesson: Lesson) -> tuple[bool, bool, str, str, int]:
    each = lesson.register
    return lesson.standing is not Standing.NOW, not each.times, lesson.begins or "", each.class_name, each.session_id


def _lesson(register: Register, statuses: SchoolStatuses, now: LocalMoment) -> Lesson:
    attended = sum(
        students
        for code, students in register.given.items()
        if (status := statuses.get(code)) is not None and status.counts_as is CountsAs.ATTENDED
    )
    return Lesson(register, _standing(register, now), attended)


def _standing(register: Register, now: LocalMoment) -> Standing:
    if register.is_processing:
        return Standing.PROCESSING
    if register.state is RegisterState.TAKEN:
        return Standing.TAKEN
    is_today = register.learning_date == now.day
    if is_today and any(begins <= now.time < ends for begins, ends in register.times):
        return Standing.NOW
    if register.state is RegisterState.PARTIAL:
        return Standing.PARTIAL
    has_not_begun = is_today and bool(register.times) and register.times[0][0] > now.time
    return Standing.UPCOMING if has_not_begun or register.learning_date > now.day else Standing.DUE
