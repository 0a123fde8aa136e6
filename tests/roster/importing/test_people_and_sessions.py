"""Teachers and their logins, sessions, students of two schools, and attendance that was recorded before."""

from __future__ import annotations

from datetime import date

from sqlalchemy import update

from adsum.accounts.repository import (
    users_of_emails,
    users_of_ids,
    users_with_email,
)
from adsum.operations.migrations import tables
from adsum.platform.ids import Batch
from adsum.roster.people.repository import set_rights
from tests.roster.conftest import Importing, counts, places_and_codes
from tests.roster.files import SCHOOL, a_class, a_school, enrolment
from tests.support.schools import make_record

TEACHINGS = "teachings"


async def test_a_teacher_who_leaves_cannot_sign_in_and_is_unassigned(importing: Importing) -> None:
    roster = a_school()
    await importing.run(roster)
    async with importing.database.transaction() as connection:
        await connection.execute(update(tables.users).values(email="ada@school.example", password_hash="hash"))
    (before,) = await importing.rows(tables.users)
    roster.drop("users", "teacher-1")

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [("enrollments.csv:5", "unknown_user")]
    assert counts(report)[TEACHINGS] == (0, 0, 1, 0)
    assert await importing.rows(tables.users) == [before | {"left_roster": True, "token_generation": 1}]
    assert [row["end_date"] for row in await importing.rows(tables.class_teachers)] == [date(2024, 10, 15)]


async def test_an_import_does_not_change_logins(importing: Importing) -> None:
    roster = a_school()
    await importing.run(roster)
    login = {"email": "ada@school.example", "password_hash": "hash", "role": "office", "disabled": True}
    async with importing.database.transaction() as connection:
        await connection.execute(update(tables.users).values(**login))
    roster.row("users", "teacher-1")["familyName"] = "King"

    await importing.run(roster)

    (row,) = await importing.rows(tables.users)
    assert row["family_name"] == "King"
    assert {name: row[name] for name in login} == login


async def test_a_teacher_whom_the_roster_disables_cannot_sign_in_until_it_enables_them(importing: Importing) -> None:
    roster = a_school()
    await importing.run(roster)
    async with importing.database.transaction() as connection:
        await connection.execute(update(tables.users).values(email="ada@school.example", password_hash="hash"))

    async def is_disabled() -> bool:
        async with importing.database.snapshot() as connection:
            (user,) = await users_with_email(connection)
            assert await users_of_ids(connection, [user.id]) == {user.id: user}
            assert await users_of_emails(connection, ["ada@school.example"]) == {"ada@school.example": user}
            return user.disabled

    steps = [("false", 1, True, 1), ("", 0, True, 1), ("true", 1, False, 2), ("true", 0, False, 2)]
    for cell, changed, disabled, generation in steps:
        roster.row("users", "teacher-1")["enabledUser"] = cell
        assert counts(await importing.run(roster))["teachers"] == (0, changed, 0, 1 - changed)
        assert await is_disabled() is disabled
        # Tokens of an older generation are refused.
        assert [row["token_generation"] for row in await importing.rows(tables.users)] == [generation]
    roster.row("users", "teacher-1")["familyName"] = "King"
    await importing.run(roster)
    assert [row["token_generation"] for row in await importing.rows(tables.users)] == [2]


async def test_a_login_that_an_admin_enables_stays_enabled_until_the_next_file(importing: Importing) -> None:
    roster = a_school()
    roster.row("users", "teacher-1")["enabledUser"] = "false"
    assert counts(await importing.run(roster))["teachers"] == (1, 0, 0, 0)
    (row,) = await importing.rows(tables.users)
    assert row["enabled_in_roster"] is False
    async with importing.database.transaction() as connection:
        await set_rights(connection, row["id"], {"disabled": False})
    (enabled,) = await importing.rows(tables.users)
    assert (enabled["enabled_in_roster"], enabled["token_generation"]) == (True, row["token_generation"] + 1)

    assert counts(await importing.run(roster))["teachers"] == (0, 1, 0, 0)


async def test_a_roster_does_not_disable_an_admin(importing: Importing) -> None:
    roster = a_school()
    await importing.run(roster)
    async with importing.database.transaction() as connection:
        await connection.execute(update(tables.users).values(email="ada@school.example", role="admin"))
    roster.row("users", "teacher-1")["enabledUser"] = "false"

    await importing.run(roster)

    async with importing.database.snapshot() as connection:
        assert [user.disabled for user in await users_with_email(connection)] == [False]


async def test_grades_are_a_list(importing: Importing) -> None:
    roster = a_school(students=1)
    roster.row("users", "student-1")["grades"] = "09, 10,09"
    await importing.run(roster)

    assert [row["grade"] for row in await importing.rows(tables.students)] == ["09,10"]
    roster.row("users", "student-1")["grades"] = ",".join(map(str, range(500)))
    assert counts(await importing.run(roster))["students"] == (0, 1, 0, 0)


async def test_sessions_are_the_periods_of_a_class(importing: Importing) -> None:
    roster = a_school()
    roster.row("classes", "class-1")["periods"] = "1,2,Homeroom"
    await importing.run(roster)
    roster.row("classes", "class-1")["periods"] = "2,3"

    report = await importing.run(roster)

    assert counts(report)["sessions"] == (1, 0, 2, 1)
    rows = await importing.rows(tables.sessions)
    assert [(row["period"], row["title"], row["active"]) for row in rows] == [
        ("1", "Period 1", False),
        ("2", "Period 2", True),
        ("Homeroom", "Homeroom", False),
        ("3", "Period 3", True),
    ]
    roster.row("classes", "class-1")["periods"] = "1,2,3"
    assert counts(await importing.run(roster))["sessions"] == (0, 1, 0, 2)


async def test_a_class_without_periods_has_one_default_session(importing: Importing) -> None:
    await importing.run(a_school())

    assert [(row["period"], row["title"]) for row in await importing.rows(tables.sessions)] == [("", "Attendance")]


async def test_a_student_of_two_schools_is_one_student(importing: Importing) -> None:
    roster = a_school(students=1)
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school")
    roster.row("users", "student-1")["orgSourcedIds"] = f"{SCHOOL},school-2"
    roster.tables["classes"].append(a_class("class-2", school="school-2"))
    roster.tables["enrollments"].append(enrolment("class-2", "student-1", school="school-2"))

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)["students"] == (2, 0, 0, 0)
    assert await importing.schools("student-1") == [(SCHOOL, True), ("school-2", True)]
    assert {row["student_id"] for row in await importing.rows(tables.enrolments)} == {1}
    assert (await importing.run(roster)).changes_nothing


async def test_a_student_who_leaves_one_of_two_schools_stays_in_the_other(importing: Importing) -> None:
    roster = a_school(students=1)
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school")
    roster.row("users", "student-1")["orgSourcedIds"] = f"{SCHOOL},school-2"
    await importing.run(roster)
    roster.row("users", "student-1")["orgSourcedIds"] = SCHOOL

    report = await importing.run(roster, allow_removals=True)

    assert counts(report)["students"] == (0, 0, 1, 1)
    assert await importing.schools("student-1") == [(SCHOOL, True), ("school-2", False)]


async def test_history_of_attendance_stays_when_a_student_leaves(importing: Importing) -> None:
    roster = a_school(students=1)
    await importing.run(roster)
    (student,) = await importing.rows(tables.students)
    (session,) = await importing.rows(tables.sessions)
    batch = Batch(session["class_id"], session["id"], date(2024, 9, 30))
    async with importing.database.transaction() as connection:
        await make_record(connection, student["school_id"], batch, student["id"])
    before = await importing.rows(tables.attendances)

    roster.drop("users", "student-1")
    await importing.run(roster, allow_removals=True)

    assert await importing.rows(tables.attendances) == before
    assert len(await importing.rows(tables.students)) == 1
