"""What a list can be narrowed to. A filter that is None does not narrow; days are inclusive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from adsum.domain.batches import BatchState, Outcome


@dataclass(frozen=True, slots=True)
class ClassFilters:
    """Which classes. `words` each stand in the title, the code or the source id, in any case of letters."""

    school_id: int | None = None
    words: str | None = None
    source_id: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class PersonFilters:
    """Which people who work at a school. `school_id`: None for those who are of every school.

    `words` each stand in a name, the email or the source id, in any case of letters.
    """

    school_id: int | None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class SessionFilters:
    """Which sessions."""

    class_id: int | None = None


@dataclass(frozen=True, slots=True)
class StudentFilters:
    """Which students. `words` each stand in a name or the source id, in any case of letters.

    `day`: enrolled then, in `class_id` or in any class. With a class and no day, the day is the school's today.
    """

    words: str | None = None
    source_id: str | None = None
    class_id: int | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class RecordFilters:
    """Which attendance records. `status` is a code; cleared marks, which have none, are found without it."""

    class_id: int | None = None
    session_id: int | None = None
    student_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class BatchFilters:
    """Which batches; `state` is that of the newest run."""

    school_id: int | None = None
    class_id: int | None = None
    session_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    state: BatchState | None = None


@dataclass(frozen=True, slots=True)
class JobFilters:
    """Which students of a batch. `run_id`: only the jobs of this run; else the newest run's, and what it carried on."""

    outcome: Outcome | None = None
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ClosedDayFilters:
    """Which closed days."""

    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class RegisterFilters:
    """Which registers. `day`: without it the today of each school. `teacher_id`: of who teaches the class then."""

    day: date | None = None
    school_id: int | None = None
    class_id: int | None = None
    teacher_id: int | None = None
    # What is taken is left out.
    missing_only: bool = True
    # What begins later today, or is of a day to come, is not due, and listed all the same.
    with_upcoming: bool = False


@dataclass(frozen=True, slots=True)
class AbsenceFilters:
    """Which absences known beforehand; those that touch any of the days. Revoked ones only where asked for."""

    school_id: int | None = None
    class_id: int | None = None
    student_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    with_revoked: bool = False


@dataclass(frozen=True, slots=True)
class CoverFilters:
    """Which covers; those that touch any of the days."""

    school_id: int | None = None
    class_id: int | None = None
    teacher_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class ContradictionFilters:
    """Which contradictions between what the office has set and what was said in class."""

    school_id: int | None = None
    class_id: int | None = None
    student_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
