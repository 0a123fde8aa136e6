"""The marks that late arrivals and early departures make."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from adsum.attendance.rules import Mark
from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, Status, StatusFlag
from adsum.registers.desk.places import tells_place
from adsum.registers.desk.rules import (
    DeskEntry,
    DeskSession,
    NewEntry,
    awaited_session,
    default_status,
    field_of,
    marks_of_arrival,
    marks_of_departure,
    missed_after,
    validate_entry,
    violation_of_nothing,
)
from adsum.registers.rules import DeskKind, LocalTime
from tests.registers.desk.entering import HOURS
from tests.support.api import DAY

USUAL = SchoolStatuses()
TODAY = date.fromisoformat(DAY)
NOW = LocalTime(TODAY, "12:00")


def day_of(*marks: str | None, **fields: Any) -> list[DeskSession]:
    """Four sessions with these marks."""
    rows = zip(HOURS, [*marks, None, None, None, None], strict=False)
    return [DeskSession(1, "7b", i, f"{i}", *times, mark, **fields) for i, (times, mark) in enumerate(rows, start=1)]


def arrival(sessions: list[DeskSession], time: str, missed: str = "absent") -> dict[int, Mark]:
    return {each.session_id: each.mark for each in marks_of_arrival(sessions, time, missed, USUAL).marks}


def departure(
    sessions: list[DeskSession], time: str, statuses: SchoolStatuses = USUAL
) -> tuple[dict[int, Mark], list[int]]:
    made = marks_of_departure(sessions, time, "excused", statuses)
    return {each.session_id: each.mark for each in made.marks}, list(made.absent_from)


def test_an_arrival_is_absent_before_late_in_the_running_session_and_nothing_after_it() -> None:
    assert arrival(day_of(), "10:10") == {1: Mark("absent"), 2: Mark("absent"), 3: Mark("late", arrived_at="10:10")}
    assert arrival(day_of(), "09:50") == {1: Mark("absent"), 2: Mark("absent")}
    assert arrival(day_of(), "10:00", "excused") == {1: Mark("excused"), 2: Mark("excused")}, "it begins on time"


def test_marks_that_say_more_stay() -> None:
    assert arrival(day_of("present", "absent"), "10:10") == {3: Mark("late", arrived_at="10:10")}
    assert arrival(day_of(None, "present"), "10:10") == {3: Mark("late", arrived_at="10:10")}, "from the first missed"
    assert arrival(day_of("excused", "absent"), "10:10", "excused") == {
        2: Mark("excused"),
        3: Mark("late", arrived_at="10:10"),
    }
    assert arrival(day_of("excused", None), "10:10") == {2: Mark("absent"), 3: Mark("late", arrived_at="10:10")}
    assert arrival(day_of("absent", "absent", "present"), "10:10") == {}, "the class has seen the student"
    assert arrival(day_of("absent", "absent", "late"), "10:10") == {3: Mark("late", arrived_at="10:10")}
    assert arrival(day_of("absent", "absent", "late", arrived_at="10:05"), "10:10") == {}


def test_a_departure_is_a_time_in_the_running_session_and_an_absence_from_the_later_ones() -> None:
    assert departure(day_of(), "09:20") == ({2: Mark("present", left_at="09:20")}, [3, 4])
    assert departure(day_of("late", "late", arrived_at="09:05"), "09:20") == (
        {2: Mark("late", None, "09:05", "09:20")},
        [3, 4],
    )
    assert departure(day_of("present", "absent"), "09:20") == ({}, [3, 4])
    assert departure(day_of(None, "present", left_at="09:20"), "09:20") == ({}, [3, 4])
    assert departure(day_of(), "10:00") == ({}, [3, 4])
    assert departure(day_of(), "12:00") == ({}, [])
    left = Status("left", "Left early", "X", CountsAs.ATTENDED, frozenset({StatusFlag.LEFT_EARLY}))
    assert departure(day_of("present", "present"), "09:20", SchoolStatuses([left]))[0] == {
        2: Mark("left", left_at="09:20")
    }


def test_a_departure_changes_attended_and_unexplained_marks_of_the_office_in_later_sessions() -> None:
    of_office = day_of("present", "present", "present", "present", is_set_by_office=True)
    assert departure(of_office, "09:20") == (
        {2: Mark("present", left_at="09:20"), 3: Mark("excused"), 4: Mark("excused")},
        [3, 4],
    )
    assert departure(day_of("present", "present", "absent", "late", is_set_by_office=True), "10:00") == (
        {3: Mark("excused"), 4: Mark("excused")},
        [3, 4],
    )
    authorised = Status("ill", "Ill", "I", CountsAs.ABSENT, frozenset({StatusFlag.AUTHORISED}))
    elsewhere = Status("away", "Not expected", "N", CountsAs.NOT_EXPECTED)
    statuses = SchoolStatuses([authorised, elsewhere])
    for stays in ("ill", "excused", "away"):
        assert departure(day_of(None, None, stays, stays, is_set_by_office=True), "10:00", statuses) == ({}, [3, 4])
    assert departure(day_of(None, None, None, None, is_set_by_office=True), "10:00") == ({}, [3, 4]), "cleared marks"
    assert departure(day_of(None, None, "present", "present"), "10:00") == ({}, [3, 4]), "the absence changes these"


def test_a_departure_ends_before_the_first_later_session_with_an_arrival() -> None:
    first, second, third, fourth = day_of("present", "present", "late", "present", is_set_by_office=True)
    for arrived_at, ends in [("10:00", True), ("10:05", True), ("09:20", True), ("09:15", False)]:
        sessions = [first, second, replace(third, arrived_at=arrived_at), fourth]
        later = {} if ends else {3: Mark("excused"), 4: Mark("excused")}
        assert departure(sessions, "09:20") == (
            {2: Mark("present", left_at="09:20")} | later,
            [] if ends else [3, 4],
        ), arrived_at
    assert departure([first, second, third, replace(fourth, status="late", arrived_at="11:15")], "09:20") == (
        {2: Mark("present", left_at="09:20"), 3: Mark("excused")},
        [3],
    )


def test_a_session_without_times_is_concerned_only_if_no_session_has_any() -> None:
    untimed = DeskSession(1, "7b", 9, "Attendance", None, None)
    assert arrival([untimed], "10:10") == {9: Mark("late", arrived_at="10:10")}
    assert departure([untimed], "10:10") == ({9: Mark("present", left_at="10:10")}, [])
    assert 9 not in arrival([untimed, *day_of()], "10:10")


def test_every_wrong_field_of_an_entry_is_named() -> None:
    wrong = NewEntry(DeskKind.ARRIVAL, 1, "25:00", " ", "present")
    found = [(each.code, each.pointer) for each in validate_entry(wrong, "present", USUAL, TODAY, NOW)]
    assert found == [("wrong_form", "/time"), ("reason_missing", "/reason"), ("not_absent", "/status")]
    unknown = NewEntry(DeskKind.ARRIVAL, 1, "09:00", "bus")
    assert [each.code for each in validate_entry(unknown, "ill", USUAL, TODAY, NOW)] == ["unknown_status"]
    assert default_status(DeskKind.DEPARTURE, USUAL) == "excused"
    retired = Status("excused", "Excused", "E", CountsAs.ABSENT, retired_at=datetime.now(UTC))
    assert default_status(DeskKind.DEPARTURE, SchoolStatuses([retired])) == "absent"


def test_an_arrival_of_today_is_not_in_the_future() -> None:
    def codes(kind: DeskKind, time: str, day: date = TODAY) -> list[tuple[str, str]]:
        new = NewEntry(kind, 1, time, "bus")
        return [(each.code, each.pointer) for each in validate_entry(new, "absent", USUAL, day, NOW)]

    assert codes(DeskKind.ARRIVAL, "12:01") == [("time_in_future", "/time")]
    assert codes(DeskKind.ARRIVAL, "12:00") == []
    assert codes(DeskKind.ARRIVAL, "12:01", TODAY - timedelta(1)) == []
    assert codes(DeskKind.DEPARTURE, "12:01") == [], "the student has said so"


def test_a_student_misses_the_sessions_after_a_departure_until_they_come_back() -> None:
    first, second, third, fourth = day_of()
    assert missed_after([first, second, third, fourth], "08:30") == [second, third, fourth]
    assert missed_after([first, second, replace(third, arrived_at="10:10"), fourth], "08:30") == [second]
    assert missed_after([first, second, third, replace(fourth, arrived_at="08:10")], "08:30")[-1].session_id == 4
    assert missed_after([first, second, third, fourth], "11:10") == []


def test_marks_that_are_recorded_already_concern_the_entry() -> None:
    recorded = day_of("absent", "absent", "late", arrived_at="10:10")
    made = marks_of_arrival([*recorded[:2], replace(recorded[2], arrived_at="10:10")], "10:10", "absent", USUAL)
    assert (made.change_nothing, made.are_recorded) == (True, True)
    earlier = marks_of_arrival(day_of(), "07:00", "absent", USUAL)
    assert (earlier.change_nothing, earlier.are_recorded) == (True, False)


def test_an_entry_that_changes_nothing_says_which_mark_stays() -> None:
    def named(kind: DeskKind, time: str, sessions: list[DeskSession]) -> int | None:
        return violation_of_nothing(NewEntry(kind, 1, time, "bus"), sessions).params.get("sessionId")

    assert named(DeskKind.ARRIVAL, "10:10", day_of("absent", "absent", "present")) == 3
    assert named(DeskKind.ARRIVAL, "07:00", day_of()) is None
    assert named(DeskKind.DEPARTURE, "11:20", day_of(None, None, "present", "absent")) == 4
    assert named(DeskKind.DEPARTURE, "12:00", day_of("present", "present", "present", "present")) is None


def entry(kind: DeskKind, time: str) -> DeskEntry:
    author = (datetime.now(UTC), "office", None, None)
    return DeskEntry(1, 1, 1, TODAY, kind, time, "bus", "absent", None, [], *author)


def test_an_entry_that_changes_no_session_is_made_if_it_differs_from_the_entry_before_it_or_the_list() -> None:
    arrived, departed = entry(DeskKind.ARRIVAL, "09:50"), entry(DeskKind.DEPARTURE, "09:50")
    leaves, arrives = {DeskKind.DEPARTURE}, {DeskKind.ARRIVAL}

    def kinds(
        sessions: list[DeskSession], time: str, newest: DeskEntry | None = None, *, is_on_site: bool = False
    ) -> set[DeskKind]:
        new = [NewEntry(kind, 1, time, "bus") for kind in DeskKind]
        return {each.kind for each in new if tells_place(each, sessions, newest, is_on_site=is_on_site)}

    present, absent = day_of("present"), day_of("absent")
    assert (kinds(present, "15:00", is_on_site=True), kinds(absent, "15:00")) == (leaves, arrives)
    assert kinds(day_of(), "15:00") == leaves, "nobody knows it"
    assert kinds(day_of(), "07:00") == set(), "nobody knows it, and no session has begun"
    assert kinds(present, "11:00", arrived, is_on_site=True) == leaves
    assert kinds(absent, "11:00", departed) == arrives
    both = leaves | arrives
    assert (kinds(present, "11:00", departed, is_on_site=True), kinds(absent, "11:00", arrived)) == (both, both)
    assert kinds([replace(absent[0], is_being_saved=True)], "11:00") == both, "the list does not know the mark yet"


def test_an_entry_waits_for_the_marks_on_which_it_depends() -> None:
    first, second, third, fourth = (replace(each, is_being_saved=True) for each in day_of())

    def awaited(kind: DeskKind, *sessions: DeskSession) -> DeskSession | None:
        return awaited_session(NewEntry(kind, 1, "09:20", "bus"), sessions)

    assert awaited(DeskKind.ARRIVAL, first, second, third, fourth) == first
    assert awaited(DeskKind.DEPARTURE, first, second, third, fourth) == second
    assert awaited(DeskKind.DEPARTURE, first, *day_of()[1:2], third, fourth) is None
    assert awaited(DeskKind.ARRIVAL, *day_of()) is None


def test_violations_of_batches_and_absences_are_those_of_the_entry() -> None:
    pointers = [
        "/marks/0/status",
        "/marks/0/leftAt",
        "/marks/0/studentId",
        "/learningDate",
        "/sessionIds/1",
        "/classId",
    ]
    assert [field_of(each) for each in pointers] == ["/status", "/time", "/studentId", "/date", "/date", ""]
