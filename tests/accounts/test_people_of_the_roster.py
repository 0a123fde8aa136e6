"""Managing people whom a roster names: their logins, roles and names."""

from __future__ import annotations

import asyncio

import pytest

from adsum.accounts.access import Role
from adsum.accounts.names import NameChange, NameOfRoster, PersonName
from adsum.accounts.rules import EmailTaken
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid, NotFound, Unauthenticated
from adsum.platform.paging import PageRequest
from adsum.roster.people.adoption import adopt
from adsum.roster.people.rules import (
    NoLogin,
    PersonFilters,
    PersonOfRoster,
)
from adsum.roster.people.service import People
from tests.accounts.conftest import PASSWORD
from tests.accounts.managers import ADMIN, new_school, of, refused
from tests.support.schools import assign, make_bare_school, make_school, make_user


async def test_a_login_of_the_roster_keeps_its_school_and_may_get_another_role(
    people: People, database: Database
) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection)
        other = await make_bare_school(connection)
        ada = await make_user(connection, Role.TEACHER, school.school_id, source_id="T7")
        await assign(connection, school.class_id, ada)
    await refused([people.change(ada, {"role": Role.VIEWER}, ADMIN), people.unlock(ada, ADMIN)], NoLogin)
    login = await people.add_login("t@school.example", Role.TEACHER, ADMIN, school_id=school.school_id, teacher="T7")
    assert login.person.id == ada
    await refused([people.change(ada, {"school_id": other}, ADMIN)], PersonOfRoster)
    await refused(
        [people.add_login("u@school.example", Role.TEACHER, ADMIN, school_id=school.school_id, teacher="T7")],
        EmailTaken,
    )
    assert (await people.change(ada, {"role": Role.OFFICE}, ADMIN)).source_id == "T7"
    await refused(
        [people.add_login("u@school.example", Role.TEACHER, ADMIN, school_id=school.school_id, teacher="T7")], Invalid
    )


async def test_a_person_of_the_roster_takes_over_the_unlinked_login_with_their_email(
    people: People, accounts: Accounts, tokens: Tokens, database: Database
) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection)
        names = {"given_name": "Mary", "family_name": "Stone"}
        mary = await make_user(connection, Role.TEACHER, school.school_id, source_id="t-1", **names)
        await assign(connection, school.class_id, mary)
    admin = of(Role.ADMIN, school.school_id)
    unlinked = await people.add_login("Mary@school.example", Role.TEACHER, admin)
    await people.new_password(unlinked.person.id, admin, PASSWORD)
    token = (await tokens.create("mary@school.example")).text
    linked = await people.add_login(" mary@School.example", Role.TEACHER, admin, teacher=" t-1")
    row = linked.person
    assert (row.id, row.source_id, row.given_name, row.family_name) == (unlinked.person.id, "t-1", "Mary", "Stone")
    assert [each.class_id for each in (await people.find(row.id, admin)).teachings] == [school.class_id]
    assert [each.row for each in (await people.page(PersonFilters(words="stone"), admin, PageRequest())).items] == [row]
    await refused([people.find(mary, admin)], NotFound)
    with pytest.raises(Unauthenticated):
        await tokens.caller_of(token)
    assert (await accounts.authenticate("mary@school.example", linked.password)).id == row.id
    await refused([people.add_login("mary@school.example", Role.TEACHER, admin, teacher="t-1")], EmailTaken)


async def test_no_other_login_becomes_that_of_a_person_of_the_roster(people: People, database: Database) -> None:
    school_id, other = await new_school(database), await new_school(database)
    async with database.transaction() as connection:
        await make_user(connection, Role.TEACHER, school_id, source_id="t-1")
        await make_user(connection, Role.TEACHER, school_id, source_id="t-2")
    await people.add_login("o@school.example", Role.OFFICE, ADMIN, school_id=school_id)
    await people.add_login("e@school.example", Role.TEACHER, ADMIN, school_id=other)
    await people.add_login("t@school.example", Role.TEACHER, ADMIN, school_id=school_id, teacher="t-2")
    for email, why in (("o", "has the role office"), ("e", "another user"), ("t", "another user")):
        with pytest.raises(EmailTaken, match=why):
            await people.add_login(
                f"{email}@school.example", Role.TEACHER, ADMIN, school_id=school_id, teacher="t-1", password=PASSWORD
            )
    await people.add_login("u@school.example", Role.TEACHER, ADMIN, school_id=school_id)
    for teacher in ("t-2", "t-9"):  # one with a login, and nobody
        with pytest.raises(EmailTaken):
            await people.add_login("u@school.example", Role.TEACHER, ADMIN, school_id=school_id, teacher=teacher)


async def test_a_login_that_is_linked_meanwhile_stays(people: People, database: Database) -> None:
    school_id = await new_school(database)
    async with database.transaction() as connection:
        await make_user(connection, Role.TEACHER, school_id, source_id="t-1")
    await people.add_login("t@school.example", Role.TEACHER, ADMIN, school_id=school_id)
    add = [
        people.add_login("t@school.example", Role.TEACHER, ADMIN, school_id=school_id, teacher="t-1") for _ in range(2)
    ]
    results = await asyncio.gather(*add, return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["EmailTaken", "GivenPassword"]


async def test_a_login_that_is_linked_while_the_password_is_hashed_stays(
    people: People, accounts: Accounts, database: Database
) -> None:
    school_id = await new_school(database)
    async with database.transaction() as connection:
        await make_user(connection, Role.TEACHER, school_id, source_id="t-1")
    await people.add_login("t@school.example", Role.TEACHER, ADMIN, school_id=school_id, teacher="t-1")
    prepared = await accounts.prepare_password(PASSWORD, ["t@school.example"])
    async with database.transaction() as connection:
        assert await adopt(connection, "t@school.example", school_id, "t-1", prepared, ADMIN) is None


async def test_a_teacher_whom_the_roster_disabled_can_be_disabled_for_good(people: People, database: Database) -> None:
    school_id = await new_school(database)
    async with database.transaction() as connection:
        ada = await make_user(
            connection, Role.TEACHER, school_id, source_id="T7", email="t@school.example", left_roster=True
        )
    assert (await people.find(ada, ADMIN)).row.disabled
    await people.change(ada, {"disabled": True}, ADMIN)
    enabled = await people.change(ada, {"disabled": False}, ADMIN)
    assert (enabled.disabled, enabled.left_roster) == (False, False)


async def test_a_leaver_stays_disabled_in_another_role(people: People, database: Database) -> None:
    """The roster disables teachers only: as a viewer, the leaver could sign in again."""
    school_id = await new_school(database)
    async with database.transaction() as connection:
        left = {"source_id": "T7", "email": "t@school.example", "left_roster": True}
        off = {"source_id": "T8", "email": "u@school.example", "enabled_in_roster": False}
        leavers = [await make_user(connection, Role.TEACHER, school_id, **each) for each in (left, off)]
    for leaver in leavers:
        assert (await people.change(leaver, {"role": Role.VIEWER}, ADMIN)).disabled
    again = await people.change(leavers[0], {"role": Role.OFFICE, "disabled": False}, ADMIN)
    assert (again.role, again.disabled) == (Role.OFFICE, False)


async def test_the_name_of_a_person_of_the_roster_is_neither_typed_nor_changed(
    people: People, database: Database
) -> None:
    school_id = await new_school(database)
    async with database.transaction() as connection:
        await make_user(connection, Role.TEACHER, school_id, source_id="t-1", given_name="Eve", family_name="Early")
    admin = of(Role.ADMIN, school_id)
    with pytest.raises(Invalid) as refused:
        await people.add_login("e", Role.TEACHER, admin, teacher="t-1", name=PersonName("Eva", ""))
    assert [violation.code for violation in refused.value.violations] == ["wrong_email", "name_of_roster"]
    login = await people.add_login("e@a.example", Role.TEACHER, admin, teacher="t-1", name=PersonName("", ""))
    assert login.person.name == PersonName("Eve", "Early")
    with pytest.raises(NameOfRoster):
        await people.change(login.person.id, {"name": NameChange("Eva", "Early"), "disabled": True}, admin)
    assert not (await people.find(login.person.id, admin)).row.disabled
