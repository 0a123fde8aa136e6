"""Register sheets of days that are closed, in the future, or over."""

from __future__ import annotations

from datetime import date, timedelta

from babel.dates import format_date
from sqlalchemy import update

from adsum.accounts.access import Caller, Role
from adsum.platform.days import today_in
from adsum.roster.tables import sessions
from adsum.schools.calendar.rules import ClosedDay, SessionTime
from adsum.schools.tables import schools
from adsum.wiring import Adsum
from tests.registers.sheets import DAY, batch_of, office, sheet_of, teacher
from tests.support.api import opened_api
from tests.support.pages import Pages, visible_text
from tests.support.schools import SchoolIds, caller, give_times, make_record

__all__ = ["office", "teacher"]


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
            "The roster has no such session for this class",
            "Laut Klassenlisten hat die Klasse",
        ),
        "off_timetable": ("The timetable has no such session", "Laut Stundenplan findet diese Stunde"),
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


async def test_a_future_register_is_not_open_yet(adsum: Adsum, school: SchoolIds, office: Caller) -> None:
    tomorrow = today_in("UTC", adsum.now()) + timedelta(1)
    sheet = await adsum.register_sheets.sheet(school.class_id, school.session_id, tomorrow, office)
    assert [each.code for each in sheet.obstacles] == ["date_in_future"]
    assert (sheet.takes_first_marks, sheet.takes_corrections, sheet.is_locked) == (False, False, True)
    async with opened_api(adsum, school) as api:
        path = f"/take/{school.class_id}/{school.session_id}/{tomorrow}"
        page = await Pages(api).open(path, "teacher", "de")
        opens = f"Diese Anwesenheitsliste ist noch nicht geöffnet. Sie öffnet am {format_date(tomorrow, 'full', 'de')}"
        assert opens in visible_text(page)
        assert 'id="save"' not in page.text
        assert page.text.count(" disabled") > len(school.student_ids)


async def test_on_a_closed_day_the_office_records_with_a_reason_and_teachers_only_correct(
    adsum: Adsum, school: SchoolIds, teacher: Caller, office: Caller
) -> None:
    admin = caller(Role.ADMIN, school.school_id)
    await adsum.school_calendar.close_day(school.school_id, ClosedDay(DAY, "Christmas"), admin)
    sheet = await sheet_of(adsum, school, teacher)
    assert [each.code for each in sheet.obstacles] == ["school_closed"]
    assert (sheet.takes_first_marks, sheet.takes_corrections, sheet.is_locked) == (False, True, True)
    assert (await sheet_of(adsum, school, office)).takes_first_marks
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), school.student_ids[0])
    assert not (await sheet_of(adsum, school, teacher)).is_locked
    async with opened_api(adsum, school) as api:
        path = f"/take/{school.class_id}/{school.session_id}/{DAY}"
        shown = visible_text(await Pages(api).open(path, "teacher"))
        assert "The school is closed on this day: Christmas" in shown
        assert "No new marks can be saved. Marks that are already recorded can be changed." in shown
        assert "enter a reason below the list" in visible_text(await Pages(api).open(path, "office"))


async def test_after_the_edit_window_only_the_office_saves_and_gives_a_reason(
    adsum: Adsum, school: SchoolIds, teacher: Caller, office: Caller
) -> None:
    async with adsum.database.transaction() as connection:
        await connection.execute(update(schools).values(edit_window_days=7))
    sheet = await sheet_of(adsum, school, teacher)
    assert [each.code for each in sheet.obstacles] == ["edit_window_over"]
    assert (sheet.takes_first_marks, sheet.takes_corrections) == (False, False)
    sheet = await sheet_of(adsum, school, office)
    assert [each.code for each in sheet.obstacles] == ["reason_missing"]
    assert (sheet.takes_first_marks, sheet.takes_corrections, sheet.is_locked) == (True, True, False)
