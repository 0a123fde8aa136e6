"""An erasure and what happens at the same time, on Postgres: nothing about the erased person is stored after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adsum.accounts.access import Caller, Role, rights_of
from adsum.accounts.rules import User
from adsum.accounts.second_factors.tables import recovery_codes
from adsum.accounts.sign_ins.half_way import HalfWays
from adsum.accounts.single_sign_on.attempts import Invitation
from adsum.accounts.single_sign_on.rules import Identity, SignInRefused
from adsum.accounts.tables import api_keys, class_covers, identities, pending_sign_ins, sign_ins, users
from adsum.platform.clock import system_clock
from adsum.platform.errors import Invalid, NotFound, Unauthenticated
from adsum.platform.keys import KeyRing
from adsum.privacy.staff import service
from adsum.privacy.staff.repository import erase_person
from adsum.roster.covers.rules import Cover
from adsum.roster.importing.steps import RosterSteps
from tests.privacy.staff.conftest import EMAIL, PASSWORD, SYSTEM, Staff
from tests.roster.conftest import Importing
from tests.roster.files import a_school
from tests.support.schools import make_user
from tests.support.waiting import has_transaction_waiting_for_a_lock, until

ACCOUNT = Identity("https://id.example", "ada", EMAIL, is_verified=True, session=None)
Attempt = Callable[[Staff, Caller, User], Awaitable[object]]


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


async def cover_a_class(staff: Staff, _ada: Caller, _checked: User) -> None:
    today = system_clock().date()
    await staff.adsum.covers.assign(Cover(staff.school.class_id, None, staff.ada, today, today), SYSTEM)


async def begin_a_sign_in(staff: Staff, _ada: Caller, checked: User) -> None:
    """The password was right, and a second factor has to follow."""
    await HalfWays(staff.database, KeyRing.of("k" * 40), system_clock).begin(checked)


ATTEMPTS: dict[str, tuple[Attempt, type[Exception]]] = {
    "sign-in": (lambda staff, _, checked: staff.adsum.tokens.create(EMAIL, checked=checked), Unauthenticated),
    "half-way sign-in": (begin_a_sign_in, Unauthenticated),
    "token": (lambda staff, _ada, _checked: staff.adsum.tokens.create(EMAIL), NotFound),
    "own password": (
        lambda staff, ada, checked: staff.adsum.accounts.choose_password(checked, "purple engine moon", ada),
        Unauthenticated,
    ),
    "new password": (lambda staff, _ada, _checked: staff.adsum.people.new_password(staff.ada, SYSTEM), NotFound),
    "second factor": (lambda staff, ada, _: staff.adsum.second_factors.renew_recovery_codes(ada), Unauthenticated),
    "identity": (lambda staff, _ada, _checked: staff.adsum.identities.user_of(ACCOUNT, None), SignInRefused),
    "invitation": (
        lambda staff, _, user: staff.adsum.identities.user_of(ACCOUNT, Invitation(staff.ada, user.generation)),
        SignInRefused,
    ),
    "own key": (lambda staff, ada, _: staff.adsum.api_keys.create("k", ada.permissions, caller=ada), Unauthenticated),
    "key": (
        lambda staff, ada, _: staff.adsum.api_keys.create("k", ada.permissions, owner=EMAIL, caller=SYSTEM),
        Invalid,
    ),
    "cover": (cover_a_class, Invalid),
}


@pytest.mark.parametrize("name", ATTEMPTS)
@pytest.mark.every_case
async def test_what_meets_an_erasure_waits_for_it_and_stores_nothing(
    staff: Staff, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    attempt, error = ATTEMPTS[name]
    checked = await staff.adsum.accounts.authenticate(EMAIL, PASSWORD)
    ada = Caller(Role.ADMIN, rights_of(Role.ADMIN, None).permissions, staff.ada, sign_in_id=1)
    met: list[asyncio.Future[Any]] = []

    async def erase_while_the_other_waits(*args: object) -> None:
        met.append(asyncio.ensure_future(attempt(staff, ada, checked)))
        await until(lambda: has_transaction_waiting_for_a_lock(staff.database))
        await erase_person(*args)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(service, "erase_person", erase_while_the_other_waits)
    await staff.adsum.staff_erasure.erase(EMAIL, SYSTEM)
    (outcome,) = await asyncio.gather(*met, return_exceptions=True)

    assert isinstance(outcome, error), outcome
    for table in (sign_ins, pending_sign_ins, identities, recovery_codes, class_covers):
        assert await staff.rows(table, user_id=staff.ada) == [], table.name
    assert await staff.rows(api_keys) == []
    row = await staff.user()
    assert (row["email"], row["password_hash"]) == (None, None)


async def test_a_login_is_not_given_to_a_person_who_is_being_erased(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staff.database.transaction() as connection:
        grace = await make_user(connection, Role.TEACHER, staff.school.school_id, source_id="teacher-9")
    met: list[asyncio.Future[Any]] = []

    async def erase_while_the_login_waits(*args: object) -> None:
        login = staff.adsum.people.add_login(
            "grace@school.example", Role.TEACHER, SYSTEM, school_id=staff.school.school_id, teacher="teacher-9"
        )
        met.append(asyncio.ensure_future(login))
        await until(lambda: has_transaction_waiting_for_a_lock(staff.database))
        await erase_person(*args)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(service, "erase_person", erase_while_the_login_waits)
    await staff.adsum.staff_erasure.erase(grace, SYSTEM)
    (outcome,) = await asyncio.gather(*met, return_exceptions=True)

    assert isinstance(outcome, Invalid)
    assert [each.code for each in outcome.violations] == ["unknown_teacher"]
    (row,) = await staff.rows(users, id=grace)
    assert row["email"] is None


async def test_an_erasure_waits_for_a_sign_in_and_ends_it(staff: Staff) -> None:
    """The sign-in has found its user, and has not committed yet."""
    async with staff.database.transaction() as connection:
        user = await service.visible_person(connection, EMAIL, SYSTEM)
        await connection.execute(users.select().where(users.c.id == user.id).with_for_update(read=True, key_share=True))
        erasing = asyncio.ensure_future(staff.adsum.staff_erasure.erase(EMAIL, SYSTEM))
        await until(lambda: has_transaction_waiting_for_a_lock(staff.database))
        now = system_clock()
        values = {"key": "k" * 32, "user_id": staff.ada, "kind": "page", "generation": 0}
        values |= {"created_at": now, "last_used_at": now, "ends_at": now}
        await connection.execute(sign_ins.insert().values(values))
    await erasing
    assert await staff.rows(sign_ins, user_id=staff.ada) == []


async def test_a_person_who_is_erased_during_an_import_that_lists_them_stays_erased(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing, roster = Importing(staff.database), a_school()
    await importing.run(roster)
    (teacher,) = await staff.rows(users, source_id="teacher-1")
    roster.row("users", "teacher-1")["familyName"] = "Changed"
    erasing: list[asyncio.Future[Any]] = []
    finish = RosterSteps.finish

    async def finish_while_the_erasure_waits(steps: RosterSteps) -> None:
        erasing.append(asyncio.ensure_future(staff.adsum.staff_erasure.erase(teacher["id"], SYSTEM)))
        await until(lambda: has_transaction_waiting_for_a_lock(staff.database))
        await finish(steps)

    monkeypatch.setattr(RosterSteps, "finish", finish_while_the_erasure_waits)
    assert (await importing.run(roster)).tables["teachers"].changed == 1
    await asyncio.gather(*erasing)
    monkeypatch.setattr(RosterSteps, "finish", finish)

    (row,) = await staff.rows(users, id=teacher["id"])
    assert (row["family_name"], row["source_id"]) == ("", None)
    report = await importing.run(roster)
    assert [warning.code for warning in report.warnings] == ["erased_person"]
    assert await staff.rows(users, source_id="teacher-1") == []
    await staff.adsum.staff_erasure.readmit(teacher["school_id"], "teacher-1", SYSTEM)
    assert (await importing.run(roster)).tables["teachers"].added == 1
    (again,) = await staff.rows(users, source_id="teacher-1")
    assert (again["id"] != teacher["id"], again["email"]) == (True, None)
