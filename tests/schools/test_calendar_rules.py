"""Rules of the calendar: closed days, terms and session times."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.platform.days import Span
from adsum.schools.calendar.rules import (
    Calendar,
    Cause,
    ClosedDay,
    SessionTime,
    closed_spans,
    validate_times,
    violation_of_closure,
)

WEDNESDAY = date(2024, 12, 25)
THURSDAY = date(2024, 12, 26)
AT_NINE = SessionTime(3, "09:00", "09:45")
AT_TWO = SessionTime(3, "14:00", "14:45")
FROM_NOON = ClosedDay(WEDNESDAY, "Heat", "12:00")


def test_a_school_without_a_calendar_is_always_open() -> None:
    assert Calendar().closure(WEDNESDAY) is None
    assert Calendar().warnings(WEDNESDAY) == ()


def test_a_closed_day_closes_that_day_alone() -> None:
    calendar = Calendar(closed=[ClosedDay(WEDNESDAY, "Christmas")])
    closure = calendar.closure(WEDNESDAY)
    assert closure is not None
    assert (closure.cause, closure.reason) == (Cause.CLOSED_DAY, "Christmas")
    assert calendar.closure(THURSDAY) is None


@pytest.mark.parametrize(
    ("times", "is_closed"),
    [
        ([], False),
        ([AT_NINE], False),
        ([AT_TWO], True),
        ([AT_NINE, AT_TWO], False),
        ([SessionTime(3, "12:00", "12:45")], True),
        ([SessionTime(4, "14:00", "14:45")], False),
    ],
)
def test_an_early_closing_closes_sessions_that_begin_then_or_later(times: list[SessionTime], is_closed: bool) -> None:
    assert (Calendar(closed=[FROM_NOON], times=times).closure(WEDNESDAY) is not None) == is_closed


def test_a_school_with_terms_is_closed_outside_of_them() -> None:
    autumn = Span(date(2024, 9, 2), WEDNESDAY)
    calendar = Calendar(terms=[autumn])
    closure = calendar.closure(WEDNESDAY)
    assert closure is not None
    assert closure.cause is Cause.OUTSIDE_TERMS
    assert calendar.closure(date(2024, 12, 24)) is None
    assert Calendar(terms=[]).closure(WEDNESDAY) is not None


def test_a_class_with_terms_meets_only_in_them_and_while_the_school_is_open() -> None:
    until_christmas, from_christmas = Span(date(2024, 9, 2), WEDNESDAY), Span(WEDNESDAY, date(2025, 1, 1))
    after = Calendar(terms=[from_christmas], terms_of_class=[until_christmas]).closure(WEDNESDAY)
    assert after is not None
    assert after.cause is Cause.OUTSIDE_CLASS_TERMS
    violation = violation_of_closure(after)
    assert (violation.code, violation.pointer) == ("outside_class_terms", "/learningDate")
    assert violation.detail == "2024-12-25 is in no term of this class"
    assert Calendar(terms_of_class=[until_christmas, from_christmas]).closure(WEDNESDAY) is None
    closed = Calendar(terms=[until_christmas], terms_of_class=[from_christmas]).closure(WEDNESDAY)
    assert closed is not None
    assert closed.cause is Cause.OUTSIDE_TERMS


def test_a_refusal_contains_the_reason_of_the_closed_day() -> None:
    closed = Calendar(closed=[ClosedDay(WEDNESDAY, "Christmas")]).closure(WEDNESDAY)
    outside = Calendar(terms=[]).closure(WEDNESDAY)
    assert closed is not None
    assert outside is not None
    violation = violation_of_closure(closed)
    assert violation.detail == "the school is closed on 2024-12-25: Christmas"
    assert violation.params == {"date": "2024-12-25", "cause": "closed_day", "reason": "Christmas"}
    assert violation_of_closure(outside).params == {"date": "2024-12-25", "cause": "outside_terms", "reason": None}


def test_a_mark_on_no_school_day_is_a_warning_unless_the_session_has_times() -> None:
    (warning,) = Calendar(weekdays=(1, 2)).warnings(WEDNESDAY)
    assert (warning.code, warning.detail) == ("no_school_day", "2024-12-25 is a Wednesday, which is no school day")
    assert Calendar(weekdays=(1, 3)).warnings(WEDNESDAY) == ()
    assert Calendar(times=[AT_NINE], weekdays=(1, 2)).warnings(WEDNESDAY) == ()


def test_a_day_off_the_timetable_is_a_warning() -> None:
    calendar = Calendar(times=[AT_NINE])
    assert calendar.warnings(WEDNESDAY) == ()
    (notice,) = calendar.warnings(THURSDAY)
    assert notice.code == "off_timetable"
    assert "Thursday" in notice.detail


def test_every_wrong_time_is_reported_with_its_position() -> None:
    times = [
        AT_NINE,
        SessionTime(8, "9:00", "24:00"),
        SessionTime(3, "09:00", "10:00"),
        SessionTime(1, "10:00", "10:00"),
        SessionTime(2, "10:00", "09:00"),
    ]
    assert [(i, violation.code, violation.pointer) for i, violation in validate_times(times)] == [
        (1, "out_of_range", "/weekday"),
        (1, "wrong_form", "/begins"),
        (1, "wrong_form", "/ends"),
        (2, "time_repeated", "/begins"),
        (3, "times_reversed", "/ends"),
        (4, "times_reversed", "/ends"),
    ]


def test_times_that_fit_have_no_violations() -> None:
    assert list(validate_times([AT_NINE, AT_TWO, SessionTime(7, "00:00", "23:59")])) == []


def test_closed_days_that_follow_each_other_are_an_interval() -> None:
    days = [date(2024, 12, day) for day in (20, 23, 24, 26, 27)]
    closed = [ClosedDay(day, "", "12:00" if day.day in {20, 24} else None) for day in days]
    assert closed_spans(closed) == ["2024-12-20T12:00", "2024-12-23", "2024-12-24T12:00", "2024-12-26/2024-12-27"]
    assert closed_spans([]) == []
