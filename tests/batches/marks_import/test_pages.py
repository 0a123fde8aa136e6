"""`/admin/marks`: the preview of a file of marks names every error; the confirmed file is recorded."""

from __future__ import annotations

import re
from datetime import date
from http import HTTPStatus

import httpx2
import pytest

from adsum.platform.files import listed_violations
from adsum.platform.ids import Batch
from adsum.schools.calendar.rules import SessionTime
from adsum.wiring import Adsum
from tests.batches.marks_import.conftest import HEADER, Files
from tests.support.api import DAY
from tests.support.pages import Pages, visible_text
from tests.support.schools import give_times, make_record

PATH = "/admin/marks"


@pytest.fixture
def pages(files: Files) -> Pages:
    return Pages(files.api)


def content(*lines: str) -> bytes:
    return "\r\n".join((HEADER, *lines)).encode()


def digest_in(page: httpx2.Response) -> str:
    return re.findall(r'name="digest" value="(\w+)"', page.text)[0]


async def test_a_preview_shows_every_error_with_line_and_column_and_records_nothing(files: Files, pages: Pages) -> None:
    student = files.students[0]
    file = content(files.line(student), files.line(student, "ill"), files.line(999_999), 'x,"broken')

    page = await pages.send(PATH, {}, file=file)

    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    text = visible_text(page)
    assert "Nothing was recorded. Correct the file, and send it again." in text
    for line in (3, 4, 5):
        assert f" upload {line} " in text
        assert f"line {line}:" not in text
    assert 'name="digest"' not in page.text
    assert await files.api.statuses() == {}


async def test_a_preview_in_german_names_the_causes_in_german(files: Files, pages: Pages) -> None:
    page = await pages.send(PATH, {}, file=content(files.line(999_999)), Accept_Language="de")

    text = visible_text(page)
    assert "upload 2 Diese Schülerin oder diesen Schüler gibt es nicht. there is no" in text
    assert "marks.csv" not in text


async def test_a_confirmed_file_is_accepted_with_a_link_to_its_progress(files: Files, pages: Pages) -> None:
    first, second, third = files.students
    file = content(files.line(first, "late"), files.line(second, "absent"))

    preview = await pages.send(PATH, {}, file=file)
    before = (await files.api.get("/attendances/batches")).json()["items"]
    imported = await pages.send(PATH, {"digest": digest_in(preview)}, file=file)
    other = await pages.send(PATH, {"digest": digest_in(preview)}, file=content(files.line(third)))

    assert "2 marks new or corrected" in visible_text(preview)
    assert "7b · Attendance Dec 25, 2024 2 0" in visible_text(preview)
    assert before == []
    (batch,) = (await files.api.get("/attendances/batches")).json()["items"]
    assert f'href="/batches/{batch["batchId"]}"' in imported.text
    assert "Show progress" in visible_text(imported)
    assert "differs from the previewed one" in visible_text(other)


async def test_marks_that_are_not_applied_are_named(files: Files, pages: Pages) -> None:
    student = files.students[0]
    await files.send(files.line(student, "present"))
    file = content(files.line(student, "late"))

    kept = await pages.send(PATH, {}, file=file)
    text = visible_text(kept)

    assert "1 mark is not applied: another one is recorded" in text
    assert "Given 1 Family 0001 7b · Attendance , Dec 25, 2024 P Present L Late" in text
    assert "0 marks new or corrected" in text
    assert 'name="digest"' not in kept.text


async def test_a_preview_shows_what_each_corrected_record_says_now_and_then(
    adsum: Adsum, files: Files, pages: Pages
) -> None:
    school, (first, second, _) = files.api.school, files.students
    async with adsum.database.transaction() as connection:
        batch = Batch(school.class_id, school.session_id, date.fromisoformat(DAY))
        await make_record(connection, school.school_id, batch, first, status="present")
        await make_record(connection, school.school_id, batch, second, status="late", note="bus", arrived_at="08:10")
    file = f"{HEADER},note\n{files.line(first, 'absent')},\n{files.line(second, 'late')},train\n".encode()

    text = visible_text(await pages.send(PATH, {"update": "true"}, file=file))

    assert "2 records are corrected" in text
    assert "Given 1 Family 0001 7b · Attendance , Dec 25, 2024 P Present → A Absent" in text
    assert "Given 2 Family 0002 7b · Attendance , Dec 25, 2024 L Late Arrived 8:10" in text
    assert "bus → L Late train" in text


async def test_lists_that_are_cut_say_how_long_they_are(
    files: Files, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed_violations, "MAX_LISTED_VIOLATIONS", 2)

    text = visible_text(await pages.send(PATH, {}, file=content(*[files.line("nobody")] * 5)))

    assert "5 errors" in text
    assert "2 of 5 are shown." in text


async def test_a_warning_about_the_day_is_shown_in_the_language_of_the_page(
    adsum: Adsum, files: Files, pages: Pages
) -> None:
    async with adsum.database.transaction() as connection:
        await give_times(connection, {files.api.school.session_id: [SessionTime(1, "08:00", "09:00")]})
    file = content(files.line(files.students[0]))

    english = visible_text(await pages.send(PATH, {}, file=file))
    german = visible_text(await pages.send(PATH, {}, file=file, Accept_Language="de"))

    assert "1 register: The timetable has no such session on this day" in english
    assert "1 Anwesenheitsliste: Laut Stundenplan" in german


async def test_a_closed_day_is_recorded_with_a_reason(files: Files, pages: Pages) -> None:
    path = f"/schools/{files.api.school.school_id}/closed-days/2024-12-25"
    closed = await files.api.change("PUT", path, "office", None, json={"reason": "Christmas"})
    assert closed.is_success, closed.text
    file = content(files.line(files.students[0]))

    refused = await pages.send(PATH, {"reason": "exam"}, file=file)
    forced = await pages.send(PATH, {"force": "true", "reason": "exam"}, file=file)

    without_reason = visible_text(await pages.send(PATH, {"force": "true"}, file=file, Accept_Language="de"))

    assert "Nichts wurde eingetragen. Ein Grund ist erforderlich." in without_reason
    assert "upload 2 " in visible_text(refused)
    assert 'value="exam"' in refused.text
    assert "1 mark new or corrected" in visible_text(forced)
    assert '<input type="hidden" name="force" value="true">' in forced.text
    assert '<input type="hidden" name="reason" value="exam">' in forced.text


async def test_an_unreadable_and_a_missing_file_are_refused_in_words(pages: Pages) -> None:
    unreadable = await pages.send(PATH, {}, file=b"name,value\r\nx,y")
    missing = await pages.send(PATH, {})
    empty = await pages.send(PATH, {}, file=content())
    assert unreadable.status_code == HTTPStatus.BAD_REQUEST
    assert "class" in visible_text(unreadable)
    assert "choose a file" in visible_text(missing)
    assert "The file has no marks." in visible_text(empty)


async def test_the_form_is_part_of_the_admin_pages_of_those_who_may_mark(pages: Pages) -> None:
    form = await pages.open(PATH)
    assert "Preview the changes" in visible_text(form)
    assert "/admin/marks?school=" in (await pages.open("/admin")).text
    for role in ("teacher", "viewer"):
        assert (await pages.open(PATH, role)).status_code == HTTPStatus.FORBIDDEN
        assert (await pages.send(PATH, {}, role, content())).status_code == HTTPStatus.FORBIDDEN
