"""Register sheets: their content, and saving without overwriting a mark that the sheet did not show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import update

from adsum.accounts.access import Caller, Role
from adsum.attendance.correction_rules import Correction
from adsum.attendance.corrections import Corrections
from adsum.attendance.rules import Mark
from adsum.attendance.statuses.rules import CountsAs, Status, StatusFlag
from adsum.platform.database.engine import StorageOutage
from adsum.platform.errors import Invalid, NotFound, RosterChanged, StaleVersion
from adsum.registers.sheets.rules import RegisterSheet, SheetMark, SheetRow, SubmittedSheet
from adsum.registers.sheets.schemas import SheetStatus
from adsum.roster.tables import students
from adsum.wiring import Adsum
from tests.registers.sheets import DAY, batch_of, office, sheet_of, teacher
from tests.support.api import opened_api
from tests.support.installation import RunWorker, ended, one_student_away
from tests.support.pages import Pages, visible_text
from tests.support.schools import SchoolIds, caller, enrol, make_record, make_student

__all__ = ["office", "teacher"]


def taken(sheet: RegisterSheet, marks: Sequence[SheetMark]) -> SubmittedSheet:
    return SubmittedSheet(sheet.batch, sheet.roster_version, marks)


def as_shown(sheet: RegisterSheet, student_id: int, status: str) -> SheetMark:
    """A new mark for a student whose record this sheet shows."""
    (row,) = (row for row in sheet.rows if row.student_id == student_id)
    assert row.record is not None
    return SheetMark(student_id, Mark(status), row.record.record_id, row.record.version)


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
    marks = [SheetMark(student_id, Mark("present")) for student_id in school.student_ids[1:]]
    saved = await adsum.register_sheets.save(
        taken(empty, [SheetMark(school.student_ids[0], Mark("late", "bus", arrived_at="08:12")), *marks]), teacher
    )
    assert saved.submitted is not None
    async with worker():
        await ended(adsum, saved.submitted.batch_id)
    sheet = await sheet_of(adsum, school, teacher)
    assert sheet.counts == {"late": 1, "present": 29}
    assert sheet.rows[0].record is not None
    assert sheet.rows[0].record.mark == Mark("late", "bus", arrived_at="08:12")
    assert all(row.requested is None for row in sheet.rows)
    assert sheet.newest_run is not None
    assert sheet.newest_run.has_ended


async def test_received_marks_are_shown_until_they_are_recorded(
    adsum: Adsum, school: SchoolIds, teacher: Caller, worker: RunWorker
) -> None:
    first, second, cleared, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), second)
        await make_record(connection, school.school_id, batch_of(school), cleared, status=None)
    shown = await sheet_of(adsum, school, teacher)
    marks = [SheetMark(first, Mark("late", "bus", "08:12")), SheetMark(cleared, Mark("absent"))]
    saved = await adsum.register_sheets.save(taken(shown, marks), teacher)

    sheet = await sheet_of(adsum, school, teacher)
    requested = {row.student_id: row.requested for row in sheet.rows if row.requested is not None}
    assert requested == {first: Mark("late", "bus", "08:12"), cleared: Mark("absent")}
    assert sheet.counts == {"late": 1, "absent": 1, "present": 1}

    assert saved.submitted is not None
    async with worker():
        await ended(adsum, saved.submitted.batch_id)
    sheet = await sheet_of(adsum, school, teacher)
    assert [row.requested for row in sheet.rows if row.requested is not None] == []
    assert sheet.counts == {"late": 1, "absent": 1, "present": 1}


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
    assert (record.mark.status, record.is_offices, record.disputed_status) == ("excused", True, "late")


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
    marks = [SheetMark(first, Mark("present")), as_shown(shown, second, "absent")]
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
    saved = await adsum.register_sheets.save(taken(shown, [SheetMark(third, Mark("present"))]), teacher)
    assert saved.submitted is not None
    async with one_student_away(adsum, third), worker():
        await ended(adsum, saved.submitted.batch_id)
    (row,) = (row for row in (await sheet_of(adsum, school, teacher)).rows if row.student_id == third)
    assert (row.record, row.failure, row.mark) == (None, "not_enrolled", Mark("present"))


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


async def test_a_blank_register_has_a_box_for_each_status_and_no_control(
    adsum: Adsum, school: SchoolIds, office: Caller
) -> None:
    async with opened_api(adsum, school) as api:
        absence = {
            "studentIds": school.student_ids[:1],
            "from": f"{DAY}",
            "to": f"{DAY}",
            "status": "excused",
            "reason": "x",
        }
        assert (await api.post("/absences", absence, "office")).is_success
        path = f"/take/{school.class_id}/{school.session_id}/{DAY}"
        page = await Pages(api).open(f"{path}/blank", "teacher")
        shown, sheet = visible_text(page), await sheet_of(adsum, school, office)
        assert all(row.name in shown for row in sheet.rows)
        assert page.text.count('class="box"') == len(sheet.rows) * len(
            [each for each in sheet.statuses if each.is_in_use]
        )
        assert shown.count("absence already reported") == 1
        assert "<input type" not in page.text.partition("<main")[2].partition("</main>")[0]
        assert f'href="{path}/blank"' in (await Pages(api).open(path, "teacher")).text
        assert (await Pages(api).open(f"{path}/blank", "viewer")).status_code == 403


async def test_a_reported_absence_shows_when_to_everybody_and_why_to_the_office(
    adsum: Adsum, school: SchoolIds, office: Caller
) -> None:
    first, second, third = school.student_ids[:3]
    session = {"sessionIds": [school.session_id], "status": "excused", "reason": "the dentist"}
    async with opened_api(adsum, school) as api:
        for student, fields in (
            (first, {"to": f"{DAY}", "fromTime": "09:00", "toTime": "11:00"}),
            (second, {"to": f"{DAY + timedelta(1)}"}),
            (third, {"to": f"{DAY}"}),
        ):
            absence = {"studentIds": [student], "from": f"{DAY}"} | session | fields
            assert (await api.post("/absences", absence, "office")).is_success
        path = f"/take/{school.class_id}/{school.session_id}/{DAY}"
        of_office, of_teacher = await Pages(api).open(path, "office"), await Pages(api).open(path, "teacher")
    shown = visible_text(of_office).replace("\u202f", " ")
    assert "Reported: 9:00 AM \u2013 11:00 AM · the dentist" in shown
    assert shown.count("· the dentist") == 2 * 3  # in the row and, on a phone, beside the note
    assert 'href="/planned-absences/' in of_office.text
    assert f'href="/year/students/{first}?school={school.school_id}"' in of_teacher.text
    assert "Reported: all day" in visible_text(of_teacher)
    assert "dentist" not in of_teacher.text
    assert "/planned-absences" not in of_teacher.text
    sheet = await sheet_of(adsum, school, office)
    assert [row.planned_status for row in sheet.rows][:3] == ["excused"] * 3


def test_a_late_mark_begins_with_the_present_time_as_its_arrival() -> None:
    by_flag = {
        flag: SheetStatus.of(Status("x", "X", "X", CountsAs.ABSENT, frozenset({flag})), "X") for flag in StatusFlag
    }
    prefilled = {flag.value: status.prefills for flag, status in by_flag.items() if status.prefills is not None}
    assert prefilled == {"late": "arrivedAt", "left_early": "leftAt"}
    assert not by_flag[StatusFlag.OFF_SITE].has_times
    assert SheetStatus.of(Status("x", "X", "X", CountsAs.ATTENDED), "X").has_times


async def test_a_form_without_scripts_sends_times_and_only_changed_marks(adsum: Adsum, school: SchoolIds) -> None:
    first, second, *_ = school.student_ids
    batch, path = batch_of(school), f"/take/{school.class_id}/{school.session_id}/{DAY}"
    async with adsum.database.transaction() as connection:
        record_id = await make_record(
            connection, school.school_id, batch, first, status="late", arrived_at="08:12", marked_role="teacher"
        )
    async with opened_api(adsum, school) as api:
        pages = Pages(api)
        version = (await sheet_of(adsum, school, caller(Role.OFFICE, school.school_id))).roster_version
        shown = {f"seen-{first}": f"{record_id}:1:late", f"was-arrived-{first}": "08:12", f"seen-{second}": ""}
        typed = {
            "rosterVersion": version,
            f"status-{first}": "late",
            f"arrived-{first}": "8:12",
        }
        unchanged = await pages.send(path, shown | typed, "teacher")
        assert unchanged.status_code == 303
        changed = await pages.send(path, shown | typed | {f"arrived-{first}": "08:20"}, "teacher")
        assert changed.status_code == 303
        wrong = await pages.send(
            path, shown | typed | {f"status-{second}": "absent", f"left-{second}": "9:00"}, "teacher"
        )
        assert "An absence without" in visible_text(wrong)
    record = (await adsum.corrections.record(record_id, caller(Role.OFFICE, school.school_id))).record
    assert (record.arrived_at, record.version) == ("08:20", 2)


async def test_marks_are_not_saved_in_the_name_of_another_user_who_has_signed_in_since(
    adsum: Adsum, school: SchoolIds, office: Caller
) -> None:
    first, path = school.student_ids[0], f"/take/{school.class_id}/{school.session_id}/{DAY}"
    version = (await sheet_of(adsum, school, office)).roster_version
    async with opened_api(adsum, school) as api:
        pages = Pages(api)
        assert f'name="visitor" value="{school.teacher_id}"' in (await pages.open(path, "teacher")).text
        form = {f"seen-{first}": "", f"status-{first}": "late", "rosterVersion": version}
        by_form = await pages.send(path, form | {"visitor": str(school.teacher_id)}, "office")
        marks = [{"studentId": first, "status": "late"}]
        sheet = {"rosterVersion": version, "marks": marks}
        cookie = {"Cookie": f"adsum={api.tokens['office']}", "Sec-Fetch-Site": "same-origin"}
        script = cookie | {"Accept": "application/json", "X-Page-Visitor": str(school.teacher_id)}
        by_script = await api.client.post(path, json=sheet, headers=script)

    assert by_form.status_code == 409
    assert "Another user has signed in" in visible_text(by_form)
    assert 'value="late" checked' not in by_form.text
    assert (by_script.status_code, by_script.json()["code"]) == (409, "other_visitor")
    assert (await sheet_of(adsum, school, office)).newest_run is None


async def test_the_register_of_an_invisible_class_is_not_found(adsum: Adsum, school: SchoolIds, office: Caller) -> None:
    stranger = caller(Role.TEACHER, school.school_id, school.teacher_id + 1_000)
    with pytest.raises(NotFound):
        await sheet_of(adsum, school, stranger)
    with pytest.raises(Invalid):
        await adsum.register_sheets.sheet(school.class_id, school.session_id + 999, DAY, office)


def test_a_student_of_a_sheet_is_found_with_and_without_accents() -> None:
    row = SheetRow(1, "O\u2019N\u00fa\u00f1ez, Sof\u00eda", None, None, None, None, None)
    assert {"sofia", "sof\u00eda"} <= set(row.search_text.split())


async def test_a_note_without_a_mark_and_reversed_times_are_refused_at_their_rows_and_nothing_is_lost(
    adsum: Adsum, school: SchoolIds
) -> None:
    first, second, third, *_ = school.student_ids
    path = f"/take/{school.class_id}/{school.session_id}/{DAY}"
    async with opened_api(adsum, school) as api:
        pages = Pages(api)
        sheet = await sheet_of(adsum, school, caller(Role.OFFICE, school.school_id))
        names = {row.student_id: row.name for row in sheet.rows}
        typed = {"rosterVersion": sheet.roster_version}
        typed |= {f"seen-{student}": "" for student in (first, second, third)}
        typed |= {f"status-{first}": "late", f"arrived-{first}": "8:15", f"note-{second}": "ill since Monday"}
        refused = await pages.send(path, typed, "teacher")
        assert refused.status_code == 422
        assert f'href="#name-{second}"' in refused.text
        assert f'href="#name-{first}"' not in refused.text
        assert f"{names[second]} A note needs a mark" in " ".join(visible_text(refused).split())
        assert 'value="ill since Monday"' in refused.text
        assert 'value="08:15"' in refused.text

        reversed_times = typed | {f"status-{second}": "absent", f"left-{first}": "07:00"}
        answer = " ".join(visible_text(await pages.send(path, reversed_times, "teacher")).split())
        assert re.search(r"Left 7:00.AM is not after arrived 8:15.AM", answer)
        assert (await pages.send(path, typed | {"rest": "on"}, "teacher")).status_code == 303
