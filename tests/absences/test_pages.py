"""The pages of planned absences: entering, listing, changing and revoking, as the office sends the forms."""

from __future__ import annotations

import html
import re
from dataclasses import fields
from datetime import date
from http import HTTPStatus

import httpx2
import pytest

from adsum.absences.page_data import TypedAbsence
from adsum.absences.rules import Absence, AbsenceFilters
from adsum.accounts.access import Role
from adsum.platform.paging import PageRequest
from adsum.schools.calendar.rules import SessionTime
from tests.absences.conftest import Office
from tests.support.pages import Pages, visible_text
from tests.support.schools import (
    add_school,
    caller,
    enrol,
    give_times,
    make_bare_school,
    make_class,
    make_school,
    make_session,
    make_student,
)

DAY = "2024-12-25"
FORM = {"step": "enter", "first_day": DAY, "status": "excused", "reason": "doctor"}
PATH = "/planned-absences"


@pytest.fixture
def pages(office: Office) -> Pages:
    return Pages(office.api)


def test_the_form_has_every_field_of_an_absence() -> None:
    absence = Absence(date(2024, 12, 25), date(2024, 12, 27), "excused", (3, 4), "09:00", "10:30", reason="doctor")
    assert all(getattr(absence, each.name) not in (None, each.default) for each in fields(Absence))
    assert TypedAbsence.of(absence).absence([], date(2024, 1, 1)) == absence


def checked(page: httpx2.Response, name: str) -> list[str]:
    """The values of the ticked boxes with a name."""
    return re.findall(rf'name="{name}" value="(\d+)" checked', page.text)


async def test_an_absence_is_entered_for_several_students(office: Office, pages: Pages) -> None:
    first, second, third = office.school.student_ids
    await office.take()

    sent = await pages.send(f"{PATH}/new", FORM | {"student": [first, second], "last_day": "2024-12-27"})
    listed = await pages.open(sent.headers["location"])

    assert sent.status_code == HTTPStatus.SEE_OTHER
    text = visible_text(listed)
    assert "Entered for 2 students. 2 records were corrected." in text
    assert text.count("Dec 27, 2024") == 5  # of the tab, of each absence, and of the button that changes it
    assert "doctor" in text
    assert await office.api.statuses() == {first: "excused", second: "excused", third: "present"}


async def test_a_repeated_form_enters_nothing_twice(office: Office, pages: Pages) -> None:
    form = FORM | {"student": [office.school.student_ids[0]]}
    await pages.send(f"{PATH}/new", form)

    sent = await pages.send(f"{PATH}/new", form)

    assert "Nothing was changed." in visible_text(await pages.open(sent.headers["location"]))
    assert len((await office.api.get("/absences")).json()["items"]) == 1


async def test_a_wrong_form_shows_every_error_beside_its_field_and_keeps_the_input(pages: Pages) -> None:
    form = {"first_day": "2024-02-30", "last_day": "", "from_time": "08:00", "status": "ill", "reason": " "}

    page = await pages.send(f"{PATH}/new", form | {"step": "enter", "words": "Given 2"})

    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    text = visible_text(page)
    assert "Nothing was entered." in text
    assert "Choose at least one student." in text
    for field, message in {
        "from": "There is no such day.",
        "to-time": "This field is required.",
        "status": "The school has no such status: choose another one.",
        "reason": "This field is required.",
    }.items():
        assert re.search(rf'aria-describedby="wrong-{field}"', page.text)
        assert re.search(rf'id="wrong-{field}">{message}', page.text)
    assert 'value="2024-02-30"' in page.text
    assert 'name="from_time" value="08:00"' in page.text
    assert "Given 2 Family 0002" in text


async def test_days_in_the_wrong_order_are_refused_beside_the_last_day(office: Office, pages: Pages) -> None:
    form = FORM | {"student": office.school.student_ids[:1], "last_day": "2024-12-24"}
    page = await pages.send(f"{PATH}/new", form)
    assert 'id="wrong-to">The last day is before the first one.' in page.text
    assert checked(page, "student") == [str(office.school.student_ids[0])]


async def test_students_are_found_by_name_and_class_and_all_of_them_chosen(office: Office, pages: Pages) -> None:
    first, second, third = office.school.student_ids
    form = FORM | {"student": [first], "class": office.school.class_id}

    found = await pages.send(f"{PATH}/new", form | {"step": "find"})
    chosen = await pages.send(f"{PATH}/new", form | {"step": "all"})
    named = await pages.send(f"{PATH}/new", form | {"step": "find", "words": "0003"})
    nobody = await pages.send(f"{PATH}/new", FORM | {"step": "find", "words": "nobody"})

    assert checked(found, "student") == [str(first)]
    assert f'name="student" value="{second}">' in found.text
    assert "7b · Attendance" in visible_text(found)
    assert checked(chosen, "student") == [str(first), str(second), str(third)]
    assert f'name="student" value="{second}">' not in named.text
    assert f'name="student" value="{third}">' in named.text
    assert "No student matches. Try part of the name, or another class." in visible_text(nobody)
    assert (await office.api.get("/absences")).json()["items"] == []


async def test_more_students_than_a_form_holds_are_refused(pages: Pages) -> None:
    page = await pages.send(f"{PATH}/new", FORM | {"student": list(range(1, 502))})
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "This is too long." in visible_text(page)


async def test_an_unknown_student_and_session_are_named(office: Office, pages: Pages) -> None:
    page = await pages.send(f"{PATH}/new", FORM | {"student": [999_999], "session": [999_998]})
    text = visible_text(page)
    assert "There is no such student. (student 999999)" in text
    await pages.send(f"{PATH}/new", FORM | {"student": office.school.student_ids[:1], "session": [999_998]})


async def test_an_absence_is_entered_at_the_school_of_the_page(office: Office, pages: Pages) -> None:
    student = office.school.student_ids[0]
    await office.api.sign_in(Role.ADMIN, None)
    async with office.adsum.database.transaction() as connection:
        other = await make_school(connection, students=0)
        await add_school(connection, student, other.school_id, active=True)
    form = FORM | {"student": [student], "session": [other.session_id]}
    sent = await pages.send(f"{PATH}/new?school={other.school_id}", form, "admin")
    assert sent.status_code == HTTPStatus.SEE_OTHER
    (item,) = (await office.api.get("/absences", "admin", schoolId=other.school_id)).json()["items"]
    assert item["sessionIds"] == [other.session_id]


async def test_the_form_of_a_student_is_filled_in(office: Office, pages: Pages) -> None:
    student = office.school.student_ids[1]
    page = await pages.open(f"{PATH}/new", student=student, date=DAY)
    assert checked(page, "student") == [str(student)]
    assert f'name="first_day" value="{DAY}"' in page.text
    assert 'value="excused" selected' in page.text


async def test_the_sessions_that_warnings_name_are_shown_by_title(office: Office, pages: Pages) -> None:
    page = await pages.open(PATH, entered=1, unaffected=[office.school.session_id])
    assert "unless they are chosen in it: 7b · Attendance." in visible_text(page)


async def test_an_absence_at_whose_times_no_session_meets_is_entered_with_a_warning(
    office: Office, pages: Pages
) -> None:
    async with office.adsum.database.transaction() as connection:
        await give_times(connection, {office.school.session_id: [SessionTime(3, "08:00", "09:30")]})
    noon = {"student": office.school.student_ids[:1], "from_time": "12:00", "to_time": "13:00"}
    entered = await pages.send(f"{PATH}/new", FORM | noon)
    shown = await pages.open(entered.headers["location"])
    assert "applies to no session" in visible_text(shown)
    (absence,) = (await office.api.get("/absences")).json()["items"]
    flag = "Applies to no session"
    assert flag in visible_text(await pages.open(PATH, **{"from": ""}))
    assert flag in visible_text(await pages.open(f"{PATH}/{absence['id']}"))
    assert flag in visible_text(await pages.open("/overview", date=absence["from"]))
    assert flag in visible_text(await pages.open(f"/year/students/{absence['studentId']}"))


async def test_records_that_keep_the_mark_of_the_office_are_named_after_entering_and_on_the_absence(
    office: Office, pages: Pages
) -> None:
    first, second, _ = office.school.student_ids
    await office.take("office")
    entered = await pages.send(f"{PATH}/new", FORM | {"student": [first, second]})
    ids = [(await office.record(each))["id"] for each in (first, second)]
    listed = await pages.open(entered.headers["location"])
    assert f"2 records keep the mark of the office or of another absence: {ids[0]}" in visible_text(listed)
    assert f'<a href="/record/{ids[1]}">{ids[1]}</a>' in listed.text
    absences = (await office.api.get("/absences", studentId=first)).json()["items"]
    shown = visible_text(await pages.open(f"{PATH}/{absences[0]['id']}"))
    assert f"1 record keeps the mark of the office or of another absence: {ids[0]}" in shown


async def test_the_list_is_filtered(office: Office, pages: Pages) -> None:
    first, second, third = office.school.student_ids
    await office.planned(first)
    await office.planned(second, **{"from": "2099-01-04", "to": "2099-01-05"})
    revoked = await office.planned(third, **{"from": "2099-01-04", "to": "2099-01-05"})
    await office.api.change("DELETE", f"/absences/{revoked}", "office", '"1"')

    def names(page: httpx2.Response) -> list[str]:
        return re.findall(r'/year/students/\d+\?school=\d+"><bdi>Given (\d)', page.text)

    assert names(await pages.open(PATH)) == ["2"]
    assert names(await pages.open(f"{PATH}?from=")) == ["2", "1"]
    assert "Past" in visible_text(await pages.open(PATH))
    assert names(await pages.open(PATH, revoked="true")) == ["2", "3"]
    assert names(await pages.open(f"{PATH}?from=&to={DAY}")) == ["1"]
    by_name = await pages.send(f"/lists?page={PATH}", {"from": "", "words": "0001"})
    assert names(await pages.open(by_name.headers["Location"])) == ["1"]
    assert names(await pages.open(f"{PATH}?from=&student={second}")) == ["2"]
    assert names(await pages.open(f"{PATH}?from=&class={office.school.class_id}")) == ["2", "1"]
    wrong = await pages.open(f"{PATH}?from=tomorrow&cursor=x")
    assert names(wrong) == ["2", "1"]
    assert 'id="wrong-from">Choose a day.' in wrong.text
    assert (await office.api.get("/absences", q="0002")).json()["items"][0]["studentId"] == second
    searched = await office.api.post("/absences/search", {"q": "0002", "limit": 1}, "office")
    assert [item["studentId"] for item in searched.json()["items"]] == [second]


async def test_after_an_entry_the_days_of_the_absence_are_the_open_tab(office: Office, pages: Pages) -> None:
    first, second, _ = office.school.student_ids

    async def tabs(address: str) -> list[str]:
        page = await pages.open(address, language="en-GB")
        return re.findall(r'aria-current="page">([^<]*)</a>', page.text.partition('class="tabs"')[2])

    for student, last_day, tab in (
        (first, "2024-12-27", "25 Dec 2024 \N{EN DASH} 27 Dec 2024"),
        (second, DAY, "Wed, 25 Dec 2024"),
    ):
        sent = await pages.send(f"{PATH}/new", FORM | {"student": student, "last_day": last_day})
        assert await tabs(sent.headers["location"]) == [tab]
    assert await tabs(PATH) == ["Today and later"]
    assert await tabs(f"{PATH}?from=&to=") == ["All"]
    assert await tabs(f"{PATH}?from=2024-12-01") == ["From 1 Dec 2024"]
    assert await tabs(f"{PATH}?from=&to=2024-12-01") == ["Until 1 Dec 2024"]
    assert await tabs(f"{PATH}?from=tomorrow") == []


async def test_an_empty_list_says_whether_it_is_filtered(office: Office, pages: Pages) -> None:
    assert "There is no planned absence in this period." in visible_text(await pages.open(PATH))
    assert "ist keine Abwesenheit geplant" in visible_text(await pages.open(PATH, language="de"))
    for query in (f"class={office.school.class_id}", f"student={office.school.student_ids[0]}", "from=tomorrow"):
        filtered = visible_text(await pages.open(f"{PATH}?{query}"))
        assert "No planned absence matches these filters." in filtered, query


async def test_coming_absences_are_listed_the_earliest_first_and_past_ones_the_latest_first(
    office: Office, pages: Pages
) -> None:
    first, second, _ = office.school.student_ids
    for day in ("2099-01-04", "2098-12-24", "2024-12-24", "2024-12-23"):
        await office.planned(first, second, **{"from": day, "to": day})

    def listed(page: httpx2.Response) -> list[str]:
        return list(dict.fromkeys(re.findall(r"Dec \d+, 20\d\d|Jan \d+, 20\d\d", visible_text(page))))

    coming = await pages.open(PATH)
    assert listed(coming) == ["Dec 24, 2098", "Jan 4, 2099"]
    address = re.search(r'href="([^"]*)">Past<', coming.text)
    assert address is not None
    past = await pages.open(html.unescape(address[1]))
    assert listed(past) == ["Dec 24, 2024", "Dec 23, 2024"]
    assert 'aria-current="page">Past' in past.text

    for number in range(25):
        await office.planned(first, second, **{"from": "2097-01-04", "to": "2097-01-04", "reason": f"{number}"})
    more = re.search(r'href="([^"]*)">More absences<', (await pages.open(PATH)).text)
    assert more is not None
    assert listed(await pages.open(html.unescape(more[1]))) == ["Dec 24, 2098", "Jan 4, 2099"]

    filters, actor = AbsenceFilters(earliest_first=True), caller(Role.OFFICE, office.school.school_id)
    days: list[str] = []
    page: PageRequest | None = PageRequest(limit=7)
    while page is not None:
        found = await office.adsum.absences.page(actor, filters, page)
        days += [f"{each.planned.absence.first_day}" for each in found.items]
        page = None if found.next_cursor is None else PageRequest(found.next_cursor, 7)
    assert days == sorted(days)
    assert len(days) == 58


async def test_an_absence_is_changed_and_revoked_with_its_history(office: Office, pages: Pages) -> None:
    student = office.school.student_ids[0]
    await office.take()
    planned = await office.planned(student)

    page = await pages.open(f"{PATH}/{planned}")
    change = {"version": 1, "first_day": "2024-12-26", "status": "excused", "reason": "dentist"}
    changed = await pages.send(f"{PATH}/{planned}", change)
    shown = visible_text(await pages.open(changed.headers["location"]))
    stale = await pages.send(f"{PATH}/{planned}", change | {"reason": "late"})
    wrong = await pages.send(f"{PATH}/{planned}", change | {"version": 2, "reason": ""})
    not_revoked = await pages.send(f"{PATH}/{planned}/revoke", {"version": 1})
    revoked = await pages.send(f"{PATH}/{planned}/revoke", {"version": 2})
    end = visible_text(await pages.open(revoked.headers["location"]))
    too_late = await pages.send(f"{PATH}/{planned}", change | {"version": 3, "reason": "x"})

    assert 'name="reason" value="doctor"' in page.text
    assert "Saved. Records follow the change." in shown
    assert "Changed by office@school1.example" in shown
    assert "Entered by office@school1.example" in shown
    assert (await office.record(student))["status"] == "present"
    assert stale.status_code == not_revoked.status_code == HTTPStatus.PRECONDITION_FAILED
    assert "Nothing was overwritten." in visible_text(stale)
    assert 'name="reason" value="late"' in stale.text
    assert 'name="version" value="2"' in stale.text
    assert 'id="wrong-reason">This field is required.' in wrong.text
    assert "Revoked. Records have their previous marks again." in end
    assert "Change the absence" not in end
    assert "This absence was revoked" in visible_text(too_late)


async def test_an_absence_of_some_sessions_keeps_them(office: Office, pages: Pages) -> None:
    student, session_id = office.school.student_ids[0], office.school.session_id
    sent = await pages.send(f"{PATH}/new", FORM | {"student": [student], "session": [session_id]})
    assert "Only: Attendance" in visible_text(await pages.open(sent.headers["location"]))
    (item,) = (await office.api.get("/absences")).json()["items"]
    assert item["sessionIds"] == [session_id]
    assert checked(await pages.open(f"{PATH}/{item['id']}"), "session") == [str(session_id)]


async def test_the_overview_shows_the_absences_of_the_day_to_the_office(office: Office, pages: Pages) -> None:
    await office.planned(office.school.student_ids[0], reason="a dentist's appointment")

    of_office = visible_text(await pages.open("/overview", date=DAY))
    next_day = visible_text(await pages.open("/overview", date="2024-12-26"))
    of_viewer = visible_text(await pages.open("/overview", "viewer", date=DAY))

    assert "Given 1 Family 0001 Dec 25, 2024" in of_office
    assert "a dentist's appointment" in of_office
    assert "No absence is planned for this day. One that is reported in advance can be entered above." in next_day
    assert "dentist" not in of_viewer


async def test_the_page_of_a_student_shows_their_absences_to_the_office(office: Office, pages: Pages) -> None:
    student = office.school.student_ids[0]
    await office.planned(student, reason="a dentist's appointment")
    later = {"from": "2099-01-04", "to": "2099-01-05"}
    await office.planned(student, reason="a wedding", **later)

    before = await pages.open(f"/year/students/{student}")
    await office.take()
    after = await pages.open(f"/year/students/{student}")
    of_viewer = await pages.open(f"/year/students/{student}", "viewer")

    assert "dentist" in visible_text(before)
    assert "dentist" in visible_text(after)
    assert f"/planned-absences/new?school={office.school.school_id}&amp;student={student}" in after.text
    assert visible_text(after).index("a wedding") < visible_text(after).index("1 past absence")
    assert "dentist" not in of_viewer.text
    assert "Upcoming absences" not in of_viewer.text


@pytest.mark.parametrize("role", ["teacher", "viewer"])
async def test_only_the_office_sees_and_enters_absences(office: Office, pages: Pages, role: str) -> None:
    planned = await office.planned(office.school.student_ids[0])
    answers = [
        await pages.open(PATH, role),
        await pages.open(f"{PATH}/new", role),
        await pages.open(f"{PATH}/{planned}", role),
        await pages.send(f"{PATH}/new", FORM | {"student": [office.school.student_ids[0]]}, role),
        await pages.send(f"{PATH}/{planned}", FORM | {"version": 1}, role),
        await pages.send(f"{PATH}/{planned}/revoke", {"version": 1}, role),
    ]
    assert {answer.status_code for answer in answers} == {HTTPStatus.FORBIDDEN}


async def test_another_site_cannot_send_the_form(office: Office, pages: Pages) -> None:
    form = FORM | {"student": [office.school.student_ids[0]]}
    sent = await pages.send(f"{PATH}/new", form, Sec_Fetch_Site="cross-site")
    assert sent.status_code == HTTPStatus.FORBIDDEN
    assert (await office.api.get("/absences")).json()["items"] == []


async def test_absences_of_another_school_do_not_exist(office: Office, pages: Pages) -> None:
    async with office.adsum.database.transaction() as connection:
        school_id = await make_bare_school(connection, name="Elsewhere")
        student_id = await make_student(connection, school_id, given="Hidden")
        class_id = await make_class(connection, school_id)
        await make_session(connection, class_id)
        await enrol(connection, class_id, [student_id])

    other_school = await pages.open(PATH, school=school_id)
    form = await pages.open(f"{PATH}/new", student=student_id)
    sent = await pages.send(f"{PATH}/new", FORM | {"student": [student_id]})

    assert other_school.status_code == HTTPStatus.NOT_FOUND
    assert "Hidden" not in form.text
    assert "There is no such student." in visible_text(sent)
