"""The timetable of a day for a teacher."""

from __future__ import annotations

from datetime import UTC, date, datetime

from adsum.accounts.access import Role
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.attendance.statuses.service import Statuses
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.registers.page_data import LessonState, TodayPageData, timetable_of_day
from adsum.registers.rules import LocalTime, Register, RegisterTeacher
from adsum.registers.service import Registers
from adsum.schools.service import Schools
from tests.support.schools import caller, make_bare_school, make_school

DAY = date(2024, 12, 25)


def register(
    number: int,
    *,
    marked: int = 0,
    is_processing: bool = False,
    times: tuple[str, ...] = (),
    session: str = "Maths",
    teachers: tuple[RegisterTeacher, ...] = (),
) -> Register:
    spans = tuple((begins, f"{int(begins[:2]) + 1:02}:00") for begins in times)
    status_counts = {"present": marked} if marked else {}
    return Register(
        *(9, number, f"Class {number}", number, session, DAY, teachers, marked, 30, None),
        is_processing=is_processing,
        status_counts=status_counts,
        times=spans,
    )


def test_present_lessons_come_first_then_all_by_time_and_lessons_without_times_last() -> None:
    day = [
        register(1),
        register(2, times=("11:00",)),
        register(3, times=("10:00",), marked=29),
        register(4, times=("08:00",), marked=30),
        register(5, times=("09:00",)),
        register(6, times=("09:00",), is_processing=True),
        register(7, times=("07:00",), marked=29),
    ]
    lessons = timetable_of_day(day, {9: SchoolStatuses()}, {9: LocalTime(DAY, "10:30")})
    assert [(lesson.register.class_id, lesson.state) for lesson in lessons] == [
        (3, LessonState.NOW),
        (7, LessonState.PARTIAL),
        (4, LessonState.TAKEN),
        (5, LessonState.DUE),
        (6, LessonState.PROCESSING),
        (2, LessonState.UPCOMING),
        (1, LessonState.DUE),
    ]
    assert [lesson.attended for lesson in lessons[:3]] == [29, 29, 30]
    assert (lessons[0].missing, lessons[0].path) == (1, "/take/3/3/2024-12-25")


def test_lessons_without_times_follow_the_order_of_their_sessions() -> None:
    day = [register(1, session="Period 10"), register(3, session="Period 2"), register(2, session="Period 10")]
    lessons = timetable_of_day(day, {9: SchoolStatuses()}, {9: LocalTime(DAY, "10:30")})
    assert [lesson.register.class_id for lesson in lessons] == [3, 1, 2]


def test_a_cover_teacher_learns_who_is_away_and_other_teachers_do_not() -> None:
    eve, bob, erased = (
        RegisterTeacher(1, "Eve", is_erased=False, has_login=True, covers=False),
        RegisterTeacher(2, "Bob", is_erased=False, has_login=True, covers=True),
        RegisterTeacher(3, "", is_erased=True, has_login=False, covers=False),
    )
    (lesson,) = timetable_of_day(
        [register(1, teachers=(eve, bob, erased))], {9: SchoolStatuses()}, {9: LocalTime(DAY, "10:30")}
    )
    assert [lesson.covered_by(user_id) for user_id in (1, 2, 3, 4)] == [None, ["Eve"], None, None]


def test_no_lesson_of_a_later_day_is_due() -> None:
    (lesson,) = timetable_of_day([register(1)], {9: SchoolStatuses()}, {9: LocalTime(date(2024, 12, 24), "10:30")})
    assert lesson.state is LessonState.UPCOMING


def timetables(database: Database, now: Clock) -> TodayPageData:
    return TodayPageData(Schools(database, now), Registers(database, now), Statuses(database, now), now)


async def test_the_timetable_of_today_follows_the_clock_and_the_time_zone_of_the_school(database: Database) -> None:
    """At noon in UTC it is the 26th in Kiritimati already."""
    async with database.transaction() as connection:
        school = await make_school(connection, time_zone="Pacific/Kiritimati", students=1)
    found = timetables(database, lambda: datetime(2024, 12, 25, 12, tzinfo=UTC))
    teacher = caller(Role.TEACHER, school.school_id, school.teacher_id)

    today = await found.read(teacher, None, None)
    assert (today.day, today.is_today) == (date(2024, 12, 26), True)
    assert [(lesson.register.class_id, lesson.state) for lesson in today.lessons] == [
        (school.class_id, LessonState.DUE)
    ]
    before = await found.read(teacher, DAY, None)
    assert (before.day, before.is_today) == (DAY, False)


async def test_the_timetable_has_lessons_of_schools_beyond_the_first_page_of_schools(database: Database) -> None:
    async with database.transaction() as connection:
        for _ in range(50):
            await make_bare_school(connection)
        last = await make_school(connection, students=1)
    found = timetables(database, lambda: datetime(2024, 12, 25, 12, tzinfo=UTC))

    page = await found.read(caller(Role.ADMIN), DAY, None)
    assert [lesson.register.school_id for lesson in page.lessons] == [last.school_id]
