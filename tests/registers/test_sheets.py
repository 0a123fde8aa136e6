"""Register sheets: their content, and saving without overwriting a mark that the sheet did not show."""

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
from adsum.registers.sheets.rules import RegisterSheet, SheetMark, SheetRow, SubmittedSheet
from adsum.roster.tables import sessions, students
from adsum.schools.calendar.rules import SessionTime
from adsum.wiring import Adsum
from tests.support.api import opened_api
from tests.support.installation import RunWorker, ended, one_student_away
from tests.support.pages import Pages, visible_text
from tests.support.schools import SchoolIds, caller, enrol, give_times, make_record, make_student

DAY = date(2024, 12, 25)


@pytest.fixture
def teacher(school: SchoolIds) -> Caller:
    return caller(Role.TEACHER, school.school_id, school.teacher_id)


@pytest.fixture
def office(school: SchoolIds) -> Caller:
    return caller(Role.OFFICE, school.school_id)


def batch_of(school: SchoolIds) -> Batch:
    return Batch(school.class_id, school.session_id, DAY)


async def sheet_of(adsum: Adsum, school: SchoolIds, actor: Caller) -> RegisterSheet:
    return await adsum.register_sheets.sheet(school.class_id, school.session_id, DAY, actor)


def taken(sheet: RegisterSheet, marks: Sequence[SheetMark]) -> SubmittedSheet:
    return SubmittedSheet(sheet.batch, sheet.roster_version, marks)


def as_shown(sheet: RegisterSheet, student_id: int, status: str) -> SheetMark:
    """A new mark for a student whose record this sheet shows."""
    (row,) = (row for row in sheet.rows if row.student_id == student_id)
    assert row.record is not None
    return SheetMark(student_id, status, None, row.record.record_id, row.record.version)


async def test_first_marks_go_through_the_queue_and_then_appear_on_the_sheet(
    adsum: Adsum, school: SchoolIds, teacher: Caller, worker: RunWorker
) -> None:
    empty = await sheet_of(adsum, school, teacher)
    assert (empty.class_title, empty.session_title, empty.newest_run, empty.is_today) == (
        "7b",
        "Attendance",
        None,
        False,
    )
    assert all(row.record is None and row.distinction is None for row in empty.rows)
    marks = [SheetMark(student_id, "present") for student_id in school.student_ids[1:]]
    saved = await adsum.register_sheets.save(
        taken(empty, [SheetMark(school.student_ids[0], "late", "bus"), *marks]), teacher
    )
    assert saved.submitted is not None
    async with worker():
        await ended(adsum, saved.submitted.batch_id)
    sheet = await sheet_of(adsum, school, teacher)
    assert sheet.counts == {"late": 1, "present": 29}
    assert sheet.rows[0].record is not None
    assert (sheet.rows[0].record.status, sheet.rows[0].record.note) == ("late", "bus")
    assert sheet.newest_run is not None
    assert sheet.newest_run.has_ended


async def test_changed_marks_are_corrected_if_their_records_have_the_shown_version(
    adsum: Adsum, school: SchoolIds, teacher: Caller
) -> None:
    first, second, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        for student_id in (first, second):
            await make_record(connection, school.school_id, batch_of(school), student_id, marked_role="teacher")
    shown = await sheet_of(adsum, school, teacher)
    other = as_shown(shown, second, "late")
    assert other.record_id is not None
    await adsum.corrections.correct(other.record_id, [1], Correction(status="excused"), teacher)

    saved = await adsum.register_sheets.save(taken(shown, [as_shown(shown, first, "absent"), other]), teacher)

    assert (saved.submitted, saved.corrected, saved.kept) == (None, [first], [])
    assert isinstance(saved.refused[second], StaleVersion)
    now = await sheet_of(adsum, school, teacher)
    assert now.counts == {"absent": 1, "excused": 1}


async def test_a_mark_of_the_office_is_kept_and_the_mark_from_class_is_stored_as_disputed(
    adsum: Adsum, school: SchoolIds, teacher: Caller
) -> None:
    student = school.student_ids[0]
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), student, status="excused")
    shown = await sheet_of(adsum, school, teacher)
    saved = await adsum.register_sheets.save(taken(shown, [as_shown(shown, student, "late")]), teacher)
    assert (saved.corrected, saved.kept) == ([], [student])
    record = (await sheet_of(adsum, school, teacher)).rows[0].record
    assert record is not None
    assert (record.status, record.is_offices, record.disputed_status) == ("excused", True, "late")


async def test_a_sheet_with_an_outdated_roster_is_refused_as_a_whole(
    adsum: Adsum, school: SchoolIds, teacher: Caller
) -> None:
    first, second, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), second, marked_role="teacher")
    shown = await sheet_of(adsum, school, teacher)
    async with adsum.database.transaction() as connection:
        joined = await make_student(connection, school.school_id)
        await enrol(connection, school.class_id, [joined])
    marks = [SheetMark(first, "present"), as_shown(shown, second, "absent")]
    with pytest.raises(RosterChanged) as refusal:
        await adsum.register_sheets.save(taken(shown, marks), teacher)
    assert refusal.value.params["joined"] == [joined]
    assert (await sheet_of(adsum, school, teacher)).counts == {"present": 1}


async def test_students_of_one_name_are_distinguished_and_failures_are_shown(
    adsum: Adsum, school: SchoolIds, teacher: Caller, worker: RunWorker
) -> None:
    first, second, third, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        same = update(students).where(students.c.id.in_([first, second]))
        await connection.execute(same.values(given_name="Ada", family_name="Aaron", grade="7"))
    shown = await sheet_of(adsum, school, teacher)
    assert [row.distinction for row in shown.rows[:3]] == [f"7 · {first}", f"7 · {second}", None]
    saved = await adsum.register_sheets.save(taken(shown, [SheetMark(third, "present")]), teacher)
    assert saved.submitted is not None
    async with one_student_away(adsum, third), worker():
        await ended(adsum, saved.submitted.batch_id)
    (row,) = (row for row in (await sheet_of(adsum, school, teacher)).rows if row.student_id == third)
    assert (row.record, row.failure) == (None, "not_enrolled")


async def test_an_outage_in_the_middle_is_reported_as_unavailable(
    adsum: Adsum, school: SchoolIds, teacher: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = school.student_ids[0]
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), student, marked_role="teacher")
    shown = await sheet_of(adsum, school, teacher)

    async def fail(*_: object) -> None:
        raise StorageOutage("the database does not answer")

    monkeypatch.setattr(Corrections, "correct", fail)
    with pytest.raises(StorageOutage):
        await adsum.register_sheets.save(taken(shown, [as_shown(shown, student, "late")]), teacher)


async def test_the_sheet_of_no_school_day_has_a_warning(adsum: Adsum, school: SchoolIds, teacher: Caller) -> None:
    saturday = date(2024, 12, 21)
    sheet = await adsum.register_sheets.sheet(school.class_id, school.session_id, saturday, teacher)

    assert [warning.code for warning in sheet.warnings] == ["no_school_day"]
    assert (await sheet_of(adsum, school, teacher)).warnings == ()


async def test_the_page_and_its_script_have_the_warnings_about_the_day_in_words(
    adsum: Adsum, school: SchoolIds, teacher: Caller
) -> None:
    async with adsum.database.transaction() as connection:
        today = sessions.c.id == school.session_id
        await connection.execute(update(sessions).where(today).values(begin_date=date(2024, 12, 26)))
    texts = {
        "session_not_valid": (
            "By the roster the class does not have this session",
            "Laut Klassenlisten hat die Klasse",
        ),
        "off_timetable": ("By its timetable this session does not meet", "Nach dem Stundenplan findet diese Stunde"),
    }

    async with opened_api(adsum, school) as api:
        for code, words in texts.items():
            if code == "off_timetable":
                async with adsum.database.transaction() as connection:
                    await connection.execute(update(sessions).values(begin_date=None))
                    await give_times(connection, {school.session_id: [SessionTime(1, "08:00", "09:00")]})
            sheet = await sheet_of(adsum, school, teacher)
            assert [warning.code for warning in sheet.warnings] == [code]
            path = f"/take/{school.class_id}/{school.session_id}/2024-12-25"
            for language, text in zip(("en", "de"), words, strict=True):
                page = await Pages(api).open(path, "teacher", language)
                assert text in visible_text(page)
                assert f'"warnings": ["{code}"]' in page.text


async def test_the_register_of_an_invisible_class_is_not_found(adsum: Adsum, school: SchoolIds, office: Caller) -> None:
    stranger = caller(Role.TEACHER, school.school_id, school.teacher_id + 1_000)
    with pytest.raises(NotFound):
        await sheet_of(adsum, school, stranger)
    with pytest.raises(Invalid):
        await adsum.register_sheets.sheet(school.class_id, school.session_id + 999, DAY, office)


def test_a_student_of_a_sheet_is_found_with_and_without_accents() -> None:
    row = SheetRow(1, "Sof\u00eda", "O\u2019N\u00fa\u00f1ez", None, None, None, None)
    assert {"sofia", "sof\u00eda"} <= set(row.search_text.split())
