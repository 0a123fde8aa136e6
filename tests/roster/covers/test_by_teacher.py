"""A teacher is away: their sessions, who is free in each, and covers that are assigned at once."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import insert, update

from adsum.accounts.access import Role
from adsum.accounts.tables import users
from adsum.operations.migrations import tables
from adsum.roster.covers.by_teacher.rules import AwayPlan, Duty, HeldSession, Teacher, needs_of_day
from adsum.schools.calendar.rules import SessionTime
from tests.absences.conftest import Office
from tests.support.api import violations
from tests.support.pages import Pages, visible_text
from tests.support.schools import assign, give_times, make_class, make_session, make_user

MONDAY, TUESDAY, SATURDAY = "2024-12-16", "2024-12-17", "2024-12-21"
AWAY, FREE, BUSY, LATE = 1, 2, 3, 4


def held(session_id: int, class_id: int, *times: tuple[str, str]) -> HeldSession:
    return HeldSession(session_id, "Maths", class_id, f"Class {class_id}", times)


def teacher(number: int) -> Teacher:
    return Teacher(number, "", f"Teacher {number}", None)


def test_a_colleague_is_free_whose_sessions_do_not_overlap() -> None:
    sessions = [
        held(10, 100, ("08:00", "08:45")),
        held(20, 200, ("08:45", "09:30")),
        held(30, 300, ("08:30", "09:00")),
        held(40, 400),
    ]
    duties = [
        Duty(AWAY, 100, None, is_cover=False),
        Duty(FREE, 200, None, is_cover=False),
        Duty(BUSY, 300, 30, is_cover=True),
        Duty(LATE, 400, None, is_cover=False),
    ]
    (need,) = needs_of_day(date(2024, 12, 16), AWAY, sessions, duties, map(teacher, (5, AWAY, FREE, BUSY, LATE)))
    assert [(each.teacher.id, each.sessions) for each in need.free] == [(5, 0), (FREE, 1)]
    assert (need.held.session_id, need.with_class, need.covered_by) == (10, [], [])


def test_colleagues_of_the_class_and_covers_are_named() -> None:
    sessions = [held(10, 100, ("10:00", "10:45")), held(11, 100, ("08:00", "08:45"))]
    duties = [
        Duty(AWAY, 100, None, is_cover=False),
        Duty(FREE, 100, None, is_cover=False),
        Duty(BUSY, 100, 11, is_cover=True),
        Duty(LATE, 100, 99, is_cover=True),
    ]
    needs = needs_of_day(date(2024, 12, 16), AWAY, sessions, duties, map(teacher, (AWAY, FREE, BUSY, LATE)))
    assert [(each.held.session_id, each.with_class, each.covered_by) for each in needs] == [
        (11, [FREE], [BUSY]),
        (10, [FREE], []),
    ]


def test_suggestions_take_nobody_twice_at_one_time_and_share_the_sessions_out() -> None:
    sessions = [
        held(10, 100, ("08:00", "08:45")),
        held(11, 101, ("08:15", "09:00")),
        held(12, 102, ("08:30", "09:15")),
        held(13, 103, ("10:00", "10:45")),
        held(14, 104, ("11:00", "11:45")),
        held(20, 200, ("13:00", "13:45")),
    ]
    duties = [
        *(Duty(AWAY, class_id, None, is_cover=False) for class_id in (100, 101, 102, 103, 104)),
        Duty(FREE, 200, None, is_cover=False),
        Duty(LATE, 104, None, is_cover=True),
    ]
    day, colleagues = date(2024, 12, 16), [teacher(AWAY), teacher(FREE), teacher(BUSY)]
    needs = needs_of_day(day, AWAY, sessions, duties, colleagues)
    plan = AwayPlan(1, teacher(AWAY), needs, {each.id: each for each in colleagues})
    assert [need.held.session_id for need in plan.open_needs] == [10, 11, 12, 13]
    assert plan.suggestions() == {(day, 10): BUSY, (day, 11): FREE, (day, 13): BUSY}


def test_a_teacher_without_a_name_is_called_by_email() -> None:
    assert [Teacher(1, "Ada", "", None).name, Teacher(1, "", "", "a@b.c").name, Teacher(1, "", "", None).name] == [
        *("Ada", "a@b.c"),
        "",
    ]


@pytest.fixture
async def colleagues(office: Office) -> dict[str, int]:
    """The teacher of the class has two sessions on Mondays; Eve teaches during the first one, Tom never."""
    school = office.school
    async with office.adsum.database.transaction() as connection:
        second = await make_session(connection, school.class_id, period="2", title="Second")
        other_class = await make_class(connection, school.school_id, title="8a")
        other = await make_session(connection, other_class)
        ids = {
            name: await make_user(
                connection, Role.TEACHER, school.school_id, given_name=name, family_name="Early", email=f"{name}@a.b"
            )
            for name in ("eve", "tom")
        }
        await assign(connection, other_class, ids["eve"])
        first = SessionTime(1, "08:00", "08:45")
        await give_times(
            connection,
            {school.session_id: [first], second: [SessionTime(1, "09:00", "09:45")], other: [first]},
        )
    return ids | {"second": second, "other_class": other_class}


async def needed(office: Office, role: str = "office", **query: Any) -> Any:
    query = {"teacherId": office.school.teacher_id, "from": MONDAY, "to": MONDAY} | query
    return await office.api.get("/covers/needed", role, **query)


def covers(office: Office, colleagues: dict[str, int], *names: str) -> list[dict[str, Any]]:
    sessions = (office.school.session_id, colleagues["second"])
    return [
        {
            "classId": office.school.class_id,
            "sessionId": session_id,
            "teacherId": colleagues[name],
            "from": MONDAY,
            "to": MONDAY,
        }
        for session_id, name in zip(sessions, names, strict=True)
    ]


async def test_the_sessions_of_a_teacher_are_listed_with_those_who_are_free(
    office: Office, colleagues: dict[str, int]
) -> None:
    items = (await needed(office, to=TUESDAY)).json()["items"]
    assert [
        (item["sessionId"], item["times"], [(each["teacherId"], each["sessionsOnDay"]) for each in item["free"]])
        for item in items
    ] == [
        (office.school.session_id, [{"begins": "08:00", "ends": "08:45"}], [(colleagues["tom"], 0)]),
        (
            *(colleagues["second"], [{"begins": "09:00", "ends": "09:45"}]),
            [(colleagues["tom"], 0), (colleagues["eve"], 1)],
        ),
    ]
    async with office.adsum.database.transaction() as connection:
        closed = {"school_id": office.school.school_id, "day": date.fromisoformat(MONDAY), "reason": "Snow"}
        by = {"created_at": datetime(2024, 12, 15, tzinfo=UTC), "created_role": "office"}
        await connection.execute(insert(tables.closed_days).values(closed | by))
        await connection.execute(update(users).where(users.c.id == colleagues["tom"]).values(disabled=True))
    assert (await needed(office)).json() == {"items": []}


async def test_covers_are_assigned_all_or_none(office: Office, colleagues: dict[str, int]) -> None:
    both = covers(office, colleagues, "tom", "eve")
    wrong = [*both, both[0] | {"teacherId": 999}]
    refused = await office.api.post("/covers/several", {"covers": wrong}, "office")
    assert violations(refused) == {("/covers/2/teacherId", "unknown_teacher")}
    assert (await office.api.get("/covers")).json()["items"] == []

    right = {"covers": both}
    assigned = await office.api.post("/covers/several", right, "office")
    assert (assigned.status_code, [item["teacherId"] for item in assigned.json()["items"]]) == (
        *(200, [colleagues["tom"], colleagues["eve"]]),
    )
    again = await office.api.post("/covers/several", right, "office")
    assert [item["id"] for item in again.json()["items"]] == [item["id"] for item in assigned.json()["items"]]
    items = (await needed(office)).json()["items"]
    assert [item["coveredBy"] for item in items] == [[colleagues["tom"]], [colleagues["eve"]]]
    assert [[each["teacherId"] for each in item["free"]] for item in items] == [[], [colleagues["tom"]]]


async def test_the_page_suggests_free_teachers_and_assigns_them(office: Office, colleagues: dict[str, int]) -> None:
    pages, school = Pages(office.api), office.school
    query: dict[str, Any] = {"school": school.school_id, "teacher": school.teacher_id, "from": MONDAY, "to": MONDAY}
    form = visible_text(await pages.open("/admin/covers/away", school=school.school_id))
    assert "Who is away?" in form
    suggested = await pages.open("/admin/covers/away", **query, suggest="true")
    assert suggested.text.count(" selected>") == 3  # the teacher who is away, and one for each session
    path = f"/admin/covers/away?school={school.school_id}"
    fields = {"teacher": school.teacher_id, "from": MONDAY, "to": MONDAY}
    none = await pages.send(path, fields)
    assert (none.status_code, "Choose a teacher for at least one session." in visible_text(none)) == (422, True)
    one = {"session": f"{MONDAY}/{school.session_id}", "by": str(colleagues["tom"])}
    answer = await pages.send(path, fields | one)
    assert answer.headers["location"].endswith("&assigned=1")
    second = {"session": f"{MONDAY}/{colleagues['second']}", "by": "", "all": colleagues["eve"]}
    rest = await pages.send(path, fields | second)
    assert rest.headers["location"].endswith("&assigned=1")
    done = visible_text(await pages.open("/admin/covers/away", **query, assigned=1))
    for text in ("1 cover is assigned.", "tom Early", "eve Early", "Every session has a teacher."):
        assert text in done
    empty = visible_text(await pages.open("/admin/covers/away", **(query | {"from": SATURDAY, "to": SATURDAY})))
    assert "teaches nothing on these days" in empty
    wrong = await pages.open("/admin/covers/away", **(query | {"to": "2024-12-01"}))
    assert wrong.status_code == 422


async def test_the_page_says_why_nothing_is_suggested(office: Office) -> None:
    school = office.school
    query: dict[str, Any] = {"school": school.school_id, "teacher": school.teacher_id, "from": MONDAY, "to": MONDAY}
    alone = visible_text(await Pages(office.api).open("/admin/covers/away", **query, suggest="true"))
    assert "Nothing can be suggested: " in alone
