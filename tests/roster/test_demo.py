"""The demo data: the ids of the first request in the documentation, two imported schools, and logins."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import SecretStr

from adsum import wiring
from adsum.accounts.access import Role
from adsum.accounts.passwords.hashing import Passwords
from adsum.accounts.service import Accounts
from adsum.attendance.statuses.repository import find_statuses
from adsum.operations.migrations import tables
from adsum.platform.settings import Settings
from tests.roster.conftest import Importing
from tests.support.schools import make_bare_school, make_class, make_session, make_student


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(database_url=database_url, timezone="Asia/Ho_Chi_Minh", secret_key=SecretStr("k" * 40))


async def test_class_123_has_session_456_and_students_1_to_30(settings: Settings, importing: Importing) -> None:
    await wiring.load_demo(settings)

    school = (await importing.rows(tables.schools))[0]
    assert (school["name"], school["time_zone"]) == ("Demo school", "Asia/Ho_Chi_Minh")
    enrolled = [row for row in await importing.rows(tables.enrolments) if row["class_id"] == 123]
    assert [row["student_id"] for row in enrolled] == list(range(1, 31))
    assert {(row["begin_date"], row["end_date"]) for row in enrolled} == {(date(2024, 9, 2), None)}
    (session,) = [row for row in await importing.rows(tables.sessions) if row["class_id"] == 123]
    assert session["id"] == 456
    names = [row["given_name"] for row in await importing.rows(tables.students)][:30]
    assert len(set(names)) == 30


async def test_a_new_school_in_a_german_time_zone_begins_with_letters_that_nobody_misreads(
    settings: Settings, importing: Importing
) -> None:
    await wiring.load_demo(settings.model_copy(update={"timezone": "Europe/Berlin"}))
    async with importing.database.transaction() as connection:
        existing = await make_bare_school(connection, time_zone="Europe/Berlin")
    async with importing.database.snapshot() as connection:
        ids = [row["id"] for row in await importing.rows(tables.schools)]
        statuses = await find_statuses(connection, ids)

    letters = {school_id: "".join(each.letter for each in of_school) for school_id, of_school in statuses.items()}
    assert letters == dict.fromkeys(ids, "✓FVE") | {existing: "PALE"}


async def test_the_demo_includes_two_larger_schools(settings: Settings, importing: Importing) -> None:
    await wiring.load_demo(settings)

    schools = {row["name"]: row["time_zone"] for row in await importing.rows(tables.schools)}
    assert schools == dict.fromkeys(("Demo school", "Contoso High School", "Fabrikam High School"), "Asia/Ho_Chi_Minh")
    assert len(await importing.rows(tables.students)) == 30 + 86


async def test_each_demo_user_signs_in_with_their_password(settings: Settings, importing: Importing) -> None:
    credentials = await wiring.load_demo(settings)

    accounts = Accounts(importing.database, Passwords())
    users = [await accounts.authenticate(email, password) for email, password in credentials.items()]
    assert {user.email: user.role for user in users} == {
        "admin@school.example": Role.ADMIN,
        "office@school.example": Role.OFFICE,
        "teacher@school.example": Role.TEACHER,
        "viewer@school.example": Role.VIEWER,
        "operator@school.example": Role.OPERATOR,
        "teacher@contoso.example": Role.TEACHER,
    }
    taught = {(row["user_id"], row["class_id"]) for row in await importing.rows(tables.class_teachers)}
    assert (users[2].id, 123) in taught
    assert sum(user_id == users[5].id for user_id, _ in taught) == 2


async def test_loading_the_demo_again_after_a_crash_creates_nothing_twice(
    settings: Settings, importing: Importing
) -> None:
    await wiring.load_demo(settings)
    before = await importing.everything()

    credentials = await wiring.load_demo(settings)

    after = await importing.everything()
    for name in before.keys() - {"users"}:
        assert after[name] == before[name]
    assert len(after["users"]) == len(before["users"])
    user = await Accounts(importing.database, Passwords()).authenticate(
        "teacher@contoso.example", credentials["teacher@contoso.example"]
    )
    assert user.source_id == "14001"


async def test_rows_added_after_the_demo_get_new_ids(settings: Settings, importing: Importing) -> None:
    await wiring.load_demo(settings)

    async with importing.database.transaction() as connection:
        school_id = await make_bare_school(connection)
        class_id = await make_class(connection, school_id)
        assert class_id > 123
        assert await make_session(connection, class_id) > 456
        assert await make_student(connection, school_id) > 30
