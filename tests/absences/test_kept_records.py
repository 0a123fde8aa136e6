"""Records that keep their mark where an absence applies: the statement decides as `AppliedAbsence.applies_to` does."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import select

from adsum.absences.repository.records import find_kept_records, is_applied_to
from adsum.absences.rules import MAX_NAMED_RECORDS, Absence
from adsum.attendance.tables import attendances
from adsum.platform.database.engine import Connection, Database
from adsum.platform.ids import Batch
from adsum.roster.timetable.repository import replace_times, times_of_sessions
from adsum.schools.calendar.rules import SessionTime
from tests.support.schools import SchoolIds, give_times, make_record, make_records, make_school, make_session

FIRST = date(2024, 12, 23)
DAYS = [FIRST + timedelta(days=number) for number in range(-1, 8)]
ALL_DAY = Absence(FIRST, FIRST + timedelta(days=6), "excused", reason="doctor")
# At the end of one session, at the beginning of another, and around a whole one.
HOURS = (("08:00", "09:00"), ("08:45", "09:30"), ("07:00", "08:00"), ("09:30", "12:00"), ("00:00", "23:59"))


async def test_a_record_is_chosen_as_the_rule_of_absences_decides(database: Database) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection)
        sessions = await sessions_with_various_times(connection, school)
        batches = [Batch(school.class_id, session_id, day) for session_id in sessions for day in DAYS]
        await make_records(connection, school.school_id, batches, school.student_ids[:1])
        times = await times_of_sessions(connection, sessions)

        chosen: set[frozenset[tuple[int, date]]] = set()
        for absence in various_absences(sessions):
            by_rule = {
                (each.session_id, each.learning_date)
                for each in batches
                if absence.applies_to(each.session_id, each.learning_date, times.get(each.session_id, ()))
            }
            a = attendances.c
            found = select(a.session_id, a.learning_date).where(*is_applied_to(absence))
            assert {(row[0], row[1]) for row in await connection.execute(found)} == by_rule, absence
            chosen.add(frozenset(by_rule))
        assert len(chosen) > 10, "the cases differ"


async def sessions_with_various_times(connection: Connection, school: SchoolIds) -> list[int]:
    """Sessions that meet on a Monday, on a Sunday, at other times from Wednesday on, and without times."""
    sessions = [await make_session(connection, school.class_id, period=str(number)) for number in range(4)]
    monday, sunday, changed, _without = sessions
    await give_times(
        connection, {monday: [SessionTime(1, "08:00", "08:45")], sunday: [SessionTime(7, "08:00", "09:30")]}
    )
    week = [SessionTime(weekday, "08:45", "09:30") for weekday in range(1, 8)]
    await replace_times(connection, {changed: week}, DAYS[0], FIRST)
    later = [SessionTime(weekday, "12:00", "12:45") for weekday in range(1, 8)]
    await replace_times(connection, {changed: later}, FIRST + timedelta(days=2), FIRST)
    return [*sessions, school.session_id]


def various_absences(sessions: list[int]) -> list[Absence]:
    """Absences of all day and of hours, from all sessions, from each one and from two."""
    named = [None, *((each,) for each in sessions), (sessions[0], sessions[3])]
    hours = [(None, None), *HOURS]
    return [replace(ALL_DAY, session_ids=ids, from_time=begin, to_time=end) for ids in named for begin, end in hours]


async def test_the_first_hundred_kept_records_are_named_and_all_are_counted(database: Database) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=25)
        batches = [Batch(school.class_id, school.session_id, day) for day in DAYS]
        await make_records(connection, school.school_id, batches, school.student_ids)
        a = attendances.c
        on_days = a.learning_date.between(ALL_DAY.first_day, ALL_DAY.last_day)
        expected = list(await connection.scalars(select(a.id).where(on_days).order_by(a.id)))

        named, number = await find_kept_records(connection, school.school_id, school.student_ids, ALL_DAY)

        assert (named, number) == (expected[:MAX_NAMED_RECORDS], 25 * 7)


async def test_records_that_follow_the_absence_or_have_no_mark_are_not_kept(database: Database) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection, students=4)
        batch = Batch(school.class_id, school.session_id, FIRST)
        marks = ({"status": "late"}, {"status": "excused"}, {"status": None}, {"marked_role": "teacher"})
        ids = [
            await make_record(connection, school.school_id, batch, student_id, **columns)
            for student_id, columns in zip(school.student_ids, marks, strict=True)
        ]

        assert await find_kept_records(connection, school.school_id, school.student_ids, ALL_DAY) == (ids[:1], 1)
        assert await find_kept_records(connection, school.school_id, school.student_ids[1:], ALL_DAY) == ([], 0)
