"""Summaries agree with the records after every kind of change."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import astuple
from datetime import date, timedelta

from sqlalchemy import select

from adsum.absences.rules import Absence
from adsum.absences.service import Absences
from adsum.accounts.access import system_caller
from adsum.attendance.closed_marks import marks_on_closed_days
from adsum.attendance.correction_rules import Correction
from adsum.attendance.corrections import Corrections
from adsum.attendance.tables import attendances
from adsum.batches.tables import batch_runs
from adsum.batches.undo import Undo
from adsum.platform.clock import system_clock
from adsum.platform.clock import system_clock as now
from adsum.platform.database.reading import StandbyReader
from adsum.privacy.service import StudentData
from adsum.reports.repository.summaries import stale
from adsum.reports.rules import Counts, GroupBy, total
from adsum.reports.service import Summaries, has_summaries_of
from adsum.reports.tables import student_days, unmarked_students
from adsum.schools.calendar.rules import ClosedDay, SessionTime
from adsum.schools.calendar.service import SchoolCalendar
from tests.reports.conftest import MONDAY, WEEK, Reported, absent
from tests.support.runs import batch_of, inserts, make_run
from tests.support.schools import give_times, make_session

STATUSES = ("present", "absent", "late", "excused")


def counts_of_day(statuses: list[str]) -> tuple[int, ...]:
    """The fields of `Counts` for one student and day; of the sessions that were taken, those without a mark."""
    missed = sum(status in {"absent", "excused"} for status in statuses)
    return (
        len(statuses),
        len(statuses) - missed,
        missed,
        statuses.count("excused"),
        statuses.count("late"),
        1,
        int(2 * missed >= len(statuses)),
        *(0, 0),  # sessions without times have no minutes
        -len(statuses),
    )


async def test_summaries_agree_with_records_counted_one_by_one(reported: Reported) -> None:
    chance = random.Random(20240902)
    async with reported.database.transaction() as connection:
        second = await make_session(connection, reported.school.class_id, period="2")
    for number in range(4):
        for session_id in (reported.school.session_id, second):
            day = MONDAY + timedelta(number)
            marks = {place: chance.choice(STATUSES) for place in range(3) if chance.random() < 0.9}
            if marks:
                await reported.take(day, marks, session_id)

    found = await reported.counts(GroupBy.STUDENT, last_day=MONDAY + timedelta(30))

    async with reported.database.snapshot() as connection:
        a = attendances.c
        rows = (await connection.execute(select(a.student_id, a.learning_date, a.status))).all()
        taken = len((await connection.execute(select(a.session_id, a.learning_date).distinct())).all())
    by_day: defaultdict[tuple[int, date], list[str]] = defaultdict(list)
    for student_id, day, status in rows:
        by_day[student_id, day].append(status or "")
    expected: defaultdict[int, list[int]] = defaultdict(lambda: [0] * 9 + [taken])
    for (student_id, _), day_of_student in by_day.items():
        counts = counts_of_day(day_of_student)
        expected[student_id] = [had + more for had, more in zip(expected[student_id], counts, strict=True)]
    assert {student_id: list(astuple(counts)) for student_id, counts in found.items()} == dict(expected)


async def test_a_correction_changes_the_summary(reported: Reported) -> None:
    await reported.take(MONDAY, {0: "present"})
    assert await absent(reported) == 0

    await Corrections(reported.database, now).correct(1, None, Correction(status="absent"), system_caller())

    assert await absent(reported) == 1


async def test_an_undo_changes_the_summary(reported: Reported) -> None:
    await reported.take(MONDAY, {0: "absent"})
    assert await absent(reported) == 1
    school = reported.school
    batch_id = f"class-{school.class_id}-session-{school.session_id}-date-02092024"

    await Undo(reported.database, now).undo(batch_id, system_caller())

    assert await absent(reported) == 0


async def test_an_absence_entered_afterwards_changes_the_summary(reported: Reported) -> None:
    await reported.take(MONDAY, {0: "late"})
    assert await absent(reported) == 0

    absence = Absence(MONDAY, MONDAY, "excused", reason="doctor")
    await Absences(reported.database, StandbyReader(reported.database), now).add(
        reported.school.student_ids[:1], absence, reported.office
    )

    assert await reported.counts(GroupBy.SCHOOL) == {MONDAY: Counts(1, 0, 1, 1, 0, 1, 1, unmarked=2)}


async def test_marks_of_a_day_that_is_closed_afterwards_stay_and_do_not_count(reported: Reported) -> None:
    calendar, school_id = SchoolCalendar(reported.database, now, marks_on_closed_days), reported.school.school_id
    for day in WEEK[:2]:
        await reported.take(day, {0: "absent"})
    await calendar.close_day(school_id, ClosedDay(WEEK[4], "Storm"), reported.office)
    assert await absent(reported) == 2

    await calendar.close_day(school_id, ClosedDay(MONDAY, "Storm"), reported.office)
    assert await absent(reported) == 1
    await calendar.open_day(school_id, MONDAY, reported.office)
    assert await absent(reported) == 2


async def test_sessions_that_begin_after_an_early_closing_do_not_count(reported: Reported) -> None:
    async with reported.database.transaction() as connection:
        later = await make_session(connection, reported.school.class_id, period="2")
        times = {
            reported.school.session_id: [SessionTime(1, "08:00", "09:00")],
            later: [SessionTime(1, "12:00", "13:00")],
        }
        await give_times(connection, times)
    await reported.take(MONDAY, {0: "absent"})
    await reported.take(MONDAY, {0: "absent"}, later)
    assert await absent(reported) == 2

    closed = ClosedDay(MONDAY, "Heat", "11:00")
    await SchoolCalendar(reported.database, now, marks_on_closed_days).close_day(
        reported.school.school_id, closed, reported.office
    )

    assert await absent(reported) == 1


async def test_days_outside_of_terms_do_not_count(reported: Reported) -> None:
    calendar, school_id = SchoolCalendar(reported.database, now, marks_on_closed_days), reported.school.school_id
    for day in WEEK[:3]:
        await reported.take(day, {0: "absent"})
    assert await absent(reported) == 3

    term = await calendar.add_term(school_id, "Autumn", WEEK[1], WEEK[2], reported.office)
    assert await absent(reported) == 1
    await calendar.remove_term(school_id, term.id, reported.office)
    assert await absent(reported) == 3


async def test_changed_times_change_the_weight_of_sessions(reported: Reported) -> None:
    async with reported.database.transaction() as connection:
        short = await make_session(connection, reported.school.class_id, period="2")
    await reported.take(MONDAY, {0: "present"})
    await reported.take(MONDAY, {0: "absent"}, short)
    assert (await reported.counts(GroupBy.SCHOOL))[MONDAY].days_absent == 1

    async with reported.database.transaction() as connection:
        times = {
            reported.school.session_id: [SessionTime(1, "08:00", "12:00")],
            short: [SessionTime(1, "12:00", "12:20")],
        }
        await give_times(connection, times)

    assert (await reported.counts(GroupBy.SCHOOL))[MONDAY].days_absent == 0


async def test_an_erased_student_is_in_no_summary_of_students(reported: Reported) -> None:
    await reported.take(MONDAY, {0: "absent", 1: "present"})
    assert await absent(reported) == 1

    await StudentData(reported.database, system_clock).erase(reported.school.student_ids[0], reported.office)

    assert await absent(reported) == 0
    async with reported.database.snapshot() as connection:
        assert list(await connection.scalars(select(student_days.c.student_id))) == reported.school.student_ids[1:2]


async def test_an_erased_student_counts_in_no_class(reported: Reported) -> None:
    """The numbers of the class and of the school agree, whether or not the day is summarised before."""
    for day in WEEK[:2]:
        await reported.take(day, {0: "absent", 1: "present"})
    assert (await reported.counts(GroupBy.CLASS))[reported.school.class_id].sessions == 4

    await StudentData(reported.database, system_clock).erase(reported.school.student_ids[0], reported.office)

    left = Counts(sessions=2, attended=2, days=2, unmarked=2)
    assert await reported.counts(GroupBy.CLASS) == {reported.school.class_id: left}
    assert total((await reported.counts(GroupBy.SCHOOL)).values()) == left


async def test_nobody_is_unmarked_in_a_session_in_which_only_the_erased_student_had_a_mark(reported: Reported) -> None:
    await reported.take(MONDAY, {0: "absent"})
    await reported.take(WEEK[1], {0: "absent", 1: "present"})
    assert (await reported.counts(GroupBy.CLASS))[reported.school.class_id].unmarked == 3

    await StudentData(reported.database, system_clock).erase(reported.school.student_ids[0], reported.office)

    for group_by in (GroupBy.CLASS, GroupBy.SCHOOL, GroupBy.STUDENT):
        assert total((await reported.counts(group_by)).values()).unmarked == 1
    async with reported.database.snapshot() as connection:
        days = list(await connection.scalars(select(unmarked_students.c.day)))
    assert days == [WEEK[1]]


async def test_records_of_an_open_run_count_once_it_has_ended(reported: Reported) -> None:
    async with reported.database.transaction() as connection:
        jobs = inserts(reported.school.student_ids)
        await make_run(connection, reported.school, jobs, batch=batch_of(reported.school, MONDAY))

    assert await Summaries(reported.database).refresh(reported.school.school_id) == 0


async def test_a_standby_with_a_stale_day_lacks_the_summaries_of_a_report(reported: Reported) -> None:
    """`prepare` refreshes the days on the primary."""
    scope, school_id = reported.scope(), reported.school.school_id

    async def are_there(*others: int) -> bool:
        async with reported.database.snapshot() as connection:
            return await has_summaries_of(scope, others)(connection)

    assert await are_there(school_id)
    await reported.take(MONDAY, {0: "absent"})
    assert not await are_there()
    await Summaries(reported.database).refresh(school_id)
    assert await are_there(school_id)


async def test_concurrent_readers_summarise_each_day_once(reported: Reported) -> None:
    for day in WEEK:
        await reported.take(day, {0: "absent", 1: "present"})

    found = await asyncio.gather(*(absent(reported) for _ in range(4)))

    assert found == [5] * 4
    async with reported.database.snapshot() as connection:
        assert not list(await connection.scalars(select(batch_runs.c.run_id).where(~batch_runs.c.summarised)))


async def test_the_search_for_stale_days_uses_an_index(reported: Reported) -> None:
    """Few of a school's runs are stale. Reading all of them would dominate the cost of a report."""
    async with reported.database.snapshot() as connection:
        statement = str(
            stale(reported.school.school_id).compile(connection.engine, compile_kwargs={"literal_binds": True})
        )
        explain = "EXPLAIN " if reported.database.is_postgres else "EXPLAIN QUERY PLAN "
        if reported.database.is_postgres:
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = str((await connection.exec_driver_sql(explain + statement)).all())

    assert "ix_batch_runs_unsummarised" in plan
