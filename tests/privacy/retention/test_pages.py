"""`/admin/retention`, requested as a browser requests it."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus

import httpx2
from sqlalchemy import update

from adsum.accounts.access import system_caller
from adsum.privacy.retention.pages import FOUND_AT_ONCE
from adsum.reports.service import Summaries
from adsum.schools.tables import schools
from tests.attendance.corrections.conftest import Register, register
from tests.support.pages import Pages, visible_text
from tests.support.schools import make_student

__all__ = ["register"]
PATH = "/admin/retention"


def confirmation_in(page: str) -> str:
    return page.split('name="confirmation" value="')[1].split('"', maxsplit=1)[0]


async def test_periods_are_set_after_a_preview_that_is_confirmed(register: Register) -> None:
    pages = Pages(register.api)
    fields = {"records": "1", "notes": "ever", "absences": "", "students": "", "first_month": "9"}

    shown = await pages.open(PATH)
    preview = await pages.send(PATH, fields)
    set_ = await pages.send(PATH, fields | {"confirmation": confirmation_in(preview.text)})
    after = await pages.open(PATH)
    wrong = await pages.send(PATH, fields | {"records": "0", "notes": "x"})

    assert "Preview the deletion" in visible_text(shown)
    assert "3 rows would be deleted" in visible_text(preview)
    assert set_.status_code == HTTPStatus.SEE_OTHER
    assert "In effect: 1 year" in visible_text(after)
    assert wrong.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_reports_say_which_days_were_deleted(register: Register) -> None:
    await Summaries(register.adsum.database).refresh(register.api.school.school_id)
    pages = Pages(register.api)
    said = "The records of days before Aug 1, 2024 were deleted."

    before = visible_text(await pages.open("/year?from=2024-07-01&to=2024-12-31"))
    async with register.adsum.database.transaction() as connection:
        await connection.execute(update(schools).values(records_from=date(2024, 8, 1)))
    with_earlier_days = visible_text(await pages.open("/year?from=2024-07-01&to=2024-12-31"))
    with_later_days = visible_text(await pages.open("/year?from=2024-08-01&to=2024-12-31"))

    assert [said in text for text in (before, with_earlier_days, with_later_days)] == [False, True, False]


async def test_holds_are_placed_listed_and_lifted(register: Register) -> None:
    pages, student_id = Pages(register.api), register.api.school.student_ids[0]

    placed = await pages.send(f"{PATH}/holds", {"student": student_id, "reason": "litigation", "reference": "C 1"})
    listed = await pages.open(PATH)
    again = await pages.send(f"{PATH}/holds", {"student": student_id, "reason": "litigation"})
    wrong = [
        await pages.send(f"{PATH}/holds", {"student": student, "reason": reason})
        for student, reason in (("x", "other"), (student_id, "because"), (student_id + 999, "other"))
    ]
    (hold,) = (await register.api.get("/holds")).json()["items"]
    lifted = await pages.send(f"{PATH}/holds/lift", {"hold": hold["id"]})

    assert placed.status_code == lifted.status_code == HTTPStatus.SEE_OTHER
    assert "Given 1 Family 0001 Litigation C 1" in visible_text(listed)
    assert again.status_code == HTTPStatus.CONFLICT
    assert [each.status_code for each in wrong] == [
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.NOT_FOUND,
    ]
    assert "No student is on hold." in visible_text(await pages.open(PATH))


async def test_the_student_of_a_hold_is_found_by_name(register: Register) -> None:
    pages, school = Pages(register.api), register.api.school
    async with register.adsum.database.transaction() as connection:
        for given, family in (("Zoë", "Abel"), ("Ada", "Zuse")):
            await make_student(connection, school.school_id, given=given, family=f"{family} Held")

    search = f"/lists?page={PATH}%23holds"
    found = await pages.send(search, {"school": school.school_id, "words": "held"})
    address, _, fragment = found.headers["location"].partition("#")
    text = visible_text(await pages.open(address))
    query = address.partition("?")[2]
    refused = await pages.send(f"{PATH}/holds?{query}", {"student": "", "reason": "safeguarding", "reference": "C 7"})
    nobody = await pages.send(search, {"school": school.school_id, "words": "nobody at all"})
    empty = visible_text(await pages.open(nobody.headers["location"].partition("#")[0]))

    assert (fragment, "held" in address.casefold()) == ("holds", False)
    assert 0 < text.index("Zoë Abel Held") < text.index("Ada Zuse Held") < text.index("Case number (no names)")
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert '<option value="safeguarding" selected>' in refused.text
    assert 'name="reference" maxlength="64" value="C 7"' in refused.text
    assert "Zoë Abel Held" in visible_text(refused)
    assert "Nobody matches. Try part of the name, or an id." in empty


async def test_a_search_for_a_hold_that_finds_one_student_chooses_them(register: Register) -> None:
    pages, school_id = Pages(register.api), register.api.school.school_id
    async with register.adsum.database.transaction() as connection:
        student_id = await make_student(connection, school_id, given="Ada", family="Held")
        for number in range(FOUND_AT_ONCE + 1):
            await make_student(connection, school_id, given="Many", family=f"Same {number}")

    shown: dict[str, httpx2.Response] = {}
    for words in ("held", "many"):
        found = await pages.send(f"/lists?page={PATH}", {"school": school_id, "words": words})
        shown[words] = await pages.open(found.headers["location"])

    assert f'name="student" value="{student_id}" required checked' in shown["held"].text
    assert shown["many"].text.count('name="student"') == FOUND_AT_ONCE
    assert "More students match" in visible_text(shown["many"])


async def test_months_have_names(register: Register) -> None:
    pages = Pages(register.api)
    assert "default (August) January February" in visible_text(await pages.open(PATH))
    assert "Voreinstellung (August) Januar Februar" in visible_text(await pages.open(PATH, language="de"))


async def test_an_erased_student_is_readmitted(register: Register) -> None:
    async with register.adsum.database.transaction() as connection:
        student_id = await make_student(connection, register.api.school.school_id, source_id="s-7")
    await register.adsum.student_data.erase(student_id, system_caller())
    pages = Pages(register.api)

    readmitted = await pages.send(f"{PATH}/readmit", {"sourced_id": "s-7"})
    after = await pages.open(readmitted.headers["location"].partition("#")[0])
    again = await pages.send(f"{PATH}/readmit", {"sourced_id": "s-7"})

    assert "The next roster adds the person again." in visible_text(after)
    assert again.status_code == HTTPStatus.NOT_FOUND


async def test_a_teacher_sees_no_retention(register: Register) -> None:
    assert (await Pages(register.api).open(PATH, "teacher")).status_code == HTTPStatus.FORBIDDEN
