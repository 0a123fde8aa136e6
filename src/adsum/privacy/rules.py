"""The personal data of a student, and the result of an erasure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from adsum.platform.errors import Conflict, Forbidden

Row: TypeAlias = Mapping[str, Any]
"""A row of a section, by column name: see `schemas`."""

IsAbout: TypeAlias = Callable[[Mapping[str, Any]], bool]
"""Whether an object in the JSON of a stored answer is about a student."""


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
        student_contacts: guardians, parents and relatives in the roster.
        enrolments: in classes, by first day.
        records: attendance by day and session, each with its `changes`.
        requests: marks in the plans of runs. Plans of old runs are pruned.
        kept_records: runs that left the student's record unchanged.
        failures: marks that could not be recorded.
        conflicts: marks that were not applied, in responses that are stored under idempotency keys.
        answers: the parts about the student of other answers that are stored under idempotency keys.
        absences: planned absences, revoked ones too, each with its `versions` and `pending` batches.
        contacts: calls about unexplained absences.
        contradictions: disputed marks.
        desk_entries: late arrivals and early departures, undone ones too.
        days: daily summaries.
        months: monthly summaries.
        seats: the places in the seating orders of classes.
        unmarked: partly taken registers without a mark of the student, as reports count them.
        holds: on the data, lifted ones too.
        merges: second records that were merged into the student's, with the days on which both had a record.
        audit_entries: who has read or received the data as a whole, and when.
    """

    student: Row
    schools: Sequence[Row]
    student_contacts: Sequence[Row]
    enrolments: Sequence[Row]
    records: Sequence[Row]
    requests: Sequence[Row]
    kept_records: Sequence[Row]
    failures: Sequence[Row]
    conflicts: Sequence[Row]
    answers: Sequence[Row]
    absences: Sequence[Row]
    contacts: Sequence[Row]
    contradictions: Sequence[Row]
    desk_entries: Sequence[Row]
    days: Sequence[Row]
    months: Sequence[Row]
    unmarked: Sequence[Row]
    seats: Sequence[Row]
    holds: Sequence[Row]
    merges: Sequence[Row]
    audit_entries: Sequence[Row]


@dataclass(frozen=True, slots=True)
class ErasedStudent:
    """An erased student. `records` is the number of attendance records that were deleted."""

    student_id: int
    records: int


def is_about_student(student_id: int, sourced_id: str | None, part: Mapping[str, Any]) -> bool:
    """Whether an object in an answer names a student: by id, or by source id as entries of imported files do."""
    return student_id in (part.get("studentId"), part.get("student_id")) or (
        sourced_id is not None and part.get("params", {}).get("user") == sourced_id
    )


def parts_about(answer: Any, is_about: IsAbout) -> Iterator[Mapping[str, Any]]:
    """The objects of an answer that are about a student; not the objects in them."""
    if isinstance(answer, dict):
        found = cast("dict[str, Any]", answer)
        if is_about(found):
            yield found
            return
        for value in found.values():
            yield from parts_about(value, is_about)
    elif isinstance(answer, list):
        for value in cast("list[Any]", answer):
            yield from parts_about(value, is_about)


def without_parts(answer: Any, is_about: IsAbout) -> Any:
    """An answer without the entries of its lists that are about a student."""
    if isinstance(answer, dict):
        return {name: without_parts(value, is_about) for name, value in cast("dict[str, Any]", answer).items()}
    if isinstance(answer, list):
        entries = cast("list[Any]", answer)
        return [
            without_parts(each, is_about)
            for each in entries
            if not (isinstance(each, dict) and is_about(cast("dict[str, Any]", each)))
        ]
    return answer
