"""The office reminds the teachers of missing registers: once within a few minutes, until the register is taken."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from adsum.accounts.access import Caller, Role
from adsum.accounts.tables import class_teachers, users
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden, Invalid
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest
from adsum.registers.reminders.rules import Reminded, ReminderFilters
from adsum.registers.reminders.service import Reminders
from adsum.roster.tables import session_times
from tests.absences.conftest import Office
from tests.support.api import Api, violations
from tests.support.pages import Pages, done_of, visible_text
from tests.support.runs import inserts, make_run
from tests.support.schools import (
    SchoolIds,
    assign,
    caller,
    make_bare_school,
    make_records,
    make_school,
    make_user,
    newest_school_day,
)
from tests.support.statements import statements_sent

TODAY = date(2024, 12, 25)
NOON = datetime(2024, 12, 25, 12, tzinfo=UTC)


class At:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def school(database: Database) -> SchoolIds:
    async with database.transaction() as connection:
        school = await make_school(connection)
        await connection.execute(update(users).where(users.c.id == school.teacher_id).values(email="eve@a.example"))
        return school


@pytest.fixture
def at() -> At:
    return At()


@pytest.fixture
def reminders(database: Database, at: At) -> Reminders:
    return Reminders(database, at)


def office_of(school: SchoolIds) -> Caller:
    return caller(Role.OFFICE, school.school_id)


def teacher_of(school: SchoolIds) -> Caller:
    return caller(Role.TEACHER, school.school_id, school.teacher_id)


async def test_a_teacher_sees_the_reminder_until_the_register_is_taken(
    database: Database, school: SchoolIds, reminders: Reminders
) -> None:
    reminded = await reminders.remind(school.school_id, None, [school.session_id], office_of(school))

    assert [each.session_id for each in reminded.sent] == [school.session_id]
    (shown,) = await reminders.shown_to(teacher_of(school))
    assert await reminders.shown_to(caller(Role.ADMIN, user_id=school.teacher_id + 1)) == []
    assert (shown.path, shown.today) == (f"/take/{school.class_id}/{school.session_id}/{TODAY}", TODAY)
    assert (shown.reminded.day, shown.reminded.time) == (TODAY, "12:00")
    assert await reminders.shown_to(office_of(school)) == []

    batch = Batch(school.class_id, school.session_id, TODAY)
    async with database.transaction() as connection:
        await make_records(connection, school.school_id, [batch], school.student_ids)
    assert await reminders.shown_to(teacher_of(school)) == []
    with pytest.raises(Invalid) as refused:
        await reminders.remind(school.school_id, None, [school.session_id], office_of(school))
    assert [(each.code, each.pointer) for each in refused.value.violations] == [
        ("register_not_missing", "/sessionIds/0")
    ]
    (kept,) = (await reminders.page(office_of(school), ReminderFilters(), PageRequest())).items
    assert (kept.session_id, kept.learning_date, kept.reminded_by_role) == (school.session_id, TODAY, "office")


async def test_teachers_pages_read_no_registers_of_reminded_colleagues(
    database: Database, school: SchoolIds, reminders: Reminders
) -> None:
    await reminders.remind(school.school_id, None, [school.session_id], office_of(school))
    async with database.transaction() as connection:
        colleague_id = await make_user(connection, Role.TEACHER, school.school_id)
    with statements_sent(database) as sent:
        assert await reminders.shown_to(caller(Role.TEACHER, school.school_id, colleague_id)) == []
    assert len([statement for statement, _ in sent if "register_reminders" in statement]) == 1


async def test_nobody_is_reminded_twice_within_a_few_minutes(school: SchoolIds, reminders: Reminders, at: At) -> None:
    office = office_of(school)
    await reminders.remind(school.school_id, None, None, office)
    at.now += timedelta(minutes=4, seconds=59)
    again = await reminders.remind(school.school_id, None, None, office)
    assert (len(again.sent), len(again.recent)) == (0, 1)
    at.now += timedelta(seconds=1)
    later = await reminders.remind(school.school_id, None, None, office)
    assert (len(later.sent), len(later.recent)) == (1, 0)
    assert len((await reminders.page(office, ReminderFilters(), PageRequest())).items) == 2


async def test_only_missing_registers_with_a_teacher_are_reminded_of(
    database: Database, school: SchoolIds, reminders: Reminders
) -> None:
    office = office_of(school)
    async with database.transaction() as connection:
        await connection.execute(delete(class_teachers))
    unseen = await reminders.remind(school.school_id, None, None, office)
    assert ([], [school.session_id]) == (unseen.sent, [each.session_id for each in unseen.without_teacher])
    async with database.transaction() as connection:
        times = {"session_id": school.session_id, "weekday": 3, "begins": "13:00", "ends": "14:00"}
        await connection.execute(insert(session_times), [times])
    with pytest.raises(Invalid):
        await reminders.remind(school.school_id, None, [school.session_id], office)  # it has not begun


async def test_a_register_that_is_being_saved_is_not_reminded_of(
    database: Database, school: SchoolIds, reminders: Reminders
) -> None:
    await reminders.remind(school.school_id, None, None, office_of(school))
    batch = Batch(school.class_id, school.session_id, TODAY)
    async with database.transaction() as connection:
        await make_run(connection, school, inserts(school.student_ids), batch=batch)
    assert await reminders.shown_to(teacher_of(school)) == []
    nothing = await reminders.remind(school.school_id, None, None, office_of(school))
    assert nothing == Reminded([], [], [], [])


@pytest.mark.parametrize(
    "columns",
    [{"email": None}, {"disabled": True}, {"left_roster": True}, {"enabled_in_roster": False}],
    ids=["no-email", "disabled", "left", "disabled-in-roster"],
)
async def test_a_teacher_who_cannot_sign_in_is_not_reminded(
    database: Database, school: SchoolIds, reminders: Reminders, columns: dict[str, Any]
) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(users).where(users.c.id == school.teacher_id).values(columns))
    nobody = await reminders.remind(school.school_id, None, None, office_of(school))
    assert ([], [school.session_id]) == (nobody.sent, [each.session_id for each in nobody.without_login])
    assert (await reminders.page(office_of(school), ReminderFilters(), PageRequest())).items == []

    async with database.transaction() as connection:
        other = await make_user(connection, Role.TEACHER, school.school_id, email="other@a.example")
        await assign(connection, school.class_id, other, begin=None)
    (sent,) = (await reminders.remind(school.school_id, None, None, office_of(school))).sent
    assert sent.user_ids_without_login == [school.teacher_id]


async def test_days_older_than_two_weeks_are_not_reminded_of(school: SchoolIds, reminders: Reminders, at: At) -> None:
    office, oldest = office_of(school), TODAY - timedelta(14)
    assert (await reminders.remind(school.school_id, oldest, None, office)).sent
    assert await reminders.shown_to(teacher_of(school))
    at.now += timedelta(1)
    assert await reminders.shown_to(teacher_of(school)) == []
    for session_ids in (None, [school.session_id]):
        with pytest.raises(Invalid) as refused:
            await reminders.remind(school.school_id, oldest, session_ids, office)
        (violation,) = refused.value.violations
        assert (violation.code, violation.pointer) == ("date_too_early", "/date")
        assert violation.params == {"earliest": "2024-12-12"}


async def test_reminders_are_the_offices_and_of_its_school(
    database: Database, school: SchoolIds, reminders: Reminders
) -> None:
    async with database.transaction() as connection:
        other = caller(Role.OFFICE, await make_bare_school(connection))
    await reminders.remind(school.school_id, None, None, office_of(school))
    with pytest.raises(Forbidden):
        await reminders.remind(school.school_id, None, None, teacher_of(school))
    with pytest.raises(Invalid, match=f"there is no school {school.school_id}"):
        await reminders.remind(school.school_id, None, None, other)
    assert (await reminders.page(other, ReminderFilters(), PageRequest())).items == []


async def test_reminders_are_filtered_and_paged_with_the_newest_first(
    school: SchoolIds, reminders: Reminders, at: At
) -> None:
    office = office_of(school)
    for _ in range(3):
        await reminders.remind(school.school_id, TODAY, None, office)
        at.now += timedelta(minutes=10)
    first = await reminders.page(office, ReminderFilters(), PageRequest(limit=2))
    second = await reminders.page(office, ReminderFilters(), PageRequest(first.next_cursor, 2))
    times = [each.reminded_at for each in (*first.items, *second.items)]
    assert (len(times), times) == (3, sorted(times, reverse=True))
    filters: list[tuple[dict[str, Any], int]] = [
        ({"school_id": school.school_id}, 3),
        ({"session_id": school.session_id + 1}, 0),
        ({"first_day": TODAY + timedelta(1)}, 0),
        ({"last_day": TODAY - timedelta(1)}, 0),
        ({"first_day": TODAY, "last_day": TODAY}, 3),
    ]
    for values, number in filters:
        assert len((await reminders.page(office, ReminderFilters(**values), PageRequest())).items) == number, values


async def test_the_api_reminds_and_names_sessions_that_are_not_missing(api: Api) -> None:
    school, day = api.school, newest_school_day().isoformat()
    body = {"schoolId": school.school_id, "date": day, "sessionIds": [school.session_id]}
    answer = await api.post("/registers/reminders", body, "office")
    assert answer.status_code == HTTPStatus.OK, answer.text
    (sent,) = answer.json()["sent"]
    assert sent["reminder"]["remindedByRole"] == "office"
    # The answer is stored under an idempotency key. The erasure of a person does not find names there.
    assert not {"teachers", "missingStudentIds"} & sent.keys()
    (again,) = (await api.post("/registers/reminders", body, "office")).json()["recent"]
    (missing,) = (await api.get("/registers/missing", "teacher", date=day)).json()["items"]
    assert again["reminder"] == missing["reminder"]
    (listed,) = (await api.get("/registers/reminders", schoolId=school.school_id)).json()["items"]
    assert (listed["remindedAt"], listed["classId"]) == (missing["reminder"]["remindedAt"], school.class_id)
    wrong = await api.post("/registers/reminders", body | {"sessionIds": [school.session_id, 999]}, "office")
    assert violations(wrong) == {("/sessionIds/1", "register_not_missing")}
    assert (sent["userIdsWithoutLogin"], missing["teachers"][0]["hasLogin"]) == ([], True)
    old = await api.post("/registers/reminders", body | {"date": "2024-12-24"}, "office")
    assert violations(old) == {("/date", "date_too_early")}


async def test_the_overview_reminds_and_the_teachers_pages_show_the_notice(office: Office) -> None:
    school, pages, today = office.school, Pages(office.api), newest_school_day()
    overview = f"/overview?school={school.school_id}&date={today}"
    assert 'action="/overview/remind"' in (await pages.open(overview)).text
    assert 'action="/overview/remind"' not in (await pages.open(overview, "viewer")).text
    form: dict[str, Any] = {"school": school.school_id, "date": today, "session": school.session_id}

    assert done_of(await pages.send("/overview/remind", form)) == "reminded"
    shown = visible_text(await pages.open(overview))
    assert "Reminded at" in shown
    assert "Remind again" not in shown
    assert done_of(await pages.send("/overview/remind", form)) == "recent"
    register = f"/take/{school.class_id}/{school.session_id}/{today}"
    notice = "The office asks you to take this register:"
    for path in ("/today", "/reminders"):
        assert notice in visible_text(await pages.open(path, "teacher")), path
    assert notice in visible_text(await pages.refresh("/reminders", "/today", "teacher"))
    # The teacher is taking the register.
    assert notice not in visible_text(await pages.open(register, "teacher"))
    assert visible_text(await pages.refresh("/reminders", register, "teacher")) == ""
    assert "Das Sekretariat" in visible_text(await pages.open("/today", "teacher", "de"))
    await office.take(learningDate=today.isoformat())
    assert visible_text(await pages.open("/reminders", "teacher")) == ""
    assert done_of(await pages.send("/overview/remind", form)) == "taken"
    del form["session"]
    assert done_of(await pages.send("/overview/remind", form)) == "nobody"


async def test_the_overview_says_who_cannot_be_reminded(office: Office) -> None:
    school, pages, today = office.school, Pages(office.api), newest_school_day()
    overview = f"/overview?school={school.school_id}&date={today}"
    form: dict[str, Any] = {"school": school.school_id, "date": today, "session": school.session_id}
    async with office.adsum.database.transaction() as connection:
        bea = {"given_name": "Bea", "family_name": "Substitute"}
        without = await make_user(connection, Role.TEACHER, school.school_id, **bea)
        await assign(connection, school.class_id, without, begin=None)
    shown = await pages.open(overview)
    assert "Bea Substitute (no login)" in visible_text(shown)
    assert 'action="/overview/remind"' in shown.text
    async with office.adsum.database.transaction() as connection:
        await connection.execute(delete(class_teachers).where(class_teachers.c.user_id == school.teacher_id))
    assert 'action="/overview/remind"' not in (await pages.open(overview)).text
    assert done_of(await pages.send("/overview/remind", form)) == "no-login"
    assert "the teachers have no login" in visible_text(await pages.open(f"{overview}&done=no-login"))
    old = f"/overview?school={school.school_id}&date=2024-12-24"
    assert 'action="/overview/remind"' not in (await pages.open(old)).text
    assert done_of(await pages.send("/overview/remind", form | {"date": "2024-12-24"})) == "old"
