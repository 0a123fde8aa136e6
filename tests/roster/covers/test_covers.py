"""Covers: the classes, sessions and days that a covering teacher sees and marks."""

from __future__ import annotations

import json
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, update

from adsum.accounts.access import Role
from adsum.accounts.tables import class_teachers, users
from adsum.platform.clock import system_clock
from adsum.platform.days import today_in
from adsum.platform.errors import NotFound
from adsum.roster.covers.rules import Cover
from tests.absences.conftest import Office
from tests.accounts.audit.conftest import entries_of
from tests.support.api import DAY, violations
from tests.support.pages import Pages, visible_text
from tests.support.schools import assign as assign_teacher
from tests.support.schools import caller, make_class, make_school, make_session, make_user

EVE, NEXT_DAY = "2024-12-24", "2024-12-26"


@pytest.fixture
async def substitute(office: Office) -> int:
    """A teacher of the school who teaches no class, signed in as `substitute`."""
    async with office.adsum.database.transaction() as connection:
        email = "substitute@school.example"
        user_id = await make_user(
            connection, Role.TEACHER, office.school.school_id, email=email, given_name="Eve", family_name="Early"
        )
    office.api.tokens["substitute"] = (await office.adsum.tokens.create(email)).text
    return user_id


@pytest.fixture
async def afternoon(office: Office) -> int:
    """A second session of the class."""
    async with office.adsum.database.transaction() as connection:
        return await make_session(connection, office.school.class_id, period="2", title="Afternoon")


async def assign(office: Office, teacher_id: int, role: str = "office", **fields: Any) -> httpx2.Response:
    """Assigns a cover of the whole class on `DAY`, unless `fields` override this."""
    body = {"classId": office.school.class_id, "teacherId": teacher_id, "from": DAY, "to": DAY} | fields
    return await office.api.post("/covers", body, role)


async def end(office: Office, cover_id: int, role: str = "office") -> int:
    return (await office.api.change("DELETE", f"/covers/{cover_id}", role, None)).status_code


async def marks(office: Office, day: str = DAY, **fields: Any) -> int:
    return (await office.api.create("substitute", learningDate=day, **fields)).status_code


async def items(office: Office, path: str, role: str = "substitute", **query: Any) -> list[dict[str, Any]]:
    answer = await office.api.get(path, role, **query)
    assert answer.status_code == HTTPStatus.OK, answer.text
    return answer.json()["items"]


async def test_a_teacher_sees_and_marks_a_covered_class_on_the_days_of_the_cover_only(
    office: Office, substitute: int
) -> None:
    assert await marks(office) == 404
    assigned = await assign(office, substitute, **{"from": EVE})
    assert (assigned.status_code, assigned.json()["createdByRole"]) == (201, "office")
    roster = f"/classes/{office.school.class_id}/roster"

    assert [await marks(office, day) for day in ("2024-12-23", NEXT_DAY)] == [404, 404]
    assert [await marks(office, day) for day in (EVE, DAY)] == [202, 202]
    assert len(await items(office, roster, date=DAY)) == 3
    assert (await office.api.get(roster, "substitute", date=NEXT_DAY)).status_code == 404


async def test_a_teacher_who_covers_one_session_sees_and_marks_that_session_only(
    office: Office, substitute: int, afternoon: int
) -> None:
    morning, class_id = office.school.session_id, office.school.class_id
    await office.take("teacher")
    await office.take("teacher", sessionId=afternoon)
    batch = f"/attendances/batches/class-{class_id}-session-{{}}-date-25122024"
    of_others = await items(office, "/attendances", "office", sessionId=morning)
    await assign(office, substitute, sessionId=afternoon)
    scope: dict[str, Any] = {"schoolId": office.school.school_id, "from": DAY, "to": DAY}
    roster = f"/classes/{class_id}/roster"

    visible = await items(office, "/attendances")
    assert {record["sessionId"] for record in visible} == {afternoon}
    corrected = [
        await office.api.change("PATCH", f"/attendances/{record['id']}", "substitute", '"1"', json={"status": "late"})
        for record in (visible[0], of_others[0])
    ]
    assert [answer.status_code for answer in corrected] == [200, 404]
    assert [await marks(office, sessionId=each) for each in (afternoon, morning)] == [200, 404]
    read = [(await office.api.get(batch.format(each), "substitute")).status_code for each in (afternoon, morning)]
    assert read == [200, 404]
    assert len(await items(office, "/attendances/batches")) == 1
    known = [await office.api.get(roster, "substitute", date=DAY, sessionId=each) for each in (afternoon, morning)]
    assert [answer.status_code for answer in known] == [200, 422]
    registers = await items(office, "/registers", date=DAY)
    assert [register["sessionId"] for register in registers] == [afternoon]
    for by in ("class", "day", "student", "school"):
        rates = await items(office, "/reports/rates", by=by, **scope)
        assert sum(rate["sessions"] for rate in rates) == 3, by
        whole = await items(office, "/reports/rates", "teacher", by=by, **scope)
        assert sum(rate["sessions"] for rate in whole) == 6, by
    assert len(await items(office, "/reports/rates", by="class", classId=class_id, **scope)) == 1


async def test_the_register_of_the_covered_days_names_the_covering_teacher(
    office: Office, substitute: int, afternoon: int
) -> None:
    own = office.school.teacher_id
    await assign(office, substitute, sessionId=afternoon)

    def teachers(registers: list[dict[str, Any]]) -> dict[int, list[int]]:
        return {each["sessionId"]: [teacher["userId"] for teacher in each["teachers"]] for each in registers}

    on_the_day = await items(office, "/registers", "office", date=DAY)
    of_substitute = await items(office, "/registers", "office", date=DAY, teacherId=substitute)
    assert teachers(on_the_day) == {office.school.session_id: [own], afternoon: [own, substitute]}
    assert teachers(of_substitute) == {afternoon: [own, substitute]}
    assert on_the_day[1]["teachers"][1]["name"] == "Eve Early"
    assert await items(office, "/registers", "office", date=EVE, teacherId=substitute) == []


async def test_the_day_of_a_covered_teacher_names_who_covers_the_session(office: Office, substitute: int) -> None:
    pages = Pages(office.api)
    assert "Covered by" not in visible_text(await pages.open("/today", "teacher", date=DAY))
    await assign(office, substitute)
    assert "Covered by Eve Early" in visible_text(await pages.open("/today", "teacher", date=DAY))
    assert "Covered by" not in visible_text(await pages.open("/today", "substitute", date=DAY))


async def test_the_audit_log_records_assigned_and_ended_covers(office: Office, substitute: int) -> None:
    yesterday, tomorrow = (str(today_in("UTC", system_clock()) + timedelta(days)) for days in (-1, 1))
    running = (await assign(office, substitute, **{"from": yesterday, "to": tomorrow})).json()["id"]
    await assign(office, substitute, **{"from": yesterday, "to": tomorrow})  # exists already
    session = {"sessionId": office.school.session_id}
    coming = (await assign(office, substitute, **session, **{"from": tomorrow, "to": tomorrow})).json()["id"]
    past = (await assign(office, substitute)).json()["id"]

    assert [await end(office, each) for each in (running, coming, past)] == [204, 204, 204]

    entries = await entries_of(office.adsum.database, "cover_added", "cover_ended")
    assert {(each["school_id"], each["user_id"]) for each in entries} == {(office.school.school_id, substitute)}
    of_class = {"classId": office.school.class_id}
    first, second = ({"firstDay": yesterday, "lastDay": tomorrow}, {"firstDay": tomorrow, "lastDay": tomorrow})
    assert [
        (each["action"], *(each[name] and json.loads(each[name]) for name in ("before", "after"))) for each in entries
    ] == [
        ("cover_added", None, of_class | first),
        ("cover_added", None, of_class | session | second),
        ("cover_added", None, of_class | {"firstDay": DAY, "lastDay": DAY}),
        ("cover_ended", of_class | first, {"lastDay": yesterday}),
        ("cover_ended", of_class | session | second, None),
    ]


async def test_an_ended_cover_keeps_its_days_before_today(office: Office, substitute: int) -> None:
    today, yesterday, tomorrow = (str(today_in("UTC", system_clock()) + timedelta(days)) for days in (0, -1, 1))
    running = (await assign(office, substitute, **{"from": yesterday, "to": tomorrow})).json()["id"]
    past = (await assign(office, substitute)).json()["id"]
    coming = (await assign(office, substitute, **{"from": today, "to": today})).json()["id"]

    assert [await end(office, each) for each in (running, past, coming, coming)] == [204, 204, 204, 404]

    left = {cover["id"]: (cover["from"], cover["to"]) for cover in await items(office, "/covers", "office")}
    assert left == {running: (yesterday, yesterday), past: (DAY, DAY)}
    assert await marks(office, today) == 404
    assert await marks(office) == 202


async def test_a_cover_names_the_other_teachers_of_the_class_on_its_days(office: Office, substitute: int) -> None:
    school = office.school
    async with office.adsum.database.transaction() as connection:
        await connection.execute(delete(class_teachers))
        teachers = [await make_user(connection, Role.TEACHER, school.school_id, given_name=name) for name in "ABCD"]
        before, on_eve, open_end, after = teachers
        await assign_teacher(connection, school.class_id, before, begin=None, end=date.fromisoformat(EVE))
        await assign_teacher(connection, school.class_id, on_eve, begin=None, end=date.fromisoformat(DAY))
        await assign_teacher(connection, school.class_id, open_end, begin=date.fromisoformat(DAY))
        await assign_teacher(connection, school.class_id, after, begin=date.fromisoformat(NEXT_DAY))
        await assign_teacher(connection, school.class_id, substitute, begin=None)
    assigned = (await assign(office, substitute, **{"from": EVE})).json()
    assert assigned["replacedTeacherIds"] == [on_eve, open_end]
    assert (await assign(office, substitute, **{"from": EVE})).json() == assigned
    assert await items(office, "/covers", "office") == [assigned]

    day = today_in("UTC", system_clock()).isoformat()
    await assign(office, substitute, **{"from": day, "to": day})
    page = visible_text(await Pages(office.api).open(f"/admin/covers?school={school.school_id}"))
    assert "Instead of" in page
    assert "Eve Early C , D" in page


async def test_covers_are_narrowed_by_each_filter(office: Office, substitute: int, afternoon: int) -> None:
    first = (await assign(office, substitute)).json()
    again = await assign(office, substitute)
    second = (await assign(office, substitute, sessionId=afternoon, **{"from": NEXT_DAY, "to": NEXT_DAY})).json()

    async def found(**query: Any) -> list[int]:
        return [cover["id"] for cover in await items(office, "/covers", "office", **query)]

    school = office.school
    assert (again.status_code, again.json()) == (200, first)
    assert await found() == [second["id"], first["id"]]
    assert await found(schoolId=school.school_id, classId=school.class_id, teacherId=substitute, to=DAY) == [
        first["id"]
    ]
    assert await found(**{"from": NEXT_DAY}) == [second["id"]]
    assert await found(teacherId=school.teacher_id) == []
    page = (await office.api.get("/covers", "office", limit=1)).json()
    assert await found(cursor=page["nextCursor"]) == [first["id"]]


async def test_only_the_office_assigns_covers_and_every_violation_is_reported(office: Office, substitute: int) -> None:
    async with office.adsum.database.transaction() as connection:
        other = await make_school(connection)
        disabled = await make_user(connection, Role.TEACHER, office.school.school_id, disabled=True)
    theirs: dict[str, Any] = {"classId": other.class_id, "teacherId": other.teacher_id, "from": NEXT_DAY}

    assert (await assign(office, substitute, "teacher")).status_code == 403
    assert violations(await assign(office, substitute, **theirs)) == {
        ("/classId", "unknown_class"),
        ("/to", "days_reversed"),
    }
    too_much: dict[str, Any] = {"sessionId": other.session_id, "to": "2026-12-25"}
    for nobody in (other.teacher_id, disabled, 999):
        assert violations(await assign(office, nobody, **too_much)) == {
            ("/to", "too_long"),
            ("/sessionId", "session_not_of_class"),
            ("/teacherId", "unknown_teacher"),
        }
    cover_id = (await assign(office, substitute)).json()["id"]
    office.api.tokens["far"] = await token_of_office(office, other.school_id)
    assert await end(office, cover_id, "far") == 404
    assert await end(office, cover_id, "viewer") == 403


async def token_of_office(office: Office, school_id: int) -> str:
    async with office.adsum.database.transaction() as connection:
        user_id = await make_user(connection, Role.OFFICE, school_id)
        await connection.execute(update(users).where(users.c.id == user_id).values(email="far@school.example"))
    return (await office.adsum.tokens.create("far@school.example")).text


async def test_the_page_of_a_school_offers_its_enabled_teachers_and_covers_its_own_classes_only(
    office: Office, substitute: int
) -> None:
    page_data, school, admin = office.adsum.cover_page_data, office.school, caller(Role.ADMIN)
    async with office.adsum.database.transaction() as connection:
        await make_user(connection, Role.TEACHER, school.school_id, disabled=True)
        elsewhere = await make_school(connection)
    day = today_in("UTC", system_clock())

    choice = await page_data.choice(school.school_id, school.class_id, admin)
    with pytest.raises(NotFound):
        await page_data.assign(school.school_id, Cover(elsewhere.class_id, None, substitute, day, day), admin)
    assigned = await page_data.assign(school.school_id, Cover(school.class_id, None, substitute, day, day), admin)
    page, names = await page_data.covers_since(school.school_id, day, admin, None)

    assert {teacher.id for teacher in choice.teachers} == {school.teacher_id, substitute}
    assert [session.id for session in choice.sessions] == [school.session_id]
    assert [row.id for row in page.items] == [assigned.row.id]
    assert names.people[substitute] == "Eve Early"


async def test_the_classes_for_a_cover_are_the_active_ones_of_the_school_with_the_typed_words(office: Office) -> None:
    page_data, school, admin = office.adsum.cover_page_data, office.school, caller(Role.ADMIN)
    async with office.adsum.database.transaction() as connection:
        chess = await make_class(connection, school.school_id, title="Chess club")
        await make_class(connection, school.school_id, title="Chess of last year", active=False)

    found = await page_data.classes(school.school_id, " chess ", admin)
    every = await page_data.classes(school.school_id, "", admin)

    assert [row.id for row in found.items] == [chess]
    assert {row.id for row in every.items} == {school.class_id, chess}
