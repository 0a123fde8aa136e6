"""Converts a request to one mark per student, and validates it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsum.attendance.rules import Mark
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.submission import (
    KnownStudents,
    Selection,
    StudentMark,
    requested_marks,
    validate_form,
    validate_roster,
)
from adsum.platform.errors import Violation

ROSTER = [1, 2, 3, 4]
CLASS = 123
students = st.integers(min_value=1, max_value=8)
marks = st.builds(StudentMark, students, st.builds(Mark, st.sampled_from(["late", "excused"])))
selections = st.builds(
    Selection, st.booleans(), selected=st.lists(students), unselected=st.lists(students), marks=st.lists(marks)
)


def statuses(selection: Selection, roster: Sequence[int] = ROSTER) -> dict[int, str]:
    return {student: mark.status for student, mark in requested_marks(selection, roster).items()}


def violations_in(selection: Selection) -> list[Violation]:
    """Validates a selection in a school with the default statuses."""
    return validate_form(selection, SchoolStatuses())


def codes_of(violations: Sequence[Violation]) -> list[tuple[str, str]]:
    return [(violation.code, violation.pointer) for violation in violations]


def late(student_id: int) -> StudentMark:
    return StudentMark(student_id, Mark("late", "bus"))


def noted(note: str) -> StudentMark:
    return StudentMark(1, Mark("late", note))


@pytest.mark.parametrize("note", ["", "x" * 500, "\U0001f68c \t\n 日本語"])
def test_any_text_of_500_characters_is_a_note(note: str) -> None:
    assert violations_in(Selection(True, marks=[noted(note)])) == []


def test_all_selected_are_present_and_those_unselected_absent() -> None:
    assert statuses(Selection(True, unselected=[2, 4])) == {1: "present", 2: "absent", 3: "present", 4: "absent"}


def test_a_partial_selection_changes_only_named_students() -> None:
    assert statuses(Selection(False, selected=[3], unselected=[1])) == {1: "absent", 3: "present"}


def test_an_individual_mark_overrides_both_lists_and_selects() -> None:
    selection = Selection(False, selected=[1], unselected=[2], marks=[late(1), late(2), late(4)])
    assert requested_marks(selection, ROSTER) == {each: Mark("late", "bus") for each in (1, 2, 4)}


def test_an_individual_mark_overrides_the_selection_of_all() -> None:
    assert statuses(Selection(True, marks=[late(3)])) == {1: "present", 2: "present", 3: "late", 4: "present"}


def test_marks_are_in_the_order_of_the_roster() -> None:
    assert list(requested_marks(Selection(True, marks=[late(1)]), [9, 1, 5])) == [9, 1, 5]


@given(selections)
def test_only_students_of_the_roster_are_ever_marked(selection: Selection) -> None:
    requested = requested_marks(selection, ROSTER)
    assert requested.keys() <= set(ROSTER)
    assert set(requested) == (set(ROSTER) if selection.is_selected_all else set(ROSTER) & named(selection))


def named(selection: Selection) -> set[int]:
    return {student for _, student in selection.mentioned}


def test_a_valid_selection_has_no_violations() -> None:
    selection = Selection(False, selected=[1, 2], unselected=[3], marks=[late(1), late(4)])
    assert violations_in(selection) == []
    assert validate_roster(selection, ROSTER, None, CLASS) == []


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(False, selected=[1, 2, 1, 1]), [("student_repeated", "/selectedStudentIds/3")]),
        (Selection(True, unselected=[5, 5]), [("student_repeated", "/unselectedStudentIds/1")]),
        (Selection(True, marks=[late(3), late(2), late(3)]), [("student_repeated", "/marks/2")]),
        (Selection(False, selected=[1, 2], unselected=[3, 2]), [("student_in_both_lists", "/unselectedStudentIds/1")]),
        (Selection(True, selected=[1], unselected=[1]), [("student_in_both_lists", "/unselectedStudentIds/0")]),
        (Selection(True, marks=[StudentMark(1, Mark("asleep"))]), [("unknown_status", "/marks/0/status")]),
        (Selection(True, marks=[noted("x" * 501)]), [("note_too_long", "/marks/0/note")]),
        (Selection(True, marks=[late(2), noted("nul \x00")]), [("note_not_text", "/marks/1/note")]),
        (Selection(True, marks=[noted("half \ud83d")]), [("note_not_text", "/marks/0/note")]),
        (Selection(False), [("empty_selection", "/selectedStudentIds")]),
    ],
)
def test_each_violation_names_its_field(selection: Selection, expected: list[tuple[str, str]]) -> None:
    assert codes_of(violations_in(selection)) == expected


def test_all_violations_are_named_at_once() -> None:
    selection = Selection(False, selected=[1, 1], unselected=[1], marks=[StudentMark(2, Mark("asleep"))])
    assert codes_of(violations_in(selection)) == [
        ("student_repeated", "/selectedStudentIds/1"),
        ("student_in_both_lists", "/unselectedStudentIds/0"),
        ("unknown_status", "/marks/0/status"),
    ]


def test_selecting_all_without_names_is_not_empty() -> None:
    assert violations_in(Selection(True)) == []


def test_an_unknown_status_is_shortened_and_the_allowed_ones_are_listed() -> None:
    (violation,) = violations_in(Selection(True, marks=[StudentMark(1, Mark("x" * 1000))]))
    assert len(violation.detail) < 120
    assert violation.params == {"allowed": ["present", "absent", "late", "excused"]}


def test_finding_duplicate_students_takes_linear_time() -> None:
    few, many = seconds_to_validate(500), seconds_to_validate(10_000)
    assert many < 100 * few, "twenty times as many; by the square it were four hundred times"


def seconds_to_validate(students: int) -> float:
    """Returns the shortest CPU time of this process over several runs."""
    selection = Selection(False, selected=[*range(students), *range(students)])
    taken: list[float] = []
    for _ in range(3):
        start = time.process_time()
        violations = violations_in(selection)
        taken.append(time.process_time() - start)
        assert (len(violations), violations[0].pointer) == (students, f"/selectedStudentIds/{students}")
    return min(taken)


def test_a_caller_who_sees_the_school_can_tell_unknown_students_from_those_of_other_classes() -> None:
    selection = Selection(False, selected=[1, 8], unselected=[9], marks=[late(8)])
    violations = validate_roster(selection, ROSTER, KnownStudents(of_school=[8], of_others=[]), CLASS)
    assert codes_of(violations) == [
        ("not_enrolled", "/selectedStudentIds/1"),
        ("unknown_student", "/unselectedStudentIds/0"),
        ("not_enrolled", "/marks/0/studentId"),
    ]
    assert [violation.params for violation in violations] == [{"studentId": 8}, {"studentId": 9}, {"studentId": 8}]


def test_a_caller_who_sees_only_classes_cannot_tell_them_apart() -> None:
    selection = Selection(False, selected=[8, 9])
    one, other = validate_roster(selection, ROSTER, None, CLASS)
    assert one.code == other.code == "not_on_roster"
    assert one.detail.replace("8", "9") == other.detail
