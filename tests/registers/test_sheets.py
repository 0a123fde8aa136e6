"""Register sheets: what one shows, and that saving it overwrites nothing unseen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest
from sqlalchemy import update

from adsum.accounts.access import Caller, Role
from adsum.attendance.corrections import Corrections
from adsum.attendance.rules import Correction
from adsum.platform.database.engine import StorageOutage
from adsum.platform.errors import Invalid, NotFound, RosterChanged, StaleVersion
from adsum.platform.ids import Batch
from adsum.registers.sheets.rules import RegisterSheet, SheetMark, TakenSheet
from adsum.roster.tables import students
from adsum.wiring import Adsum
from tests.support.installation import RunWorker, ended, one_student_away
from tests.support.schools import SchoolIds, caller, enrol, make_record, make_student

DAY = date(2024, 12, 25)


@pytest.fixture
def teacher(school: SchoolIds) -> Caller:
    return caller(Role.TEACHER, school.school_id, school.teacher_id)


@pytest.fixture
def office(school: SchoolIds) -> Caller:
    return caller(Role.OFFICE, school.school_id)


def batch_of(school: SchoolIds) -> Batch:
    return Batch(school.class_id, school.session_id, DAY)


async def sheet_of(adsum: Adsum, school: SchoolIds, who: Caller) -> RegisterSheet:
    return await adsum.register_sheets.sheet(school.class_id, school.session_id, DAY, who)


def taken(sheet: RegisterSheet, marks: Sequence[SheetMark]) -> TakenSheet:
    return TakenSheet(sheet.batch, sheet.roster_version, marks)


def as_seen(sheet: RegisterSheet, student_id: int, status: str) -> SheetMark:
    """What somebody makes of a student whose record they saw on this sheet."""
    (row,) = (row for row in sheet.rows if row.student_id == student_id)
    assert row.standing is not None
    return SheetMark(student_id, status, None, row.standing.record_id, row.standing.version)


async def test_first_marks_go_through_the_queue_and_stand_on_the_sheet(
    adsum: Adsum, school: SchoolIds, teacher: Caller, worker: RunWorker
) -> None:
    empty = await sheet_of(adsum, school, teacher)
    assert (empty.class_title, empty.session_title, empty.newest_run, empty.is_today) == (
        "7b",
        "Attendance",
        None,
        False,
    )
    assert all(row.standing is None and row.told_apart_by is None for row in empty.rows)
    marks = [SheetMark(student_id, "present") for student_id in school.student_ids[1:]]
    saved = await adsum.register_sheets.save(
        taken(empty, [SheetMark(school.student_ids[0], "late", "bus"), *marks]), teacher
    )
    assert saved.submitted is not None
    async with worker():
        await ended(adsum, saved.submitted.batch_id)
    sheet = await sheet_of(adsum, school, teacher)
    assert sheet.counts == {"late": 1, "present": 29}
    assert sheet.rows[0].standing is not None
    assert (sheet.rows[0].standing.status, sheet.rows[0].standing.note) == ("late", "bus")
    assert sheet.newest_run is not None
    assert sheet.newest_run.has_ended


async def test_marks_that_stood_are_corrected_if_they_are_as_they_were_seen(
    adsum: Adsum, school: SchoolIds, teacher: Caller
) -> None:
    first, second, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        for student_id in (first, second):
            await make_record(connection, school.school_id, batch_of(school), student_id, marked_role="teacher")
    seen = await sheet_of(adsum, school, teacher)
    other = as_seen(seen, second, "late")
    assert other.record_id is not None
    await adsum.corrections.correct(other.record_id, [1], Correction(status="excused"), teacher)

    saved = await adsum.register_sheets.save(taken(seen, [as_seen(seen, first, "absent"), other]), teacher)

    assert (saved.submitted, saved.corrected, saved.kept) == (None, [first], [])
    assert isinstance(saved.refused[second], StaleVersion)
    now = await sheet_of(adsum, school, teacher)
    assert now.counts == {"absent": 1, "excused": 1}


async def test_a_mark_of_the_office_is_kept_and_what_was_said_stands_beside_it(
    adsum: Adsum, school: SchoolIds, teacher: Caller
) -> None:
    student = school.student_ids[0]
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), student, status="excused")
    seen = await sheet_of(adsum, school, teacher)
    saved = await adsum.register_sheets.save(taken(seen, [as_seen(seen, student, "late")]), teacher)
    assert (saved.corrected, saved.kept) == ([], [student])
    standing = (await sheet_of(adsum, school, teacher)).rows[0].standing
    assert standing is not None
    assert (standing.status, standing.is_offices, standing.said) == ("excused", True, "late")


async def test_a_sheet_of_another_roster_is_refused_whole(adsum: Adsum, school: SchoolIds, teacher: Caller) -> None:
    first, second, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), second, marked_role="teacher")
    seen = await sheet_of(adsum, school, teacher)
    async with adsum.database.transaction() as connection:
        joined = await make_student(connection, school.school_id)
        await enrol(connection, school.class_id, [joined])
    marks = [SheetMark(first, "present"), as_seen(seen, second, "absent")]
    with pytest.raises(RosterChanged) as refusal:
        await adsum.register_sheets.save(taken(seen, marks), teacher)
    assert refusal.value.params["joined"] == [joined]
    assert (await sheet_of(adsum, school, teacher)).counts == {"present": 1}


async def test_namesakes_are_told_apart_and_who_failed_is_told(
    adsum: Adsum, school: SchoolIds, teacher: Caller, worker: RunWorker
) -> None:
    first, second, third, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        same = update(students).where(students.c.id.in_([first, second]))
        await connection.execute(same.values(given_name="Ada", family_name="Aaron", grade="7"))
    seen = await sheet_of(adsum, school, teacher)
    assert [row.told_apart_by for row in seen.rows[:3]] == [f"7 · {first}", f"7 · {second}", None]
    saved = await adsum.register_sheets.save(taken(seen, [SheetMark(third, "present")]), teacher)
    assert saved.submitted is not None
    async with one_student_away(adsum, third), worker():
        await ended(adsum, saved.submitted.batch_id)
    (row,) = (row for row in (await sheet_of(adsum, school, teacher)).rows if row.student_id == third)
    assert (row.standing, row.failure) == (None, "not_enrolled")


async def test_an_outage_in_the_middle_is_told_as_one(
    adsum: Adsum, school: SchoolIds, teacher: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = school.student_ids[0]
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), student, marked_role="teacher")
    seen = await sheet_of(adsum, school, teacher)

    async def away(*_: object) -> None:
        raise StorageOutage("the database does not answer")

    monkeypatch.setattr(Corrections, "correct", away)
    with pytest.raises(StorageOutage):
        await adsum.register_sheets.save(taken(seen, [as_seen(seen, student, "late")]), teacher)


async def test_a_register_of_a_class_that_one_does_not_see_is_not_there(
    adsum: Adsum, school: SchoolIds, office: Caller
) -> None:
    stranger = caller(Role.TEACHER, school.school_id, school.teacher_id + 1_000)
    with pytest.raises(NotFound):
        await sheet_of(adsum, school, stranger)
    with pytest.raises(Invalid):
        await adsum.register_sheets.sheet(school.class_id, school.session_id + 999, DAY, office)
