"""From what a teacher sent to one mark a student: lists and single marks checked against the day's roster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from adsum.attendance.rules import Mark
from adsum.attendance.statuses.rules import ABSENT, PRESENT, SchoolStatuses
from adsum.platform.days import validate_stretch
from adsum.platform.errors import Violation
from adsum.platform.texts import validate_note

SELECTED = "/selectedStudentIds"
UNSELECTED = "/unselectedStudentIds"
MARKS = "/marks"


@dataclass(frozen=True, slots=True)
class StudentMark:
    """One entry of `marks`: a single student's own status."""

    student_id: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class Selection:
    """What create-batch was asked to record, in the seed's terms."""

    is_selected_all: bool
    selected: Sequence[int] = ()
    unselected: Sequence[int] = ()
    marks: Sequence[StudentMark] = ()

    @property
    def deliberate(self) -> frozenset[int]:
        """Students who were named: whoever marks all as present need not have looked at each."""
        return frozenset(student_id for _, student_id in self.mentioned)

    @property
    def mentioned(self) -> Iterator[tuple[str, int]]:
        """Every student id that was sent, with the pointer to it."""
        yield from ((f"{SELECTED}/{i}", student_id) for i, student_id in enumerate(self.selected))
        yield from ((f"{UNSELECTED}/{i}", student_id) for i, student_id in enumerate(self.unselected))
        yield from ((f"{MARKS}/{i}/studentId", entry.student_id) for i, entry in enumerate(self.marks))


def requested_marks(selection: Selection, roster: Sequence[int]) -> dict[int, Mark]:
    """The mark that each student is to get, in the roster's order; only students of the roster.

    `isSelectedAll: true` gives every enrolled student `present`, those in `unselectedStudentIds` `absent`; `false`
    touches nobody but those who are named. An entry of `marks` wins over both lists.
    """
    present = set(roster) if selection.is_selected_all else set(selection.selected)
    marks = {student_id: Mark(PRESENT) for student_id in present}
    marks |= {student_id: Mark(ABSENT) for student_id in selection.unselected}
    marks |= {entry.student_id: entry.mark for entry in selection.marks}
    return {student_id: marks[student_id] for student_id in roster if student_id in marks}


def validate_form(selection: Selection, statuses: SchoolStatuses) -> list[Violation]:
    """What is wrong whatever the roster: a student twice or in both lists, an unknown status, a note, nobody named."""
    return [
        *_repeated(SELECTED, selection.selected),
        *_repeated(UNSELECTED, selection.unselected),
        *_repeated(MARKS, [entry.student_id for entry in selection.marks]),
        *_in_both(selection),
        *_wrong_statuses(selection, statuses),
        *_wrong_notes(selection),
        *_wrong_times(selection),
        *_empty(selection),
    ]


def validate_roster(
    selection: Selection, roster: Collection[int], known: Collection[int], *, sees_school: bool
) -> list[Violation]:
    """Who was named and is not on the roster of the day.

    Args:
        selection: what was sent.
        roster: ids of those enrolled on that day.
        known: of the ids that were sent, those of students of this school.
        sees_school: whether the caller may read the whole school. To others a student of another class and one who
            does not exist are the same error, so that nobody can probe for ids.
    """
    enrolled, existing = set(roster), set(known)
    return [
        _off_roster(pointer, student_id, exists=student_id in existing, sees_school=sees_school)
        for pointer, student_id in selection.mentioned
        if student_id not in enrolled
    ]


def _off_roster(pointer: str, student_id: int, *, exists: bool, sees_school: bool) -> Violation:
    params = {"studentId": student_id}
    if not sees_school:
        return Violation(
            "not_on_roster", f"student {student_id} is not on the roster of this class on that day", pointer, params
        )
    if not exists:
        return Violation("unknown_student", f"there is no student {student_id}", pointer, params)
    return Violation("not_enrolled", f"student {student_id} is not enrolled in this class on that day", pointer, params)


def _repeated(pointer: str, student_ids: Sequence[int]) -> Iterator[Violation]:
    last = {student_id: i for i, student_id in enumerate(student_ids)}
    for student_id, count in Counter(student_ids).items():
        if count > 1:
            detail = f"student {student_id} stands {count} times in {pointer[1:]}"
            yield Violation("student_repeated", detail, f"{pointer}/{last[student_id]}", {"studentId": student_id})


def _in_both(selection: Selection) -> Iterator[Violation]:
    selected = set(selection.selected)
    for i, student_id in enumerate(selection.unselected):
        if student_id in selected:
            detail = f"student {student_id} stands in selectedStudentIds and in unselectedStudentIds"
            yield Violation("student_in_both_lists", detail, f"{UNSELECTED}/{i}", {"studentId": student_id})


def _wrong_statuses(selection: Selection, statuses: SchoolStatuses) -> Iterator[Violation]:
    for i, entry in enumerate(selection.marks):
        violation = statuses.violation_of(entry.mark.status, f"{MARKS}/{i}/status")
        if violation is not None:
            yield violation


def _wrong_notes(selection: Selection) -> Iterator[Violation]:
    for i, entry in enumerate(selection.marks):
        yield from validate_note(entry.mark.note, f"{MARKS}/{i}/note")


def _wrong_times(selection: Selection) -> Iterator[Violation]:
    for i, entry in enumerate(selection.marks):
        arrived, left = entry.mark.arrived_at, entry.mark.left_at
        if arrived is not None or left is not None:
            yield from validate_stretch((f"{MARKS}/{i}/arrivedAt", arrived), (f"{MARKS}/{i}/leftAt", left))


def _empty(selection: Selection) -> Iterator[Violation]:
    if not selection.is_selected_all and not any(True for _ in selection.mentioned):
        yield Violation("empty_selection", "no student is selected: name some, or send isSelectedAll: true", SELECTED)
