from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from adsum.accounts.access import Role
from adsum.accounts.passwords.hashing import Passwords
from adsum.accounts.rules import EmailTaken, User
from adsum.accounts.service import Accounts
from adsum.platform.database.engine import Database, open_database
from adsum.platform.errors import Invalid, NotFound, Unauthenticated
from adsum.roster.people.service import People
from tests.accounts.conftest import PASSWORD
from tests.support.people import disable, enable
from tests.support.schools import make_bare_school, make_user


async def new_school(database: Database) -> int:
    async with database.transaction() as connection:
        return await make_bare_school(connection)


async def codes_of(attempt: Awaitable[object]) -> set[str]:
    with pytest.raises(Invalid) as caught:
        await attempt
    return {violation.code for violation in caught.value.violations}


async def test_an_admin_of_all_schools_signs_in_with_email_and_password(accounts: Accounts) -> None:
    added = await accounts.add_user(" Admin@School.example ", Role.ADMIN, password=PASSWORD)
    assert added.user == User(added.user.id, "admin@school.example", Role.ADMIN, school_id=None, disabled=False)
    assert await accounts.authenticate("ADMIN@school.example", PASSWORD) == added.user


async def test_the_only_school_need_not_be_named(accounts: Accounts, database: Database) -> None:
    school_id = await new_school(database)
    assert (await accounts.add_user("office@school.example", Role.OFFICE)).user.school_id == school_id


async def test_a_user_added_without_a_password_signs_in_with_a_generated_one(accounts: Accounts) -> None:
    added = await accounts.add_user("admin@school.example", Role.ADMIN)
    assert (await accounts.authenticate("admin@school.example", added.password)).role is Role.ADMIN


async def test_among_several_schools_one_must_be_named(accounts: Accounts, database: Database) -> None:
    first, second = await new_school(database), await new_school(database)
    assert await codes_of(accounts.add_user("a@school.example", Role.VIEWER)) == {"school_missing"}
    unknown = first + second + 1
    assert await codes_of(accounts.add_user("a@school.example", Role.VIEWER, school_id=unknown)) == {"unknown_school"}
    assert (await accounts.add_user("a@school.example", Role.VIEWER, school_id=second)).user.school_id == second


async def test_without_any_school_there_are_only_admins(accounts: Accounts) -> None:
    assert await codes_of(accounts.add_user("a@school.example", Role.TEACHER)) == {"school_missing"}


async def test_all_violations_of_a_new_user_are_reported_at_once(accounts: Accounts) -> None:
    attempt = accounts.add_user("no email", Role.ADMIN, school_id=1, teacher="T1", password="short")
    assert await codes_of(attempt) == {"wrong_email", "wrong_password_length", "not_a_teacher"}


async def test_a_user_cannot_have_the_role_of_an_api_key(accounts: Accounts) -> None:
    assert await codes_of(accounts.add_user("a@school.example", Role.KEY)) == {"unknown_role"}


@pytest.mark.parametrize("email", ["", "a", "a@", "@b.example", "a b@c.example", "a@b@c.example", "a\x00@c.example"])
async def test_an_invalid_email_is_refused(accounts: Accounts, email: str) -> None:
    assert await codes_of(accounts.add_user(email, Role.ADMIN)) == {"wrong_email"}


async def test_an_email_belongs_to_one_user(accounts: Accounts) -> None:
    await accounts.add_user("admin@school.example", Role.ADMIN)
    with pytest.raises(EmailTaken):
        await accounts.add_user("Admin@school.example", Role.ADMIN)


async def test_of_two_users_added_with_one_email_one_fails(accounts: Accounts) -> None:
    attempts = [accounts.add_user("admin@school.example", Role.ADMIN) for _ in range(2)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["EmailTaken", "NewLogin"]


async def test_a_teacher_of_the_roster_gets_a_login_and_keeps_role_and_classes(
    accounts: Accounts, database: Database
) -> None:
    school_id = await new_school(database)
    async with database.transaction() as connection:
        person = await make_user(connection, Role.TEACHER, school_id, source_id="T1")
    added = await accounts.add_user("t@school.example", Role.TEACHER, teacher=" T1\n", password=PASSWORD)
    assert added.user == User(person, "t@school.example", Role.TEACHER, school_id, disabled=False, source_id="T1")
    assert (await accounts.authenticate("t@school.example", PASSWORD)).id == person


async def test_a_teacher_who_is_not_on_the_roster_gets_no_login(accounts: Accounts, database: Database) -> None:
    await new_school(database)
    with pytest.raises(Invalid, match="no such teacher"):
        await accounts.add_user("t@school.example", Role.TEACHER, teacher="T1", password=PASSWORD)
    with pytest.raises(Unauthenticated):
        await accounts.authenticate("t@school.example", PASSWORD)


async def test_a_source_id_with_control_characters_is_refused(accounts: Accounts) -> None:
    for teacher in ("T\n1", "T\x001", "T\udc801"):
        attempt = accounts.add_user("t@school.example", Role.TEACHER, teacher=teacher)
        assert await codes_of(attempt) == {"wrong_text"}


async def test_a_teacher_gets_one_login_only(accounts: Accounts, database: Database) -> None:
    school_id = await new_school(database)
    async with database.transaction() as connection:
        await make_user(connection, Role.TEACHER, school_id, source_id="T1")
    await accounts.add_user("t@school.example", Role.TEACHER, teacher="T1")
    with pytest.raises(EmailTaken):
        await accounts.add_user("u@school.example", Role.TEACHER, teacher="T1")


async def test_a_new_password_replaces_the_old_one(accounts: Accounts) -> None:
    await accounts.add_user("a@school.example", Role.ADMIN, password=PASSWORD)
    generated = (await accounts.set_password("a@school.example")).password
    with pytest.raises(Unauthenticated):
        await accounts.authenticate("a@school.example", PASSWORD)
    assert await accounts.authenticate("a@school.example", generated)
    assert await codes_of(accounts.set_password("a@school.example", "short")) == {"wrong_password_length"}


async def test_wrong_password_unknown_email_no_password_and_disabled_look_the_same(
    accounts: Accounts, people: People, database: Database
) -> None:
    await accounts.add_user("a@school.example", Role.ADMIN, password=PASSWORD)
    await accounts.add_user("off@school.example", Role.ADMIN, password=PASSWORD)
    await disable(people, "off@school.example")
    async with database.transaction() as connection:
        await make_user(connection, Role.ADMIN, email="bare@school.example")
    attempts = [
        ("a@school.example", "wrong horse"),
        ("a@school.example", PASSWORD * 100),
        ("nobody@school.example", PASSWORD),
        ("no email\x00", PASSWORD),
        ("bare@school.example", PASSWORD),
        ("off@school.example", PASSWORD),
    ]
    details: set[str] = set()
    for email, password in attempts:
        with pytest.raises(Unauthenticated) as caught:
            await accounts.authenticate(email, password)
        details.add(caught.value.detail)
    assert len(details) == 1


async def test_an_enabled_user_signs_in_again(accounts: Accounts, people: People) -> None:
    await accounts.add_user("a@school.example", Role.ADMIN, password=PASSWORD)
    assert (await disable(people, "a@school.example")).disabled
    assert not (await enable(people, "a@school.example")).disabled
    assert await accounts.authenticate("a@school.example", PASSWORD)


async def test_an_unknown_user_gets_no_password(accounts: Accounts) -> None:
    with pytest.raises(NotFound):
        await accounts.set_password("a@school.example", PASSWORD)


async def test_during_an_outage_of_the_database_an_installation_is_not_new(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/nowhere/adsum.db")
    assert not await Accounts(database, Passwords()).is_new_installation()
    await database.close()
