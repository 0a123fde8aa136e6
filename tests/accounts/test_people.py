"""Managing people: within the caller's schools and permissions."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select

from adsum.accounts.access import Caller, Permission, Rights, Role, rights_of
from adsum.accounts.names import NameChange, PersonName
from adsum.accounts.passwords.hashing import Passwords
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.accounts.tables import class_covers, class_teachers
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden, Invalid, NotFound, Unauthenticated
from adsum.platform.paging import PageRequest
from adsum.roster.people.rules import (
    LastAdmin,
    OwnLogin,
    PersonChange,
    PersonFilters,
    grantable_roles,
)
from adsum.roster.people.service import People
from tests.accounts.conftest import PASSWORD
from tests.accounts.managers import ADMIN, new_school, of, refused
from tests.support.schools import assign, caller, make_bare_school, make_class, make_school, make_user


async def test_managing_logins_needs_the_permission(people: People, database: Database) -> None:
    school_id = await new_school(database)
    viewer = (await people.add_login("v@school.example", Role.VIEWER, ADMIN, school_id=school_id)).person.id
    office = of(Role.OFFICE, school_id)
    attempts = [
        people.add_login("a@school.example", Role.VIEWER, office, school_id=school_id),
        people.new_password(viewer, office),
        people.change(viewer, {"disabled": True}, office),
        people.unlock(viewer, office),
        people.sign_out(viewer, office),
        people.find(viewer, office),
        people.page(PersonFilters(), office, PageRequest()),
        people.page(PersonFilters(school_id), of(Role.TEACHER, school_id), PageRequest()),
    ]
    await refused(attempts, Forbidden)
    assert (await people.page(PersonFilters(school_id), office, PageRequest())).items


async def test_a_login_is_added_gets_a_new_password_and_is_disabled_and_enabled(
    people: People, accounts: Accounts, database: Database
) -> None:
    school_id = await new_school(database)
    admin = of(Role.ADMIN, school_id)
    await people.add_login("v@school.example", Role.VIEWER, admin)
    password = (await people.new_password("V@school.example", admin)).password
    assert (await people.change("v@school.example", {"disabled": True}, admin)).disabled
    with pytest.raises(Unauthenticated):
        await accounts.authenticate("v@school.example", password)
    assert not (await people.change("v@school.example", {"disabled": False}, admin)).disabled
    assert (await accounts.authenticate("v@school.example", password)).school_id == school_id
    chosen = await people.new_password("v@school.example", admin, PASSWORD)
    assert (chosen.password, chosen.person.has_first_password) == (PASSWORD, False)
    await refused([people.new_password("v@school.example", admin, "short")], Invalid)


async def test_every_violation_of_a_new_login_is_reported(people: People, database: Database) -> None:
    await new_school(database)
    with pytest.raises(Invalid) as caught:
        await people.add_login("no email", Role.VIEWER, ADMIN, school_id=4711, teacher="T\n1")
    codes = {violation.code for violation in caught.value.violations}
    assert codes == {"wrong_email", "not_a_teacher", "wrong_text", "unknown_school"}


def every_action(people: People, who: int | str, admin: Caller) -> list[Coroutine[Any, Any, object]]:
    return [
        people.find(who, admin),
        people.new_password(who, admin),
        people.change(who, {"disabled": True}, admin),
        people.unlock(who, admin),
        people.sign_out(who, admin),
    ]


async def test_an_admin_of_a_school_gives_the_roles_of_their_school(people: People, database: Database) -> None:
    own, other = await new_school(database), await new_school(database)
    admin = of(Role.ADMIN, own)
    assert grantable_roles(admin, own) == [Role.ADMIN, Role.OFFICE, Role.TEACHER, Role.VIEWER]
    assert grantable_roles(admin, other) == grantable_roles(admin, None) == []
    second = (await people.add_login("b@school.example", Role.ADMIN, admin, school_id=own)).person
    assert (second.role, second.school_id) == (Role.ADMIN, own)
    await people.new_password(second.id, admin)


async def test_an_admin_of_a_school_manages_it_and_nothing_else(people: People, database: Database) -> None:
    own, other = await new_school(database), await new_school(database)
    admin = of(Role.ADMIN, own)
    second = (await people.add_login("b@school.example", Role.ADMIN, admin, school_id=own)).person
    operator = (await people.add_login("op@school.example", Role.OPERATOR, ADMIN, school_id=own)).person.id
    district = (await people.add_login("d@school.example", Role.ADMIN, ADMIN)).person.id
    elsewhere = (await people.add_login("e@school.example", Role.VIEWER, ADMIN, school_id=other)).person.id
    forbidden = [
        people.add_login("x@school.example", Role.ADMIN, admin),
        people.add_login("x@school.example", Role.OPERATOR, admin, school_id=own),
        people.new_password(operator, admin),
        people.change(second.id, {"school_id": None}, admin),
        people.change(second.id, {"role": Role.OPERATOR}, admin),
        people.page(PersonFilters(of_district=True), admin, PageRequest()),
    ]
    await refused(forbidden, Forbidden)
    unseen = [
        action for who in (district, elsewhere, "d@school.example", 4711) for action in every_action(people, who, admin)
    ]
    await refused([*unseen, people.page(PersonFilters(other), admin, PageRequest())], NotFound)
    unknown = [
        people.add_login("x@school.example", Role.VIEWER, admin, school_id=other),
        people.change(second.id, {"school_id": other}, admin),
        people.change(second.id, {"role": Role.VIEWER, "school_id": None}, admin),
        people.change(second.id, {"role": Role.KEY}, admin),
    ]
    await refused(unknown, Invalid)
    listed = (await people.page(PersonFilters(), admin, PageRequest())).items
    assert [person.row.id for person in listed] == [second.id, operator]


async def test_an_office_manages_teachers_and_viewers_if_its_school_lets_it(people: People, database: Database) -> None:
    school_id = await new_school(database)
    office = of(Role.OFFICE, school_id, office_manages_logins=True)
    assert grantable_roles(office, school_id) == [Role.TEACHER, Role.VIEWER]
    viewer = (await people.add_login("v@school.example", Role.VIEWER, office)).person.id
    assert (await people.change(viewer, {"role": Role.TEACHER}, office)).role == Role.TEACHER
    colleague = (await people.add_login("o@school.example", Role.OFFICE, ADMIN, school_id=school_id)).person.id
    admin = (await people.add_login("a@school.example", Role.ADMIN, ADMIN, school_id=school_id)).person.id
    attempts = [
        people.add_login("x@school.example", Role.OFFICE, office),
        people.change(viewer, {"role": Role.OFFICE}, office),
        people.new_password(colleague, office),
        people.new_password(admin, office),
        people.change(admin, {"disabled": True}, office),
    ]
    await refused(attempts, Forbidden)


async def test_a_change_of_rights_ends_the_sign_ins_and_holds_for_the_next_one(
    people: People, accounts: Accounts, tokens: Tokens, database: Database
) -> None:
    school_id = await new_school(database)
    await accounts.add_user("v@school.example", Role.VIEWER, password=PASSWORD)
    token = (await tokens.create("v@school.example")).text
    same = await people.change("v@school.example", {"role": Role.VIEWER}, ADMIN)
    assert (await tokens.caller_of(token)).role is Role.VIEWER

    changed = await people.change("v@school.example", {"role": Role.ADMIN}, ADMIN)
    assert changed == replace(same, role=Role.ADMIN)
    with pytest.raises(Unauthenticated):
        await tokens.caller_of(token)
    caller = await tokens.caller_of((await tokens.create("v@school.example")).text)
    assert (caller.role, caller.schools) == (Role.ADMIN, {school_id})
    assert Permission.USER_MANAGE in caller.permissions
    assert Permission.METRICS_READ not in caller.permissions

    await people.change("v@school.example", {"school_id": None}, ADMIN)
    caller = await tokens.caller_of((await tokens.create("v@school.example")).text)
    assert Rights(caller.permissions, caller.schools) == rights_of(Role.ADMIN, None)


async def test_unlocking_and_signing_out_end_what_they_say(people: People, accounts: Accounts, tokens: Tokens) -> None:
    login = await accounts.add_user("a@school.example", Role.ADMIN, password=PASSWORD)
    token = (await tokens.create("a@school.example")).text
    await people.unlock(login.user.id, ADMIN)
    assert await accounts.unlocks_of("a@school.example") == 1
    assert await tokens.caller_of(token)
    await people.sign_out(login.user.id, ADMIN)
    with pytest.raises(Unauthenticated):
        await tokens.caller_of(token)


async def test_nobody_changes_their_own_rights_or_resets_their_own_password(people: People) -> None:
    login = (await people.add_login("a@school.example", Role.ADMIN, ADMIN)).person
    await people.add_login("b@school.example", Role.ADMIN, ADMIN)
    own = of(Role.ADMIN, None, user_id=login.id)
    attempts = [
        people.change(login.id, {"disabled": True}, own),
        people.new_password(login.id, own),
    ]
    await refused(attempts, OwnLogin)
    assert await people.change(login.id, {"role": Role.ADMIN}, own) == login
    assert await people.sign_out(login.id, own) == login


async def test_the_last_active_admin_of_the_district_stays(people: People, database: Database) -> None:
    school_id = await new_school(database)
    first = (await people.add_login("a@school.example", Role.ADMIN, ADMIN)).person.id
    second = (await people.add_login("b@school.example", Role.ADMIN, ADMIN)).person.id
    await people.add_login("c@school.example", Role.ADMIN, ADMIN, school_id=school_id)
    async with database.transaction() as connection:
        await make_user(connection, Role.ADMIN)  # cannot sign in
    await people.change(second, {"disabled": True}, ADMIN)
    losses: list[PersonChange] = [
        {"disabled": True},
        {"school_id": school_id},
        {"role": Role.VIEWER, "school_id": school_id},
    ]
    await refused([people.change(first, loss, ADMIN) for loss in losses], LastAdmin)
    await people.change(second, {"disabled": False}, ADMIN)
    assert (await people.change(first, losses[2], ADMIN)).role == Role.VIEWER


async def test_of_admins_who_disable_each_other_one_stays(database: Database) -> None:
    await disable_each_other(database)


async def test_of_admins_who_disable_each_other_one_stays_on_postgres(postgres_database: Database) -> None:
    """The lock of roles is there only."""
    await disable_each_other(postgres_database)


async def disable_each_other(database: Database) -> None:
    people = People(database, Accounts(database, Passwords()), system_clock)
    admins = [(await people.add_login(f"{name}@school.example", Role.ADMIN, ADMIN)).person.id for name in "abcd"]
    callers = [of(Role.ADMIN, None, user_id=each) for each in admins]
    attempts = [
        people.change(admin, {"disabled": True}, caller)
        for admin in admins
        for caller in callers
        if caller.user_id != admin
    ]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert {type(outcome).__name__ for outcome in outcomes} == {"PersonRow", "LastAdmin"}
    found = (await people.page(PersonFilters(of_district=True, disabled=False), ADMIN, PageRequest())).items
    assert len(found) == 1


async def test_a_new_school_or_role_ends_assignments_and_covers(people: People, database: Database) -> None:
    now = datetime(2024, 12, 25, 8, tzinfo=UTC)
    people = People(database, Accounts(database, Passwords()), lambda: now)
    async with database.transaction() as connection:
        school, other = await make_school(connection), await make_bare_school(connection)
        ada = await make_user(connection, Role.TEACHER, school.school_id, email="t@school.example")
        await assign(connection, school.class_id, ada, begin=date(2024, 9, 2))
        await assign(connection, school.class_id, ada, begin=date(2025, 1, 7), end=date(2025, 2, 1))
        await assign(connection, school.class_id, ada, begin=date(2023, 9, 2), end=date(2024, 7, 1))
        for first, last in (("2024-12-20", "2024-12-31"), ("2025-01-08", "2025-01-09"), ("2024-12-01", "2024-12-02")):
            values = {
                "school_id": school.school_id,
                "class_id": school.class_id,
                "user_id": ada,
                "begin_date": date.fromisoformat(first),
                "end_date": date.fromisoformat(last),
                "created_at": now,
                "created_role": "office",
            }
            await connection.execute(insert(class_covers).values(values))
    await people.change(ada, {"school_id": other}, ADMIN)
    async with database.snapshot() as connection:
        t, c = class_teachers.c, class_covers.c
        taught = await connection.scalars(select(t.end_date).where(t.user_id == ada).order_by(t.begin_date))
        assert list(taught) == [date(2024, 7, 1), date(2024, 12, 25), date(2025, 1, 7)]
        covered = await connection.scalars(select(c.end_date).where(c.user_id == ada).order_by(c.begin_date))
        assert list(covered) == [date(2024, 12, 2), date(2024, 12, 25)]


async def test_the_list_shows_classes_and_is_searched_and_filtered(
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
    words = PersonFilters(school.school_id, words="byr t7")
    (found,) = (await people.page(words, office, PageRequest())).items
    assert [(each.title, each.end_date) for each in found.teachings] == [("7b", None), ("6b", date(2024, 7, 1))]
    of_all = PersonFilters(of_district=True, words="ROOT@school")
    (admin,) = (await people.page(of_all, ADMIN, PageRequest())).items
    assert admin.row.email == "root@school.example"
    for filters, count in (
        (PersonFilters(), 3),
        (PersonFilters(role=Role.TEACHER), 2),
        (PersonFilters(with_login=True), 1),
        (PersonFilters(with_login=False), 2),
        (PersonFilters(disabled=True), 0),
    ):
        assert len((await people.page(filters, ADMIN, PageRequest())).items) == count


async def test_the_list_has_pages(people: People, database: Database) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection)
        ada = await make_user(connection, Role.TEACHER, school.school_id, source_id="T7")
    office = caller(Role.OFFICE, school.school_id)

    first = await people.page(PersonFilters(school.school_id), office, PageRequest(limit=1))
    second = await people.page(PersonFilters(school.school_id), office, PageRequest(first.next_cursor, 1))
    assert [person.row.id for person in second.items] == [ada]


async def test_a_login_is_added_with_a_name_and_gets_another_one_which_ends_no_sign_in(
    people: People, tokens: Tokens, database: Database
) -> None:
    school_id = await new_school(database)
    admin = of(Role.ADMIN, school_id)
    added = await people.add_login("t@a.example", Role.VIEWER, admin, name=PersonName("Thea", "Todd"))
    assert added.person.name == PersonName("Thea", "Todd")
    token = (await tokens.create("t@a.example")).text
    renamed = await people.change("t@a.example", {"name": NameChange("Thea", "Öz")}, admin)
    assert renamed.name == PersonName("Thea", "Öz")
    assert (await tokens.caller_of(token)).user_id == renamed.id
    found = await people.page(PersonFilters(school_id, words="oez"), admin, PageRequest())
    assert [person.row.id for person in found.items] == [renamed.id]
    own = await people.change(renamed.id, {"name": NameChange("", "Todd")}, of(Role.ADMIN, None, user_id=renamed.id))
    assert own.name == PersonName("", "Todd")


async def test_a_wrong_name_is_refused_with_all_other_violations(people: People, database: Database) -> None:
    admin = of(Role.ADMIN, await new_school(database))
    with pytest.raises(Invalid) as refused:
        await people.add_login("v", Role.VIEWER, admin, name=PersonName("", ""))
    assert [violation.code for violation in refused.value.violations] == ["wrong_email", "name_missing"]
    person = (await people.add_login("v@a.example", Role.VIEWER, admin)).person
    with pytest.raises(Invalid) as refused:
        await people.change(person.id, {"name": NameChange("", ""), "school_id": 99}, admin)
    assert [violation.code for violation in refused.value.violations] == ["unknown_school", "name_missing"]
