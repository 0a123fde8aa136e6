"""The call list of unexplained absences, and the calls that stay as evidence."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any

from adsum.absences.contacts.page_data import SHOWN
from adsum.absences.contacts.rules import ContactFilters, ContactResult, NewContact
from adsum.absences.contacts.schemas import StudentToCallItem
from adsum.accounts.access import Permission, Role
from adsum.platform.errors import Invalid, NotFound
from adsum.platform.paging import PageRequest
from adsum.privacy.merging.rules import MergeChoices
from tests.absences.conftest import Office
from tests.support.api import DAY, violations
from tests.support.pages import Pages, visible_text
from tests.support.schools import caller, make_bare_school, make_contact


async def calls(office: Office, **query: Any) -> list[dict[str, Any]]:
    answer = await office.api.get("/contacts/to-call", schoolId=office.school.school_id, date=DAY, **query)
    assert answer.status_code == HTTPStatus.OK, answer.text
    return answer.json()["items"]


async def call(office: Office, student: int, result: str = "no_answer", **fields: Any) -> Any:
    body = {"studentId": student, "date": DAY, "result": result} | fields
    return await office.api.post("/contacts", body, "office")


async def test_students_with_an_unexplained_absence_are_on_the_list_with_the_newest_call(office: Office) -> None:
    first, second, present = office.school.student_ids
    await office.take(unselectedStudentIds=[first, second])
    assert [(item["studentId"], item["contacts"], item["result"]) for item in await calls(office)] == [
        (first, 0, None),
        (second, 0, None),
    ]

    assert (await call(office, first)).status_code == HTTPStatus.CREATED
    stored = (await call(office, first, "message_left", person=" mother ", note="asked to call back ")).json()
    assert (stored["person"], stored["note"], stored["date"]) == ("mother", "asked to call back", DAY)
    assert (stored["contactedByRole"], stored["schoolId"]) == ("office", office.school.school_id)

    (item, other) = await calls(office)
    assert (item["contacts"], item["result"], item["person"]) == (2, "message_left", "mother")
    assert (item["classes"], item["sessions"], item["familyName"]) == ("7b · Attendance", 1, "Family 0001")
    assert other["contacts"] == 0
    assert present not in {item["studentId"], other["studentId"]}


async def test_a_call_that_explains_the_absence_takes_the_student_off_the_list_and_stays(office: Office) -> None:
    student = office.school.student_ids[0]
    await office.take(unselectedStudentIds=[student])
    entered = await call(office, student, "reached", person="father", note="flu", explainAs="excused")
    assert entered.json()["explained"] == 1

    assert await calls(office) == []
    assert (await office.record(student))["status"] == "excused"
    (kept,) = (await office.api.get("/contacts", studentId=student)).json()["items"]
    assert (kept["result"], kept["note"]) == ("reached", "flu")
    again = (await call(office, student, "reached", explainAs="excused")).json()
    assert (again["explained"], (await call(office, student)).json()["explained"]) == (0, None)


async def test_teachers_do_not_read_the_note_of_a_call_that_explains_an_absence(office: Office) -> None:
    student = office.school.student_ids[0]
    await office.take(unselectedStudentIds=[student])
    await call(office, student, "reached", person="father", note="custody case", explainAs="excused")
    record = (await office.record(student))["id"]

    history = (await office.api.get(f"/attendances/{record}/history", "teacher")).json()["items"]
    assert [each["reason"] for each in history if each["reason"]] == ["Explained by a call"]
    page = await Pages(office.api).open(f"/record/{record}", "teacher")
    assert "Explained by a call" in visible_text(page)
    assert "custody" not in page.text
    assert "Durch einen Anruf geklärt" in visible_text(await Pages(office.api).open(f"/record/{record}", language="de"))


async def test_a_wrong_call_stores_nothing_and_names_every_error(office: Office) -> None:
    student = office.school.student_ids[0]
    await office.take(unselectedStudentIds=[student])
    wrong: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
        ({"result": "other"}, {("/note", "note_missing")}),
        ({"result": "other", "note": "  "}, {("/note", "note_missing")}),
        ({"result": "shouted"}, {("/result", "unknown_value")}),
        ({"studentId": 999_999}, {("/studentId", "unknown_student")}),
        ({"schoolId": 999_999}, {("/studentId", "unknown_student")}),
        ({"date": (datetime.now(UTC) + timedelta(2)).date().isoformat()}, {("/date", "date_in_future")}),
        ({"result": "reached", "explainAs": "absent", "note": "flu"}, {("/explainAs", "unknown_status")}),
        ({"result": "no_answer", "explainAs": "excused"}, {("/explainAs", "nobody_reached")}),
        ({"result": "wrong_number", "explainAs": "excused"}, {("/explainAs", "nobody_reached")}),
        (
            {"result": "other", "explainAs": "absent", "date": "2100-01-01"},
            {("/note", "note_missing"), ("/date", "date_in_future"), ("/explainAs", "unknown_status")},
        ),
        (
            {"result": "other", "studentId": 999_999},
            {("/note", "note_missing"), ("/studentId", "unknown_student")},
        ),
        ({"person": "x" * 101}, {("/person", "too_long")}),
    ]
    for fields, expected in wrong:
        answer = await call(office, student, **fields)
        assert violations(answer) == expected, fields
    assert (await office.api.get("/contacts")).json()["items"] == []
    assert (await office.record(student))["status"] == "absent"


async def test_the_service_names_every_error_of_a_call(office: Office) -> None:
    student = office.school.student_ids[0]
    unsent = NewContact(ContactResult.OTHER, "x" * 101)
    try:
        await office.adsum.contacts.add(student, None, unsent, caller(Role.OFFICE, office.school.school_id))
    except Invalid as error:
        assert {each.pointer for each in error.violations} == {"/person", "/note"}  # noqa: PT017 - all of them


async def test_calls_are_the_offices_and_of_its_school(office: Office) -> None:
    student = office.school.student_ids[0]
    await office.take(unselectedStudentIds=[student])
    await call(office, student)
    async with office.adsum.database.transaction() as connection:
        other = caller(Role.OFFICE, await make_bare_school(connection))
    contacts = office.adsum.contacts
    assert (await contacts.page(other, ContactFilters(), PageRequest())).items == []
    for role in ("teacher", "viewer"):
        assert (await office.api.get("/contacts", role)).status_code == HTTPStatus.FORBIDDEN
        assert (await office.api.get("/contacts/to-call", role, schoolId=1)).status_code == HTTPStatus.FORBIDDEN
    try:
        await contacts.to_call(office.school.school_id, None, other, PageRequest())
    except NotFound:
        return
    raise AssertionError("another school's list was read")


async def test_contacts_are_filtered_and_paged(office: Office) -> None:
    first, second, _ = office.school.student_ids
    for student in (first, second, first):
        await call(office, student)
    page = (await office.api.get("/contacts", limit=2)).json()
    rest = (await office.api.get("/contacts", limit=2, cursor=page["nextCursor"])).json()
    assert [item["studentId"] for item in page["items"] + rest["items"]] == [first, second, first]
    filters: list[tuple[dict[str, Any], int]] = [
        ({"studentId": first}, 2),
        ({"schoolId": office.school.school_id}, 3),
        ({"from": "2024-12-26"}, 0),
        ({"to": "2024-12-24"}, 0),
        ({"from": DAY, "to": DAY}, 3),
    ]
    for query, number in filters:
        assert len((await office.api.get("/contacts", **query)).json()["items"]) == number, query
    await office.take(unselectedStudentIds=[first, second])
    listed = await office.api.get("/contacts/to-call", schoolId=office.school.school_id, date=DAY, limit=1)
    cursor = listed.json()["nextCursor"]
    assert [item["studentId"] for item in listed.json()["items"] + await calls(office, cursor=cursor)] == [
        first,
        second,
    ]


async def test_without_rights_to_rosters_the_list_has_no_names(office: Office) -> None:
    student = office.school.student_ids[0]
    await office.take(unselectedStudentIds=[student])
    whole = caller(Role.OFFICE, office.school.school_id)
    key = type(whole)(Role.KEY, frozenset({Permission.ATTENDANCE_OVERRULE}), key_id=None, schools=whole.schools)
    found = await office.adsum.contacts.to_call(office.school.school_id, date.fromisoformat(DAY), key, PageRequest())
    item = StudentToCallItem.of(found.items[0])
    assert (item.given_name, item.family_name, item.classes) == (None, None, str(office.school.session_id))


async def test_the_list_says_whom_to_call_and_the_number(office: Office) -> None:
    first, second, _ = office.school.student_ids
    await office.take(unselectedStudentIds=[first, second])
    async with office.adsum.database.transaction() as connection:
        await make_contact(connection, office.school.school_id, first)
        await make_contact(connection, office.school.school_id, first, "g-1", role="guardian", sms="0170 5")
    listed = "Maria Byron (guardian) 030 1234, 0170 5; Maria Byron (parent) 030 1234"
    assert [item["whomToCall"] for item in await calls(office)] == [listed, ""]

    page = await Pages(office.api).open(f"/calls?school={office.school.school_id}&date={DAY}")
    assert "Maria Byron Guardian 030 1234 0170 5 Maria Byron Parent 030 1234" in visible_text(page)
    assert '<a href="tel:01705">0170 5</a>' in page.text
    suggested = '<option value="Maria Byron">Guardian</option><option value="Maria Byron">Parent</option>'
    assert f'list="people-{first}"' in page.text
    assert f'<datalist id="people-{first}">{suggested}</datalist>' in page.text
    assert page.text.count("<datalist") == 1
    whole = caller(Role.OFFICE, office.school.school_id)
    key = type(whole)(Role.KEY, frozenset({Permission.ATTENDANCE_OVERRULE}), key_id=None, schools=whole.schools)
    found = await office.adsum.contacts.to_call(office.school.school_id, date.fromisoformat(DAY), key, PageRequest())
    assert {StudentToCallItem.of(each).whom_to_call for each in found.items} == {""}


async def test_the_page_stores_calls_and_shows_what_became_of_them(office: Office) -> None:
    first, second, _ = office.school.student_ids
    await office.take(unselectedStudentIds=[first, second])
    pages, path = Pages(office.api), f"/calls?school={office.school.school_id}&date={DAY}"
    form = {"school": office.school.school_id, "date": DAY, "student": first, "result": "no_answer"}

    sent = await pages.send("/calls", form | {"person": "mother"})
    assert sent.headers["location"].endswith(f"done=entered#call-{first}")
    text = visible_text(await pages.open(path))
    assert "To call 1" in text
    assert "Called, still unexplained 1" in text
    assert "No answer mother" in text

    refused = await pages.send("/calls", form | {"result": "other", "person": "aunt"})
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "A note is required" in visible_text(refused)
    assert 'value="aunt"' in refused.text

    explained = await pages.send("/calls", form | {"result": "reached", "note": "flu", "explain_as": "excused"})
    assert "done=explained" in explained.headers["location"]
    late = await pages.send("/calls", form | {"result": "reached", "explain_as": "excused"})
    assert "done=gone" in late.headers["location"]
    assert "No record has changed." in visible_text(await pages.open(f"{path}&done=gone"))
    text = visible_text(await pages.open(f"{path}&done=explained"))
    assert "Called, and settled 1" in text
    assert "still unexplained" not in text
    for student in (first, second):
        await pages.send("/calls", form | {"student": student, "result": "reached", "note": "flu"})
    assert "Called, still unexplained 1" in visible_text(await pages.open(path))


async def test_the_page_of_calls_is_the_offices_in_its_language_and_may_be_empty(office: Office) -> None:
    pages, path = Pages(office.api), f"/calls?school={office.school.school_id}&date={DAY}"
    assert "Anrufliste" in visible_text(await pages.open(path, language="de"))
    assert (await pages.open(path, "teacher")).status_code == HTTPStatus.FORBIDDEN
    day_before = f"/calls?school={office.school.school_id}&date=2024-12-24"
    assert "No absence of this day is unexplained" in visible_text(await pages.open(day_before))


async def test_the_overview_counts_the_students_about_whom_nobody_was_called(office: Office) -> None:
    first, second, _ = office.school.student_ids
    pages, path = Pages(office.api), f"/overview?school={office.school.school_id}&date={DAY}"
    assert "to call" not in visible_text(await pages.open(path))
    await office.take(unselectedStudentIds=[first, second])
    assert "Call list of the day 2 to call" in visible_text(await pages.open(path))
    await call(office, first)
    assert "Call list of the day 1 to call" in visible_text(await pages.open(path))
    assert "to call" not in visible_text(await pages.open(path, "viewer"))
    await call(office, second, "reached", note="flu", explainAs="excused")
    assert "to call" not in visible_text(await pages.open(path))


async def test_the_page_of_a_student_shows_the_newest_calls_to_the_office(office: Office) -> None:
    student = office.school.student_ids[0]
    pages, path = Pages(office.api), f"/year/students/{student}"
    assert "Calls about absences" not in visible_text(await pages.open(path))
    await call(office, student, "message_left", person="mother", note="custody case")
    shown = visible_text(await pages.open(path))
    assert "Calls about absences Dec 25, 2024 Message left mother custody case" in shown
    assert "Older calls" not in shown
    for role in ("teacher", "viewer"):
        assert "custody" not in (await pages.open(path, role)).text, role
    for number in range(SHOWN):
        await call(office, student, "no_answer", note=f"attempt {number}")
    many = await pages.open(path)
    assert "Older calls" in visible_text(many)
    assert "custody" not in many.text


async def test_a_form_that_is_sent_twice_stores_one_call(office: Office) -> None:
    student = office.school.student_ids[0]
    await office.take(unselectedStudentIds=[student])
    pages, path = Pages(office.api), f"/calls?school={office.school.school_id}&date={DAY}"
    (key,) = re.findall(r'name="key" value="([0-9a-f-]{36})"', (await pages.open(path)).text)
    form = {"school": office.school.school_id, "date": DAY, "student": student, "key": key}
    form |= {"result": "reached", "explain_as": "excused"}

    answers = [await pages.send("/calls", form) for _ in range(2)]

    assert len({answer.headers["location"] for answer in answers}) == 1
    assert "done=explained" in answers[0].headers["location"]
    assert len((await office.api.get("/contacts")).json()["items"]) == 1


async def test_the_list_is_a_csv_file_for_programs_that_send_messages(office: Office) -> None:
    student = office.school.student_ids[0]
    await office.take(unselectedStudentIds=[student])
    await call(office, student, "reached", note="flu")
    address = f"/calls.csv?school={office.school.school_id}&date={DAY}"
    page = await Pages(office.api).open(address)
    assert page.headers["content-disposition"] == 'attachment; filename="call-list.csv"'
    (row,) = csv.DictReader(io.StringIO(page.text.removeprefix("\ufeff")))
    assert (row["date"], row["studentId"], row["result"], row["note"]) == (DAY, str(student), "reached", "flu")


async def test_calls_are_exported_moved_by_a_merge_and_erased_with_the_student(office: Office) -> None:
    kept, removed, _ = office.school.student_ids
    admin = caller(Role.ADMIN)
    await call(office, removed, "reached", person="mother", note="flu")
    exported = await office.adsum.student_data.export(removed, admin)
    assert [(row["person"], row["note"], row["result"]) for row in exported.contacts] == [("mother", "flu", "reached")]
    (item,) = (await office.api.get("/contacts")).json()["items"]
    assert item["studentId"] == removed
    await office.adsum.student_merges.merge(kept, removed, MergeChoices(allow_different_names=True), admin)
    (moved,) = (await office.api.get("/contacts")).json()["items"]
    assert (moved["id"], moved["studentId"]) == (item["id"], kept)
    await office.adsum.student_data.erase(kept, admin)
    assert (await office.api.get("/contacts")).json()["items"] == []
