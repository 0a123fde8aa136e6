"""Summarising a day while its records change. On Postgres the transactions wait for each other; no change is lost."""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from adsum.accounts.access import system_caller
from adsum.attendance.closed_marks import marks_on_closed_days
from adsum.attendance.correction_rules import Correction
from adsum.attendance.corrections import Corrections
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.platform.clock import system_clock
from adsum.platform.clock import system_clock as now
from adsum.privacy.service import StudentData
from adsum.reports.repository.summaries import summarise
from adsum.reports.rules import Counts, GroupBy
from adsum.reports.service import Summaries
from adsum.reports.tables import student_days
from adsum.schools.calendar.service import SchoolCalendar
from adsum.schools.locks import lock_imports, lock_school
from tests.reports.conftest import MONDAY, WEEK, Reported, absent
from tests.support.schools import make_session
from tests.support.waiting import has_transaction_waiting_for_a_lock, until, waiting_for_locks


async def test_a_record_corrected_while_its_day_is_summarised_is_summarised_again(
    reported_on_postgres: Reported,
) -> None:
    """The correction waits for the summary, and then marks the run as stale again."""
    reported, school = reported_on_postgres, reported_on_postgres.school
    await reported.take(MONDAY, {0: "present"})
    correcting = Corrections(reported.database, now)

    async with reported.database.transaction() as connection:
        await lock_school(connection, school.school_id)
        await summarise(connection, school.school_id, MONDAY, SchoolStatuses())
        corrected = asyncio.create_task(correcting.correct(1, None, Correction(status="absent"), system_caller()))

        async def is_done_or_waits() -> bool:
            return corrected.done() or await has_transaction_waiting_for_a_lock(reported.database)

        await until(is_done_or_waits)
    await corrected

    assert await absent(reported) == 1


async def test_a_term_applies_to_a_day_that_is_summarised_while_the_term_is_added(
    reported_on_postgres: Reported,
) -> None:
    """The day is recorded after the days were marked as stale, and before the term is committed."""
    reported, school_id = reported_on_postgres, reported_on_postgres.school.school_id
    calendar = SchoolCalendar(reported.database, now, marks_on_closed_days)

    async with reported.database.transaction() as connection:
        await connection.exec_driver_sql("LOCK TABLE terms IN SHARE MODE")
        added = asyncio.create_task(calendar.add_term(school_id, "Autumn", WEEK[2], WEEK[4], reported.office))
        await until(lambda: has_transaction_waiting_for_a_lock(reported.database))
        await reported.take(MONDAY, {0: "absent"})
        refreshed = asyncio.create_task(Summaries(reported.database).refresh(school_id))

        async def is_refreshed_or_waits() -> bool:
            return refreshed.done() or await waiting_for_locks(reported.database) == 2

        await until(is_refreshed_or_waits)
    await asyncio.gather(added, refreshed)

    assert await absent(reported) == 0


async def test_summarising_a_day_does_not_restore_a_student_who_is_being_erased(
    reported_on_postgres: Reported,
) -> None:
    """Summarising a day again reads all of its records, including those of runs that are not locked."""
    reported, school = reported_on_postgres, reported_on_postgres.school
    async with reported.database.transaction() as connection:
        second = await make_session(connection, school.class_id, period="2")
    await reported.take(MONDAY, {0: "absent"})
    assert await absent(reported) == 1
    await reported.take(MONDAY, {1: "absent"}, second)

    async with reported.database.transaction() as connection:
        await lock_school(connection, school.school_id)
        await summarise(connection, school.school_id, MONDAY, SchoolStatuses())
        erased = asyncio.create_task(
            StudentData(reported.database, system_clock).erase(school.student_ids[0], reported.office)
        )
        await until(lambda: has_transaction_waiting_for_a_lock(reported.database))
    await erased

    async with reported.database.snapshot() as connection:
        assert list(await connection.scalars(select(student_days.c.student_id))) == school.student_ids[1:2]


async def test_erasing_a_student_and_correcting_their_record_do_not_deadlock(reported_on_postgres: Reported) -> None:
    """Both lock the record before its run; otherwise they could deadlock."""
    reported = reported_on_postgres
    await reported.take(MONDAY, {0: "present", 1: "present"})
    assert await absent(reported) == 0
    correcting, student_data = Corrections(reported.database, now), StudentData(reported.database, system_clock)

    async with reported.database.transaction() as connection:
        await connection.exec_driver_sql("LOCK TABLE attendance_changes IN SHARE MODE")
        corrected = asyncio.create_task(correcting.correct(1, None, Correction(status="absent"), system_caller()))
        await until(lambda: has_transaction_waiting_for_a_lock(reported.database))
        erased = asyncio.create_task(student_data.erase(reported.school.student_ids[0], reported.office))

        async def both_wait() -> bool:
            return await waiting_for_locks(reported.database) == 2

        await until(both_wait)
    await asyncio.gather(corrected, erased)

    _, marked, unmarked = reported.school.student_ids
    expected = {marked: Counts(1, 1, 0, 0, 0, 1, 0), unmarked: Counts(unmarked=1)}
    assert await reported.counts(GroupBy.STUDENT) == expected


async def test_an_erasure_waits_for_an_import_before_it_locks_schools(reported_on_postgres: Reported) -> None:
    """The import locks schools at its end; otherwise they could deadlock."""
    reported, school = reported_on_postgres, reported_on_postgres.school
    async with reported.database.transaction() as connection:
        await lock_imports(connection)
        erased = asyncio.create_task(
            StudentData(reported.database, system_clock).erase(school.student_ids[0], reported.office)
        )

        async def is_done_or_waits() -> bool:
            return erased.done() or await has_transaction_waiting_for_a_lock(reported.database)

        await until(is_done_or_waits)
        assert not erased.done()
        await lock_school(connection, school.school_id)
    await erased
