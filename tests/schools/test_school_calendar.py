"""Closed days and terms over HTTP: permissions and errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, insert

from adsum.accounts.access import Caller, Permission, Role
from adsum.platform.days import plain_day
from adsum.platform.errors import Invalid
from adsum.schools.calendar.rules import ClosedDay, SessionTime
from adsum.schools.tables import class_terms, terms
from adsum.wiring import Adsum
from tests.support.api import Api, violations
from tests.support.installation import RunWorker, ended
from tests.support.pages import Pages, visible_text
from tests.support.schools import caller, give_times, make_bare_school

CHRISTMAS = {"reason": "Christmas"}


async def test_a_closed_day_is_stored_with_its_author(api: Api, calendar: str) -> None:
    put = await api.change("PUT", f"{calendar}/closed-days/2024-12-25", "office", None, json=CHRISTMAS)
    listed = (await api.get(f"{calendar}/closed-days", "teacher")).json()
    assert put.status_code == HTTPStatus.OK, put.text
    assert listed["items"] == [put.json()]
    wanted = {"date": "2024-12-25", "reason": "Christmas", "fromTime": None, "createdByRole": "office"}
    assert put.json().items() >= wanted.items()
    assert put.json()["createdByUserId"] is not None


async def test_closing_a_day_again_replaces_the_reason(api: Api, calendar: str) -> None:
    day = f"{calendar}/closed-days/2024-12-24"
    await api.change("PUT", day, "office", None, json=CHRISTMAS)
    await api.change("PUT", day, "office", None, json={"reason": "Heat", "fromTime": "12:30"})
    (item,) = (await api.get(f"{calendar}/closed-days")).json()["items"]
    assert (item["reason"], item["fromTime"]) == ("Heat", "12:30")


async def test_closed_days_are_listed_by_day_within_bounds_and_by_pages(api: Api, calendar: str) -> None:
    for day in ("2024-12-27", "2024-12-24", "2024-12-26", "2024-12-25"):
        await api.change("PUT", f"{calendar}/closed-days/{day}", "office", None, json=CHRISTMAS)
    bounds: dict[str, Any] = {"from": "2024-12-25", "to": "2024-12-27", "limit": 2}
    first = (await api.get(f"{calendar}/closed-days", "office", **bounds)).json()
    second = (await api.get(f"{calendar}/closed-days", "office", **bounds, cursor=first["nextCursor"])).json()
    pages = [[item["date"] for item in page["items"]] for page in (first, second)]
    assert pages == [["2024-12-25", "2024-12-26"], ["2024-12-27"]]
    assert second["nextCursor"] is None


async def test_a_range_of_days_is_closed_as_a_whole(api: Api, calendar: str) -> None:
    holidays = {"from": "2024-12-23", "to": "2024-12-25", "reason": "Holidays"}
    await api.change("PUT", f"{calendar}/closed-days/2024-12-24", "office", None, json=CHRISTMAS)
    closed = await api.post(f"{calendar}/closed-days", holidays, "office")
    assert closed.status_code == HTTPStatus.OK, closed.text
    assert (await api.get(f"{calendar}/closed-days")).json()["items"] == closed.json()["items"]
    days = [(item["date"], item["reason"]) for item in closed.json()["items"]]
    assert days == [("2024-12-23", "Holidays"), ("2024-12-24", "Holidays"), ("2024-12-25", "Holidays")]
    for last, code in (("2024-12-22", "days_reversed"), ("2025-12-24", "out_of_range")):
        refused = await api.post(f"{calendar}/closed-days", holidays | {"to": last}, "office")
        assert violations(refused) == {("/to", code)}


async def test_a_day_is_opened_again_once(api: Api, calendar: str) -> None:
    day = f"{calendar}/closed-days/2024-12-25"
    await api.change("PUT", day, "office", None, json=CHRISTMAS)
    assert (await api.change("DELETE", day, "office", None)).status_code == HTTPStatus.NO_CONTENT
    assert (await api.get(f"{calendar}/closed-days")).json()["items"] == []
    assert (await api.change("DELETE", day, "office", None)).status_code == HTTPStatus.NOT_FOUND


async def test_closed_days_count_the_marks_of_the_sessions_that_they_close(
    api: Api, calendar: str, adsum: Adsum, worker: RunWorker
) -> None:
    batch_id = (await api.create(learningDate="2024-12-24")).json()["batchId"]
    async with worker():
        await ended(adsum, batch_id)
    holidays = {"from": "2024-12-23", "to": "2024-12-24", "reason": "Holidays"}
    closed = (await api.post(f"{calendar}/closed-days", holidays, "office")).json()["items"]
    assert [(item["date"], item["marks"]) for item in closed] == [("2024-12-23", 0), ("2024-12-24", 3)]
    assert (await api.get(f"{calendar}/closed-days")).json()["items"] == closed

    early = CHRISTMAS | {"fromTime": "12:00"}
    path = f"{calendar}/closed-days/2024-12-24"
    # Without times, the session takes place although the day ends early.
    assert (await api.change("PUT", path, "office", None, json=early)).json()["marks"] == 0
    async with adsum.database.transaction() as connection:
        await give_times(connection, {api.school.session_id: [SessionTime(2, "13:00", "14:00")]})
    assert (await api.change("PUT", path, "office", None, json=early)).json()["marks"] == 3


async def test_the_page_asks_again_before_it_closes_days_with_marks(
    api: Api, calendar: str, adsum: Adsum, worker: RunWorker
) -> None:
    batch_id = (await api.create(learningDate="2024-12-24")).json()["batchId"]
    async with worker():
        await ended(adsum, batch_id)
    pages, path = Pages(api), f"/admin/calendar/closed?school={api.school.school_id}"
    form = {"day": "2024-12-23", "last_day": "2024-12-25", "reason": "Holidays"}

    asked = await pages.send(path, form)
    assert asked.status_code == HTTPStatus.CONFLICT
    assert "1 of these days already has marks." in visible_text(asked)
    assert "Tue, Dec 24, 2024: 3 marks" in visible_text(asked)
    assert (await api.get(f"{calendar}/closed-days")).json()["items"] == []

    assert (await pages.send(path, form | {"anyway": "true"})).status_code == HTTPStatus.SEE_OTHER
    shown = visible_text(await pages.open("/admin/calendar", school=api.school.school_id, year=2024))
    assert "3 days" in shown
    assert "3 marks that do not count" in shown
    opened = await pages.send(f"/admin/calendar/open?school={api.school.school_id}", form)
    assert opened.status_code == HTTPStatus.SEE_OTHER
    assert (await api.get(f"{calendar}/closed-days")).json()["items"] == []


async def test_a_range_of_closed_days_is_opened_at_once(api: Api, calendar: str) -> None:
    holidays = {"from": "2024-12-23", "to": "2024-12-27", "reason": "Holidays"}
    await api.post(f"{calendar}/closed-days", holidays, "office")
    days = f"{calendar}/closed-days"

    async def open_days(**query: str) -> httpx2.Response:
        return await api.change("DELETE", days, "office", None, params=query)

    assert (await open_days(**{"from": "2024-12-24", "to": "2025-01-10"})).status_code == HTTPStatus.NO_CONTENT
    assert [item["date"] for item in (await api.get(days)).json()["items"]] == ["2024-12-23"]
    assert (await open_days(**{"from": "2024-12-24", "to": "2025-01-10"})).status_code == HTTPStatus.NOT_FOUND
    reversed_days = await open_days(**{"from": "2024-12-24", "to": "2024-12-20"})
    assert (reversed_days.status_code, violations(reversed_days)) == (422, {("/to", "days_reversed")})
    one = {"from": "2024-12-23", "to": "2024-12-23"}
    refused = await api.change("DELETE", days, "teacher", None, params=one)
    assert refused.status_code == HTTPStatus.FORBIDDEN


async def test_all_violations_of_a_closed_day_are_reported(api: Api, calendar: str) -> None:
    wrong = {"reason": "", "fromTime": "24:00", "until": 1}
    answer = await api.change("PUT", f"{calendar}/closed-days/2024-12-25", "office", None, json=wrong)
    assert violations(answer) == {("/reason", "too_short"), ("/fromTime", "wrong_form"), ("/until", "unknown_field")}
    answer = await api.change("PUT", f"{calendar}/closed-days/25.12.2024", "office", None, json=CHRISTMAS)
    assert violations(answer) == {("/path/day", "date_format")}


async def test_the_service_reports_all_violations(adsum: Adsum, api: Api) -> None:
    office, school_id = caller(Role.OFFICE, api.school.school_id), api.school.school_id
    first, second = plain_day("2024-12-25"), plain_day("2024-12-26")
    with pytest.raises(Invalid) as refused:
        await adsum.school_calendar.close_day(school_id, ClosedDay(first, " ", "noon"), office)
    assert [violation.code for violation in refused.value.violations] == ["too_short", "wrong_form"]
    for title, codes in {
        " ": ["too_short", "days_reversed"],
        "\x00" * 256: ["too_long", "wrong_text", "days_reversed"],
    }.items():
        with pytest.raises(Invalid) as refused:
            await adsum.school_calendar.add_term(school_id, title, second, first, office)
        assert [violation.code for violation in refused.value.violations] == codes


async def test_terms_are_added_listed_and_removed(api: Api, calendar: str) -> None:
    autumn = {"title": "Autumn", "beginDate": "2024-09-02", "endDate": "2024-12-21"}
    added = [await api.post(f"{calendar}/terms", autumn | {"title": title}, "office") for title in ("Autumn", "Spring")]
    assert [answer.status_code for answer in added] == [HTTPStatus.CREATED] * 2
    first = (await api.get(f"{calendar}/terms", "viewer", limit=1)).json()
    second = (await api.get(f"{calendar}/terms", "viewer", limit=1, cursor=first["nextCursor"])).json()
    assert [first["items"], second["items"]] == [[answer.json()] for answer in added]
    assert first["items"][0].items() >= autumn.items()
    path = f"{calendar}/terms/{first['items'][0]['id']}"
    assert (await api.change("DELETE", path, "office", None)).status_code == HTTPStatus.NO_CONTENT
    assert (await api.change("DELETE", path, "office", None)).status_code == HTTPStatus.NOT_FOUND


async def test_a_term_of_a_roster_file_is_listed_and_is_not_removed_while_a_class_runs_in_it(
    api: Api, calendar: str
) -> None:
    days = {"begin_date": plain_day("2024-09-02"), "end_date": plain_day("2024-12-21")}
    stored = {"source_id": "a", "title": "Autumn", "kind": "term", "parent_source_id": "y", "opens_school": False}
    async with api.adsum.database.transaction() as connection:
        added = insert(terms).values(school_id=api.school.school_id, **stored, **days).returning(terms.c.id)
        term_id = (await connection.execute(added)).scalar_one()
        await connection.execute(insert(class_terms).values(class_id=api.school.class_id, term_id=term_id))

    (item,) = (await api.get(f"{calendar}/terms")).json()["items"]
    refused = await api.change("DELETE", f"{calendar}/terms/{term_id}", "office", None)

    wanted = {"sourcedId": "a", "type": "term", "parentSourcedId": "y", "opensSchool": False}
    page = await Pages(api).send(f"/admin/calendar/terms/remove?school={api.school.school_id}", {"term": term_id})
    assert item.items() >= wanted.items()
    assert page.status_code == HTTPStatus.CONFLICT
    assert (refused.status_code, refused.json()["code"]) == (HTTPStatus.CONFLICT, "conflict")
    async with api.adsum.database.transaction() as connection:
        await connection.execute(delete(class_terms))
    assert (await api.change("DELETE", f"{calendar}/terms/{term_id}", "office", None)).is_success


async def test_a_term_that_ends_before_it_begins_is_refused(api: Api, calendar: str) -> None:
    term = {"title": "Autumn", "beginDate": "2024-12-21", "endDate": "2024-12-21"}
    answer = await api.post(f"{calendar}/terms", term, "office")
    assert violations(answer) == {("/endDate", "days_reversed")}


async def test_only_the_office_changes_a_calendar(api: Api, calendar: str) -> None:
    for role in ("teacher", "viewer", "operator"):
        put = await api.change("PUT", f"{calendar}/closed-days/2024-12-25", role, None, json=CHRISTMAS)
        assert put.status_code == HTTPStatus.FORBIDDEN
    assert (await api.get(f"{calendar}/closed-days", "operator")).status_code == HTTPStatus.FORBIDDEN


async def test_another_schools_calendar_is_404(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        other = f"/schools/{await make_bare_school(connection)}"
    term = {"title": "Autumn", "beginDate": "2024-09-02", "endDate": "2024-12-21"}
    answers = [
        await api.get(f"{other}/closed-days"),
        await api.get(f"{other}/terms"),
        await api.change("PUT", f"{other}/closed-days/2024-12-25", "office", None, json=CHRISTMAS),
        await api.change("DELETE", f"{other}/closed-days/2024-12-25", "office", None),
        await api.post(f"{other}/terms", term, "office"),
        await api.change("DELETE", f"{other}/terms/1", "office", None),
    ]
    assert {answer.status_code for answer in answers} == {HTTPStatus.NOT_FOUND}


async def test_the_only_school_needs_no_name(adsum: Adsum, api: Api) -> None:
    admin = caller(Role.ADMIN)
    assert (await adsum.schools.only(admin)).id == api.school.school_id
    assert await adsum.schools.find(api.school.school_id, admin) == await adsum.schools.only(admin)
    async with adsum.database.transaction() as connection:
        other = await make_bare_school(connection)
    assert (await adsum.schools.only(caller(Role.OFFICE, other))).id == other
    # A platform's key may import a roster and not read it.
    key = Caller(Role.KEY, frozenset({Permission.ROSTER_IMPORT}), key_id=1, schools=frozenset({other}))
    assert (await adsum.schools.only(key)).id == other
    for actor, detail in ((admin, "several"), (caller(Role.OFFICE, other + 1), "no school")):
        with pytest.raises(Invalid, match=detail):
            await adsum.schools.only(actor)
