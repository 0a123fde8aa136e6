"""Managing people: within the caller's schools and permissions."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import date

import pytest

from adsum.accounts.access import PERMISSIONS, Caller, Permission, Role, system_caller
from adsum.accounts.service import Accounts
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden, Invalid, NotFound, Unauthenticated
from adsum.platform.paging import PageRequest
from adsum.roster.people.rules import PersonFilters, grantable_roles
from adsum.roster.people.service import OwnLogin, People
from tests.accounts.conftest import PASSWORD, new_factors, unused_attempts
from tests.support.schools import assign, caller, make_bare_school, make_class, make_school, make_user

ADMIN = system_caller()


@pytest.fixture
def people(database: Database, accounts: Accounts) -> People:
    return People(database, accounts, new_factors(database, unused_attempts()))


async def new_school(database: Database) -> int:
    async with database.transaction() as connection:
        return await make_bare_school(connection)


def head_of(school_id: int) -> Caller:
    """Returns a caller with the permissions of the office of a school, and that to manage logins."""
    permissions = PERMISSIONS[Role.OFFICE] | {Permission.USER_MANAGE}
    return replace(caller(Role.OFFICE, school_id), permissions=permissions)


async def refused(attempts: Sequence[Awaitable[object]], error: type[Exception]) -> None:
    for attempt in attempts:
        with pytest.raises(error):
            await attempt


async def test_managing_logins_needs_the_permission(people: People, database: Database) -> None:
    school_id = await new_school(database)
    await people.add_login("v@school.example", Role.VIEWER, ADMIN, school_id=school_id)
    office = caller(Role.OFFICE, school_id)
    attempts = [
        people.add_login("a@school.example", Role.VIEWER, office, school_id=school_id),
        people.new_password("v@school.example", office),
        people.disable("v@school.example", office),
        people.enable("v@school.example", office),
        people.page(PersonFilters(None), office, PageRequest()),
        people.page(PersonFilters(school_id), caller(Role.TEACHER, school_id), PageRequest()),
    ]
    await refused(attempts, Forbidden)


async def test_a_login_is_added_gets_a_new_password_and_is_disabled_and_enabled(
    people: People, accounts: Accounts, database: Database
) -> None:
    school_id = await new_school(database)
    head = head_of(school_id)
    await people.add_login("v@school.example", Role.VIEWER, head, school_id=school_id)
    login = await people.new_password("V@school.example", head)
    assert (await people.disable("v@school.example", head)).disabled
    with pytest.raises(Unauthenticated):
        await accounts.authenticate("v@school.example", login.password)
    assert not (await people.enable("v@school.example", head)).disabled
    assert (await accounts.authenticate("v@school.example", login.password)).school_id == school_id


async def test_a_caller_cannot_grant_more_than_their_own_permissions(people: People, database: Database) -> None:
    school_id = await new_school(database)
    await people.add_login("a@school.example", Role.ADMIN, ADMIN, school_id=None)
    await people.add_login("o@school.example", Role.OPERATOR, ADMIN, school_id=school_id)
    head = head_of(school_id)
    assert grantable_roles(head) == [Role.OFFICE, Role.TEACHER, Role.VIEWER]
    assert grantable_roles(ADMIN) == [Role.ADMIN, Role.OFFICE, Role.TEACHER, Role.VIEWER, Role.OPERATOR]
    of_one_school = replace(ADMIN, schools=frozenset({school_id}))
    attempts = [
        people.add_login("b@school.example", Role.OPERATOR, head, school_id=school_id),
        people.new_password("o@school.example", head),
        people.add_login("b@school.example", Role.ADMIN, of_one_school, school_id=None),
    ]
    await refused(attempts, Forbidden)


async def test_logins_of_other_schools_are_not_found(people: People, database: Database) -> None:
    own, other = await new_school(database), await new_school(database)
    await people.add_login("v@school.example", Role.VIEWER, ADMIN, school_id=other)
    await people.add_login("a@school.example", Role.ADMIN, ADMIN, school_id=None)
    head = head_of(own)
    attempts = [
        people.add_login("b@school.example", Role.VIEWER, head, school_id=other),
        people.new_password("v@school.example", head),
        people.disable("a@school.example", head),
        people.enable("nobody@school.example", head),
        people.page(PersonFilters(other), head, PageRequest()),
    ]
    await refused(attempts, NotFound)
    with pytest.raises(Forbidden):
        await people.page(PersonFilters(None), head, PageRequest())
    with pytest.raises(Invalid):
        await people.add_login("b@school.example", Role.VIEWER, head, school_id=None)


async def test_a_caller_cannot_disable_their_own_login(people: People) -> None:
    login = await people.add_login("a@school.example", Role.ADMIN, ADMIN, school_id=None)
    with pytest.raises(OwnLogin):
        await people.disable("a@school.example", caller(Role.ADMIN, user_id=login.user.id))


async def test_the_list_shows_classes_and_is_searched_by_words(
    people: People, accounts: Accounts, database: Database
) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection)
        ada = await make_user(
            *(connection, Role.TEACHER, school.school_id),
            given_name="Ada",
            family_name="Byron",
            source_id="T7",
        )
        old = await make_class(connection, school.school_id, title="6b")
        await assign(connection, old, ada, begin=date(2023, 9, 1), end=date(2024, 7, 1))
        await assign(connection, school.class_id, ada, begin=date(2024, 9, 2))
    await accounts.add_user("root@school.example", Role.ADMIN, password=PASSWORD)

    office = caller(Role.OFFICE, school.school_id)
    everyone = await people.page(PersonFilters(school.school_id), office, PageRequest())
    assert [person.row.id for person in everyone.items] == [school.teacher_id, ada]
    (found,) = (await people.page(PersonFilters(school.school_id, "byr t7"), office, PageRequest())).items
    assert [(each.title, each.end_date) for each in found.teachings] == [("7b", None), ("6b", date(2024, 7, 1))]
    (admin,) = (await people.page(PersonFilters(None, "ROOT@school"), ADMIN, PageRequest())).items
    assert admin.row.email == "root@school.example"

    first = await people.page(PersonFilters(school.school_id), office, PageRequest(limit=1))
    second = await people.page(PersonFilters(school.school_id), office, PageRequest(first.next_cursor, 1))
    assert [person.row.id for person in second.items] == [ada]
