"""The sessions that an absence applies to, and the validation of absences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest

from adsum.absences.rules import (
    MAX_DAYS,
    MAX_SESSIONS,
    MAX_STUDENT_DAYS,
    MAX_STUDENTS,
    Absence,
    StudentAbsence,
    absences_of_session,
    validate_absence,
    validate_numbers,
    warning_of_kept,
    warnings_of,
)
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.schools.calendar.rules import SessionTime

TUESDAY = date(2024, 12, 24)
WEDNESDAY = date(2024, 12, 25)
MORNING = (SessionTime(2, "08:00", "09:00"), SessionTime(3, "10:00", "11:00"))
ALL_DAY = Absence(TUESDAY, WEDNESDAY, "excused", reason="doctor")


@pytest.mark.parametrize(("day", "expected"), [(TUESDAY - timedelta(1), False), (TUESDAY, True), (WEDNESDAY, True)])
def test_the_first_and_the_last_day_are_inclusive(day: date, expected: bool) -> None:
    assert ALL_DAY.applies_to(1, day, ()) is expected
    assert not ALL_DAY.applies_to(1, WEDNESDAY + timedelta(1), ())


def test_an_absence_of_sessions_applies_only_to_these_sessions() -> None:
    absence = replace(ALL_DAY, session_ids=(7,))

    assert absence.applies_to(7, TUESDAY, ())
    assert not absence.applies_to(8, TUESDAY, ())


def test_an_absence_of_some_hours_applies_to_sessions_that_meet_between_them() -> None:
    absence = replace(ALL_DAY, from_time="08:30", to_time="10:00")

    assert absence.applies_to(7, TUESDAY, MORNING)
    assert not absence.applies_to(7, WEDNESDAY, MORNING), "it begins when the absence is over"
    assert not absence.applies_to(7, TUESDAY, ()), "nobody knows when it meets"
    narrowed = replace(absence, session_ids=(7,))
    assert narrowed.applies_to(7, TUESDAY, MORNING)
    assert narrowed.applies_to(7, TUESDAY, ()), "it is named"
    assert not narrowed.applies_to(7, WEDNESDAY, MORNING)
    assert not narrowed.applies_to(8, TUESDAY, MORNING)


def test_a_text_of_an_absence_is_not_among_what_registers_and_events_have() -> None:
    @dataclass(frozen=True, slots=True)
    class Explained(Absence):
        note: str = ""

    explained = Explained(**asdict(ALL_DAY), note="a letter of the parents")
    assert explained.applied.to_json() == {
        "from": "2024-12-24",
        "to": "2024-12-25",
        "status": "excused",
        "sessionIds": None,
        "fromTime": None,
        "toTime": None,
    }
    assert explained.to_json()["note"] == "a letter of the parents"


def test_the_absence_that_was_entered_last_applies() -> None:
    later = replace(ALL_DAY, status="late")
    planned = [
        StudentAbsence(2, 5, later),
        StudentAbsence(1, 5, ALL_DAY),
        StudentAbsence(3, 6, replace(later, session_ids=(9,))),
    ]

    found = absences_of_session(planned, 7, TUESDAY, ())

    assert {student: each.absence.status for student, each in found.items()} == {5: "late"}


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"last_day": TUESDAY - timedelta(1)}, "/to", "days_reversed"),
        ({"last_day": TUESDAY + timedelta(MAX_DAYS)}, "/to", "too_long"),
        ({"status": "ill"}, "/status", "unknown_status"),
        ({"reason": "  "}, "/reason", "too_short"),
        ({"reason": "x" * 501}, "/reason", "reason_too_long"),
        ({"from_time": "8:00", "to_time": "09:00"}, "/fromTime", "wrong_form"),
        ({"from_time": "09:00", "to_time": "08:00"}, "/toTime", "times_reversed"),
        ({"from_time": "09:00"}, "/toTime", "missing_field"),
        ({"to_time": "09:00"}, "/fromTime", "missing_field"),
        ({"session_ids": ()}, "/sessionIds", "too_short"),
        ({"session_ids": (1, 2, 1)}, "/sessionIds", "session_repeated"),
        ({"from_time": "09:00", "to_time": "09:00"}, "/toTime", "times_reversed"),
    ],
)
def test_each_violation_of_an_absence_is_reported(changes: dict[str, object], pointer: str, code: str) -> None:
    violations = list(validate_absence(replace(ALL_DAY, **changes), SchoolStatuses()))  # pyright: ignore[reportArgumentType]

    assert [(violation.pointer, violation.code) for violation in violations] == [(pointer, code)]


def test_a_valid_absence_of_some_hours_has_no_violations() -> None:
    for session_ids in (None, (1,)):
        part_day = replace(ALL_DAY, session_ids=session_ids, from_time="08:00", to_time="09:00")
        assert not list(validate_absence(part_day, SchoolStatuses()))


@pytest.mark.parametrize(
    ("students", "changes", "violations"),
    [
        (range(1, 3), {}, []),
        ([], {}, [("/studentIds", "too_short")]),
        ([1, 2, 1], {}, [("/studentIds", "student_repeated")]),
        (range(MAX_STUDENTS + 1), {}, [("/studentIds", "too_long")]),
        ([1], {"session_ids": tuple(range(MAX_SESSIONS + 1))}, [("/sessionIds", "too_long")]),
        (range(MAX_STUDENT_DAYS // 100), {"last_day": TUESDAY + timedelta(99)}, []),
        (range(MAX_STUDENT_DAYS // 100), {"last_day": TUESDAY + timedelta(100)}, [("/studentIds", "too_long")]),
    ],
)
def test_the_students_sessions_and_days_of_one_request_are_limited(
    students: Sequence[int], changes: dict[str, Any], violations: list[tuple[str, str]]
) -> None:
    found = validate_numbers(students, replace(ALL_DAY, **changes))
    assert [(violation.pointer, violation.code) for violation in found] == violations


def test_sessions_that_the_absence_does_not_name_do_not_hide_that_it_applies_to_none() -> None:
    noon = replace(Absence(date(2024, 12, 25), date(2024, 12, 25), "excused", reason="doctor"), session_ids=(1,))
    noon = replace(noon, from_time="12:00", to_time="13:00")
    times = {1: [SessionTime(3, "08:00", "09:30")]}
    assert [each.code for each in warnings_of(noon, [1, 2], times)] == ["no_session_meets"]
    assert [each.code for each in warnings_of(replace(noon, session_ids=(2,)), [1, 2], times)] == []
    assert [each.code for each in warnings_of(replace(noon, session_ids=None), [1, 2], times)] == [
        "sessions_without_times"
    ]
    assert list(warnings_of(ALL_DAY, [1, 2], times)) == []
    many = list(range(3, 40))
    assert warning_of_kept([3, 4], 2).detail == "2 records keep the mark of the office or of another absence: 3, 4"
    assert "and others" in next(warnings_of(replace(noon, session_ids=None), many, {})).detail
