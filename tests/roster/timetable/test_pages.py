"""`/admin/timetable`: the times of a class and a file of times, from a day on."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest

from tests.support.api import Api
from tests.support.pages import Pages, visible_text

FILE = "/admin/timetable/file"
HEADER = "classId,sessionId,weekday,begins,ends"
BEFORE, SINCE = "2024-12-01", "2024-12-02"


@pytest.fixture
def pages(api: Api) -> Pages:
    return Pages(api)


def week(api: Api, weekday: str, begins: str = "08:00") -> bytes:
    return f"{HEADER}\n{api.school.class_id},{api.school.session_id},{weekday},{begins},08:45\n".encode()


async def weekdays(api: Api, day: str) -> list[int]:
    answer = await api.get(f"/sessions/{api.school.session_id}/times", date=day)
    return [time["weekday"] for time in answer.json()["times"]]


async def test_a_form_replaces_the_times_of_a_session_from_its_day_on(api: Api, pages: Pages) -> None:
    path = f"/admin/timetable/{api.school.class_id}"
    form = {"session": api.school.session_id, "weekday": "0-1", "begins": "08:00", "ends": "08:45"}

    await pages.send(path, form)
    saved = await pages.send(path, form | {"weekday": "0-2", "valid_from": SINCE})
    wrong = await pages.send(path, form | {"weekday": "0-3", "valid_from": "soon"})

    assert saved.status_code == HTTPStatus.SEE_OTHER
    assert (await weekdays(api, BEFORE), await weekdays(api, SINCE)) == ([1], [2])
    assert wrong.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "Choose a day." in visible_text(wrong)


async def test_a_row_of_the_form_has_several_weekdays(api: Api, pages: Pages) -> None:
    path = f"/admin/timetable/{api.school.class_id}"
    rows = {"begins": ["08:00", "", "10:00"], "ends": ["08:45", "", "10:45"], "weekday": ["0-3", "0-1", "1-2", "2-5"]}
    saved = await pages.send(path, {"session": api.school.session_id, **rows})
    assert saved.status_code == HTTPStatus.SEE_OTHER
    answer = await api.get(f"/sessions/{api.school.session_id}/times")
    times = [(time["weekday"], time["begins"], time["ends"]) for time in answer.json()["times"]]
    assert times == [(1, "08:00", "08:45"), (3, "08:00", "08:45"), (5, "10:00", "10:45")]

    shown = await pages.open(path)
    assert re.findall(r'value="(\d-\d)" checked', shown.text) == ["0-1", "0-3", "1-5"]
    nowhere = await pages.send(path, {"session": api.school.session_id, "begins": "09:00", "ends": "10:00"})
    assert nowhere.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "Choose at least one weekday." in visible_text(nowhere)


async def test_a_confirmed_file_replaces_times_from_the_day_of_its_preview_on(api: Api, pages: Pages) -> None:
    await pages.send(
        f"/admin/timetable/{api.school.class_id}",
        {"session": api.school.session_id, "weekday": "0-1", "begins": "08:00", "ends": "08:45"},
    )

    preview = await pages.send(FILE, {"valid_from": SINCE}, file=week(api, "2"))
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', preview.text))
    assert await weekdays(api, SINCE) == [1]
    imported = await pages.send(FILE, fields, file=week(api, "2"))

    assert fields["valid_from"] == SINCE
    assert imported.status_code == HTTPStatus.OK
    assert (await weekdays(api, BEFORE), await weekdays(api, SINCE)) == ([1], [2])
    again = await pages.send(FILE, {"valid_from": SINCE}, file=week(api, "2"))
    assert "1 session gets other times" in visible_text(preview)
    assert "No changes: the sessions in the file already have these times." in visible_text(again)
    assert 'name="digest"' in preview.text
    assert 'name="digest"' not in again.text
