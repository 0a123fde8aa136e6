"""Choices of a merge, and the JSON that it stores and changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from adsum.accounts.access import system_caller
from adsum.privacy.merging.rules import (
    DoubleRecord,
    Merge,
    MergeChoices,
    Moved,
    Prefer,
    RecordChoice,
    SingleRecord,
    answer_for_kept_student,
    with_kept_student,
)
from adsum.roster.rules import StudentRow

DAY, NEXT_DAY = date(2024, 12, 25), date(2024, 12, 26)
AT = datetime(2024, 12, 27, 8, tzinfo=UTC)
KEEP, REMOVE = Prefer.KEEP, Prefer.REMOVE


def record(status: str | None, **fields: Any) -> SingleRecord:
    values: dict[str, Any] = {"note": None, "arrived_at": None, "left_at": None, "office_note": None}
    values |= {"absence_id": None, "version": 1, "marked_at": AT, "marked_role": "teacher", "user_id": 5}
    return SingleRecord(id=9, status=status, **values | fields)


def double(day: date = DAY, session_id: int = 1, **records: SingleRecord) -> DoubleRecord:
    pair = {"kept": record("present"), "removed": record(None)} | records
    return DoubleRecord(day, 3, "7b", session_id, "Period 1", **pair, prefer=KEEP)


def test_the_choice_of_a_session_takes_precedence_over_that_of_the_day_and_that_over_the_general_one() -> None:
    choices = MergeChoices(KEEP, [RecordChoice(DAY, REMOVE), RecordChoice(DAY, KEEP, 2)])

    assert [choices.of(DAY, 1), choices.of(DAY, 2), choices.of(NEXT_DAY, 1)] == [REMOVE, KEEP, KEEP]
    assert MergeChoices().of(DAY, 1) is None


def test_every_choice_that_chooses_nothing_is_a_violation() -> None:
    single = [
        RecordChoice(DAY, KEEP),
        RecordChoice(DAY, KEEP, 1),
        RecordChoice(DAY, KEEP, 2),
        RecordChoice(NEXT_DAY, KEEP),
        RecordChoice(DAY, REMOVE),
    ]

    found = [(each.pointer, each.code) for each in MergeChoices(None, single).violations([double()])]

    assert found == [
        ("/choices/0", "choice_repeated"),
        ("/choices/2", "nothing_to_choose"),
        ("/choices/3", "nothing_to_choose"),
        ("/choices/4", "choice_repeated"),
    ]


def test_a_double_record_is_stored_whole() -> None:
    stored = double(kept=record("late", note="bus", arrived_at="08:10", office_note="calls", absence_id=4))

    assert DoubleRecord.from_json(stored.to_json()) == stored
    assert (
        stored.violation().detail == "2024-12-25, 7b, Period 1: both have a record, late to keep and cleared to remove"
    )


def test_the_change_keeps_the_offices_note_unless_the_removed_record_has_one() -> None:
    without = double(kept=record("late", office_note="calls")).change(7, system_caller(), AT)
    with_note = double(kept=record("late", office_note="calls"), removed=record("absent", office_note="ill")).change(
        7, system_caller(), AT
    )

    assert (without.new_status, without.changes_office_note, without.version) == (None, False, 2)
    assert (with_note.new_status, with_note.old_office_note, with_note.new_office_note) == ("absent", "calls", "ill")


def test_plans_and_answers_name_the_kept_student_once() -> None:
    jobs = [{"student": 7, "status": "late"}, {"student": 8, "status": "present"}]
    alone = {"run_id": "r", "plan": [jobs[:1], jobs[1:]], "kept": [9]}
    answer = {"status": 200, "body": {"items": [{"studentId": 7, "id": 7}, {"studentId": 8}], "ids": [7]}}

    assert with_kept_student(alone, 1, 7) == {
        "run_id": "r",
        "plan": [[{"student": 1, "status": "late"}], jobs[1:]],
        "kept": [9],
    }
    assert with_kept_student(alone, 1, 9)["kept"] == [1]
    assert with_kept_student(alone, 8, 7)["plan"] == [[], jobs[1:]]
    assert with_kept_student(alone, 7, 9) == {**alone, "kept": []}
    assert answer_for_kept_student(answer, 1, 7) == {
        "status": 200,
        "body": {"items": [{"studentId": 1, "id": 7}, {"studentId": 8}], "ids": [7]},
    }
    assert answer_for_kept_student({"conflicts": [{"student_id": 7}]}, 1, 7) == {"conflicts": [{"student_id": 1}]}


@pytest.mark.parametrize(
    ("given", "family", "is_different"),
    [
        ("Sofía", "Müller-Núñez", False),
        ("sofia", "MUELLER NUNEZ", False),
        ("Müller Núñez", "Sofia", False),
        ("Sofie", "Müller Núñez", True),
        ("Sofia", "Müller", True),
    ],
)
def test_names_that_differ_in_case_accents_or_order_only_are_the_same(
    given: str, family: str, *, is_different: bool
) -> None:
    student = StudentRow(1, 1, "a", "Sofia", "Müller Núñez", None, active=True)
    merge = Merge(student, replace(student, id=2, given_name=given, family_name=family), Moved(0, 0, 0, 0, 0), [])

    assert merge.has_different_names == is_different
    assert [each.code for each in merge.warnings()] == ["different_names"] * is_different
    assert merge.violations(MergeChoices(allow_different_names=True)) == []


def test_merges_that_another_release_has_stored_are_read() -> None:
    student = {"id": 1, "school_id": 1, "source_id": "a", "given_name": "Sofia", "family_name": "Nu", "active": True}
    assert StudentRow.from_json(student | {"pronouns": "she"}) == StudentRow(
        1, 1, "a", "Sofia", "Nu", None, active=True
    )
    assert Moved.from_json({"records": 3, "absences": 1, "seats": 2}) == Moved(3, 1, 0, 0, 0)
    stored = double().to_json()
    removed = {name: value for name, value in stored["removed"].items() if name != "left_at"}
    assert DoubleRecord.from_json(stored | {"removed": removed | {"minutes": 5}}) == double()
