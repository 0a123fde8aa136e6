"""The page of the desk."""

from __future__ import annotations

import re
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx2

from tests.absences.conftest import Office
from tests.registers.desk.entering import HOURS, settled
from tests.support.api import DAY
from tests.support.pages import Pages, visible_text
from tests.support.schools import enrol, make_school, make_student

TODAY = date.fromisoformat(DAY)


async def test_the_desk_finds_a_student_from_two_letters_on(office: Office, lessons: list[int]) -> None:
    pages, student = Pages(office.api), office.school.student_ids[0]
    path = f"/desk?school={office.school.school_id}&date={DAY}"
    search = path.replace("/desk?", "/desk/search?")
    found = await pages.send(path.replace("/desk?", "/desk/search/hits?"), {"words": "fam"})
    assert f"student={student}" in found.text
    assert "<html" not in found.text
    assert "No student of this day matches." in visible_text(await pages.send(search, {"words": "zzz"}))
    short = await pages.send(search, {"words": "f"})
    assert "student=" not in short.text
    assert "Type at least two letters." in visible_text(short)
    assert "Students found" in (await pages.send(search, {"words": "fam"})).text
    shown = visible_text(await pages.open(f"{path}&student={student}"))
    assert "Lesson 0" in shown
    assert "not marked" in shown
    assert len(lessons) == len(HOURS)


async def test_the_desk_enters_prints_and_undoes(office: Office, lessons: list[int]) -> None:
    pages, school, student = Pages(office.api), office.school, office.school.student_ids[0]
    path = f"/desk?school={school.school_id}&date={DAY}"
    form: dict[str, Any] = {"school": school.school_id, "date": DAY, "student": student, "kind": "departure"}
    refused = await pages.send("/desk", form | {"time": "07:00", "reason": "tooth", "kind": "arrival"})
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "No session of this student changes" in visible_text(refused)
    assert 'value="tooth"' in refused.text
    await office.take()
    seen = await pages.send("/desk", form | {"kind": "arrival", "time": "8:10", "reason": "bus"})
    assert "The student is already marked in Attendance: this entry changes nothing." in visible_text(seen)
    entered = await pages.send("/desk", form | {"time": "9:20", "reason": "tooth", "status": ""})
    assert entered.status_code == HTTPStatus.SEE_OTHER, entered.text
    entry_id = int(entered.headers["location"].rpartition("entry=")[2])
    assert "Left 9:20" in visible_text(await pages.open(f"{path}&done=entered"))
    assert "Leaves at 9:20" in visible_text(await pages.open(f"/desk/{entry_id}/slip"))
    back = {"school": school.school_id, "date": DAY}
    assert (await pages.send(f"/desk/{entry_id}/undo", back)).headers["location"].endswith("done=busy")
    await settled(office, (await office.api.get("/desk-entries")).json()["items"][0])
    assert (await pages.send(f"/desk/{entry_id}/undo", back)).headers["location"].endswith("done=undone")
    assert "Undone" in visible_text(await pages.open(path))
    assert "Empfang" in visible_text(await pages.open(f"{path}&student={student}", language="de"))
    assert (await pages.open(path, "teacher")).status_code == HTTPStatus.FORBIDDEN
    assert len(lessons) == len(HOURS)


async def test_the_search_finds_students_of_the_day_at_the_school_of_the_office_only(
    office: Office, lessons: list[int]
) -> None:
    pages, school = Pages(office.api), office.school
    async with office.adsum.database.transaction() as connection:
        other = await make_school(connection, students=1)
        enrolled = {"given": "Nia", "family": "Family"}
        for begin, end in ((None, TODAY), (TODAY + timedelta(1), None)):
            student_id = await make_student(connection, school.school_id, **enrolled)
            await enrol(connection, school.class_id, [student_id], begin=begin, end=end)

    async def found(words: str, role: str = "office", **query: Any) -> httpx2.Response:
        address = urlencode({"school": school.school_id, "date": DAY} | query)
        return await pages.send(f"/desk/search/hits?{address}", {"words": words}, role)

    answer = await found("family")
    assert {int(each) for each in re.findall(r"student=(\d+)", answer.text)} == set(school.student_ids)
    assert "No student of this day matches." in visible_text(await found("nia"))
    assert (await found("family", school=other.school_id)).status_code == HTTPStatus.NOT_FOUND
    for role in ("teacher", "viewer", "operator"):
        for path in ("/desk/search", "/desk/search/hits"):
            refused = await pages.send(f"{path}?school={school.school_id}&date={DAY}", {"words": "family"}, role)
            assert refused.status_code == HTTPStatus.FORBIDDEN, (role, path)
            assert "Family" not in refused.text
    chosen = await pages.open(f"/desk?school={school.school_id}&date={DAY}&student={other.student_ids[0]}")
    assert "Given 1" not in visible_text(chosen)
    assert chosen.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}
    assert len(lessons) == len(HOURS)


async def test_a_form_that_is_sent_twice_makes_one_entry(office: Office, lessons: list[int]) -> None:
    pages, school = Pages(office.api), office.school
    form: dict[str, Any] = {"school": school.school_id, "date": DAY, "student": school.student_ids[0]}
    form |= {"kind": "departure", "time": "10:00", "reason": "tooth", "key": "0b2c7ad0-0000-4000-8000-000000000001"}
    first = await pages.send("/desk", form)
    (entry,) = (await office.api.get("/desk-entries")).json()["items"]
    await office.api.post(f"/desk-entries/{entry['id']}/undo", {}, "office")
    assert (await pages.send("/desk", form)).headers["location"] == first.headers["location"]
    assert len((await office.api.get("/desk-entries")).json()["items"]) == 1
    assert len(lessons) == len(HOURS)


async def test_the_desk_says_that_a_register_is_being_saved(office: Office, lessons: list[int]) -> None:
    await office.api.create("teacher", isSelectedAll=True)
    form: dict[str, Any] = {"school": office.school.school_id, "date": DAY, "student": office.school.student_ids[0]}
    busy = await Pages(office.api).send("/desk", form | {"kind": "arrival", "time": "08:10", "reason": "bus"})
    assert busy.status_code == HTTPStatus.CONFLICT
    assert "A register is being saved. Try again in a moment." in visible_text(busy)
    assert (await office.api.get("/desk-entries")).json()["items"] == []
    assert len(lessons) == len(HOURS)
