"""The settings of a school: its time zone and its edit window, with their history."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from http import HTTPStatus

import pytest
from sqlalchemy import insert

from adsum.accounts.access import Role, system_caller
from adsum.platform.database.engine import Database
from adsum.platform.days import today_in
from adsum.platform.errors import Forbidden, Invalid
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest
from adsum.schools.rules import SchoolChange, SchoolSettings
from adsum.schools.service import Schools
from adsum.schools.tables import class_terms, terms
from adsum.wiring import Adsum
from tests.support.api import DAY, Api, violations
from tests.support.commands import Commands
from tests.support.pages import Pages, visible_text
from tests.support.schools import caller, make_bare_school, make_record

FIRST = PageRequest()
NOON = datetime(2024, 12, 25, 12, tzinfo=UTC)


async def test_a_time_zone_holds_from_the_moment_of_its_change_and_records_keep_their_days(
    adsum: Adsum, api: Api, calendar: str
) -> None:
    school = api.school
    batch = Batch(school.class_id, school.session_id, date.fromisoformat(DAY))
    async with adsum.database.transaction() as connection:
        record_id = await make_record(connection, school.school_id, batch, school.student_ids[0])
    before = (await api.get(f"/attendances/{record_id}")).json()

    answer = await api.change("PATCH", calendar, "office", None, json={"timeZone": "Pacific/Kiritimati"})

    assert (answer.status_code, answer.json()["timeZone"]) == (HTTPStatus.OK, "Pacific/Kiritimati")
    assert (await api.get(f"/attendances/{record_id}")).json() == before
    today = today_in("Pacific/Kiritimati", datetime.now(UTC))
    accepted = await api.create(learningDate=today.isoformat())
    refused = await api.create(learningDate=date.fromordinal(today.toordinal() + 1).isoformat())
    assert accepted.status_code == HTTPStatus.ACCEPTED, accepted.text
    assert violations(refused) == {("/learningDate", "date_in_future")}
    assert "in Pacific/Kiritimati" in refused.json()["detail"]


async def test_every_change_is_in_the_history_with_its_author_and_time(adsum: Adsum, api: Api, calendar: str) -> None:
    both = {"timeZone": "Asia/Tokyo", "editWindowDays": 7}
    await api.change("PATCH", calendar, "office", None, json=both)
    await api.change("PATCH", calendar, "office", None, json=both)
    await adsum.schools.change(api.school.school_id, {"time_zone": "Europe/Berlin"}, system_caller())
    removed = await api.change("PATCH", calendar, "office", None, json={"editWindowDays": None})

    first = (await api.get(f"{calendar}/changes", limit=2)).json()
    more = (await api.get(f"{calendar}/changes", limit=2, cursor=first["nextCursor"])).json()

    assert removed.json()["editWindowDays"] is None
    listed = [(each["setting"], each["oldValue"], each["newValue"]) for each in (*first["items"], *more["items"])]
    assert listed == [
        ("editWindowDays", 7, None),
        ("timeZone", "Asia/Tokyo", "Europe/Berlin"),
        ("editWindowDays", None, 7),
        ("timeZone", "UTC", "Asia/Tokyo"),
    ]
    authors = [(each["changedByRole"], each["changedByUserId"] is None) for each in first["items"]]
    assert authors == [("office", False), ("admin", True)]
    assert more["nextCursor"] is None


async def test_wrong_settings_are_refused_with_every_violation(adsum: Adsum, api: Api, calendar: str) -> None:
    wrong = {"timeZone": "europe/berlin", "editWindowDays": 99_999}
    answer = await api.change("PATCH", calendar, "office", None, json=wrong)
    empty = await api.change("PATCH", calendar, "office", None, json={})
    teacher = await api.change("PATCH", calendar, "teacher", None, json={"timeZone": "UTC"})

    assert violations(answer) == {("/timeZone", "unknown_time_zone"), ("/editWindowDays", "out_of_range")}
    assert answer.json()["errors"][0]["params"] == {"close": ["Europe/Berlin"]}
    assert violations(empty) == {("", "empty_change")}
    assert teacher.status_code == HTTPStatus.FORBIDDEN
    assert (await api.get(f"{calendar}/changes", "teacher")).status_code == HTTPStatus.FORBIDDEN
    assert (await api.get("/schools/999/changes")).status_code == HTTPStatus.NOT_FOUND
    assert (await api.get(f"{calendar}/changes")).json()["items"] == []
    with pytest.raises(Invalid) as both:
        await adsum.schools.change(
            api.school.school_id,
            SchoolSettings(time_zone="Mars", edit_window_days=-1, missed_from_percent=0),
            system_caller(),
        )
    assert [each.pointer for each in both.value.violations] == ["/timeZone", "/editWindowDays", "/missedFromPercent"]


async def test_weekdays_are_set_and_shown_with_their_history(adsum: Adsum, api: Api, calendar: str) -> None:
    set_ = await api.change("PATCH", calendar, "office", None, json={"weekdays": [6, 1, 2, 3, 1]})
    (change,) = (await api.get(f"{calendar}/changes")).json()["items"]
    wrong = [await api.change("PATCH", calendar, "office", None, json={"weekdays": each}) for each in ([], [0], ["1"])]

    assert set_.json()["weekdays"] == [1, 2, 3, 6]
    assert (change["setting"], change["oldValue"], change["newValue"]) == ("weekdays", [1, 2, 3, 4, 5], [1, 2, 3, 6])
    assert [violations(each) for each in wrong] == [
        {("/weekdays", "too_short")},
        {("/weekdays/0", "out_of_range")},
        {("/weekdays/0", "wrong_type")},
    ]
    for weekdays, code in (("", "too_short"), ("21", "out_of_range"), ("8", "out_of_range")):
        with pytest.raises(Invalid) as refused:
            await adsum.schools.change(api.school.school_id, {"weekdays": weekdays}, system_caller())
        assert [each.code for each in refused.value.violations] == [code]
    saturday = await api.create("teacher", learningDate="2024-12-21")
    thursday = await api.create("teacher", learningDate="2024-12-26")
    assert [len(each.json()["warnings"]) for each in (saturday, thursday)] == [0, 1]


def test_weekdays_are_set_on_the_command_line(demo: Commands) -> None:
    changed = json.loads(demo.output("school", "change", "--weekdays", "Mo-Fri,7", "--json", "--school", "1"))
    wrong = [demo.run("school", "change", "--weekdays", each, "--school", "1") for each in ("0", "5-1", "1-2-3", "")]

    assert changed["weekdays"] == [1, 2, 3, 4, 5, 7]
    assert [each.returncode for each in wrong] == [2, 2, 2, 2]
    assert "'5-1' is no weekday or range of weekdays" in wrong[1].stderr


async def test_weekdays_are_set_on_the_calendar_page(api: Api) -> None:
    pages = Pages(api)
    path = f"/admin/calendar/weekdays?school={api.school.school_id}"

    none = await pages.send(path, {}, "office")
    changed = await pages.send(path, {"weekday": ["1", "6"]}, "office")
    shown = visible_text(await pages.open("/admin/calendar", school=api.school.school_id))

    assert none.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "This field is required." in visible_text(none)
    assert changed.status_code == HTTPStatus.SEE_OTHER
    assert "School days Mon Tue Wed Thu Fri → Mon Sat Office" in shown


async def test_equal_values_change_nothing(database: Database) -> None:
    schools = Schools(database, lambda: NOON)
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)

    same = await schools.change(school_id, {"time_zone": "UTC", "edit_window_days": None}, system_caller())
    assert (same.time_zone, (await schools.changes(school_id, system_caller(), FIRST)).items) == ("UTC", [])

    changed = await schools.change(school_id, {"time_zone": "Asia/Tokyo", "edit_window_days": None}, system_caller())
    (change,) = (await schools.changes(school_id, system_caller(), FIRST)).items
    assert changed.time_zone == "Asia/Tokyo"
    assert change == SchoolChange(change.id, "time_zone", "UTC", "Asia/Tokyo", NOON, "admin", None, None)
    with pytest.raises(Forbidden):
        await schools.changes(school_id, caller(Role.TEACHER, school_id), FIRST)


def test_settings_are_changed_on_the_command_line(demo: Commands) -> None:
    school = ("--school", "1")
    changed = json.loads(
        demo.output("school", "change", "--timezone", "Asia/Tokyo", "--edit-window", "7", "--json", *school)
    )
    ever = json.loads(demo.output("school", "change", "--edit-window", "ever", "--json", *school))
    history = json.loads(demo.output("school", "history", "--json", *school))
    unknown = demo.run("school", "change", "--timezone", "Tokyo", *school)

    assert (changed["timeZone"], changed["editWindowDays"], ever["editWindowDays"]) == ("Asia/Tokyo", 7, None)
    assert [(each["setting"], each["newValue"]) for each in history] == [
        ("editWindowDays", None),
        ("editWindowDays", 7),
        ("timeZone", "Asia/Tokyo"),
    ]
    assert (unknown.returncode, "Asia/Tokyo?" in unknown.stderr) == (2, True)
    assert demo.run("school", "change", "--edit-window", "9999", *school).returncode == 2


def test_the_share_of_missed_minutes_is_changed_on_the_command_line(demo: Commands) -> None:
    change = ("school", "change", "--school", "1", "--json", "--missed-from")
    assert json.loads(demo.output(*change, "50"))["missedFromPercent"] == 50
    assert json.loads(demo.output(*change, "never"))["missedFromPercent"] is None
    assert demo.run(*change, "0").returncode == 2


async def test_the_share_of_missed_minutes_is_changed_by_the_api_and_on_the_calendar_page(
    api: Api, calendar: str
) -> None:
    pages = Pages(api)
    path = f"/admin/calendar/missed?school={api.school.school_id}"

    by_api = await api.change("PATCH", calendar, "office", None, json={"missedFromPercent": 50})
    wrong = await api.change("PATCH", calendar, "office", None, json={"missedFromPercent": 101})
    refused = await pages.send(path, {"percent": "0"}, "office")
    changed = await pages.send(path, {"percent": "75"}, "office")
    removed = await pages.send(path, {"percent": " "}, "office")
    shown = visible_text(await pages.open("/admin/calendar", school=api.school.school_id))

    assert (by_api.json()["missedFromPercent"], by_api.json()["timeZone"]) == (50, "UTC")
    assert violations(wrong) == {("/missedFromPercent", "out_of_range")}
    assert (refused.status_code, changed.status_code, removed.status_code) == (422, 303, 303)
    assert "Sessions missed in part 50 → 75 Office" in shown
    assert "Sessions missed in part 75 → \u2013 Office" in shown


async def test_the_time_zone_is_changed_on_the_calendar_page_which_shows_the_history(api: Api) -> None:
    pages = Pages(api)
    path = f"/admin/calendar/time-zone?school={api.school.school_id}"

    unknown = await pages.send(path, {"time_zone": "tokyo"}, "office")
    changed = await pages.send(path, {"time_zone": " Asia/Tokyo "}, "office")
    shown = visible_text(await pages.open("/admin/calendar", school=api.school.school_id))

    assert unknown.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "There is no such time zone. Did you mean Asia/Tokyo?" in visible_text(unknown)
    assert changed.status_code == HTTPStatus.SEE_OTHER
    assert "Time zone UTC → Asia/Tokyo Office" in shown


async def test_a_term_in_which_classes_run_cannot_be_removed_on_the_page(adsum: Adsum, api: Api) -> None:
    school = api.school
    pages = Pages(api)
    async with adsum.database.transaction() as connection:
        row = {"school_id": school.school_id, "title": "Autumn", "begin_date": date(2024, 9, 2)}
        added = await connection.execute(insert(terms).values(**row, end_date=date(2024, 12, 21)))
        (term_id,) = added.inserted_primary_key or (None,)
        await connection.execute(insert(class_terms).values(class_id=school.class_id, term_id=term_id))

    path = f"/admin/calendar/terms/remove?school={school.school_id}"
    refused = await pages.send(path, {"term": str(term_id)}, "office")

    assert refused.status_code == HTTPStatus.CONFLICT
    assert "change it in the roster file" in visible_text(refused)
