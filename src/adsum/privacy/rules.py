"""The personal data of a student, and the result of an erasure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from adsum.platform.errors import Conflict, Forbidden

Row: TypeAlias = Mapping[str, Any]
"""A row of a section, by column name: see `schemas`."""


class OtherSchools(Forbidden):
    """The student belongs, or belonged, to a school that the caller does not see."""

    code = "student_of_other_schools"


class StudentIsBeingMarked(Conflict):
    """An open run names the student. It has to close or be cancelled before the erasure."""

    code = "student_is_being_marked"


@dataclass(frozen=True, slots=True)
class PersonalData:
    """All data about one student, except names and ids of the staff.

    Attributes:
        student: identity and home school.
        schools: other schools of the student, former ones too.
        enrolments: in classes, by first day.
        records: attendance by day and session, each with its `changes`.
        requests: marks in the plans of runs. Plans of old runs are pruned.
        kept_records: runs that left the student's record unchanged.
        failures: marks that could not be recorded.
        conflicts: marks that were not applied, in responses that are stored under idempotency keys.
        absences: planned absences, revoked ones too, each with its `versions` and `pending` batches.
        contradictions: disputed marks.
        days: daily summaries.
        months: monthly summaries.
        unmarked: taken sessions without a mark, as reports count them.
    """

    student: Row
    schools: Sequence[Row]
    enrolments: Sequence[Row]
    records: Sequence[Row]
    requests: Sequence[Row]
    kept_records: Sequence[Row]
    failures: Sequence[Row]
    conflicts: Sequence[Row]
    absences: Sequence[Row]
    contradictions: Sequence[Row]
    days: Sequence[Row]
    months: Sequence[Row]
    unmarked: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Erased:
    """An erased student. `records` is the number of attendance records that were deleted."""

    student_id: int
    records: int
