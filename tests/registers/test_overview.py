"""The overview of a day for the office."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from adsum.accounts.access import Permission, Role
from adsum.batches.rules import BatchFilters, BatchState, FailedStudent
from adsum.platform.errors import NotFound
from adsum.platform.paging import PageRequest
from adsum.registers.overview.page_data import Cursors, reasons_of
from adsum.wiring import Adsum
from tests.absences.conftest import Office
from tests.support.installation import ended, one_student_away
from tests.support.pages import Pages, visible_text
from tests.support.schools import caller
from tests.support.statements import count_of, statements_sent

DAY = date(2024, 12, 25)


async def test_the_overview_shows_unexplained_absences_and_the_figures_of_a_day(adsum: Adsum, office: Office) -> None:
    school = office.school
    absent = school.student_ids[0]
    await office.take(unselectedStudentIds=[absent])
    actor = caller(Role.OFFICE, school.school_id)

    overview = await adsum.overview_page_data.read(actor, school.school_id, DAY, Cursors(), is_today=False)

    assert overview.registers.items == []  # it is taken
    (absence,) = overview.unexplained.items
    assert (absence.student_id, absence.day, absence.is_all_day) == (absent, DAY, True)
    assert (overview.figures.counts.absent, overview.figures.counts.attended) == (1, 2)
    assert overview.figures.on_site is None
    assert (overview.disputes.items, overview.failed.items) == ([], [])
    assert absent in overview.unexplained.names.students
    assert {status.code for status in overview.unexplained.explanations} <= overview.statuses.keys()


async def test_the_overview_of_today_counts_students_on_site_and_lists_registers_that_are_not_taken(
    adsum: Adsum, office: Office
) -> None:
    actor = caller(Role.OFFICE, office.school.school_id)
    overview = await adsum.overview_page_data.read(actor, office.school.school_id, DAY, Cursors(), is_today=True)
    assert overview.figures.on_site is not None
    assert overview.figures.on_site.on_site == 0
    assert [register.class_id for register in overview.registers.items] == [office.school.class_id]


async def test_failed_marks_are_shown_with_the_students_and_the_reason(adsum: Adsum, office: Office) -> None:
    school = office.school
    created = (await office.api.create("teacher")).json()
    async with one_student_away(adsum, school.student_ids[0]), office.worker():
        await ended(adsum, created["batchId"])
    actor = caller(Role.OFFICE, school.school_id)

    overview = await adsum.overview_page_data.read(actor, school.school_id, DAY, Cursors(), is_today=False)

    assert [each.status.batch_id for each in overview.failed.items] == [created["batchId"]]
    jobs = overview.failed_students[created["batchId"]]
    assert [job.student_id for job in jobs] == [school.student_ids[0]]
    assert school.student_ids[0] in overview.names.students
    assert reasons_of(jobs) == ["the student was no longer enrolled on that day when the job was processed"]
    page = await Pages(office.api).open(f"/overview/now?school={school.school_id}&date={DAY}")
    assert "Marks that could not be saved" in page.text
    assert "<html" not in page.text


async def test_the_students_of_all_failed_batches_are_read_by_one_statement(adsum: Adsum, office: Office) -> None:
    school, away = office.school, office.school.student_ids[0]
    created = [
        (await office.api.create("teacher", learningDate=day)).json()["batchId"] for day in ("2024-12-20", "2024-12-25")
    ]
    async with one_student_away(adsum, away), office.worker():
        for batch_id in created:
            await ended(adsum, batch_id)
    actor, filters = caller(Role.OFFICE, school.school_id), BatchFilters(state=BatchState.COMPLETED_WITH_ERRORS)
    listed = (await adsum.batches.page(actor, filters, PageRequest())).items

    with statements_sent(adsum.database) as sent:
        failed = await adsum.batches.failed_students(actor, listed, 3)

    assert failed == {batch_id: [FailedStudent(away, "not_enrolled")] for batch_id in created}
    assert count_of(sent, "job_failures") == 1


async def test_failed_batches_are_shown_only_with_their_permission(adsum: Adsum, office: Office) -> None:
    school_id = office.school.school_id
    office_caller = caller(Role.OFFICE, school_id)
    actor = replace(office_caller, permissions=office_caller.permissions - {Permission.BATCH_READ})
    overview = await adsum.overview_page_data.read(actor, school_id, DAY, Cursors(), is_today=False)
    assert (overview.failed.items, overview.failed.next_cursor) == ([], None)


async def test_another_school_has_no_overview(adsum: Adsum, office: Office) -> None:
    actor = caller(Role.OFFICE, office.school.school_id)
    with pytest.raises(NotFound):
        await adsum.overview_page_data.read(actor, office.school.school_id + 1, DAY, Cursors(), is_today=False)


async def test_a_closed_day_is_named_with_its_reason_and_a_wrong_day_in_an_address_is_named(office: Office) -> None:
    pages, school_id = Pages(office.api), office.school.school_id
    open_day = visible_text(await pages.open("/overview", school=school_id, date=DAY.isoformat()))
    assert "Registers of this day are missing: they may add absences." in open_day
    closing = {"from": DAY.isoformat(), "to": DAY.isoformat(), "reason": "Snow"}
    await office.api.post(f"/schools/{school_id}/closed-days", closing, "office")

    closed = visible_text(await pages.open("/overview", school=school_id, date=DAY.isoformat()))
    assert "The school is closed on this day: Snow. No register is due." in closed
    assert "There is nothing to do." in closed

    for path in ("/overview?date=2026-13-45", "/today?date=2026-13-45", "/desk?date=2026-13-45"):
        wrong = await pages.open(path, "teacher" if path.startswith("/today") else "office")
        named = "The address of this page contains “2026-13-45”, which is not a day." in visible_text(wrong)
        assert (wrong.status_code, named) == (422, True), path
    assert (await pages.open("/overview?date=2026-13-45&school=x")).status_code == 404
